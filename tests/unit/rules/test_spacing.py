"""Blanks inside words and lost between them, as far as a reader tells where its letters stand."""

from __future__ import annotations

import pytest

from rules.folding import Fold, fold
from rules.letters import aligned
from rules.spacing import Fault, Gaps, blanks, faults
from rules.units import Piece
from schemas.events import Word
from tests.unit.rules.samples import word

GAPS = Gaps(silent_em=0.6, boxes=0, joined_em=0.1)
SPLIT, JOINED, BROKEN = Fault.SPLIT, Fault.JOINED, Fault.BROKEN


def seen_at(text: str, *places: float, size: float = 100) -> Word:
    """A word with letters at places in em, each half an em wide."""
    whole = max(places) + 0.5
    box = (0, 0, whole * size, 0, whole * size, size, 0, size)
    return Word(text=text, confidence=0.97, box=box, centres=tuple(p / whole for p in places))


def found(phrase: str, *looks: list[Word]) -> list[tuple[Fault, str]]:
    def one(words: list[Word]):
        pieces = [Piece(w, 0, w.text) for w in words]
        return blanks(phrase, aligned(phrase, pieces, lambda c: fold(c, Fold.PLAIN), marks=False, exact=True))

    return [(fault, blank.after) for fault, blank in faults([one(look) for look in looks], GAPS)]


EVEN = [0.6 * i for i in range(8)]


@pytest.mark.parametrize(
    ("phrase", "seen", "wrong"),
    [
        ("SENTENCE", "SENTENCE", []),
        ("SENTENCE", "SENT ENCE", [(SPLIT, "SENT")]),
        ("SENTENCE", "S E N T E N C E", []),
        ("SUMMER SALE", "SUMMER SALE", []),
        ("SUMMER SALE", "SUMMERSALE", []),
        ("WELL-KNOWN", "WELL KNOWN", []),
        ("WELL KNOWN", "WELL-KNOWN", []),
    ],
)
def test_blanks_that_a_reader_read(phrase: str, seen: str, wrong: list[tuple[Fault, str]]):
    assert found(phrase, [word(seen)]) == wrong


def test_a_gap_that_the_reader_passed_over():
    assert found("naoevxgk", [seen_at("naoevxgk", *EVEN)]) == []
    wide = [*EVEN[:4], *(p + 0.9 for p in EVEN[4:])]
    assert found("naoevxgk", [seen_at("naoevxgk", *wide)]) == [(SPLIT, "naoe")]
    # Another look that sees no gap there, or one that no reader could pass over.
    assert found("naoevxgk", [seen_at("naoevxgk", *wide)], [seen_at("naoevxgk", *EVEN)]) == []
    absurd = [*EVEN[:4], *(p + 9 for p in EVEN[4:])]
    assert found("naoevxgk", [seen_at("naoevxgk", *absurd)]) == []


def test_words_run_together():
    assert found("naoe vxgk", [seen_at("naoevxgk", *EVEN)]) == [(JOINED, "naoe")]
    apart = [*EVEN[:4], *(p + 0.3 for p in EVEN[4:])]
    assert found("naoe vxgk", [seen_at("naoevxgk", *apart)]) == []
    assert found("naoe vxgk", [seen_at("naoevxgk", *EVEN)], [word("naoe vxgk")]) == []
    assert found("naoe vxgk", [seen_at("naoevxgk", *EVEN)], [word("naoevxgk")]) == []


def test_too_few_letters_and_places_that_say_nothing_measure_nothing():
    assert found("a b", [seen_at("ab", 0, 0.6)]) == []
    heap = Word(text="naoevxgk", confidence=1, box=(0, 0, 80, 0, 80, 20, 0, 20), centres=(0.5,) * 8)
    assert found("naoe vxgk", [heap]) == []


def test_letters_of_several_scripts_have_their_own_widths():
    assert found("夏祭夏祭", [seen_at("夏祭夏祭", 0, 1, 2, 3)]) == []
    assert found("él été", [seen_at("él été", 0, 0.45, 0.7, 0.95, 1.4, 1.9)]) == []


@pytest.mark.parametrize(
    ("first", "second", "wrong"),
    [
        (word("SENT", 0), word("ENCE", 0, at=150), []),
        (word("SENT", 0), word("ENCE", 0, at=200), [(SPLIT, "SENT")]),
        (word("SENT", 0), word("ENCE", 1), [(BROKEN, "SENT")]),
        (word("SENT-", 0), word("ENCE", 1), []),
        (word("SENT", 0), word("ENCE", 0.55, at=150), []),
        (word("SENT", 0, height=0), word("ENCE", 3), []),
    ],
)
def test_a_word_in_two_boxes(first: Word, second: Word, wrong: list[tuple[Fault, str]]):
    assert found("SENTENCE", [first, second]) == wrong


def test_letters_one_under_another_stand_so_by_design():
    assert found("BAR", [word("B", 0), word("A", 1), word("R", 2)]) == []


def test_a_line_may_end_between_words():
    assert found("SUMMER SALE", [word("SUMMER", 0), word("SALE", 1)]) == []


def test_letters_that_were_not_read_have_no_blanks():
    assert found("SALE") == []
