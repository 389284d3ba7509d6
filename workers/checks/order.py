"""Reading order: boxes of words into lines, lines from top to bottom, each from left to right."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from schemas.events import Word

SAME_LINE: Final = 0.5
"""Share of the lower box's height by which two neighbours must overlap to stand on one line."""


def bounds(word: Word) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of a word's box, pixels."""
    xs, ys = word.box[0::2], word.box[1::2]
    return min(xs), min(ys), max(xs), max(ys)


def in_reading_order(words: Sequence[Word]) -> tuple[Word, ...]:
    """The words line by line; columns side by side are read across, as a price list is.

    A box joins a line where it overlaps the box nearest to it there, so that a slanted line stays one.
    """
    lines: list[list[Word]] = []
    for word in sorted(words, key=lambda w: (bounds(w)[1] + bounds(w)[3], bounds(w)[0])):
        for line in lines:
            if _on_one_line(word, min(line, key=lambda other: _gap(word, other))):
                line.append(word)
                break
        else:
            lines.append([word])
    return tuple(w for line in lines for w in sorted(line, key=lambda w: bounds(w)[0]))


def _gap(a: Word, b: Word) -> float:
    left, _, right, _ = bounds(a)
    other_left, _, other_right, _ = bounds(b)
    return max(other_left - right, left - other_right)


def _on_one_line(a: Word, b: Word) -> bool:
    _, top, _, bottom = bounds(a)
    _, other_top, _, other_bottom = bounds(b)
    overlap = min(bottom, other_bottom) - max(top, other_top)
    stacked = _gap(a, b) < -SAME_LINE * min(bounds(a)[2] - bounds(a)[0], bounds(b)[2] - bounds(b)[0])
    return not stacked and overlap >= SAME_LINE * min(bottom - top, other_bottom - other_top)
