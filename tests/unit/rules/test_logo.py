"""Logos: each way in which a supplied one may differ is shown to a person, as are marks that nobody asked for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from rules.units import inside
from rules.verdict import judge
from schemas.events import Box, Job, Judgement, LogoMatch, Region, RegionKind, TextRead, Verdict, Word
from tests.unit.rules.samples import LOGO, PASTED, inspection, job, read, rendering, routed, ruleset

BAG = job("a bag", files=(LOGO,))


def judged(wanted: Job, reads: tuple[TextRead, ...] = (), **values: Any) -> Judgement:
    return judge(inspection(*reads, **values), rendering(), routed(wanted), ruleset())


def mark(score: float, kind: RegionKind = RegionKind.MARK) -> Region:
    return Region(kind=kind, check="logo", box=Box(left=10, top=20, right=60, bottom=70), score=score)


def test_a_logo_as_typeset_pastes_it_passes():
    assert judged(BAG).verdict is Verdict.ACCEPT


@pytest.mark.parametrize(
    ("match", "says"),
    [
        (replace(PASTED, found=False, score=0.4, box=()), "the logo 'logo.png' was not found"),
        (replace(PASTED, score=0.7), "agrees with its file by 70%"),
        (replace(PASTED, distortion=0.25), "is stretched or skewed by 25%, at most 8%"),
        (replace(PASTED, rotation_degrees=-15.0), "is turned by 15 degrees, at most 8"),
        (replace(PASTED, delta_e00=30.0), "off its colours by a mean ΔE00 of 30.0, at most 7"),
        (replace(PASTED, difference=0.3), "drawn otherwise in 30% of its area, at most 10%"),
        (replace(PASTED, clear_space=0.02), "has 2.0% of its shorter side free about it, at least 10%"),
    ],
)
def test_each_way_to_differ_is_shown_to_a_person(match: LogoMatch, says: str):
    judgement = judged(BAG, logos=[match])
    assert judgement.verdict is Verdict.REVIEW
    (defect,) = judgement.defects
    assert (defect.mode, defect.check, defect.certain) == ("logo-damage", "logo", False)
    assert says in defect.evidence


def test_what_was_not_measured_of_a_logo_is_not_held_against_it():
    bare = LogoMatch(file_sha256=LOGO.sha256, found=True, score=0.95, box=PASTED.box)
    assert judged(BAG, logos=[bare]).verdict is Verdict.ACCEPT


def test_a_logo_that_was_not_looked_for_is_never_an_accept():
    judgement = judged(BAG, logos=[])
    assert judgement.verdict is Verdict.REVIEW
    assert "The check logo gave no number to judge by." in judgement.reasons
    assert judged(job("a bag"), logos=[]).verdict is Verdict.ACCEPT


def lettered(corners: tuple[float, ...] = (760, 910, 900, 910, 900, 960, 760, 960)) -> Word:
    return Word(text="PEAK LTD", confidence=0.99, box=corners)


@pytest.mark.parametrize(
    ("match", "word", "free"),
    [
        (PASTED, lettered(), True),
        # Over its edge by as much as readers' boxes stand over.
        (PASTED, lettered((730, 895, 930, 895, 930, 975, 730, 975)), True),
        (PASTED, lettered((100, 910, 240, 910, 240, 960, 100, 960)), False),
        (PASTED, lettered((700, 600, 980, 600, 980, 985, 700, 985)), False),
        (replace(PASTED, distortion=None, difference=None), lettered(), True),
        (replace(PASTED, score=0.7), lettered(), False),
        (replace(PASTED, distortion=0.3), lettered(), False),
        (replace(PASTED, difference=0.3), lettered(), False),
        (replace(PASTED, found=False, score=0.4, box=()), lettered(), False),
    ],
)
def test_lettering_inside_a_logo_that_is_as_its_file_has_it_is_its_own(match: LogoMatch, word: Word, free: bool):
    judgement = judged(BAG, logos=[match], reads=(read(word), read(word, reader="rapidocr@640")))
    assert any(d.mode == "extra-text" for d in judgement.defects) is not free
    assert (not judgement.letters) is free
    unlooked = replace(ruleset(), thresholds=replace(ruleset().thresholds, checks=("text",)))
    seen = inspection(read(word), logos=[match])
    assert any(d.mode == "extra-text" for d in judge(seen, rendering(), routed(BAG), unlooked).defects)


def test_a_box_without_area_lies_in_nothing():
    assert inside(lettered((760, 910) * 4), PASTED.box) == 0


def test_a_mark_that_nobody_asked_for_is_shown_to_a_person():
    judgement = judged(job("a bag"), regions=[mark(0.9), mark(0.1), mark(0.9, RegionKind.SUBJECT)])
    (defect,) = judgement.defects
    assert (defect.mode, judgement.verdict) == ("unasked-mark", Verdict.REVIEW)
    assert "stands at 10, 20 to 60, 70, and nobody asked for one" in defect.evidence


def test_where_a_mark_was_asked_for_in_words_one_is_no_surprise():
    asked = job("a logo for a bakery, flat")
    assert any(t.name in {"logo", "brand-logo"} for t in routed(asked).tags)
    assert not any(d.mode == "unasked-mark" for d in judged(asked, regions=[mark(0.9)]).defects)
    with_file = job("a bag with our logo", files=(LOGO,))
    assert any(d.mode == "unasked-mark" for d in judged(with_file, regions=[mark(0.9)]).defects)
