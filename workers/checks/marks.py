"""Marks that look like a logo: small, crisp, of few colours, alone on a calm ground near a corner or an edge's middle.

That is where people put a mark, and where models invent one. Of invented marks only these are seen: one amid the
picture, on a busy ground, faint, or as plain as a disc is not, for a sun or a button is one too. What is lettering is
left to the text readers. Most of what looks so is a part of the picture, so a find is shown to a person at most.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

import cv2
import numpy as np
import numpy.typing as npt

from schemas.events import Box, Region, RegionKind
from workers.checks.aesthetic import reduced
from workers.checks.logo_search import edges, shrunk
from workers.checks.palette import main_colours
from workers.checks.port import Pixels
from workers.colour import Floats

CV: Final = cast("Any", cv2)
"""Its stubs know neither the kinds of numbers in an array nor that a mask may be None."""

SIDE: Final = 384
"""Longer side of the picture that is searched, pixels."""
EDGE: Final = 0.3
"""Edge, 0 to 1 as `edges` has it, that belongs to a drawing."""
JOIN: Final = 0.015
"""Edges nearer than this share of the shorter side belong together."""
SIZES: Final = (0.04, 0.24)
"""Sides of a mark as shares of the picture's shorter one."""
LONGEST: Final = 3.0
"""Longer side over shorter; longer ones are lettering, rules and horizons."""
CORNER: Final = 0.27
"""How far from a corner, in shares of the sides, the middle of a mark may be."""
MIDDLE: Final = (0.12, 0.16)
"""How far from the middle of the upper or lower edge: along it and away from it."""
RING: Final = 0.35
"""Width of the ground about it that must be calm, as a share of its shorter side."""
RING_SPREAD: Final = 7.0
"""Distance in L*a*b* from its median that nine tenths of that ground keep."""
CONTRAST: Final = 25.0
"""Distance in L*a*b* from the ground from which pixels belong to the mark; and the least median of it."""
FILLED: Final = (0.12, 0.9)
"""Share of its box that a mark fills."""
FLAT: Final = 10.0
"""Mean distance in L*a*b* that its pixels may keep from its main colours."""
ROUGH: Final = 1.6
"""Outline squared over 4π times the area, from which one piece is no plain shape: 1 is a disc, 1.27 a square."""
CORNERS: Final = 4
"""A piece whose outline is convex with no more corners is a plain shape, however rough: triangles are 1.65 and more."""
STRAIGHT: Final = 0.04
"""How far an outline may keep from the straight lines between its corners, as a share of its length."""
DETAIL: Final = 0.08
"""Share of its inner pixels that lie on an edge, from which it is no plain shape either."""
SAME: Final = 10.0
SHARED: Final = 0.01
"""A drawing whose colour, within 10 in L*a*b*, fills more of the rest is one of many leaves, no mark."""
ALIKE_MAX: Final = 2
"""More small drawings that stand alone are a pattern or a scatter, not marks."""
REGIONS_MAX: Final = 4

Truth = npt.NDArray[np.bool_]
Cut = tuple[int, int, int, int]
"""Left, top, right, bottom in the small picture."""


@dataclass(frozen=True, slots=True)
class Found:
    """A mark and how sure: how far it stands off its ground, 0 to 1."""

    box: Cut
    score: float


def marks(pixels: Pixels, known: Sequence[Sequence[float]], check: str) -> tuple[Region, ...]:
    """Regions that look like marks, surest first; `known` are corners of lettering and logos, in pixels."""
    half = reduced(pixels)  # by a whole factor first, which is quick
    small, _ = shrunk(half, SIDE / max(half.shape[:2]))
    factor = small.shape[1] / pixels.shape[1]
    slopes = edges(small)
    drawn = (slopes > EDGE).astype(np.uint8)
    free = _free(drawn.shape, known, factor)
    lab: Floats = np.asarray(CV.cvtColor(small.astype(np.float32) / 255, CV.COLOR_RGB2LAB), dtype=np.float64)
    alone = [f for box in _pieces(drawn) if (f := _standing(lab, drawn, free, box)) is not None]
    if len(alone) > ALIKE_MAX:
        return ()
    chosen = sorted((f for f in alone if _placed(f.box, drawn.shape)), key=lambda f: -f.score)
    height, width = pixels.shape[:2]
    return tuple(
        Region(
            kind=RegionKind.MARK,
            check=check,
            box=Box(
                left=int(f.box[0] / factor),
                top=int(f.box[1] / factor),
                right=min(width, round(f.box[2] / factor)),
                bottom=min(height, round(f.box[3] / factor)),
            ),
            score=f.score,
        )
        for f in chosen[:REGIONS_MAX]
    )


def _free(shape: tuple[int, int], known: Sequence[Sequence[float]], factor: float) -> Truth:
    """Where no lettering and no supplied logo stands."""
    taken = np.zeros(shape, dtype=np.uint8)
    for corners in known:
        points = np.array(corners, dtype=np.float64).reshape(-1, 2) * factor
        CV.fillPoly(taken, [np.round(points).astype(np.int32)], (1,))
    reach = 2 * round(JOIN * min(shape)) + 1
    return np.asarray(CV.dilate(taken, np.ones((reach, reach), dtype=np.uint8)) == 0)


def _pieces(drawn: npt.NDArray[np.uint8]) -> list[Cut]:
    """Boxes of drawings of a mark's size and shape."""
    shorter = min(drawn.shape)
    reach = max(1, round(JOIN * shorter))
    joined = CV.dilate(drawn, np.ones((reach, reach), dtype=np.uint8))
    _, _, stats, _ = CV.connectedComponentsWithStats(joined)
    out: list[Cut] = []
    for left, top, wide, high in (tuple(int(v) for v in row[:4]) for row in stats[1:]):
        small, large = sorted((wide - reach, high - reach))
        if SIZES[0] * shorter <= small and large <= SIZES[1] * shorter and large <= LONGEST * small:
            out.append((left, top, left + wide, top + high))
    return out


def _standing(lab: Floats, drawn: npt.NDArray[np.uint8], free: Truth, box: Cut) -> Found | None:
    """A drawing that stands alone on a calm ground in few colours and is no plain shape, or None."""
    left, top, right, bottom = box
    height, width = drawn.shape
    ring = max(3, round(RING * min(right - left, bottom - top)))
    if min(left, top, width - right, height - bottom) < 2:
        return None  # it is cut off, or reaches in from outside
    x, y = max(0, left - ring), max(0, top - ring)
    around = np.s_[y : bottom + ring, x : right + ring]
    core = np.s_[top - y : bottom - y, left - x : right - x]
    ground = np.ones(drawn[around].shape, dtype=np.bool_)
    ground[core] = False
    if not free[around].all() or float(drawn[around][ground].mean()) > 0.02:
        return None
    colours = lab[around]
    paper = np.median(colours[ground], axis=0)
    off = np.sqrt(((colours - paper) ** 2).sum(axis=2))
    ink = off[core]
    body = ink > CONTRAST / 2
    if float(np.quantile(off[ground], 0.9)) > RING_SPREAD or not FILLED[0] <= float(body.mean()) <= FILLED[1]:
        return None
    contrast = float(np.median(ink[body]))
    own = colours[core][body]
    centres, _ = main_colours(own)
    spread = float(np.sqrt(((own[:, None] - centres[None]) ** 2).sum(axis=2)).min(axis=1).mean())
    if contrast < CONTRAST or spread > FLAT or not _worked(body, drawn[around][core]):
        return None
    rest = np.ones(drawn.shape, dtype=np.bool_)
    rest[around] = False
    if float((np.sqrt(((lab[rest] - np.median(own, axis=0)) ** 2).sum(axis=1)) < SAME).mean()) > SHARED:
        return None
    return Found(box, min(1.0, contrast / 60) * (1 - 0.5 * spread / FLAT))


def _worked(body: Truth, drawn: npt.NDArray[np.uint8]) -> bool:
    """Whether it is more than a plain shape: several pieces, a rough outline, or a drawing inside."""
    filled = body.astype(np.uint8)
    inner = CV.erode(filled, np.ones((7, 7), dtype=np.uint8)) > 0
    if inner.sum() >= 0.1 * body.sum() and float(drawn[inner].mean()) >= DETAIL:
        return True
    outlines, _ = CV.findContours(filled, CV.RETR_CCOMP, CV.CHAIN_APPROX_NONE)
    sizes = [float(CV.contourArea(o)) for o in outlines]
    large = [(o, a) for o, a in zip(outlines, sizes, strict=True) if a >= 0.02 * body.size]
    if len(large) != 1:
        return len(large) > 1
    outline, area = large[0]
    corners = CV.approxPolyDP(outline, STRAIGHT * CV.arcLength(outline, closed=True), closed=True)
    if len(corners) <= CORNERS and CV.isContourConvex(corners):
        return False
    return float(CV.arcLength(outline, closed=True)) ** 2 / (4 * np.pi * area) >= ROUGH


def _placed(box: Cut, shape: tuple[int, int]) -> bool:
    """Whether it stands near a corner, or at the middle of the upper or lower edge."""
    x, y = (box[0] + box[2]) / 2 / shape[1], (box[1] + box[3]) / 2 / shape[0]
    across, down = min(x, 1 - x), min(y, 1 - y)
    return (across <= CORNER and down <= CORNER) or (abs(x - 0.5) <= MIDDLE[0] and down <= MIDDLE[1])
