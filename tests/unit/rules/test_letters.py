"""Evidence letter by letter: each wanted letter once, each letter too many, each with its box."""

from __future__ import annotations

import math
from collections import Counter

import pytest

from rules.folding import Fold, fold
from rules.letters import Seen, aligned, blank_letter, extra_letters, letter_box, letters_of
from rules.told import told
from rules.units import Piece
from schemas.events import Box, Letter, LetterState, Word
from tests.unit.rules.samples import word

R, W, M, X = LetterState.RIGHT, LetterState.WRONG, LetterState.MISSING, LetterState.EXTRA


def plain(text: str) -> str:
    return fold(text, Fold.PLAIN)


def pairs(wanted: str, *seen: Word, marks: bool = False, exact: bool = False):
    pieces = [Piece(w, 0, w.text) for w in seen]
    return aligned(wanted, pieces, plain, marks=marks, exact=exact)


def letters(wanted: str, *seen: Word) -> list[Letter]:
    return list(letters_of(0, len(wanted), pairs(wanted, *seen)))


@pytest.mark.parametrize(
    ("wanted", "seen", "says"),
    [
        ("SUMMER", "SUMER", "'M' missing after 'SUM'"),
        ("SUMMER", "SUMMMER", "'M' too many after 'SUMM'"),
        ("SUMMER", "SUMNER", "'N' for 'M' after 'SUM'"),
        ("SUMMER", "DUMMER", "'D' for 'S' at the beginning"),
        ("SALE NOW", "SLAE NOW", "'A' and 'L' in each other's place after 'S'"),
        ("62% OFF", "62% FOF", "'O' and 'F' in each other's place after '62%'"),
        ("Eröffnung", "Eörffnung", "'r' and 'ö' in each other's place after 'E'"),
        (
            "SUMMER NIGHT",
            "USMMER NIGTH",
            "'S' and 'U' in each other's place at the beginning; 'H' and 'T' in each other's place after 'SUMMER NIG'",
        ),
        ("Winter Workshop", "Winter Wbrkshop", "'b' for 'o' after 'Winter W'"),
        ("Bring a friend", "Bring a frienb", "'b' for 'd' after 'Bring a frien'"),
        ("All day breakfast now", "All day breakfast mow", "'m' for 'n' after 'day breakfast'"),
        ("SALE NOW", "SALE MOW", "'M' for 'N' after 'SALE'"),
        ("SALE NOW", "SALE NOV", "'V' for 'W' after 'SALE NO'"),
        ("SUMMER SALES", "SUNMER SALE", "'N' for 'M' after 'SU'; 'S' missing after 'SUMMER SALE'"),
        ("ABCDEFGHIJKLMNOPQR", "ABCDEFGHIJKLMNOPQ", "'R' missing after 'BCDEFGHIJKLMNOPQ'"),
        ("SALE", "SALE", ""),
        ("SALE", "XYZW", ""),
        ("SUMMER FAIR IN MAY", "SXMMXR FXIR XN XAY", ""),
    ],
)
def test_it_is_told_which_letter_is_at_fault_and_where(wanted: str, seen: str, says: str):
    assert told(wanted, pairs(wanted, word(seen))) == says


def test_each_wanted_letter_stands_there_once_with_its_state():
    found = letters("SUMMER SALE", word("SUMER SOLEX"))
    assert Counter(x.state for x in found) == {R: 8, M: 1, W: 1, X: 1}
    assert [(x.place, x.wanted) for x in found if x.state is not X] == [
        (i, c) for i, c in enumerate("SUMMER SALE") if c != " "
    ]
    assert [(x.place, x.seen) for x in found if x.state is X] == [(11, "X")]


@pytest.mark.parametrize(
    ("wanted", "seen", "wrong"),
    [
        ("62% OFF", "62% FOF", [(4, "O", "F"), (5, "F", "O")]),
        ("Eröffnung", "Eörffnung", [(1, "r", "ö"), (2, "ö", "r")]),
        ("AB", "BA", [(0, "A", "B"), (1, "B", "A")]),
    ],
)
def test_neighbours_in_each_others_place_are_two_wrong_letters(
    wanted: str, seen: str, wrong: list[tuple[int, str, str]]
):
    found = letters(wanted, word(seen))
    assert [(x.place, x.wanted, x.seen) for x in found if x.state is W] == wrong
    assert {x.state for x in found} <= {R, W}


@pytest.mark.parametrize(
    ("wanted", "seen", "states"),
    [
        # A letter that went somewhere else, and one that went nowhere: nothing was swapped.
        ("ABCD", "BCDA", {M: 1, X: 1, R: 3}),
        ("ABAB", "BABA", {M: 1, X: 1, R: 3}),
        ("AXBC", "XBCC", {M: 1, X: 1, R: 3}),
        ("AB", "CA", {M: 1, X: 1, R: 1}),
    ],
)
def test_other_edits_stay_what_they_are(wanted: str, seen: str, states: dict[LetterState, int]):
    found = Counter(x.state for x in letters(wanted, word(seen)))
    assert found == states


def test_a_blank_stands_between_the_letters_that_it_parts():
    torn = word("LIB RARY")
    around = (Seen("B", 2, torn), Seen("R", 4, torn))
    extra = blank_letter(0, 3, X, around)
    assert (extra.wanted, extra.seen, extra.place) == ("", " ", 3)
    assert extra.box == Box(left=120, top=0, right=160, bottom=60)
    lost = blank_letter(0, 3, M, (Seen("B", 2, torn), Seen("R", 3, torn)))
    assert (lost.wanted, lost.seen) == (" ", "")
    assert lost.box == Box(left=100, top=0, right=140, bottom=60)
    two = blank_letter(0, 3, X, (Seen("B", 2, word("LIB")), Seen("R", 0, word("RARY", at=300))))
    assert two.box == Box(left=120, top=0, right=300, bottom=60)
    nowhere = Word(text="RARY", confidence=1, box=(math.nan,) * 8)
    assert blank_letter(0, 3, X, (Seen("B", 2, torn), Seen("R", 0, nowhere))).box is None


def test_an_extra_letter_stands_before_the_next_wanted_one():
    assert [(x.place, x.seen) for x in letters("SALE", word("SAXLE")) if x.state is X] == [(2, "X")]


def test_boxes_are_evenly_spaced_where_the_reader_does_not_tell():
    boxes = [x.box for x in letters("SALE", word("SALE"))]
    assert boxes == [Box(left=40 * i, top=0, right=40 * (i + 1), bottom=60) for i in range(4)]


def test_boxes_stand_where_the_reader_says():
    seen = Word(
        text="IM", confidence=0.9, box=(0, 0, 100, 0, 100, 60, 0, 60), centres=(0.125, 0.625), confidences=(0.9, 0.8)
    )
    found = letters("IM", seen)
    assert [x.box for x in found] == [
        Box(left=0, top=0, right=38, bottom=60),
        Box(left=37, top=0, right=100, bottom=60),
    ]
    assert [p.seen.confidence for p in pairs("IM", seen) if p.seen] == [0.9, 0.8]
    assert [p.seen.confidence for p in pairs("IM", word("IM")) if p.seen] == [None, None]


@pytest.mark.parametrize(
    ("wanted", "seen", "box"),
    [
        ("SALE", "SLE", Box(left=20, top=0, right=60, bottom=60)),
        ("SALE", "SAL", Box(left=100, top=0, right=120, bottom=60)),
        ("SALE", "ALE", Box(left=0, top=0, right=20, bottom=60)),
    ],
)
def test_a_missing_letter_stands_between_its_neighbours(wanted: str, seen: str, box: Box):
    assert [x.box for x in letters(wanted, word(seen)) if x.state is M] == [box]


def test_a_letter_missing_between_two_boxes_stands_at_the_end_of_the_first():
    (gap,) = [x for x in letters("SALE", word("SA", 0), word("E", 1)) if x.state is M]
    assert gap.box == Box(left=60, top=0, right=80, bottom=60)


def test_a_phrase_that_is_not_there_has_no_places():
    assert {(x.state, x.box) for x in letters("SALE")} == {(M, None)}


def test_boxes_without_a_place_or_area_are_left_away():
    for box in ((math.nan,) * 8, (5.0,) * 8, (1e9,) * 8):
        assert letter_box(Word(text="A", confidence=1, box=box), 0, 1) is None
    flat = Word(text="AB", confidence=1, box=(0, 0, 80, 0, 80, 60, 0, 60), centres=(0.5, 0.5))
    assert letters("AB", flat)[0].box == Box(left=0, top=0, right=40, bottom=60)


def test_a_tall_box_has_its_letters_one_under_another():
    tall = Word(text="AB", confidence=1, box=(0, 0, 40, 0, 40, 200, 0, 200))
    assert [x.box for x in letters("AB", tall)] == [
        Box(left=0, top=0, right=40, bottom=100),
        Box(left=0, top=100, right=40, bottom=200),
    ]


def test_ligatures_marks_and_punctuation_that_does_not_count():
    assert [x.state for x in letters("fine", word("ﬁne"))] == [R, R, R, R]
    assert [x.state for x in letters("café!", word("cafe\u0301"))] == [R, R, R, R]
    assert [x.state for x in letters_of(0, 4, pairs("4.50", word("450"), marks=True))] == [R, M, R, R]
    assert [x.state for x in letters("!!!", word("!!!"))] == [R, R, R]
    assert [x.state for x in letters_of(0, 3, pairs("SAL", word("SALE"), exact=True))] == [R, R, R]


def test_text_that_nobody_asked_for_is_told_letter_by_letter():
    found = list(extra_letters(word("BUY NOW"), "NOW"))
    assert [(x.phrase, x.place, x.seen, x.state) for x in found] == [(-1, 4, "N", X), (-1, 5, "O", X), (-1, 6, "W", X)]
    assert found[0].box == Box(left=160, top=0, right=200, bottom=60)
    # Pieces of one box with others between them are joined, and then not to be found in it as they are.
    assert len(list(extra_letters(word("A OLD B"), "A B"))) == 2
