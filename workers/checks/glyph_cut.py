"""Cuts the letters that were read out of a picture: a word is straightened, its ink told from its ground, and parted.

The ground is a plane of colour fitted to the word's border, so the ink may be light on dark, dark on light, over a
gradient, or nothing but edges (neon tubes, embossing). Nothing is binarised but to find which ink belongs together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from schemas.events import Box, Word
from workers.checks.port import Pixels

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Numbers = npt.NDArray[np.int32]
Tile = Floats
"""One letter, shape (32, 32): 0 ground to 1 ink, its own size taken out, its proportions kept."""

STRIP: Final = 56
"""Height of a straightened word box, pixels; the margin comes on top."""
MARGIN: Final = 0.14
"""Room round a word box, in its height: readers' boxes cut off ends."""
LONGEST: Final = 48
"""Words longer than this many of their heights are too small to judge, or no words."""
TALL: Final = 1.5
"""Boxes this much taller than wide hold upright columns: which way their letters run is not known."""
SMALLEST_PX: Final = 12.0
"""Letters lower than this in the picture show too little of their shape to be judged."""
SIDE: Final = 32
INK_SIDE: Final = 26
"""Long side of a letter within its tile, pixels."""
INKED: Final = 0.42
"""Share of full ink from which a pixel belongs to a letter."""
SPECK: Final = 0.004
"""Ink smaller than this share of a square of the strip's height is dirt."""
ONE_WAY: Final = 0.55
"""How much the colours of the ink must agree for it to be taken as one colour; embossing has two."""


@dataclass(frozen=True, slots=True)
class Cut:
    """One letter: its place in the word's text, its ink as a tile, its bounds and height in pixels of the picture."""

    place: int
    letter: str
    tile: Tile
    box: Box
    height_px: float


def letters_of(pixels: Pixels, word: Word) -> list[Cut]:
    """The letters of a word that could be parted from its neighbours; none where the word says no centres.

    A word whose box is too flat, too long or upright is left alone.
    """
    if len(word.centres) != len(word.text) or not word.text:
        return []
    quad = np.array(word.box, np.float32).reshape(4, 2)
    width = float(np.linalg.norm(quad[1] - quad[0]) + np.linalg.norm(quad[2] - quad[3])) / 2
    height = float(np.linalg.norm(quad[3] - quad[0]) + np.linalg.norm(quad[2] - quad[1])) / 2
    if height < 4 or width < 2 or width > LONGEST * height or (height > TALL * width and len(word.text) > 1):
        return []
    strip, back, scale = _straightened(pixels, quad, width, height)
    ink = ink_of(strip)
    pad = STRIP * MARGIN
    span = strip.shape[1] - 2 * pad
    shown = [(i, c, pad + span * at) for i, (c, at) in enumerate(zip(word.text, word.centres, strict=True)) if c != " "]
    if not shown:
        return []
    out: list[Cut] = []
    for (place, letter, _), own in zip(shown, _parted(ink, [x for _, _, x in shown]), strict=True):
        if own is None:
            continue
        mask, (left, top, right, bottom) = own
        corners = np.array([[left, top], [right, top], [right, bottom], [left, bottom]], np.float32)
        there = np.asarray(cv2.perspectiveTransform(corners[None], back), np.float64)[0]
        low, high = there.min(axis=0), there.max(axis=0)
        box = _box(pixels, float(low[0]), float(low[1]), float(high[0]), float(high[1]))
        out.append(Cut(place, letter, tile_of(mask[top:bottom, left:right]), box, (bottom - top) / scale))
    return out


def _box(pixels: Pixels, x0: float, y0: float, x1: float, y1: float) -> Box:
    """Whole pixels within the picture, at least one."""
    height, width = pixels.shape[:2]
    left, top = min(max(0, int(x0)), width - 1), min(max(0, int(y0)), height - 1)
    right, bottom = min(width, int(np.ceil(x1))), min(height, int(np.ceil(y1)))
    return Box(left=left, top=top, right=max(left + 1, right), bottom=max(top + 1, bottom))


def _straightened(pixels: Pixels, quad: Floats, width: float, height: float) -> tuple[Floats, Doubles, float]:
    """The word upright with its margin, the way back to the picture, and strip pixels for each picture pixel."""
    scale = STRIP / height
    pad = STRIP * MARGIN
    size = (round(width * scale + 2 * pad), round(STRIP + 2 * pad))
    inner = np.array(
        [[pad, pad], [size[0] - pad, pad], [size[0] - pad, size[1] - pad], [pad, size[1] - pad]], np.float32
    )
    back = np.asarray(cv2.getPerspectiveTransform(inner, quad), np.float64)
    reach = int(height * MARGIN * 2) + 2
    left, top = (max(0, int(v) - reach) for v in quad.min(axis=0))
    right, bottom = (int(v) + reach for v in quad.max(axis=0))
    part = pixels[top:bottom, left:right]
    shrink = np.eye(3)
    if scale < 0.6 and min(part.shape[:2]) > 2:
        # Averaged down first: the warp looks at four pixels only, and large letters would fray.
        small = (max(1, round(part.shape[1] * scale)), max(1, round(part.shape[0] * scale)))
        shrink = np.diag([small[0] / part.shape[1], small[1] / part.shape[0], 1.0])
        part = np.asarray(cv2.resize(part, small, interpolation=cv2.INTER_AREA), np.uint8)
    shift = np.array([[1, 0, -left], [0, 1, -top], [0, 0, 1]], np.float64)
    there = shrink @ shift @ back
    strip = cv2.warpPerspective(
        np.ascontiguousarray(part),
        there,
        size,
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return np.asarray(strip, np.float32), back, scale


def ink_of(strip: Floats) -> Floats:
    """How much each pixel of a word, shape (height, width, 3), differs from its ground: 0 to 1.

    Where the ink has one colour, only what lies towards that colour counts, so that shadows and halos fall away.
    """
    away = np.asarray(strip - _ground(strip), np.float32)
    far = np.asarray(np.sqrt((away * away).sum(axis=2)), np.float32)
    full = float(np.percentile(far, 97))
    strong = far >= 0.6 * full
    if full < 1 or not strong.any():
        return np.zeros(far.shape, np.float32)
    mean: Floats = np.asarray(away[strong], np.float32).mean(axis=0)
    length = float(np.linalg.norm(mean))
    if length > ONE_WAY * float(far[strong].mean()):
        far = np.asarray(away @ (mean / length), np.float32)
        full = float(np.percentile(far, 97))
    edge = far[_border(far.shape[0])]
    low = min(float(np.percentile(np.abs(edge), 60)) * 1.5, 0.3 * full)
    return np.asarray(np.clip((far - low) / max(1.0, 0.92 * full - low), 0, 1), np.float32)


def _border(height: int) -> npt.NDArray[np.intp]:
    """Rows above and below the letters."""
    rows = max(2, round(height * 0.1))
    return np.r_[0:rows, height - rows : height]


def _ground(strip: Floats) -> Floats:
    """Colour of the ground everywhere: a surface over the border's pixels, quadratic along the word."""
    height, width = strip.shape[:2]
    rows = _border(height)
    step = max(1, width // 96)
    cols: npt.NDArray[np.intp] = np.arange(0, width, step, dtype=np.intp)
    below: Doubles = np.repeat(rows / height - 0.5, len(cols))
    x: Doubles = np.tile(cols / width - 0.5, len(rows))
    terms = np.stack([np.ones(len(x)), x, below, x**2], axis=1)
    seen = strip[rows][:, cols].reshape(-1, 3).astype(np.float64)
    middle = np.median(seen, axis=0)
    off = np.abs(seen - middle).sum(axis=1)
    fit = np.zeros((4, 3))
    for _ in range(3):
        # What lies off is a descender or a neighbour's ink, not ground.
        keep = off <= np.partition(off, round(0.7 * (len(off) - 1)))[round(0.7 * (len(off) - 1))]
        known = terms[keep]
        fit = np.linalg.solve(known.T @ known + _STEADY, known.T @ seen[keep])
        off = np.abs(seen - terms @ fit).sum(axis=1)
    across: Doubles = np.arange(width, dtype=np.float64) / width - 0.5
    line = fit[0] + np.outer(across, fit[1]) + np.outer(across**2, fit[3])
    rise: Doubles = np.arange(height, dtype=np.float64) / height - 0.5
    down = np.outer(rise, fit[2])
    return (line[None] + down[:, None]).astype(np.float32)


_STEADY: Final = np.diag([1e-6, 1e-3, 1e-3, 1e-3])
"""Keeps the surface flat where too few pixels say otherwise."""

Own = tuple[Floats, tuple[int, int, int, int]]
"""The ink of one letter on the whole strip, and its bounds: left, top, right, bottom."""


def _parted(ink: Floats, centres: Sequence[float]) -> list[Own | None]:
    """The ink of each letter. Connected ink goes to one letter whole, unless it joins several: then it is cut."""
    height, width = ink.shape
    found = cv2.connectedComponentsWithStats((ink > INKED).astype(np.uint8), connectivity=8)
    count, labels, stats = found[0], np.asarray(found[1], np.int32), np.asarray(found[2], np.int32)
    middles = np.asarray(found[3], np.float64)
    kept = [i for i in range(1, count) if stats[i, cv2.CC_STAT_AREA] >= SPECK * height * height]
    kept = [i for i in kept if _inside(stats[i], height, width)]
    owner = np.full((count, width), -1, np.int32)
    groups = _groups(stats, kept)
    if len(groups) == len(centres) and _fits(groups, stats, centres):
        for n, group in enumerate(groups):
            owner[group] = n
    else:
        bounds = _bounds(ink, centres)
        every: Doubles = np.arange(width, dtype=np.float64)
        column = np.searchsorted(bounds, every).astype(np.int32)
        for i in kept:
            left = int(stats[i, cv2.CC_STAT_LEFT])
            right = left + int(stats[i, cv2.CC_STAT_WIDTH])
            several = sum(left + 1 < c < right - 1 for c in centres) > 1
            owner[i] = column if several else int(np.searchsorted(bounds, float(middles[i, 0])))
    owned: Numbers = owner[labels, np.arange(width)[None]]
    owned[labels == 0] = -1
    return [_own(ink, owned, n) for n in range(len(centres))]


def _inside(stat: Numbers, height: int, width: int) -> bool:
    """Whether ink lies in the word and not in its margin, where neighbours' ink shows."""
    pad = round(STRIP * MARGIN)
    top, left = int(stat[cv2.CC_STAT_TOP]), int(stat[cv2.CC_STAT_LEFT])
    bottom, right = top + int(stat[cv2.CC_STAT_HEIGHT]), left + int(stat[cv2.CC_STAT_WIDTH])
    return bottom > pad and top < height - pad and right > pad * 0.8 and left < width - pad * 0.8


def _groups(stats: Numbers, kept: Sequence[int]) -> list[list[int]]:
    """Ink that stands above or below other ink belongs to it: dots, accents, the halves of a broken letter."""
    out: list[list[int]] = []
    spans: list[tuple[int, int]] = []
    for i in sorted(kept, key=lambda i: int(stats[i, cv2.CC_STAT_LEFT])):
        left = int(stats[i, cv2.CC_STAT_LEFT])
        right = left + int(stats[i, cv2.CC_STAT_WIDTH])
        if spans:
            common = min(right, spans[-1][1]) - max(left, spans[-1][0])
            if common > 0.5 * min(right - left, spans[-1][1] - spans[-1][0]):
                out[-1].append(i)
                spans[-1] = (min(left, spans[-1][0]), max(right, spans[-1][1]))
                continue
        out.append([i])
        spans.append((left, right))
    return out


def _fits(groups: Sequence[Sequence[int]], stats: Numbers, centres: Sequence[float]) -> bool:
    """Whether each group stands about where its letter was read."""
    gaps = np.diff(np.array(centres)) if len(centres) > 1 else np.array([float(STRIP)])
    reach = max(float(np.median(gaps)), 0.15 * STRIP)
    for group, centre in zip(groups, centres, strict=True):
        left = min(int(stats[i, cv2.CC_STAT_LEFT]) for i in group)
        right = max(int(stats[i, cv2.CC_STAT_LEFT] + stats[i, cv2.CC_STAT_WIDTH]) for i in group)
        if abs((left + right) / 2 - centre) > reach:
            return False
    return True


def _bounds(ink: Floats, centres: Sequence[float]) -> Doubles:
    """Columns between letters: those with the least ink about half way."""
    columns = ink.sum(axis=0)
    out: list[float] = []
    for a, b in pairwise(centres):
        half, reach = (a + b) / 2, max(1.0, (b - a) * 0.3)
        low, high = max(0, int(half - reach)), min(len(columns), int(half + reach) + 1)
        if high <= low:
            out.append(half)
            continue
        away = np.abs(np.arange(low, high) - half)
        out.append(low + int(np.argmin(columns[low:high] + 0.05 * away)) + 0.5)
    return np.maximum.accumulate(np.array(out, np.float64)) if out else np.zeros(0)


def _own(ink: Floats, owned: Numbers, number: int) -> Own | None:
    mine = (owned == number).astype(np.uint8)
    if not mine.any():
        return None
    rows, cols = np.flatnonzero(mine.any(axis=1)), np.flatnonzero(mine.any(axis=0))
    top, bottom, left, right = int(rows[0]), int(rows[-1]) + 1, int(cols[0]), int(cols[-1]) + 1
    # Soft edges of its own ink, and none of a neighbour's.
    near = np.asarray(cv2.dilate(mine[top:bottom, left:right], np.ones((3, 3), np.uint8)), np.uint8)
    alone = np.zeros_like(ink)
    alone[top:bottom, left:right] = ink[top:bottom, left:right] * near
    return alone, (left, top, right, bottom)


def tile_of(ink: Floats) -> Tile:
    """The ink of a letter, any size, in the middle of a tile with its proportions kept."""
    height, width = ink.shape
    scale = INK_SIDE / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    drawn = np.asarray(cv2.resize(ink, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR))
    out = np.zeros((SIDE, SIDE), np.float32)
    x, y = (SIDE - size[0]) // 2, (SIDE - size[1]) // 2
    out[y : y + size[1], x : x + size[0]] = drawn.reshape(size[1], size[0])
    return out
