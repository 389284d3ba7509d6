"""Malformed lettering asks a person, where it belongs to what was wanted."""

from __future__ import annotations

from dataclasses import replace

from rules.glyphs import glyph_defects
from rules.verdict import judge
from schemas.events import Box, Defect, Glyph, Inspection, TextContract, Verdict
from tests.unit.rules.samples import contract, inspection, job, read, rendering, routed, ruleset

LIMITS = {
    "glyphs.health_min": 0.2,
    "glyphs.odd_max": 0.35,
    "glyphs.apart_min": 2.7,
    "glyphs.typical_min": 0.5,
    "glyphs.twin_max": 0.1,
}
CHECKS = ("text", "glyphs")


def glyph(health: float, word: int = 0, letter: str = "S", reader: str = "rapidocr", place: int = 0) -> Glyph:
    box = Box(left=40, top=70, right=80, bottom=120)
    return Glyph(letter=letter, reader=reader, word=word, place=place, health=health, box=box)


def seen(*glyphs: Glyph) -> Inspection:
    return replace(inspection(read("SUMMER SALE", "scenery")), glyphs=glyphs)


def found(*low: Glyph, wanted: TextContract | None = None, checks: tuple[str, ...] = CHECKS) -> list[Defect]:
    """Defects of letters among six sound ones."""
    glyphs = (*low, *(glyph(0.9, place=n) for n in range(6)))
    return glyph_defects(seen(*glyphs), wanted or contract("SUMMER SALE"), checks, LIMITS)


def test_sound_letters_say_nothing():
    assert found() == []
    assert found(glyph(0.35), glyph(0.99)) == []


def test_a_malformed_letter_of_a_wanted_phrase_is_a_doubt_that_names_it():
    (defect,) = found(glyph(0.9), glyph(0.05))
    assert (defect.mode, defect.check, defect.value, defect.threshold) == ("malformed-letter", "glyphs", 0.05, 0.35)
    assert not defect.certain
    assert defect.evidence == "the 'S' at 40, 70 is not formed as a font forms it"


def test_a_figure_drawn_as_a_letter_is_a_doubt_that_names_both():
    zero = replace(glyph(0.99, letter="0"), twin="O", twin_excess=0.1)
    assert found(zero) == []
    (defect,) = found(replace(zero, twin_excess=0.11), replace(zero, letter="1", twin="l", twin_excess=0.3))
    assert (defect.mode, defect.check, defect.value, defect.threshold) == ("malformed-letter", "glyphs", 0.3, 0.1)
    assert not defect.certain
    assert defect.evidence == "the '1' at 40, 70 is drawn as 'l' is in such a face"
    assert found(replace(zero, twin_excess=0.3, word=1)) == [], "scenery was not asked for"
    assert len(found(replace(zero, twin_excess=0.3), glyph(0.05))) == 2


def test_the_least_healthy_is_named_and_the_others_are_counted():
    (two,) = found(glyph(0.15, place=1), glyph(0.05, letter="M", place=2))
    assert two.threshold == 0.35
    assert two.evidence == "the 'M' at 40, 70 is not formed as a font forms it, and one more letter is not"
    (three,) = found(glyph(0.15), glyph(0.1), glyph(0.05, letter="M"))
    assert three.evidence.endswith("and 2 more letters are not")


def test_a_letter_that_stands_out_from_the_next_is_a_doubt_sooner():
    (defect,) = found(glyph(0.3))
    assert (defect.value, defect.threshold) == (0.3, 0.35)
    assert found(glyph(0.36)) == []
    # Log odds of 0.3, of 0.32 and twice of 0.9: -0.85, -0.75, 2.2.
    assert found(glyph(0.3), glyph(0.32)) == [], "apart by 2.06"
    (both,) = found(glyph(0.1), glyph(0.32))
    assert both.threshold == 0.35
    assert both.evidence.endswith("and one more letter is not")


def test_few_letters_stand_out_from_nothing():
    few = seen(glyph(0.3), glyph(0.99, place=1), glyph(0.99, place=2))
    assert glyph_defects(few, contract("SUMMER SALE"), CHECKS, LIMITS) == []
    low = seen(glyph(0.1), glyph(0.99, place=1), glyph(0.99, place=2))
    assert len(glyph_defects(low, contract("SUMMER SALE"), CHECKS, LIMITS)) == 1


def test_lettering_that_nobody_wanted_is_not_judged():
    assert found(glyph(0.01, word=1)) == []
    assert found(glyph(0.01), wanted=contract("ANOTHER TEXT ALTOGETHER", anything=True)) == []
    assert found(glyph(0.01, reader="somebody")) == []


def test_lettering_that_is_unlike_fonts_as_a_whole_is_not_judged_by_one_letter():
    odd = seen(glyph(0.05), *(glyph(0.4, place=n) for n in range(1, 6)))
    assert glyph_defects(odd, contract("SUMMER SALE"), CHECKS, LIMITS) == []


def test_nothing_is_judged_where_the_check_is_not_in_force():
    assert found(glyph(0.01), checks=("text",)) == []


def test_a_malformed_letter_sends_to_review_and_nothing_else():
    request = routed(job("a poster", required_text=("SUMMER SALE",)))
    bare = inspection(read("SUMMER SALE"))
    assert judge(bare, rendering(), request, ruleset()).verdict is Verdict.ACCEPT
    bad = judge(replace(bare, glyphs=(glyph(0.0), glyph(0.99), glyph(0.99))), rendering(), request, ruleset())
    assert bad.verdict is Verdict.REVIEW
    assert [d.mode for d in bad.defects] == ["malformed-letter"]
