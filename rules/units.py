"""What was read, cut into units: the pieces between blanks, and where a reader lost the blanks, the words inside."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from rules.folding import Fold, fold, weight
from schemas.events import Word

_PIECE: Final = re.compile(r"\S+")
SAME_PLACE: Final = 0.5
"""Share of the smaller box by which two readings must overlap to be one lettering read twice."""


@dataclass(frozen=True, slots=True)
class Unit:
    """One piece of one box. `box` and `place` count boxes in reading order and pieces inside one.

    `start` is where the piece begins in the text of its box.
    """

    text: str
    box: int
    place: int
    last: bool
    confidence: float
    start: int


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of the text of one box, from its character `start`."""

    word: Word
    start: int
    text: str


def units_of(words: Sequence[Word], vocabulary: Iterable[str]) -> tuple[Unit, ...]:
    """The pieces of boxes in reading order. `vocabulary` holds the texts whose words a run-together box is cut at."""
    known = {fold(w, Fold.PLAIN) for text in vocabulary for w in text.split()}
    known.discard("")
    out: list[Unit] = []
    for box, word in enumerate(words):
        pieces: list[tuple[int, str]] = []
        for found in _PIECE.finditer(word.text):
            at = found.start()
            for part in _cut(found.group(), known):
                pieces.append((at, part))
                at += len(part)
        last = len(pieces) - 1
        out += [Unit(p, box, i, i == last, word.confidence, at) for i, (at, p) in enumerate(pieces)]
    return tuple(out)


def once_each(words: Sequence[Word]) -> tuple[Word, ...]:
    """The words without second readings of one place, of which the surest stays."""
    kept: list[Word] = []
    places: dict[str, list[int]] = {}
    for word in words:
        same = places.setdefault(fold(word.text, Fold.LOOK), [])
        twin = next((i for i in same if overlap(kept[i], word) >= SAME_PLACE), None)
        if twin is None:
            same.append(len(kept))
            kept.append(word)
        elif kept[twin].confidence < word.confidence:
            kept[twin] = word
    return tuple(kept)


def bounds(word: Word) -> tuple[float, float, float, float]:
    """Left, top, right, bottom in pixels."""
    xs, ys = word.box[0::2], word.box[1::2]
    return min(xs), min(ys), max(xs), max(ys)


def overlap(a: Word, b: Word) -> float:
    """Shared area over the area of the smaller box; 0 where one has none."""
    left, top, right, bottom = bounds(a)
    left2, top2, right2, bottom2 = bounds(b)
    shared = max(0.0, min(right, right2) - max(left, left2)) * max(0.0, min(bottom, bottom2) - max(top, top2))
    smaller = min((right - left) * (bottom - top), (right2 - left2) * (bottom2 - top2))
    return shared / smaller if smaller > 0 else 0.0


def inside(word: Word, corners: Sequence[float]) -> float:
    """The share of a word's box that lies in the upright box about corners; 0 for one without area."""
    left, top, right, bottom = bounds(word)
    xs, ys = corners[0::2], corners[1::2]
    wide, high = min(right, max(xs)) - max(left, min(xs)), min(bottom, max(ys)) - max(top, min(ys))
    area = (right - left) * (bottom - top)
    return max(0.0, wide) * max(0.0, high) / area if area > 0 else 0.0


def _cut(piece: str, known: set[str]) -> list[str]:
    """A piece as words of the vocabulary, where it is made of nothing else; else the piece whole."""
    size = len(piece)
    if fold(piece, Fold.PLAIN) in known or size > 200:
        return [piece]
    longest = max((len(k) for k in known), default=0) + 4
    # back[i] is where the last word begins in a cut of the first i characters.
    back: dict[int, int] = {0: 0}
    for end in range(1, size + 1):
        for start in range(max(0, end - longest), end):
            if start in back and fold(piece[start:end], Fold.PLAIN) in known and weight(piece[start:end]):
                back[end] = start
                break
    if size not in back:
        return [piece]
    out: list[str] = []
    end = size
    while end:
        out.append(piece[back[end] : end])
        end = back[end]
    return out[::-1]
