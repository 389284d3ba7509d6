"""From the detector's heat to boxes, and from boxes to upright strips of letters."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from workers.checks.port import Pixels
from workers.checks.text_models import Heat

Quad = npt.NDArray[np.float32]
"""Four corners x, y in pixels, clockwise from the top left; shape (4, 2)."""
Outline = npt.NDArray[np.int32]
"""Points x, y of a closed outline, pixels; shape (n, 2)."""
HOT: Final = 0.3
"""Heat from which a pixel belongs to text."""
GROWN: Final = 1.6
"""The detector was taught shrunken boxes: they grow by this much of area over perimeter on every side."""
SIDE_MIN: Final = 3
"""Boxes with a shorter side hold no letters, pixels."""
BOXES_MAX: Final = 1000
"""Most boxes of one picture, the largest first: more are texture."""
UPRIGHT_MAX: Final = 1.5
"""Boxes higher than this many times their width are read lying: a column of type, turned."""


def components(heat: Heat) -> list[Outline]:
    """The outlines of what is hot, the longest first, each of shape (n, 2), in pixels of the heat."""
    hot = cv2.dilate((heat > HOT).astype(np.uint8), np.ones((2, 2), np.uint8))
    outlines, tree = cv2.findContours(hot, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    # What has a parent is a hole.
    found = (
        [np.asarray(o, np.int32).reshape(-1, 2) for o, t in zip(outlines, tree[0], strict=True) if t[3] < 0]
        if len(outlines)
        else []
    )
    return sorted(found, key=lambda o: -cv2.arcLength(o, True))[:BOXES_MAX]


def quads(heat: Heat, box_threshold: float, size: tuple[int, int]) -> list[Quad]:
    """Boxes of lines, in pixels of a picture of `size` (width, height) of which the heat is a scaled view.

    Those are kept whose mean heat is at least `box_threshold`.
    """
    scale = np.array([size[0] / heat.shape[1], size[1] / heat.shape[0]], np.float32)
    out: list[Quad] = []
    for outline in components(heat):
        (x, y), (width, height), angle = cv2.minAreaRect(outline)
        if min(width, height) < SIDE_MIN:
            continue
        corners = np.asarray(cv2.boxPoints(((x, y), (width, height), angle)), np.float32)
        if mean_heat(heat, corners) < box_threshold:
            continue
        more = GROWN * width * height / (width + height)
        grown = cv2.boxPoints(((x, y), (width + more, height + more), angle))
        quad = _clockwise(np.clip(grown * scale, 0, [size[0], size[1]]).astype(np.float32))
        if min(np.linalg.norm(quad[0] - quad[1]), np.linalg.norm(quad[0] - quad[3])) > SIDE_MIN:
            out.append(quad)
    return out


def mean_heat(heat: Heat, corners: npt.NDArray[np.float32]) -> float:
    """Mean within a polygon."""
    left, top = np.maximum(np.floor(corners.min(axis=0)).astype(int), 0)
    right, bottom = np.ceil(corners.max(axis=0)).astype(int) + 1
    part = heat[top:bottom, left:right]
    mask = np.zeros(part.shape, np.uint8)
    cv2.fillPoly(mask, [(corners - [left, top]).astype(np.int32)], 1)
    return float(part[mask > 0].mean()) if mask.any() else 0.0


def strip_of(pixels: Pixels, quad: Quad) -> Pixels:
    """What stands in a box, upright; a box much higher than wide is laid on its side."""
    width = int(max(np.linalg.norm(quad[0] - quad[1]), np.linalg.norm(quad[2] - quad[3]), 1))
    height = int(max(np.linalg.norm(quad[0] - quad[3]), np.linalg.norm(quad[1] - quad[2]), 1))
    there = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    strip = cv2.warpPerspective(
        pixels,
        cv2.getPerspectiveTransform(quad, there),
        (width, height),
        flags=cv2.INTER_CUBIC,
        borderMode=cv2.BORDER_REPLICATE,
    ).astype(np.uint8)
    return np.rot90(strip) if height >= UPRIGHT_MAX * width else strip


def lying(quad: Quad) -> Quad:
    """The corners of a box in the order of the strip that `strip_of` cuts: text runs from the first to the second."""
    width = max(np.linalg.norm(quad[0] - quad[1]), np.linalg.norm(quad[2] - quad[3]))
    height = max(np.linalg.norm(quad[0] - quad[3]), np.linalg.norm(quad[1] - quad[2]))
    return np.roll(quad, -1, axis=0) if height >= UPRIGHT_MAX * width else quad


def _clockwise(corners: npt.NDArray[np.float32]) -> Quad:
    """From the top left, as far as a slanted box has one."""
    by_x = corners[np.argsort(corners[:, 0], kind="stable")]
    left, right = by_x[:2], by_x[2:]
    (tl, bl), (tr, br) = left[np.argsort(left[:, 1])], right[np.argsort(right[:, 1])]
    return np.array([tl, tr, br, bl], np.float32)
