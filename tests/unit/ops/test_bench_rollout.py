"""The simulation of roll-outs: the same seed plays the same, its rows add up, and its rules do what they say."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from typer.testing import CliRunner

from ops.bench.rollout import Alarm, Scenario, holds, play, show, summed
from ops.bench.rollout_plot import draw
from ops.bench.rollout_rules import FIXED, OURS, OURS_MARGIN, PEEKING, THRESHOLDED, TWO_BOUNDS, Fixed, Stream, rules
from ops.commands.bench import app
from rules.sequential import TwoArms

STAGES = (10, 50)


def test_the_same_seed_plays_the_same():
    one = play(Scenario.WORSE, STAGES, 30, (1, 2, 3))
    assert one == play(Scenario.WORSE, STAGES, 30, (1, 2, 3))
    assert list(one) == list(rules(0.05, base=0.1, harm=0.1, share=0.01))


def test_the_fixed_sample_is_the_planned_one():
    """By the formula of the text books with unpooled variances: 6.18 (0.16 + 0.09) / 0.01 for two equal arms."""
    assert Fixed(base=0.1, harm=0.1, share=0.5).sample == 155
    assert Fixed(base=0.1, harm=0.1, share=0.01).sample == 100


def stream(candidate: Sequence[bool], bad: Sequence[bool], stages: Sequence[int] = ()) -> Stream:
    return Stream(np.array(candidate, dtype=np.bool_), np.array(bad, dtype=np.bool_), stages)


def test_the_z_of_counts_is_that_of_the_text_book():
    candidate = [n % 2 == 1 for n in range(200)]
    bad = [n < 20 if n % 2 == 0 else n < 40 for n in range(200)]
    seen = stream(candidate, bad)
    assert (seen.jobs[:, -1].tolist(), seen.bads[:, -1].tolist()) == ([100, 100], [10, 20])
    assert seen.z()[-1] == pytest.approx(0.1 / (0.15 * 0.85 * 0.02) ** 0.5)
    assert seen.difference()[-1] == pytest.approx(0.1)
    assert not stream(candidate, [False] * 200).z().any()


@pytest.mark.parametrize("name", [OURS, TWO_BOUNDS, PEEKING, THRESHOLDED, FIXED])
def test_every_rule_finds_a_broken_candidate_and_leaves_a_sound_one(name: str):
    rule = rules(0.05, base=0.1, harm=0.1, share=0.5)[name]
    candidate = [n % 2 == 1 for n in range(400)]
    assert rule.alarm(stream(candidate, candidate)) is not None
    assert rule.alarm(stream(candidate, [False] * 400)) is None


@pytest.mark.parametrize("name", [OURS, OURS_MARGIN])
def test_our_rule_by_blocks_is_the_test_of_production_verdict_by_verdict(name: str):
    alarms = 0
    for seed in range(30):
        rng = np.random.default_rng(seed)
        candidate = np.concatenate([rng.random(900) < 0.1, rng.random(900) < 0.6])
        bad = rng.random(1800) < np.where(candidate, 0.22, 0.1)
        seen = Stream(candidate, bad, [900])
        test, found = TwoArms(ratio=1.0, margin=0.02 if name == OURS_MARGIN else 0.0, stages=2), None
        for at, (tried, wrong) in enumerate(zip(candidate.tolist(), bad.tolist(), strict=True)):
            if at == 900:
                test.wealth.next_stage()
            if test.see(candidate=tried, bad=wrong) and test.wealth.value >= 20:
                found = at
                break
        assert rules(0.05, base=0.1, harm=0.1, share=0.1)[name].alarm(seen) == found
        alarms += found is not None
    assert 0 < alarms < 30 or name == OURS


def test_an_alarm_before_the_harm_is_counted_from_the_start_and_one_after_it_from_the_harm():
    played = [play(Scenario.LATE, STAGES, 40, (1, 3, run)) for run in range(40)]
    alarms = [a for found in played for a in found.values() if a is not None]
    assert {a.early for a in alarms} == {True, False}
    assert all(1 <= a.candidate_jobs <= 40 and a.candidate_jobs <= a.jobs for a in alarms)


def test_medians_and_95th_percentiles_are_of_the_alarms_since_the_harm():
    """101 alarms since the harm, 20 too early, 29 roll-outs that nobody took back: 51 and 96 are ranks of the first."""
    since = [Alarm(jobs=10 * n, candidate_jobs=3 * n, early=False) for n in range(101, 0, -1)]
    too_early = [Alarm(jobs=5_000, candidate_jobs=4_000, early=True)] * 20
    found = [*since, *too_early, *(None for _ in range(29))]
    (row,) = summed([(Scenario.LATE, {OURS: alarm}) for alarm in found])
    assert (row.runs, row.taken_back, row.early) == (150, 121, 20)
    assert (row.jobs_p50, row.jobs_p95) == (510, 960)
    assert (row.candidate_p50, row.candidate_p95) == (153, 288)
    (never,) = summed([(Scenario.LATE, {OURS: None})])
    assert (never.taken_back, never.jobs_p50, never.candidate_p95) == (0, None, None)


def test_the_command_plays_and_draws(tmp_path: Path):
    picture = tmp_path / "rollout.svg"
    done = CliRunner().invoke(
        app, ["rollout", "--runs", "1", "--stages", "20,50,100", "--min-jobs", "20", "--json", "--plot", str(picture)]
    )
    assert done.exit_code == 0, done.output
    rows = json.loads(done.stdout)
    assert {r["scenario"] for r in rows} == {s.value for s in Scenario}
    assert all(r["runs"] == 1 and r["early"] <= r["taken_back"] <= 1 for r in rows)
    assert ET.fromstring(picture.read_text(encoding="utf-8")).tag.endswith("svg")


@pytest.mark.parametrize("stages", ["100", "ten", "0,100"])
def test_stages_that_compare_nothing_are_wrong_use(stages: str):
    assert CliRunner().invoke(app, ["rollout", "--stages", stages]).exit_code == 2


def test_people_see_a_table_for_each_scenario(capsys: pytest.CaptureFixture[str]):
    show(summed([(s, play(s, STAGES, 20, (1, 2, 3))) for s in Scenario]), STAGES, 20)
    shown = capsys.readouterr().out
    assert all(s.value in shown for s in Scenario)
    assert shown.count("bets (ours)") == 2 * len(Scenario)


def test_nothing_played_is_drawn_as_nothing():
    assert "</svg>" in draw([])
    assert summed([]) == []


def test_more_false_alarms_than_alpha_are_a_finding():
    found = play(Scenario.SAME, STAGES, 20, (1, 0, 0))
    rows = summed([(Scenario.SAME, found)] * 3)
    assert holds(rows, [OURS])
    alarm = Alarm(jobs=5, candidate_jobs=2, early=False)
    bad = summed([(Scenario.SAME, {OURS: alarm})] * 60)
    assert not holds(bad, [OURS])
    assert holds(bad, [PEEKING])
