"""Figures drawn as letters, though the reader read figures: told by the face of their line, with nothing read."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from schemas.events import Glyph, TextRead
from tests.unit.checks.lettering import drawn
from workers.checks.glyph_net import shipped
from workers.checks.glyph_twins import TWINS
from workers.checks.glyphs import glyphs_of


def figures(shown: str, read: str) -> list[Glyph]:
    """The figures of a drawn text as a reader sees it that reads what makes sense."""
    pixels, word = drawn(text=shown)
    word = replace(word, text=read)
    glyphs = glyphs_of(pixels, [TextRead(reader="rapidocr", elapsed_ms=1, words=(word,))])
    return [g for g in glyphs if g.letter in TWINS]


CLEAR = 0.075
"""What config/verdict.yml sends to a person."""


@pytest.mark.parametrize(
    ("shown", "place", "twin", "least"),
    [
        ("Since l953", 6, "l", CLEAR),
        ("Only 8O euro", 6, "O", CLEAR),
        ("Only 8o euro", 6, "o", CLEAR),
        ("Bus Z4 East", 4, "Z", CLEAR),
        ("Size B4 Hat", 5, "B", CLEAR),
        ("Row b1 Mat", 4, "b", CLEAR),
        ("Row g1 Mat", 4, "g", CLEAR),
        ("Gate S7 North", 5, "S", 0.0),  # nearest of all
    ],
)
def test_a_letter_in_place_of_a_figure_is_more_like_the_letter(shown: str, place: int, twin: str, least: float):
    figure = next(f for f, letters in TWINS.items() if twin in letters)
    read = shown[:place] + figure + shown[place + 1 :]
    (wrong,) = [g for g in figures(shown, read) if g.place == place]
    (right,) = [g for g in figures(read, read) if g.place == place]
    assert wrong.twin == twin
    assert wrong.twin_excess > least
    assert right.twin_excess < 0


def test_what_has_no_look_alike_has_none():
    pixels, word = drawn(text="Row 47")
    glyphs = glyphs_of(pixels, [TextRead(reader="rapidocr", elapsed_ms=1, words=(word,))])
    assert {(g.twin, g.twin_excess) for g in glyphs} == {("", 0.0)}


def test_figures_by_themselves_are_told_too():
    assert all(g.twin_excess < 0 for g in figures("1058", "1058"))


def test_a_line_says_the_same_alone_and_beside_another():
    (alone,) = [g for g in figures("Since l953", "Since 1953") if g.place == 6]
    pixels, word = drawn(text="Since l953")
    word = replace(word, text="Since 1953")
    below = tuple(v + (n % 2) * len(pixels) for n, v in enumerate(word.box))
    other = replace(word, box=below)
    both = glyphs_of(np.concatenate([pixels, pixels]), [TextRead(reader="rapidocr", elapsed_ms=1, words=(word, other))])
    assert alone in both


def test_every_figure_and_look_alike_has_renderings():
    assert all(shipped().knows(c) for figure, letters in TWINS.items() for c in (figure, *letters))
