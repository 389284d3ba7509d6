"""What guards make of verdicts: too little holds, enough advances, harm takes back, and a restart changes nothing."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from rules.rollout import Action, Decision, followed, parse_guard, plan, started
from rules.rollout_decision import HARD_EVENTS, OVERDUE_SHARE, Figures, FirstVerdict, Unseen, decide
from schemas.events import Arm, RolloutChanged, RolloutState

GUARDS = ("artifact-rate:+2pp", "p95:+20%", "corrupt-bytes:1%")


def rollout(*guards: str, stages: Sequence[int] = (10, 50, 100), min_jobs: int = 100, **fields: Any) -> RolloutChanged:
    asked = plan(
        stages=stages,
        guards=[parse_guard(g) for g in guards or GUARDS],
        modes=["corrupt-bytes", "wrong-text"],
        min_jobs=min_jobs,
        paired_share=fields.pop("paired_share", 0.0),
    )
    first = started(asked, rollout_id="r", stable="5" * 64, candidate="c" * 64, who="ann", reason="", at_ms=1)
    return replace(first, **fields)


def verdict(arm: Arm, *, modes: Iterable[str] = (), artifact: bool = False, ms: float | None = 1000) -> FirstVerdict:
    found = frozenset(modes)
    return FirstVerdict(arm=arm, artifact=artifact or bool(found), modes=found, latency_ms=ms)


def feed(figures: Figures, arm: Arm, jobs: int, **fields: Any) -> None:
    for _ in range(jobs):
        figures.see(verdict(arm, **fields))


def mixed(figures: Figures, rng: random.Random, jobs: int, stable: float, candidate: float, share: float) -> None:
    for _ in range(jobs):
        arm = Arm.CANDIDATE if rng.random() < share else Arm.STABLE
        bad = rng.random() < (candidate if arm is Arm.CANDIDATE else stable)
        figures.see(verdict(arm, modes=["wrong-text"] if bad else [], ms=rng.lognormvariate(7, 0.4)))


def test_no_verdict_at_all_holds():
    of = rollout()
    held = decide(of, Figures(of))
    assert (held.action, held.reason) == (Action.HOLD, "at 10 %: 0 of 100 verdicts of the candidate arm")
    assert held.numbers["candidate.jobs"] == 0


def test_a_stage_needs_its_verdicts_of_both_arms():
    of = rollout()
    figures = Figures(of)
    feed(figures, Arm.CANDIDATE, 100)
    feed(figures, Arm.STABLE, 99)
    assert decide(of, figures).reason == "at 10 %: 99 of 100 verdicts of the stable arm"
    feed(figures, Arm.STABLE, 1)
    assert decide(of, figures).action is Action.ADVANCE


def test_a_record_without_a_minimum_does_not_advance_on_nothing():
    of = rollout(min_jobs=20)
    of = replace(of, min_jobs=0)
    figures = Figures(of)
    feed(figures, Arm.CANDIDATE, 19)
    feed(figures, Arm.STABLE, 300)
    assert decide(of, figures).action is Action.HOLD


def late(candidate: int, stable: int = 0, *, of: int = 200, unstored: int = 0) -> Unseen:
    return Unseen(
        routed={"candidate": of, "stable": of}, overdue={"candidate": candidate, "stable": stable}, unstored=unstored
    )


def test_jobs_that_hang_are_told_while_it_waits_for_verdicts():
    of = rollout()
    held = decide(of, Figures(of), late(37, 1))
    assert held.reason == (
        "at 10 %: 0 of 100 verdicts of the candidate arm;"
        " 37 jobs of the candidate have no verdict after 5 minutes (stable arm: 1)"
    )
    assert (held.numbers["candidate.overdue"], held.numbers["stable.overdue"]) == (37, 1)
    assert "candidate.overdue" not in decide(of, Figures(of), late(0)).numbers


def test_a_stage_does_not_end_while_the_candidates_jobs_hang():
    of = rollout()
    figures = Figures(of)
    feed(figures, Arm.CANDIDATE, 100)
    feed(figures, Arm.STABLE, 100)
    most = round(OVERDUE_SHARE * 200)
    held = decide(of, figures, late(most + 1))
    assert (held.action, "have no verdict" in held.reason) == (Action.HOLD, True)
    assert decide(of, figures, late(most)).action is Action.ADVANCE
    assert decide(of, figures, late(HARD_EVENTS - 1, of=50)).action is Action.ADVANCE
    everybody_waits = late(40, 40)
    assert decide(of, figures, everybody_waits).action is Action.ADVANCE
    assert decide(of, figures, Unseen()).action is Action.ADVANCE


def test_a_stage_does_not_end_on_stale_verdicts_but_an_alarm_waits_for_nothing():
    of = rollout("corrupt-bytes:1%")
    figures = Figures(of)
    feed(figures, Arm.CANDIDATE, 100)
    feed(figures, Arm.STABLE, 100)
    held = decide(of, figures, late(0, unstored=12))
    assert (held.action, held.numbers["audit.unstored"]) == (Action.HOLD, 12)
    assert held.reason == "at 10 %: the audit has not stored 12 records that were there"
    both = decide(of, figures, late(9, unstored=12)).reason
    assert both.index("9 jobs of the candidate") < both.index("12 records")
    feed(figures, Arm.CANDIDATE, 20, modes=["corrupt-bytes"])
    assert decide(of, figures, late(9, unstored=12)).action is Action.ROLL_BACK


def test_a_sound_candidate_passes_all_stages():
    of, rng = rollout(), random.Random(7)
    figures = Figures(of)
    steps: list[Decision] = []
    for _ in range(10_000):
        mixed(figures, rng, 20, 0.1, 0.1, of.percent / 100)
        step = decide(of, figures)
        if step.action is not Action.HOLD:
            steps.append(step)
            after = followed(of, step, who="controller", at_ms=2)
            assert after is not None
            of = after
            if of.state is RolloutState.COMPLETED:
                break
            figures.enter(of.stage)
    assert [s.action for s in steps] == [Action.ADVANCE, Action.ADVANCE, Action.COMPLETE]
    assert (of.state, of.percent) == (RolloutState.COMPLETED, 100)
    assert "corrupt-bytes:1%.evidence" in of.numbers
    assert 0.05 < of.numbers["candidate.artifact-rate"] < 0.2


def test_a_worse_candidate_is_taken_back_with_the_figures():
    of, rng = rollout(), random.Random(7)
    figures = Figures(of)
    found = decide(of, figures)
    for _ in range(1000):
        mixed(figures, rng, 10, 0.1, 0.3, 0.1)
        found = decide(of, figures)
        if found.action is not Action.HOLD:
            break
    assert found.action is Action.ROLL_BACK
    assert found.reason.startswith("artifact-rate:+2pp: ")
    assert found.numbers["artifact-rate:+2pp.evidence"] >= found.numbers["artifact-rate:+2pp.needed"] == 60
    assert found.numbers["candidate.artifact-rate"] > found.numbers["stable.artifact-rate"] + 0.02


def test_doubt_holds_a_stage_that_has_its_verdicts():
    of = rollout("artifact-rate:+2pp", min_jobs=20)
    figures = Figures(of)
    for number in range(60):
        figures.see(verdict(Arm.STABLE, artifact=number % 10 == 0))
        figures.see(verdict(Arm.CANDIDATE, artifact=number % 5 == 0))
    held = decide(of, figures)
    assert held.action is Action.HOLD
    assert "leans towards an alarm" in held.reason


def test_one_or_two_unlucky_jobs_are_no_alarm_of_a_hard_guard():
    of = rollout()
    figures = Figures(of)
    for count in range(1, HARD_EVENTS):
        feed(figures, Arm.CANDIDATE, 1, modes=["corrupt-bytes"])
        assert decide(of, figures).action is Action.HOLD, count
    feed(figures, Arm.CANDIDATE, 1, modes=["corrupt-bytes"])
    taken = decide(of, figures)
    assert taken.action is Action.ROLL_BACK
    assert "corrupt-bytes:1%: 3 of 3 in the candidate arm" in taken.reason


def test_a_hard_guard_wants_more_than_a_share_within_its_limit():
    of = rollout("corrupt-bytes:1%")
    figures = Figures(of)
    for number in range(5000):
        figures.see(verdict(Arm.CANDIDATE, modes=["corrupt-bytes"] if number % 125 == 124 else []))
        figures.see(verdict(Arm.STABLE))
        assert decide(of, figures).action is not Action.ROLL_BACK
    feed(figures, Arm.CANDIDATE, 6, modes=["corrupt-bytes"])
    assert decide(of, figures).action is Action.ROLL_BACK  # corruption that begins late is seen as well


def test_what_the_stable_arm_breaks_is_no_hard_alarm():
    of = rollout("corrupt-bytes:1%")
    figures = Figures(of)
    feed(figures, Arm.STABLE, 200, modes=["corrupt-bytes"])
    feed(figures, Arm.CANDIDATE, 200)
    assert decide(of, figures).action is Action.ADVANCE


def test_an_alarm_takes_back_a_paused_roll_out_and_nothing_else_moves_it():
    of = rollout(state=RolloutState.PAUSED)
    figures = Figures(of)
    feed(figures, Arm.CANDIDATE, 500)
    feed(figures, Arm.STABLE, 500)
    assert decide(of, figures).reason == "the roll-out is paused"
    feed(figures, Arm.CANDIDATE, 50, modes=["corrupt-bytes"])
    assert decide(of, figures).action is Action.ROLL_BACK


def test_the_last_stage_goes_by_the_candidate_alone():
    of = rollout(stage=2, percent=100)
    figures = Figures(of)
    figures.enter(2)
    feed(figures, Arm.CANDIDATE, 99)
    assert decide(of, figures).reason == "at 100 %: 99 of 100 verdicts of the candidate arm"
    feed(figures, Arm.CANDIDATE, 1)
    assert decide(of, figures).action is Action.COMPLETE


def test_a_comparison_that_leans_holds_no_stage_without_a_stable_arm():
    of = rollout("artifact-rate:+2pp", min_jobs=20)
    figures = Figures(of)
    for number in range(60):
        figures.see(verdict(Arm.STABLE, artifact=number % 10 == 0))
        figures.see(verdict(Arm.CANDIDATE, artifact=number % 5 == 0))
    assert decide(of, figures).action is Action.HOLD
    figures.stage_jobs[Arm.CANDIDATE.value] = 20
    assert decide(replace(of, stage=2, percent=100), figures).action is Action.COMPLETE


@pytest.mark.parametrize(("guard", "action"), [("p95:+20%", Action.COMPLETE), ("p95:1200ms", Action.HOLD)])
def test_stragglers_of_the_stable_arm_hold_no_last_stage(guard: str, action: Action):
    """Routed before it began, and by chance fast: no later one will come to set that right."""
    of = rollout(guard, min_jobs=20, stage=2, percent=100)
    figures = Figures(of)
    figures.enter(2)
    feed(figures, Arm.STABLE, 2, ms=500)
    feed(figures, Arm.CANDIDATE, 18, ms=1000)
    feed(figures, Arm.CANDIDATE, 2, ms=1300)
    assert decide(of, figures).action is action


@pytest.mark.parametrize(("guard", "slow"), [("p95:+20%", 1500), ("p95:+300ms", 1500), ("p95:1200ms", 1500)])
def test_a_slow_candidate_is_taken_back(guard: str, slow: float):
    of = rollout(guard)
    figures = Figures(of)
    found = decide(of, figures)
    for number in range(1500):
        figures.see(verdict(Arm.STABLE, ms=1000 if number % 10 == 0 else 500))
        figures.see(verdict(Arm.CANDIDATE, ms=slow if number % 10 == 0 else 500))
        found = decide(of, figures)
        if found.action is Action.ROLL_BACK:
            break
    assert found.action is Action.ROLL_BACK
    assert found.reason.startswith(f"{guard}: the candidate's p95 is at least 14")
    assert found.numbers["candidate.p95-at-least-ms"] == pytest.approx(slow, rel=0.021)


@pytest.mark.parametrize("guard", ["p95:+20%", "p95:1200ms"])
def test_a_latency_that_leans_holds(guard: str):
    of = rollout(guard, min_jobs=20)
    figures = Figures(of)
    feed(figures, Arm.STABLE, 20, ms=1000)
    feed(figures, Arm.CANDIDATE, 18, ms=1000)
    feed(figures, Arm.CANDIDATE, 2, ms=1300)
    held = decide(of, figures)
    assert held.action is Action.HOLD
    assert "leans towards an alarm (p95 of the candidate 1" in held.reason


def test_a_stage_counts_its_own_latencies():
    of = rollout("p95:+20%", min_jobs=20)
    figures = Figures(of)
    feed(figures, Arm.STABLE, 20, ms=1000)
    feed(figures, Arm.CANDIDATE, 20, ms=9000)
    assert decide(of, figures).action is Action.HOLD
    figures.enter(1)
    feed(figures, Arm.STABLE, 20, ms=1000)
    feed(figures, Arm.CANDIDATE, 20, ms=None)
    assert decide(replace(of, stage=1, percent=50), figures).action is Action.ADVANCE


def test_pairs_find_harm_that_the_arms_alone_do_not_show_yet():
    of = rollout("artifact-rate:+2pp", paired_share=1.0)
    figures = Figures(of)
    for number in range(60):
        mine = verdict(Arm.CANDIDATE, artifact=number % 4 == 0)
        other = verdict(Arm.STABLE)
        figures.see_pair(mine, other)
    figures.see_pair(verdict(Arm.CANDIDATE), verdict(Arm.STABLE, artifact=True))
    taken = decide(of, figures)
    assert taken.action is Action.ROLL_BACK
    assert [taken.numbers[f"pairs.{n}"] for n in ("better", "worse", "same")] == [1, 15, 45]
    assert taken.numbers["pairs.p-value"] == pytest.approx(2 * (1 + 16) / 2**16)


def test_relative_guards_compare_with_a_part_of_the_stable_share():
    of = rollout("wrong-text:+100%", paired_share=0.5)
    figures = Figures(of)
    for number in range(4000):
        figures.see(verdict(Arm.STABLE, modes=["wrong-text"] if number % 10 == 0 else []))
        figures.see(verdict(Arm.CANDIDATE, modes=["wrong-text"] if number % 6 == 0 else []))
    assert decide(of, figures).action is Action.ADVANCE  # 17 % is within twice 10 %
    for number in range(4000):
        figures.see(verdict(Arm.STABLE, modes=["wrong-text"] if number % 10 == 0 else []))
        figures.see(verdict(Arm.CANDIDATE, modes=["wrong-text"] if number % 2 == 0 else []))
    assert decide(of, figures).action is Action.ROLL_BACK


def test_after_a_restart_the_figures_go_on_where_they_were():
    of, rng = rollout(*GUARDS, "wrong-text:+50%", paired_share=0.3), random.Random(3)
    figures = Figures(of)
    mixed(figures, rng, 700, 0.1, 0.15, 0.3)
    figures.see_pair(verdict(Arm.CANDIDATE, artifact=True), verdict(Arm.STABLE))
    figures.enter(1)
    mixed(figures, rng, 333, 0.1, 0.15, 0.5)
    again = Figures(of)
    again.load(json.loads(json.dumps(figures.dump())))
    second = replace(of, stage=1, percent=50)
    assert decide(second, again) == decide(second, figures)
    for one in (figures, again):
        rest = random.Random(4)
        mixed(one, rest, 501, 0.1, 0.15, 0.5)
        one.enter(2)
    assert again.dump() == figures.dump()
    assert decide(second, again) == decide(second, figures)
