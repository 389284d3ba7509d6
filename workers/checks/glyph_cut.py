"""Cuts the letters that were read out of a picture, each with what parted it from its neighbours.

Nothing is binarised but to find which ink belongs together.
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
from workers.checks.glyph_strip import MARGIN, STRIP, Doubles, Floats, Strip, strip_of
from workers.checks.port import Pixels

Numbers = npt.NDArray[np.int32]
Tile = Floats
"""One letter, shape (32, 32): 0 ground to 1 ink, its own size taken out, its proportions kept."""

SMALLEST_PX: Final = 12.0
"""Letters lower than this in the picture show too little of their shape to be judged."""
SIDE: Final = 32
INK_SIDE: Final = 26
"""Long side of a letter within its tile, pixels."""
INKED: Final = 0.42
"""Share of full ink from which a pixel belongs to a letter."""
SPECK: Final = 0.0022
"""Ink smaller than this share of a square of the strip's height is dirt; the dot of a light i is twice as large."""
NEAR: Final = 0.1
"""How far within a letter's bounds, in heights of the strip, a neighbour's middle is a neighbour inside it."""
WIDE: Final = 0.9
"""Share of the way from one neighbour's middle to the other's beyond which a letter's ink is a neighbour's too."""
ASTRAY: Final = 0.75
"""Ink farther from the middle of its letter than this many gaps between letters is no letter's: a frame, a twig."""


@dataclass(frozen=True, slots=True)
class Cut:
    """One letter: its place in the word's text, its ink as a tile, its bounds and height in pixels of the picture.

    top, bottom: Its bounds in the word's box, 0 to 1 and a little beyond: a comma is not an apostrophe.
    joined: Whether its ink ran into a neighbour's and was cut off, so that its edge is the cut's.
    crowded: Whether it may hold a neighbour's ink: it reaches too far, or the neighbour has none.
    """

    place: int
    letter: str
    tile: Tile
    box: Box
    height_px: float
    top: float = 0.0
    bottom: float = 1.0
    joined: bool = False
    crowded: bool = False


def letters_of(pixels: Pixels, word: Word, speck: float = SPECK) -> list[Cut]:
    """The letters of a word that could be parted from its neighbours; none where the word says no centres.

    A word whose box is too flat, too long or upright is left alone. `speck` is the least ink that is no dirt.
    """
    if len(word.centres) != len(word.text) or not word.text.strip():
        return []
    strip = strip_of(pixels, word)
    if strip is None:
        return []
    span = strip.ink.shape[1] - 2 * strip.pad
    marks = zip(word.text, word.centres, strict=True)
    shown = [(i, c, strip.pad + span * at) for i, (c, at) in enumerate(marks) if c != " "]
    centres = [x for _, _, x in shown]
    parts = _parted(strip.ink, centres, speck)
    out: list[Cut] = []
    for n, (place, letter, x) in enumerate(shown):
        if (own := parts[n]) is None:
            continue
        beside = [m for m in (n - 1, n + 1) if 0 <= m < len(shown)]
        crowded = any(parts[m] is None for m in beside) or _reaches(own, x, [centres[m] for m in beside])
        out.append(_cut(pixels, strip, own, (place, letter), crowded=crowded))
    return out


def _reaches(own: Own, centre: float, beside: Sequence[float]) -> bool:
    """Whether a letter's ink lies over its neighbours' middles, or takes most of the way between them."""
    left, _, right, _ = own.bounds
    near = NEAR * STRIP
    if any(left + near < x < right - near for x in beside):
        return True
    way = sum(abs(x - centre) for x in beside) * (2 / max(1, len(beside)))
    return bool(beside) and right - left > WIDE * way


def _cut(pixels: Pixels, strip: Strip, own: Own, what: tuple[int, str], *, crowded: bool) -> Cut:
    left, top, right, bottom = own.bounds
    corners = np.array([[left, top], [right, top], [right, bottom], [left, bottom]], np.float32)
    there = np.asarray(cv2.perspectiveTransform(corners[None], strip.back), np.float64)[0]
    low, high = there.min(axis=0), there.max(axis=0)
    return Cut(
        place=what[0],
        letter=what[1],
        tile=tile_of(own.ink),
        box=_box(pixels, float(low[0]), float(low[1]), float(high[0]), float(high[1])),
        height_px=(bottom - top) / strip.scale,
        top=(top - strip.pad) / STRIP,
        bottom=(bottom - strip.pad) / STRIP,
        joined=own.joined,
        crowded=crowded,
    )


def _box(pixels: Pixels, x0: float, y0: float, x1: float, y1: float) -> Box:
    """Whole pixels within the picture, at least one."""
    height, width = pixels.shape[:2]
    left, top = min(max(0, int(x0)), width - 1), min(max(0, int(y0)), height - 1)
    right, bottom = min(width, int(np.ceil(x1))), min(height, int(np.ceil(y1)))
    return Box(left=left, top=top, right=max(left + 1, right), bottom=max(top + 1, bottom))


@dataclass(frozen=True, slots=True)
class Own:
    """The ink of one letter within its bounds on the strip: left, top, right, bottom; and whether it was cut off."""

    ink: Floats
    bounds: tuple[int, int, int, int]
    joined: bool


def _parted(ink: Floats, centres: Sequence[float], speck: float) -> list[Own | None]:
    """The ink of each letter. Connected ink goes to one letter whole, unless it joins several: then it is cut."""
    height, width = ink.shape
    found = cv2.connectedComponentsWithStats((ink > INKED).astype(np.uint8), connectivity=8)
    count, labels, stats = found[0], np.asarray(found[1], np.int32), np.asarray(found[2], np.int32)
    middles = np.asarray(found[3], np.float64)
    kept = [i for i in range(1, count) if stats[i, cv2.CC_STAT_AREA] >= speck * height * height]
    kept = [i for i in kept if _inside(stats[i], height, width)]
    owner = np.full((count, width), -1, np.int32)
    torn: set[int] = set()
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
            nearest = int(np.searchsorted(bounds, float(middles[i, 0])))
            if several:
                owner[i] = column
                torn.update(column[left:right].tolist())
            elif abs(float(middles[i, 0]) - centres[nearest]) <= ASTRAY * _gap(centres):
                owner[i] = nearest
    owned: Numbers = owner[labels, np.arange(width)[None]]
    owned[labels == 0] = -1
    return [_own(ink, owned, n, joined=n in torn) for n in range(len(centres))]


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


def _gap(centres: Sequence[float]) -> float:
    """From one letter's middle to the next, the middle one of all; of a single letter most of its height."""
    gaps = np.diff(np.array(centres)) if len(centres) > 1 else np.array([0.8 * STRIP])
    return max(float(np.median(gaps)), 0.4 * STRIP)


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


def _own(ink: Floats, owned: Numbers, number: int, *, joined: bool) -> Own | None:
    mine = owned == number
    cols = np.flatnonzero(mine.any(axis=0))
    if not len(cols):
        return None
    left, right = int(cols[0]), int(cols[-1]) + 1
    rows = np.flatnonzero(mine[:, left:right].any(axis=1))
    top, bottom = int(rows[0]), int(rows[-1]) + 1
    # Soft edges of its own ink, and none of a neighbour's.
    own = np.ascontiguousarray(mine[top:bottom, left:right], np.uint8)
    near = np.asarray(cv2.dilate(own, np.ones((3, 3), np.uint8)), np.uint8)
    return Own(ink[top:bottom, left:right] * near, (left, top, right, bottom), joined)


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
