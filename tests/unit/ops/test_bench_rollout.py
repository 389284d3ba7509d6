"""The simulation of roll-outs: the same seed plays the same, its rows add up, and its rules do what they say."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from typer.testing import CliRunner

from ops.bench.rollout import Alarm, Scenario, holds, play, show, summed
from ops.bench.rollout_plot import draw
from ops.bench.rollout_rules import FIXED, OURS, PEEKING, TWO_BOUNDS, Counts, Fixed, rules
from ops.commands.bench import app

STAGES = (10, 50)


def test_the_same_seed_plays_the_same():
    one = play(Scenario.WORSE, STAGES, 30, (1, 2, 3))
    assert one == play(Scenario.WORSE, STAGES, 30, (1, 2, 3))
    assert list(one) == list(rules(0.05, 4, base=0.1, harm=0.1, share=0.01))


def test_the_fixed_sample_is_the_planned_one():
    """By the formula of the text books with unpooled variances: 6.18 (0.16 + 0.09) / 0.01 for two equal arms."""
    assert Fixed(base=0.1, harm=0.1, share=0.5).sample == 155
    assert Fixed(base=0.1, harm=0.1, share=0.01).sample == 100


def test_the_z_of_counts_is_that_of_the_text_book():
    counts = Counts()
    counts.jobs, counts.bad = [100, 100], [10, 20]
    assert counts.z() == pytest.approx(0.1 / (0.15 * 0.85 * 0.02) ** 0.5)
    counts.bad = [0, 0]
    assert counts.z() == 0


@pytest.mark.parametrize("name", [OURS, TWO_BOUNDS, PEEKING, FIXED])
def test_every_rule_finds_a_broken_candidate(name: str):
    rule, counts = rules(0.05, 4, base=0.1, harm=0.1, share=0.5)[name], Counts()
    for number in range(400):
        tried = number % 2 == 1
        counts.jobs[tried] += 1
        counts.bad[tried] += tried
        if rule.see(candidate=tried, bad=tried, counts=counts):
            return
    pytest.fail("it never looked up")


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
