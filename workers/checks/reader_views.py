"""Further looks with the light models: parts of a picture straightened, turned, enlarged or cleared, and read anew."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from schemas.events import TextRead, Word
from workers.checks.boxes import Quad
from workers.checks.order import in_reading_order
from workers.checks.port import Pixels, Scene
from workers.checks.reader_rapidocr import FIRST, READ_SIDE, look, scaled_down, word_of
from workers.checks.text_models import Line, TextModels

NEW_MIN: Final = 0.6
"""Confidence from which a view may find text where the plain look saw none."""
COVERED: Final = 0.5
"""Share of the smaller one by which two readings must overlap to be of the same place."""
LETTERS_LEAST: Final = 0.8
"""A view that reads fewer letters of a place than this share has seen a part of it only."""
AS_GOOD: Final = 0.02
"""By how much less confidence a view may read more of a place than the plain look."""


@dataclass(frozen=True, slots=True)
class Anew:
    """A line that was read anew. `pieces` are quadrilaterals along it, `box` one round all of it, pixels."""

    line: Line
    box: Quad
    pieces: tuple[Quad, ...]


View = Callable[[TextModels, Pixels], list[Anew]]
"""Reads a picture of at most READ_SIDE in another way; boxes in its pixels."""


class ViewReader:
    """The plain look with what one view reads better."""

    def __init__(self, name: str, models: TextModels, view: View) -> None:
        self._name, self._models, self._view = name, models, view

    @property
    def name(self) -> str:
        """Reader and look."""
        return self._name

    def read(self, scenes: Sequence[Scene]) -> Sequence[TextRead]:
        """Starts from the plain look of each scene, and takes it where no one has."""
        return [self._read(s) for s in scenes]

    def _read(self, scene: Scene) -> TextRead:
        started = time.perf_counter()
        plain = next((r.words for r in scene.reads if r.reader == FIRST), None)
        if plain is None:
            (plain,) = look(self._models, [scene.pixels])
        small = scaled_down(scene.pixels, READ_SIDE)
        scale = (np.array(scene.pixels.shape[1::-1]) / np.array(small.shape[1::-1])).astype(np.float32)
        found = [
            Anew(a.line, a.box * scale, tuple(p * scale for p in a.pieces)) for a in self._view(self._models, small)
        ]
        words = merged(plain, found, scene.pixels.shape[1::-1])
        return TextRead(reader=self._name, elapsed_ms=(time.perf_counter() - started) * 1000, words=words)


def merged(plain: Sequence[Word], found: Sequence[Anew], size: Sequence[int]) -> tuple[Word, ...]:
    """The words of the plain look, and in place of some what was read there with more confidence."""
    kept = list(plain)
    taken: list[Anew] = []
    out: list[Word] = []
    for anew in sorted(found, key=lambda a: -a.line.confidence * len(a.line.text)):
        word = word_of(anew.line, anew.box, size)
        if word is None or any(_shared(anew, t.pieces) >= COVERED for t in taken):
            continue
        there = [w for w in kept if _shared(anew, (_quad(w),)) >= COVERED]
        letters = sum(len(w.text) for w in there)
        before = sum(w.confidence * len(w.text) for w in there) / letters if letters else NEW_MIN
        if word.confidence < before - (AS_GOOD if len(word.text) > letters else 0):
            continue
        if len(word.text) < LETTERS_LEAST * letters and before >= NEW_MIN:
            continue
        kept = [w for w in kept if all(w is not t for t in there)]
        taken.append(anew)
        out.append(word)
    return in_reading_order([*kept, *out])


def _quad(word: Word) -> Quad:
    return np.array(word.box, np.float32).reshape(4, 2)


def _shared(anew: Anew, others: Sequence[Quad]) -> float:
    """Shared area over that of the smaller one."""
    shared = sum(cv2.intersectConvexConvex(_round(a), _round(b))[0] for a in anew.pieces for b in others)
    smaller = min(sum(_area(p) for p in anew.pieces), sum(_area(p) for p in others))
    return shared / smaller if smaller > 0 else 0.0


def _round(quad: Quad) -> Quad:
    """Convex and in one sense of rotation, as OpenCV wants it."""
    return np.asarray(cv2.convexHull(quad), np.float32).reshape(-1, 2)


def _area(quad: Quad) -> float:
    return float(cv2.contourArea(_round(quad)))
