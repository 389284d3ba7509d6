"""The bank of drawn letters that cut ones are compared with: each letter in every face that was trained on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from workers.checks.glyph_cut import SIDE, Tile
from workers.checks.glyph_strip import Floats

BANKED: Final = 24
"""Side of a rendering in the bank, stretched to fill it, pixels."""
LEVELS: Final = 15
"""Shades in a rendering: the file is a third of what 255 take."""
EDGE: Final = 0.15
"""Ink from which a pixel belongs to a letter's bounds."""


@dataclass(frozen=True, slots=True)
class Shapes:
    """One letter in the faces that have it: which faces, ink (n, 24, 24), the same softened (n, 576), log aspects."""

    faces: npt.NDArray[np.int64]
    ink: Floats
    soft: Floats
    aspects: Floats


@dataclass(frozen=True, slots=True)
class Bank:
    """Renderings by row, those of one letter in succession.

    rows: First row of each letter, and the end of the last; face_of: the face of each row; levels: ink (n, 576), 0 to
    LEVELS; aspects: log of width by height.
    """

    letters: Sequence[str]
    rows: npt.NDArray[np.int64]
    face_of: npt.NDArray[np.int64]
    levels: npt.NDArray[np.uint8]
    aspects: Floats
    places: dict[str, int] = field(init=False)
    faces: int = field(init=False)
    _opened: dict[str, Shapes] = field(init=False, default_factory=dict[str, Shapes])

    def __post_init__(self) -> None:
        object.__setattr__(self, "places", {letter: n for n, letter in enumerate(self.letters)})
        object.__setattr__(self, "faces", int(self.face_of.max()) + 1)

    def of(self, letter: str) -> Shapes:
        """A letter in all faces; softened when it is first asked for, since most pictures hold few letters."""
        if (known := self._opened.get(letter)) is None:
            at = self.places[letter]
            part = slice(int(self.rows[at]), int(self.rows[at + 1]))
            ink = np.asarray(self.levels[part].astype(np.float32) / LEVELS, np.float32).reshape(-1, BANKED, BANKED)
            known = Shapes(self.face_of[part], ink, soft(ink), self.aspects[part])
            self._opened[letter] = known
        return known

    def ink(self, letter: str, face: int) -> Floats:
        """A letter in one face that has it, shape (24, 24)."""
        shapes = self.of(letter)
        return shapes.ink[int(np.searchsorted(shapes.faces, face))]


@dataclass(frozen=True, slots=True)
class Filled:
    """A letter's ink within its bounds, stretched to a bank's size; its bounds in its tile, and their proportions."""

    ink: Floats
    left: int
    top: int
    width: int
    height: int

    @property
    def aspect(self) -> float:
        """Log of width by height."""
        return float(np.log(self.width / self.height))


def filled(tile: Tile) -> Filled:
    """A tile's ink, stretched. An empty tile is taken whole."""
    inked = tile > EDGE
    rows, cols = np.flatnonzero(inked.any(axis=1)), np.flatnonzero(inked.any(axis=0))
    if not len(rows):
        return Filled(np.zeros((BANKED, BANKED), np.float32), 0, 0, SIDE, SIDE)
    top, left = int(rows[0]), int(cols[0])
    height, width = int(rows[-1]) + 1 - top, int(cols[-1]) + 1 - left
    part = np.ascontiguousarray(tile[top : top + height, left : left + width])
    ink = np.asarray(cv2.resize(part, (BANKED, BANKED), interpolation=cv2.INTER_LINEAR), np.float32)
    return Filled(ink, left, top, width, height)


def soft(ink: Floats) -> Floats:
    """Blurred and of length 1, so that a product of two is their likeness: (n, 24, 24) to (n, 576)."""
    blurred = [np.asarray(cv2.GaussianBlur(i, (7, 7), 1.2), np.float32).ravel() for i in ink]
    flat = np.stack(blurred) if blurred else np.zeros((0, BANKED * BANKED), np.float32)
    return flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-6)
