"""Lettering on circles: finding the circle from the detector's heat, unrolling it to a strip, and the way back."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from workers.checks.boxes import Outline
from workers.checks.ink import Blots, blots
from workers.checks.port import Pixels

Points = npt.NDArray[np.float64]
"""x, y in pixels; shape (n, 2)."""
SAMPLES: Final = 160
"""Points along an outline that vote for a circle."""
CORNERS: Final = 20
"""Points along an outline of which every three propose a circle: 1,140 proposals."""
TOLERANCE: Final = 0.02
"""How far from a circle a point may lie that votes for it, as a share of the outline's extent."""
VOTES_MIN: Final = 0.22
"""Least share of the outline that lies on the circle: the outer side of a bent line, not less."""
BEYOND_MAX: Final = 0.15
"""Most of the outline that may lie outside the circle."""
STRAIGHT: Final = 0.2
"""Outlines that are flatter, as a share of their extent, bend too little to be looked at."""
AROUND: Final = 0.25
"""How far around an outline letters are looked for, as a share of its extent: the heat leaves the ends out."""
ARCS_MAX: Final = 6
"""Most arcs of one picture that are unrolled."""
SAME: Final = 0.2
"""How far two circles may be apart and still be one, as a share of the radius."""
GAP: Final = 0.35
"""Widest gap, radians, between two pieces of one line."""
LETTERS_MIN: Final = 5
"""Fewer letters stand on any circle by chance."""
LETTERS_MAX: Final = 40
"""Most letters of which every three propose a circle: 9,880 proposals."""
LETTERS_SHARE: Final = 0.6
"""Least share of the letters that stand on the circle."""
LETTER_OFF: Final = 0.35
"""How far from the circle the middle of a letter may lie, as a share of its size."""
SPAN_MIN: Final = math.radians(35)
"""Lettering that bends less is read as it is: it rises by under half an em."""
RADIUS_MAX: Final = 1.7
"""Largest radius as a share of the outline's extent; a chord of SPAN_MIN is 0.6 of it."""
EXTENT_MIN: Final = 0.08
"""Least extent of an outline, as a share of the long side: smaller ones hold too few letters to bend."""
REACH: Final = 0.25
"""How far the strip reaches to both sides of the circle, as a share of the arc's length: letters are lower."""
CORE: Final = 0.12
"""The strip stays this share of the radius off the middle, where a turn has no width."""
MARGIN: Final = 0.2
"""How far the strip goes on past both ends, as a share of the arc's length."""


@dataclass(frozen=True, slots=True)
class Arc:
    """A part of a circle. Pixels, and radians clockwise from the right; `end` is above `start`, by one turn at most."""

    x: float
    y: float
    radius: float
    start: float
    end: float

    @property
    def length(self) -> float:
        """Along the circle, pixels."""
        return self.radius * (self.end - self.start)

    @property
    def outward(self) -> bool:
        """Whether letters that stand upright here point away from the middle: on the upper half of a circle."""
        return math.sin((self.start + self.end) / 2) < 0

    def scaled(self, ratio: float) -> Arc:
        """The same in a picture of another size."""
        return Arc(self.x * ratio, self.y * ratio, self.radius * ratio, self.start, self.end)

    def widened(self) -> Arc:
        """With a margin at both ends, one turn at most."""
        more = min(MARGIN * (self.end - self.start), (math.tau - (self.end - self.start)) / 2)
        return Arc(self.x, self.y, self.radius, self.start - more, self.end + more)


@dataclass(frozen=True, slots=True)
class Strip:
    """An arc unrolled. `near` and `far` are radii of the rows nearest to the middle and farthest from it, pixels.

    The pixels run clockwise with the far side up where the letters point outward, else the other way round.
    """

    arc: Arc
    near: float
    far: float
    pixels: Pixels

    def back(self, points: npt.ArrayLike) -> Points:
        """Points x, y of the strip as points of the picture."""
        given = np.asarray(points, float)
        height, width = self.pixels.shape[:2]
        along, down = given[..., 0] / width, given[..., 1] / height
        if not self.arc.outward:
            along, down = 1 - along, 1 - down
        angle = self.arc.start + along * (self.arc.end - self.arc.start)
        radius = self.far + down * (self.near - self.far)
        return np.stack([self.arc.x + radius * np.cos(angle), self.arc.y + radius * np.sin(angle)], axis=-1)


def unroll(pixels: Pixels, arc: Arc) -> Strip:
    """The arc with its margins as an upright strip, one pixel wide for each pixel along the circle."""
    whole = arc.widened()
    near = max(CORE * arc.radius, arc.radius - REACH * arc.length)
    far = arc.radius + REACH * arc.length
    width, height = max(1, round(whole.length)), max(1, round(far - near))
    blank = np.zeros((height, width, 3), np.uint8)
    strip = Strip(whole, near, far, blank)
    rows, columns = np.mgrid[0:height, 0:width]
    there = (strip.back(np.stack([columns + 0.5, rows + 0.5], axis=-1)) - 0.5).astype(np.float32)
    got = cv2.remap(pixels, there[..., 0], there[..., 1], cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return Strip(whole, near, far, got.astype(np.uint8))


def arcs(pixels: Pixels, outlines: Sequence[Outline]) -> list[Arc]:
    """Where lettering bends, at most ARCS_MAX, the longest first; the outlines are in pixels of the picture.

    The letters themselves say it best. On a ground that hides them, the outer side of what is hot does.
    """
    found: list[Arc] = []
    for outline in outlines:
        extent = float(np.linalg.norm(np.ptp(outline, axis=0)))
        if extent < EXTENT_MIN * max(pixels.shape):
            continue
        arc = _by_letters(pixels, outline, extent)
        if arc is None and min(cv2.minAreaRect(outline)[1]) > STRAIGHT * extent:
            arc = fit(outline, extent)
        if arc is not None:
            found = _with(arc, found)
    return sorted(found, key=lambda a: -a.length)[:ARCS_MAX]


def _by_letters(pixels: Pixels, outline: Outline, extent: float) -> Arc | None:
    left, top = np.maximum(outline.min(axis=0) - AROUND * extent, 0).astype(int)
    right, bottom = (outline.max(axis=0) + AROUND * extent).astype(int)
    arc = fit_letters(blots(np.ascontiguousarray(pixels[top:bottom, left:right])))
    return arc and Arc(arc.x + left, arc.y + top, arc.radius, arc.start, arc.end)


def _with(arc: Arc, others: Sequence[Arc]) -> list[Arc]:
    """The arcs with one more; pieces of one circle that meet become one."""
    out: list[Arc] = []
    for other in others:
        near = math.hypot(arc.x - other.x, arc.y - other.y) < SAME * arc.radius
        # Turned by whole turns to stand as near as they can.
        turns = math.tau * round((arc.start + arc.end - other.start - other.end) / 2 / math.tau)
        start, end = other.start + turns, other.end + turns
        gap = max(arc.start, start) - min(arc.end, end)
        if near and abs(arc.radius - other.radius) < SAME * arc.radius and gap < GAP:
            long = max(arc, other, key=lambda a: a.length)
            first = min(arc.start, start)
            arc = Arc(long.x, long.y, long.radius, first, min(max(arc.end, end), first + math.tau))
        else:
            out.append(other)
    return [*out, arc]


def fit(outline: Outline, extent: float) -> Arc | None:
    """The circle that most of an outline follows, where that is enough and bends enough."""
    points = along(outline, SAMPLES)
    corners = points[:: SAMPLES // CORNERS]
    x, y, radius = _circles(corners[np.array(list(combinations(range(len(corners)), 3)))])
    fair = radius < RADIUS_MAX * extent
    x, y, radius = x[fair], y[fair], radius[fair]
    if not len(x):
        return None
    off = np.abs(np.hypot(points[:, 0] - x[:, None], points[:, 1] - y[:, None]) - radius[:, None])
    votes = (off < TOLERANCE * extent).sum(axis=1)
    # The heat fills a bent line towards the middle of its circle, and hardly ever the other way.
    beyond = np.hypot(points[:, 0] - x[:, None], points[:, 1] - y[:, None]) - radius[:, None] > TOLERANCE * extent
    votes[beyond.mean(axis=1) > BEYOND_MAX] = 0
    best = int(votes.argmax())
    if votes[best] < VOTES_MIN * SAMPLES:
        return None
    on = points[off[best] < TOLERANCE * extent]
    start, end = _span(np.arctan2(on[:, 1] - y[best], on[:, 0] - x[best]))
    if end - start < SPAN_MIN:
        return None
    return Arc(float(x[best]), float(y[best]), float(radius[best]), start, end)


def fit_letters(found: Blots) -> Arc | None:
    """The circle on which most of the letters stand, where they are enough and it bends enough."""
    points, size = found.middles, found.size
    if not LETTERS_MIN <= len(points) <= LETTERS_MAX:
        return None
    extent = float(np.linalg.norm(np.ptp(points, axis=0)))
    x, y, radius = _circles(points[np.array(list(combinations(range(len(points)), 3)))])
    fair = (radius < RADIUS_MAX * extent) & (radius > size)
    x, y, radius = x[fair], y[fair], radius[fair]
    if not len(x):
        return None
    off = np.abs(np.hypot(points[:, 0] - x[:, None], points[:, 1] - y[:, None]) - radius[:, None])
    # Letters with and without a stem have their middles at different heights.
    near = off < LETTER_OFF * size
    votes = near.sum(axis=1) - off.clip(max=size).mean(axis=1) / size
    best = int(votes.argmax())
    on = points[near[best]]
    if len(on) < max(LETTERS_MIN, LETTERS_SHARE * len(points)):
        return None
    start, end = _span(np.arctan2(on[:, 1] - y[best], on[:, 0] - x[best]))
    half = size / 2 / float(radius[best])
    if end - start < SPAN_MIN:
        return None
    return Arc(
        float(x[best]), float(y[best]), float(radius[best]), start - half, min(end + half, start + math.tau - half)
    )


def along(outline: Outline, count: int) -> Points:
    """Points at even distances along a closed outline."""
    closed = np.vstack([outline, outline[:1]]).astype(float)
    steps = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(closed, axis=0), axis=1))])
    at: npt.NDArray[np.float64] = np.arange(count, dtype=float) * float(steps[-1] / count)
    return np.stack([np.interp(at, steps, closed[:, 0]), np.interp(at, steps, closed[:, 1])], axis=1)


def _circles(triples: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.float64], ...]:
    """Middle and radius of the circle through each three points; infinite where they lie on a line."""
    (ax, ay), (bx, by), (cx, cy) = (triples[:, i].T for i in range(3))
    twice = 2 * (ax * (by - cy) + bx * (cy - ay) + cx * (ay - by))
    with np.errstate(divide="ignore", invalid="ignore"):
        a, b, c = ax**2 + ay**2, bx**2 + by**2, cx**2 + cy**2
        x = (a * (by - cy) + b * (cy - ay) + c * (ay - by)) / twice
        y = (a * (cx - bx) + b * (ax - cx) + c * (bx - ax)) / twice
        radius = np.hypot(ax - x, ay - y)
    return x, y, np.where(np.isfinite(radius), radius, np.inf)


def _span(angles: npt.NDArray[np.float64]) -> tuple[float, float]:
    """From the end of the widest gap between the angles to its beginning, clockwise."""
    ordered = np.sort(angles)
    gaps = np.diff(ordered, append=ordered[0] + math.tau)
    widest = int(gaps.argmax())
    start = float(ordered[(widest + 1) % len(ordered)])
    return start, start + math.tau - float(gaps[widest])
