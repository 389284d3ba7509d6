"""Ways to malform one drawn letter, for training the glyph check; none is the drawn corpus' own.

Each takes a random generator and a letter's ink, shape (height, width) uint8 with a border of nothing, and gives
another of the same shape. What changes too little to be seen, or too much to be that letter, is drawn again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

Ink = npt.NDArray[np.uint8]
Random = np.random.Generator

CHANGED: Final = (0.14, 1.1)
"""Least and most of a letter's ink that damage may change, as a share of it."""
_TRIES: Final = 10


def _spot(rng: Random, ink: Ink) -> tuple[int, int]:
    """A point on the ink, x and y."""
    ys, xs = np.nonzero(ink > 127)
    at = int(rng.integers(len(xs)))
    return int(xs[at]), int(ys[at])


def _stroke_width(ink: Ink) -> float:
    solid = (ink > 127).astype(np.uint8)
    return max(2.0, 2 * float(np.percentile(cv2.distanceTransform(solid, cv2.DIST_L2, 3)[solid > 0], 90)))


def _tall(ink: Ink) -> int:
    rows = np.flatnonzero((ink > 127).any(axis=1))
    return int(rows[-1] - rows[0] + 1)


def _curve(rng: Random, start: tuple[int, int], length: float) -> npt.NDArray[np.int32]:
    """A bent line from a point, as points for polylines."""
    angle, bend = float(rng.uniform(0, 2 * np.pi)), float(rng.uniform(-1.2, 1.2))
    points = [start]
    x, y = float(start[0]), float(start[1])
    for _ in range(8):
        x, y = x + length / 8 * np.cos(angle), y + length / 8 * np.sin(angle)
        angle += bend / 8
        points.append((round(x), round(y)))
    return np.array(points, np.int32)


def missing(rng: Random, ink: Ink) -> Ink:
    """A piece of a stroke is gone: a ragged blot of ground."""
    out = ink.copy()
    tall = _tall(ink)
    x, y = _spot(rng, ink)
    reach = max(_stroke_width(ink) * 0.75, tall * 0.16) * float(rng.uniform(0.8, 1.5))
    turns = np.linspace(0, 2 * np.pi, 9)[:-1]
    radii = reach * rng.uniform(0.7, 1.3, 8)
    blot = np.stack([x + radii * np.cos(turns), y + radii * np.sin(turns)], axis=1).round().astype(np.int32)
    cv2.fillPoly(out, [blot], 0)
    return out


def broken(rng: Random, ink: Ink) -> Ink:
    """A gap along a bent line through the letter."""
    out = ink.copy()
    tall = _tall(ink)
    start = _spot(rng, ink)
    wide = max(3, round(tall * float(rng.uniform(0.1, 0.2))))
    for _ in range(2):
        cv2.polylines(out, [_curve(rng, start, tall * 1.2)], False, 0, wide, cv2.LINE_AA)
    return out


def added(rng: Random, ink: Ink) -> Ink:
    """A stroke too many, bent, of about the letter's own weight or thinner."""
    out = ink.copy()
    tall = _tall(ink)
    wide = max(2, round(_stroke_width(ink) * float(rng.uniform(0.4, 1.0))))
    line = _curve(rng, _spot(rng, ink), tall * float(rng.uniform(0.4, 0.9)))
    cv2.polylines(out, [line], False, 255, wide, cv2.LINE_AA)
    return out


def fused(rng: Random, ink: Ink) -> Ink:
    """A bridge that leads out of the letter's side, as to a neighbour."""
    out = ink.copy()
    tall = _tall(ink)
    x, y = _spot(rng, ink)
    side = -1 if rng.random() < 0.5 else 1
    end = (round(x + side * tall * float(rng.uniform(0.5, 0.9))), y + round(tall * float(rng.uniform(-0.15, 0.15))))
    cv2.line(out, (x, y), end, 255, max(3, round(tall * float(rng.uniform(0.09, 0.22)))), cv2.LINE_AA)
    return out


def mirrored(rng: Random, ink: Ink) -> Ink:
    """The wrong way round, or upside down."""
    rows, cols = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
    out = np.zeros_like(ink)
    part = ink[rows[0] : rows[-1] + 1, cols[0] : cols[-1] + 1]
    out[rows[0] : rows[-1] + 1, cols[0] : cols[-1] + 1] = part[:, ::-1] if rng.random() < 0.7 else part[::-1]
    return out


def melted(rng: Random, ink: Ink) -> Ink:
    """Pulled out of shape here and there, as wax."""
    height, width = ink.shape
    tall = _tall(ink)
    coarse = int(rng.integers(3, 6))
    pull = tall * float(rng.uniform(0.12, 0.25))
    moves = [
        cv2.resize(rng.uniform(-pull, pull, (coarse, coarse)).astype(np.float32), (width, height), interpolation=2)
        for _ in range(2)
    ]
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    return np.asarray(cv2.remap(ink, x + moves[0], y + moves[1], cv2.INTER_LINEAR), np.uint8)


def filled(rng: Random, ink: Ink) -> Ink:
    """Holes run full of ink, and bays half full."""
    solid = (ink > 127).astype(np.uint8)
    out = ink.copy()
    outline, _ = cv2.findContours(solid, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(out, outline, -1, 255, cv2.FILLED)
    size = max(3, round(_tall(ink) * float(rng.uniform(0.15, 0.35)))) | 1
    closed = cv2.morphologyEx(out, cv2.MORPH_CLOSE, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size)))
    return np.asarray(closed if rng.random() < 0.7 else out, np.uint8)


def doubled(rng: Random, ink: Ink) -> Ink:
    """Seen twice: the same letter again, a little aside."""
    tall = _tall(ink)
    away, angle = tall * float(rng.uniform(0.13, 0.28)), float(rng.uniform(0, 2 * np.pi))
    move = np.array([[1, 0, away * np.cos(angle)], [0, 1, away * np.sin(angle)]], np.float32)
    return np.maximum(ink, cv2.warpAffine(ink, move, (ink.shape[1], ink.shape[0])))


def sheared(rng: Random, ink: Ink) -> Ink:
    """Torn along a slanted line, one part moved along it."""
    height, width = ink.shape
    tall = _tall(ink)
    x, y = _spot(rng, ink)
    angle = float(rng.uniform(0, np.pi))
    away = tall * float(rng.uniform(0.12, 0.3)) * (-1 if rng.random() < 0.5 else 1)
    move = np.array([[1, 0, away * np.cos(angle)], [0, 1, away * np.sin(angle)]], np.float32)
    along: npt.NDArray[np.float64] = (np.arange(width, dtype=np.float64) - x) * np.sin(angle)
    down: npt.NDArray[np.float64] = (np.arange(height, dtype=np.float64) - y) * np.cos(angle)
    first = along[None] - down[:, None] > 0
    part = cv2.warpAffine(np.where(first, ink, 0).astype(np.uint8), move, (width, height))
    return np.maximum(part, np.where(first, 0, ink).astype(np.uint8))


def swollen(rng: Random, ink: Ink) -> Ink:
    """Part of the letter blown up or pinched."""
    height, width = ink.shape
    tall = _tall(ink)
    x0, y0 = _spot(rng, ink)
    reach = tall * float(rng.uniform(0.35, 0.6))
    power = float(rng.uniform(0.5, 0.8)) * (1 if rng.random() < 0.5 else -1)
    x, y = np.meshgrid(np.arange(width, dtype=np.float32) - x0, np.arange(height, dtype=np.float32) - y0)
    inside = np.clip(1 - (x * x + y * y) / (reach * reach), 0, 1).astype(np.float32)
    factor = 1 - power * inside
    return np.asarray(cv2.remap(ink, x * factor + x0, y * factor + y0, cv2.INTER_LINEAR), np.uint8)


DAMAGES: Final[Mapping[str, Callable[[Random, Ink], Ink]]] = MappingProxyType(
    {
        "missing": missing,
        "broken": broken,
        "added": added,
        "fused": fused,
        "mirrored": mirrored,
        "melted": melted,
        "filled": filled,
        "doubled": doubled,
        "sheared": sheared,
        "swollen": swollen,
    }
)


def damaged(rng: Random, ink: Ink, kind: str) -> Ink | None:
    """A letter with one kind of damage; None where it shows none (an O mirrored, an I with nothing to fill)."""
    total = max(1, int(ink.sum(dtype=np.int64)))
    for _ in range(_TRIES):
        bad = DAMAGES[kind](rng, ink)
        if CHANGED[0] <= np.abs(bad.astype(np.int16) - ink).sum(dtype=np.int64) / total <= CHANGED[1]:
            return bad
    return None
