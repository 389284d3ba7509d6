"""Thresholds of doubt, the draw of the random audit, and what both make of a verdict."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import pytest

from rules.ruleset import Ruleset, load_ruleset
from rules.verdict import checked, judge
from schemas.errors import BadConfig
from schemas.events import Inspection, Judgement, Lane, Verdict
from tests.unit.rules.samples import changed, config, inspection, job, read, rendering, routed, ruleset, word

ENTRY = (
    '  - {lane: critical, engine: "*", mode: wrong-text, accept_below: 0.4, alpha: 0.01, delta: 0.05, labels: 900,\n'
    '     fitted_on: "0123456789ab", date: "2026-05-01"}\n'
)
POSTER = 'a poster that says "FRESH COFFEE"'


@cache
def rules(*entries: str, audits: tuple[float, float] = (0, 0)) -> Ruleset:
    text = config()["verdict.yml"]
    if entries:
        text = text.replace("calibrated: []", "calibrated:\n" + "".join(entries))
    text = text.replace("accept_share: 0.02", f"accept_share: {audits[0]}").replace(
        "reject_share: 0.02", f"reject_share: {audits[1]}"
    )
    return load_ruleset({**config(), "verdict.yml": text})


def judged(seen: Inspection, by: Ruleset, *, lane: Lane = Lane.CRITICAL, **fields: Any) -> Judgement:
    return judge(seen, rendering(), routed(job(POSTER, lane=lane, **fields), by), by)


def faint(confidence: float) -> Inspection:
    return inspection(read(word("FRESH COFFEE", 1, at=40, confidence=confidence)))


def test_until_calibrated_critical_work_with_doubt_goes_to_a_person_and_other_work_does_not():
    assert judged(faint(0.97), rules()).verdict is Verdict.ACCEPT
    weak = inspection(read(replace(word("FRESH COFFEE", 1, at=40), confidences=(0.9, 0.4))))
    doubted = judged(weak, rules())
    assert doubted.verdict is Verdict.REVIEW
    assert [(d.mode, d.check, d.value, d.certain) for d in doubted.defects] == [("wrong-text", "doubt", 0.6, False)]
    assert "not calibrated yet" in doubted.reasons[0]
    relaxed = judged(weak, rules(), lane=Lane.EXPLORATORY)
    assert relaxed.verdict is Verdict.ACCEPT
    assert relaxed.scores["doubt.wrong-text"] == 0.6


def test_a_calibrated_threshold_decides_in_its_cell():
    assert judged(faint(0.65), rules(ENTRY)).verdict is Verdict.ACCEPT
    assert judged(faint(0.6), rules(ENTRY)).verdict is Verdict.REVIEW  # a doubt of 0.4 is not below 0.4
    assert "calibrated 2026-05-01 on 900 labels" in judged(faint(0.6), rules(ENTRY)).reasons[0]
    own = ENTRY.replace('"*"', f'"{routed(job(POSTER, lane=Lane.CRITICAL)).engine}"').replace("0.4,", "0.3,")
    assert judged(faint(0.65), rules(ENTRY, own)).verdict is Verdict.REVIEW  # the engine's own goes first
    other = ENTRY.replace("critical", "exploratory")
    assert judged(faint(0.6), rules(other), lane=Lane.EXPLORATORY).verdict is Verdict.REVIEW


def test_nothing_is_accepted_below_a_doubt_of_nothing():
    assert judged(faint(1.0), rules(ENTRY.replace("0.4,", "0,"))).verdict is Verdict.REVIEW


def test_doubt_takes_no_reject_back_and_adds_nothing_to_a_review():
    for seen in (inspection(read("FRESH TOFFEE")), inspection(read(word("FRESH COFFEE", 1, at=40, confidence=0.3)))):
        request = routed(job(POSTER, lane=Lane.CRITICAL), rules(ENTRY))
        alone = checked(seen, rendering(), request, rules(ENTRY))
        assert alone.verdict is not Verdict.ACCEPT
        assert judged(seen, rules(ENTRY)) == alone


def test_a_render_without_an_asset_is_not_drawn():
    by = rules(audits=(1, 1))
    failed = judge(inspection(), rendering(asset=None), routed(job(POSTER), by), by)
    assert not failed.audit


def test_the_draw_goes_by_the_hash_and_the_share():
    everything, nothing, some = rules(audits=(1, 1)), rules(audits=(0, 0)), rules(audits=(0.25, 0))
    good, bad, unsure = inspection(read("FRESH COFFEE")), inspection(read("FRESH TOFFEE")), faint(0.3)
    assert [judged(s, everything).audit for s in (good, bad, unsure)] == [True, True, False]
    assert [judged(s, nothing).audit for s in (good, bad, unsure)] == [False, False, False]
    drawn = [judged(good, some, key=f"job {n}").audit for n in range(400)]
    assert 70 <= sum(drawn) <= 130
    assert drawn == [judged(good, some, key=f"job {n}").audit for n in range(400)]


def test_what_only_doubt_keeps_back_is_drawn_with_the_accepts():
    by = rules(ENTRY.replace("0.4,", "0,"), audits=(1, 0))
    kept = judged(faint(0.9), by)
    assert (kept.verdict, kept.audit) == (Verdict.REVIEW, True)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("calibrated: []", "calibrated:\n" + ENTRY + ENTRY, "has two thresholds"),
        ("calibrated: []", "calibrated:\n" + ENTRY.replace("wrong-text", "wrong-txt"), "did you mean 'wrong-text'?"),
        ("calibrated: []", "calibrated:\n" + ENTRY.replace('"*"', "sd3.5-larg"), "did you mean 'sd3.5-large"),
        ("calibrated: []", "calibrated:\n" + ENTRY.replace("0123456789ab", "mine"), "is not the id of a ruleset"),
        ("calibrated: []", "calibrated:\n" + ENTRY.replace("2026-05-01", "in May"), "is not a date"),
        ("  wrong-text: 0.5", "  wrong-words: 0.5", "there is no failure mode 'wrong-words'"),
        ("accept_share: 0.02", "accept_share: 2", "want 0 to 1"),
    ],
)
def test_what_is_wrong_is_named(old: str, new: str, said: str):
    with pytest.raises(BadConfig, match=r"verdict\.yml") as caught:
        load_ruleset(changed("verdict.yml", old, new))
    assert said in str(caught.value)


def test_the_thresholds_of_config_are_in_force():
    assert ruleset().thresholds.acceptance.uncalibrated["wrong-text"] == 0.5
    assert ruleset().thresholds.audits.accept_share == 0.02
