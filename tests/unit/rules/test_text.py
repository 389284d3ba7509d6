"""The heart: what was read against what was wanted, exact after folding and never by likeness."""

from __future__ import annotations

import pytest

from rules.folding import Fold, fold, weight
from rules.packing import Candidate, pack
from rules.text import CANDIDATES_MAX, STEPS_MAX, Level, Match, likeness, match_read, shows
from rules.units import once_each, overlap, units_of
from schemas.events import Lane, Phrase, PhraseSource, TextContract
from tests.unit.rules.samples import contract, read, word


def levels(match: Match) -> list[Level]:
    return [s.level for s in match.shown]


def extras(match: Match) -> list[str]:
    return [e.text for e in match.extra]


@pytest.mark.parametrize(
    ("wanted", "lines"),
    [
        (["SUMMER SALE"], ["SUMMER SALE"]),
        (["SUMMER SALE"], ["Summer  Sale!"]),
        (["SUMMER SALE"], ["SUMMERSALE"]),
        (["SUMMER SALE"], ["SUMMER", "SALE"]),
        (["SUMMER SALE"], ["SUM", "MER", "SALE"]),
        (["SUMMER SALE"], ["S U M M E R", "S A L E"]),
        (["SUMMER SALE", "50% OFF"], ["SUMMER SALE 50% OFF"]),
        (["SUMMER SALE", "50% OFF"], ["SUMMERSALE50%OFF"]),
        (["SUMMER SALE", "50% OFF"], ["50% OFF", "SUMMER SALE"]),
        (["LATE NIGHT ESPRESSO"], ["LATE", "• NIGHT", "ESPRESSO —"]),
        (["DON'T STOP"], ["DON’T STOP"]),
        (["10–12"], ["10-12"]),
        (["ﬁne print"], ["fine print"]),
        (["SALE", "SALE NOW"], ["SALE NOW", "SALE"]),
        (["OPEN"], ["ＯＰＥＮ"]),
        (["cafe\u0301"], ["café"]),
        (["STRASSE"], ["straße"]),
        (["!!!"], ["!!!"]),
    ],
)
def test_a_phrase_is_found_however_it_is_broken_and_cased(wanted: list[str], lines: list[str]):
    match = match_read(contract(*wanted), read(*lines))
    assert levels(match) == [Level.EXACT] * len(wanted)
    assert extras(match) == []
    assert shows(contract(*wanted), read(*lines))


def test_two_columns_read_across_are_told_apart():
    # Left SUMMER over SALE, right 50% over OFF: a reader goes across.
    seen = read(word("SUMMER", 0), word("50%", 0, at=600), word("SALE", 1), word("OFF", 1, at=600))
    match = match_read(contract("SUMMER SALE", "50% OFF"), seen)
    assert levels(match) == [Level.EXACT, Level.EXACT]


@pytest.mark.parametrize("seen", ["SALES", "RESALE", "SALEE", "SAL", "SLAE", "SALF", "SAALE", "SALE-ING"])
def test_a_phrase_inside_or_beside_another_word_is_not_there(seen: str):
    match = match_read(contract("SALE"), read(seen))
    assert levels(match) == [Level.DIFFERENT]
    assert match.shown[0].seen == seen
    assert not shows(contract("SALE"), read(seen))


@pytest.mark.parametrize(
    ("wanted", "seen"), [("FRESH COFFEE", "FRESH COFFE"), ("FRESH COFFEE", "FRESH COFFFEE"), ("30% OFF", "80% OFF")]
)
def test_dropped_doubled_and_wrong_letters_are_wrong_text_not_extra_text(wanted: str, seen: str):
    match = match_read(contract(wanted), read(seen))
    assert levels(match) == [Level.DIFFERENT]
    assert extras(match) == []
    assert match.shown[0].likeness > 0.8


def test_nothing_like_it_is_absent_and_what_stands_there_is_extra():
    match = match_read(contract("OPEN DAILY"), read("XKCD QZRF"))
    assert levels(match) == [Level.ABSENT]
    assert extras(match) == ["XKCD QZRF"]


def test_a_second_showing_is_extra_text():
    match = match_read(contract("SALE"), read("SALE", "SALE"))
    assert levels(match) == [Level.EXACT]
    assert [(e.text, e.repeats) for e in match.extra] == [("SALE", True)]


def test_a_wanted_phrase_twice_takes_two_showings():
    wanted = TextContract(
        phrases=tuple(
            Phrase(text="BUY", source=PhraseSource.EXPLICIT, case_sensitive=False, strict=False) for _ in range(2)
        ),
        other_text_allowed=False,
    )
    assert levels(match_read(wanted, read("BUY", "BUY"))) == [Level.EXACT, Level.EXACT]
    assert sorted(levels(match_read(wanted, read("BUY")))) == [Level.ABSENT, Level.EXACT]


@pytest.mark.parametrize(
    ("wanted", "seen", "level"),
    [
        ("$10", "$10", Level.EXACT),
        ("$10", "$1O", Level.LOOKS_LIKE),
        ("$19.99", "$1999", Level.LOOKS_LIKE),
        ("$19.99", "$19.90", Level.DIFFERENT),
        ("5 OCTOBER", "S OCTOBER", Level.LOOKS_LIKE),
        ("5 OCTOBER", "5 October", Level.LOOKS_LIKE),
        ("CAFÉ", "CAFE", Level.LOOKS_LIKE),
        ("halden.example", "halden.example", Level.EXACT),
    ],
)
def test_strict_phrases_count_every_character(wanted: str, seen: str, level: Level):
    assert levels(match_read(contract(wanted, lane=Lane.CRITICAL), read(seen))) == [level]


def test_look_alikes_do_not_count_where_a_phrase_is_not_strict():
    assert levels(match_read(contract("SALE 10"), read("5ALE l0"))) == [Level.LOOKS_LIKE]


@pytest.mark.parametrize(
    ("marks", "cased", "seen", "level"),
    [
        (True, False, "it's on", Level.EXACT),
        (True, False, "its on", Level.LOOKS_LIKE),
        (True, False, "(IT’S ON!)", Level.EXACT),
        (False, True, "ITS ON", Level.EXACT),
        (False, True, "it's on", Level.LOOKS_LIKE),
        (False, True, "ITS-ON", Level.EXACT),
    ],
)
def test_case_and_punctuation_are_two_switches(marks: bool, cased: bool, seen: str, level: Level):
    wanted = Phrase(
        text="IT'S ON", source=PhraseSource.QUOTED, case_sensitive=cased, punctuation_sensitive=marks, strict=False
    )
    assert levels(match_read(TextContract(phrases=(wanted,), other_text_allowed=False), read(seen))) == [level]


def test_allowed_text_is_no_extra_text_whole_or_in_part():
    wanted = contract("CARRY ON", allowed=["NORTHWIND COFFEE"])
    assert extras(match_read(wanted, read("NORTHWIND", "COFFEE", "CARRY ON"))) == []
    assert extras(match_read(wanted, read("NORTHWINDCOFFEE", "CARRY ON"))) == []
    assert extras(match_read(wanted, read("NORTHWIND COFFEE", "CARRY ON", "NORTHWIND HATS"))) == ["HATS"]


def test_marks_without_letters_are_no_text():
    assert extras(match_read(contract(), read("—", "• |", "***"))) == []


def test_other_text_may_stand_where_it_is_allowed():
    match = match_read(contract("NORTH LOOP", anything=True), read("NORTH LOOP", "Lake", "1240 m"))
    assert levels(match) == [Level.EXACT]
    assert extras(match) == []


def test_a_phrase_goes_on_after_a_dash_at_the_end_of_a_box():
    assert levels(match_read(contract("SLOW MORNINGS"), read("SLOW -", "MORNINGS"))) == [Level.EXACT]


def test_a_word_that_another_phrase_has_taken_is_not_used_again():
    # BREW, the COFFEE of FRESH COFFEE, and one COFFEE only.
    match = match_read(contract("FRESH COFFEE", "COFFEE BREAK"), read("FRESH COFFEE", "BREAK"))
    assert sorted(levels(match)) == [Level.DIFFERENT, Level.EXACT]


def test_a_run_ends_where_its_next_word_is_taken():
    # B and C are spelt to the letter, so the O that looks like a 0 cannot go on with that B.
    match = match_read(contract("BC", "OB"), read("0 B C"))
    assert levels(match) == [Level.EXACT, Level.DIFFERENT]


def test_a_long_line_is_no_wrong_writing_of_a_short_phrase():
    match = match_read(contract("SALE"), read("XXXXXXXX YYYYYYYY"))
    assert levels(match) == [Level.ABSENT]
    assert extras(match) == ["XXXXXXXX YYYYYYYY"]


def test_second_readings_of_one_place_count_once():
    twice = read(word("SALE", 0, confidence=0.7), word("SALE", 0, confidence=0.9), word("SALE", 5))
    assert [(w.confidence, w.box[1]) for w in once_each(twice.words)] == [(0.9, 0), (0.97, 500)]
    kept_first = once_each((word("SALE", 0, confidence=0.9), word("SALE", 0, confidence=0.7)))
    assert [w.confidence for w in kept_first] == [0.9]


def test_boxes_without_area_overlap_nothing():
    flat = word("I", 0, height=0)
    assert overlap(flat, flat) == 0


def test_run_together_words_are_cut_only_where_nothing_is_left_over():
    seen = read("SUMMERSALE50%OFF", "SUMMERSALES", "X" * 300)
    texts = [u.text for u in units_of(seen.words, ["SUMMER SALE", "50% OFF"])]
    assert texts == ["SUMMER", "SALE", "50%", "OFF", "SUMMERSALES", "X" * 300]


def test_likeness_ranks():
    assert likeness("SALE", "SALE") == 1
    assert likeness("SALE", "SOLE") > likeness("SALE", "XYZW") == 0


def test_too_many_ways_are_said_to_be_incomplete():
    many = read(*["a" for _ in range(60)])
    match = match_read(contract("a" * 40 + "b"), many)
    assert not match.complete
    assert not shows(contract("a" * 40 + "b"), many)


def test_candidates_are_bounded():
    match = match_read(contract("aa"), read(*["a" for _ in range(CANDIDATES_MAX)]))
    assert match.complete
    assert levels(match) == [Level.EXACT]
    assert STEPS_MAX > CANDIDATES_MAX


def test_packing_takes_the_most_in_all_and_not_the_best_first():
    def one(value: float, *units: int) -> Candidate:
        return Candidate(frozenset(units), value)

    packing = pack([[one(1.0, 0, 1)], [one(0.9, 0), one(0.2, 2)], [], [one(0.7, 1)]])
    assert packing.complete
    assert [c.value if c else None for c in packing.chosen] == [None, 0.9, None, 0.7]
    assert pack([]).chosen == ()


def test_packing_stops_at_its_budget_and_says_so():
    options = [
        [Candidate(frozenset({i, j + 40}), 1.0 + (i * 7 + j * 3) % 5 / 10) for j in range(20)] for i in range(25)
    ]
    assert not pack(options).complete


@pytest.mark.parametrize(
    ("text", "kind", "folded"),
    [
        ("“Ünder – 50%”", Fold.CASED, '"Ünder-50%"'),
        ("“Ünder – 50%”", Fold.LETTERS, "Ünder50%"),
        ("“Ünder – 50%”", Fold.PLAIN, "ünder50%"),
        ("“Ünder – 50%”", Fold.LOOK, "undersо%".replace("о", "o")),
        ("(Only $4.50!) -5 .99 -x", Fold.MARKED, "Only$4.50-5.99x"),
        ("?!", Fold.MARKED, "?!"),
        ("Barn 28", Fold.NEAR, "bamzb"),
        ("?!", Fold.PLAIN, "?!"),
        ("?!", Fold.LETTERS, "?!"),
        ("?!", Fold.LOOK, "?!"),
        ("\u0301", Fold.LOOK, "\u0301"),
    ],
)
def test_folding(text: str, kind: Fold, folded: str):
    assert fold(text, kind) == folded


def test_weight_counts_letters_and_digits():
    assert weight("a-1 !") == 2
