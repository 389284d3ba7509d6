"""Reading order: along lines, arcs, rings and slopes, whatever order the reader gave."""

from __future__ import annotations

import math

import pytest

from rules.reading import BOXES_MAX, NOWHERE, Order, baseline
from rules.text import Level, match_read
from schemas.events import TextRead, Word
from tests.unit.rules.samples import contract, word

RING = ("GOLDEN", "HARBOUR", "MARKET", "EVERY", "SUNDAY", "AT", "NOON", "SHARP")


def turned(text: str, x: float, y: float, degrees: float, *, size: float = 40) -> Word:
    """A word whose middle stands at a place, its baseline turned clockwise."""
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    half = 0.3 * size * len(text)
    corners = [(-half, -size / 2), (half, -size / 2), (half, size / 2), (-half, size / 2)]
    box = tuple(v for dx, dy in corners for v in (x + dx * cos - dy * sin, y + dx * sin + dy * cos))
    return Word(text=text, confidence=0.97, box=box)


def ring(words: tuple[str, ...], size: float = 40) -> list[Word]:
    """Words one after another clockwise round a ring that they fill, tops outward."""
    whole = sum(0.6 * size * (len(w) + 1) for w in words)
    radius = whole / math.tau
    at, out = 0.0, list[Word]()
    for text in words:
        length = 0.6 * size * (len(text) + 1)
        angle = 360 * (at + length / 2) / whole
        place = math.radians(angle - 90)
        out.append(turned(text, 500 + radius * math.cos(place), 500 + radius * math.sin(place), angle, size=size))
        at += length
    return out


def a_read(*words: Word) -> TextRead:
    return TextRead(reader="rapidocr", elapsed_ms=1, words=words)


@pytest.mark.parametrize("first", range(len(RING)))
def test_a_phrase_may_begin_anywhere_on_a_ring(first: int):
    words = ring(RING)
    given = a_read(*(words[(first + i * 3) % len(RING)] for i in range(len(RING))))
    for wanted in ("GOLDEN HARBOUR MARKET", "SHARP GOLDEN HARBOUR", "NOON SHARP GOLDEN", " ".join(RING)):
        assert match_read(contract(wanted, anything=True), given).shown[0].level is Level.EXACT
    wrong = match_read(contract("SHARP GOLDEN HARBOURS", anything=True), given).shown[0]
    assert (wrong.level, wrong.seen) == (Level.DIFFERENT, "SHARP GOLDEN HARBOUR")


def test_a_ring_is_one_stretch_whose_end_is_followed_by_its_beginning():
    order = Order(ring(RING))
    assert order.rings == [(0, len(RING))]
    assert order.next_to(len(RING) - 1) == 0
    assert [w.text for w in order.words] == list(RING)


def test_an_arc_is_read_along_its_bend():
    arc = [turned("MIDNI", 200, 300, -30), turned("GHT", 330, 250, 0), turned("MARKET", 470, 300, 30)]
    for words in (arc, arc[::-1], [arc[1], arc[0], arc[2]]):
        assert [w.text for w in Order(words).words] == ["MIDNI", "GHT", "MARKET"]
        assert match_read(contract("MIDNIGHT MARKET"), a_read(*words)).shown[0].level is Level.EXACT


@pytest.mark.parametrize("degrees", [-90, -40, 40, 90, 180])
def test_turned_lines_are_read_in_their_own_direction(degrees: float):
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    words = [
        turned(text, 500 + along * cos - down * sin, 500 + along * sin + down * cos, degrees)
        for text, along, down in (("SUMMER", -100, 0), ("SALE", 120, 0), ("ENDS", -124, 80), ("TODAY", 80, 80))
    ]
    for given in (words, words[::-1]):
        assert match_read(contract("SUMMER SALE", "ENDS TODAY"), a_read(*given)).exact
        assert match_read(contract("SUMMER SALE ENDS TODAY"), a_read(*given)).exact
        assert not match_read(contract("ENDS TODAY SUMMER SALE"), a_read(*given)).exact
        assert not match_read(contract("SALE SUMMER"), a_read(*given)).exact


def test_upright_words_keep_their_order():
    words = [word("SUMMER", 0), word("SALE", 0, at=280), word("ENDS", 1), word("NOW", 5)]
    assert [w.text for w in Order(words).words] == ["SUMMER", "SALE", "ENDS", "NOW"]
    assert not match_read(contract("SALE SUMMER"), a_read(*words)).exact


def test_a_tall_box_of_several_letters_is_read_downwards():
    tall = Word(text="HOTEL", confidence=0.9, box=(0, 0, 40, 0, 40, 200, 0, 200))
    line = baseline(tall)
    assert (line.x0, line.y0, line.x1, line.y1, line.height) == (20, 0, 20, 200, 40)
    assert line.length == 200
    single = Word(text="I", confidence=0.9, box=(0, 0, 10, 0, 10, 50, 0, 50))
    assert baseline(single).tilt == 0


@pytest.mark.parametrize("bad", [math.nan, math.inf, 1e30])
def test_a_box_that_is_no_place_has_no_neighbours(bad: float):
    words = [word("A", 0), Word(text="B", confidence=1, box=(bad,) * 8)]
    assert baseline(words[1]) == NOWHERE
    assert Order(words).next_to(0) is None


def test_boxes_of_other_sizes_and_directions_do_not_go_on():
    big = Word(text="BIG", confidence=1, box=(0, 0, 300, 0, 300, 200, 0, 200))
    small = Word(text="small", confidence=1, box=(310, 90, 400, 90, 400, 110, 310, 110))
    assert Order([big, small]).next_to(0) is None
    assert Order([turned("UP", 100, 100, -90), turned("DOWN", 100, 60, 90)]).next_to(0) is None
    assert Order([word("A", 0), word("B", 1)]).next_to(0) is None


def test_a_box_is_the_next_of_one_other_only():
    # Two readings of one place before the same box: the nearer one has it.
    words = [word("SUM", 0), word("SUMMER", 0), word("SALE", 0, at=230)]
    order = Order(words)
    assert (order.next_to(0), order.next_to(1), order.next_to(2)) == (None, 2, None)
    assert order.follows(0, 2)


def test_a_page_is_read_as_the_reader_gave_it():
    words = [word("A", i, at=i % 7) for i in range(BOXES_MAX + 1)]
    order = Order(words)
    assert order.words == tuple(words)
    assert order.rings == []
