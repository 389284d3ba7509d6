"""The view for lettering seen at an angle: lines whose upper and lower edge converge, each laid flat by itself.

A plain look reads from boxes with right angles, in which the far end of such a line is small and surrounded by ground.
"""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from workers.checks.arcs import along
from workers.checks.boxes import GROWN, SIDE_MIN, UPRIGHT_MAX, Outline, Quad, components, lying, mean_heat, strip_of
from workers.checks.port import Pixels
from workers.checks.reader_rapidocr import heat_of
from workers.checks.reader_views import Anew
from workers.checks.text_models import TextModels

BOX_THRESHOLD: Final = 0.4
SAMPLES: Final = 240
"""Points along an outline."""
PLACES: Final = 24
"""Stretches of a line, at each of which its upper and lower edge are looked for."""
ENDS: Final = 2
"""Stretches at either end that are left out: there the outline is round."""
CONVERGES: Final = 0.12
"""Least difference between the heights of both ends, as a share of the height between: the heat of straight lines
differs by less."""
UNEVEN: Final = 0.12
"""Most that the edges may stray from straight ones, as a share of the height: what bends is no plane."""
LINES_MAX: Final = 40
"""Most lines of one picture that are read anew, the longest."""


def plane(models: TextModels, pixels: Pixels) -> list[Anew]:
    """Lines that run away from the eye; each rectified by the perspective that makes its edges parallel."""
    heat = heat_of(models, pixels)
    scale = (np.array(pixels.shape[1::-1]) / np.array(heat.shape[::-1])).astype(np.float32)
    found = [q for o in components(heat) if (q := converging(o)) is not None and mean_heat(heat, q) >= BOX_THRESHOLD]
    boxes = [np.clip(grown(q) * scale, 0, pixels.shape[1::-1]).astype(np.float32) for q in found[:LINES_MAX]]
    lines = models.lines([strip_of(pixels, b) for b in boxes])
    return [Anew(line, lying(b), (b,)) for line, b in zip(lines, boxes, strict=True)]


def converging(outline: Outline) -> Quad | None:
    """The four corners between straight edges that converge, clockwise from the top left; None where none do."""
    (_, (width, height), _) = cv2.minAreaRect(outline)
    if min(width, height) < SIDE_MIN or max(width, height) < UPRIGHT_MAX * min(width, height):
        return None
    points = along(outline, SAMPLES)
    middle = points.mean(axis=0)
    # Along the line and across it; a line of type runs to the right, or down.
    _, _, axes = np.linalg.svd(points - middle, full_matrices=False)
    run = axes[0] if axes[0][np.abs(axes[0]).argmax()] > 0 else -axes[0]
    across = np.array([-run[1], run[0]])
    s, t = (points - middle) @ run, (points - middle) @ across
    edges = _edges(s, t)
    if edges is None:
        return None
    upper, lower, uneven = edges
    ends = np.array([s.min(), s.max()])
    tops, feet = np.polyval(upper, ends), np.polyval(lower, ends)
    heights = feet - tops
    between = float(heights.mean())
    if min(heights) < SIDE_MIN or abs(heights[1] - heights[0]) < CONVERGES * between or uneven > UNEVEN * between:
        return None
    corners = [middle + a * run + b * across for a, b in zip([*ends, *ends[::-1]], [*tops, *feet[::-1]], strict=True)]
    return np.array(corners, np.float32)


def grown(quad: Quad) -> Quad:
    """Wider on every side, as boxes are, and most where it is high: near the eye all is larger."""
    near, far = np.linalg.norm(quad[3] - quad[0]), np.linalg.norm(quad[2] - quad[1])
    length = np.linalg.norm(quad[1] + quad[2] - quad[0] - quad[3]) / 2
    more = GROWN / 2 * length / (length + (near + far) / 2)
    run = (quad[1] + quad[2] - quad[0] - quad[3]) / 2 / length
    left, right = (quad[3] - quad[0]) * more, (quad[2] - quad[1]) * more
    out = [quad[0] - left, quad[1] - right, quad[2] + right, quad[3] + left]
    shift = [-near * more * run, far * more * run, far * more * run, -near * more * run]
    return np.asarray(np.array(out) + np.array(shift), np.float32)


def _edges(
    s: npt.NDArray[np.float64], t: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], float] | None:
    """Both edges as straight lines t(s), and how far the outline strays from them, in the mean."""
    place = np.clip(((s - s.min()) / (np.ptp(s) + 1e-9) * PLACES).astype(int), 0, PLACES - 1)
    inner = [p for p in range(ENDS, PLACES - ENDS) if (place == p).sum() >= 2]
    if len(inner) < PLACES // 2:
        return None
    at = np.array([s[place == p].mean() for p in inner])
    sides = [np.array([pick(t[place == p]) for p in inner]) for pick in (np.min, np.max)]
    lines = [_straight(at, side) for side in sides]
    off = [np.abs(np.polyval(line, at) - side).mean() for line, side in zip(lines, sides, strict=True)]
    return lines[0], lines[1], float(max(off))


def _straight(s: npt.NDArray[np.float64], t: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The line t(s) of the middle slope between any two points (Theil and Sen): a descender or two do not tilt it."""
    i, j = np.triu_indices(len(s), 1)
    slope = float(np.median((t[j] - t[i]) / (s[j] - s[i] + 1e-9)))
    return np.array([slope, float(np.median(t - slope * s))])
