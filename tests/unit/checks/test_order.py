"""Reading order: by lines, whatever order the boxes come in."""

from __future__ import annotations

import itertools

import pytest

from schemas.events import Word
from workers.checks.order import in_reading_order


def word(text: str, x: float, y: float, width: float = 100, height: float = 40) -> Word:
    box = (x, y, x + width, y, x + width, y + height, x, y + height)
    return Word(text=text, confidence=1.0, box=box)


def read(words: list[Word]) -> str:
    return " ".join(w.text for w in in_reading_order(words))


LAYOUTS = [
    [word("a", 0, 0), word("b", 120, 4), word("c", 240, -3), word("d", 0, 60)],
    [word("tea", 0, 0), word("3.50", 500, 2), word("cake", 0, 60), word("4.00", 500, 58)],
    [word("slanted", 0, 0), word("line", 110, 14), word("goes", 220, 28), word("down", 330, 42)],
    [word("big", 0, 0, 300, 120), word("small", 310, 70, 80, 30), word("under", 0, 130)],
]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_words_come_by_lines_from_any_order(layout: list[Word]) -> None:
    wanted = " ".join(w.text for w in layout)
    assert {read(list(p)) for p in itertools.permutations(layout)} == {wanted}


def test_nothing_gives_nothing() -> None:
    assert in_reading_order([]) == ()
