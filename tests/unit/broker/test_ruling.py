"""Which ruleset decides a record in and out of roll-outs, and by which an attempt is worked on."""

from __future__ import annotations

from dataclasses import replace

import pytest

from broker.ruling import NamedRulesets, Ruling, Rulings
from rules.ruleset import Ruleset, load_ruleset
from schemas import ids
from schemas.errors import Transient
from schemas.events import Arm, Assignment, RolloutChanged, RolloutState
from tests.unit.rules import samples

ACTIVE = samples.ruleset()
CANDIDATE = load_ruleset(samples.changed("verdict.yml", "cast_max: 45", "cast_max: 44"))
TRIED = Assignment(rollout_id="r", arm=Arm.CANDIDATE)
KEPT = Assignment(rollout_id="r", arm=Arm.STABLE)
JOB = samples.job().job_id


class Known:
    """A table of two rulesets, or of none."""

    def __init__(self, *rulesets: Ruleset) -> None:
        self._rulesets = rulesets

    def current(self) -> Ruleset:
        if not self._rulesets:
            raise Transient("no ruleset is active")
        return self._rulesets[0]

    def named(self, ruleset_id: str) -> Ruleset | None:
        return next((r for r in self._rulesets if r.id == ruleset_id), None)


def rollout(state: RolloutState = RolloutState.RUNNING, percent: int = 100, paired: float = 0.0) -> RolloutChanged:
    return RolloutChanged(
        event_id=ids.event_id("r", "test"),
        at_ms=1,
        rollout_id="r",
        state=state,
        stable_ruleset_id=ACTIVE.id,
        candidate_ruleset_id=CANDIDATE.id,
        percent=percent,
        stages=(percent,) if percent else (),
        paired_share=paired,
        reason="test",
        who="test",
    )


def ruling(changed: RolloutChanged, *known: Ruleset) -> Ruling:
    return Rulings(rulesets=Known(*(known or (ACTIVE, CANDIDATE))), rollouts=lambda: {"r": changed})()


def test_an_arm_decides_while_its_roll_out_is_under_way_and_the_active_one_after_it() -> None:
    running = ruling(rollout())
    assert (running.of(None), running.of(KEPT), running.of(TRIED)) == (ACTIVE, ACTIVE, CANDIDATE)
    for state in (RolloutState.COMPLETED, RolloutState.ROLLED_BACK, RolloutState.ABORTED):
        assert ruling(rollout(state)).of(TRIED) == ACTIVE


def test_no_job_is_given_an_arm_whose_ruleset_is_not_here() -> None:
    assert ruling(rollout()).assign(JOB) == TRIED
    lost = ruling(rollout(paired=1.0), ACTIVE)
    assert lost.assign(JOB) is None
    assert lost.of(TRIED) == ACTIVE
    assert lost.twin(JOB, KEPT) is None
    assert ruling(rollout(percent=0, paired=1.0)).assign(JOB) == KEPT
    assert Ruling(active=ACTIVE).assign(JOB) is None


def test_a_twin_goes_through_the_other_arm() -> None:
    paired = ruling(rollout(paired=1.0))
    assert paired.twin(JOB, TRIED) == replace(KEPT, shadow=True)
    assert paired.twin(JOB, None) is None
    assert ruling(rollout()).twin(JOB, TRIED) is None


def test_an_attempt_is_worked_on_by_the_ruleset_that_it_names() -> None:
    named = NamedRulesets(Known(ACTIVE, CANDIDATE))
    assert named(CANDIDATE.id) == CANDIDATE
    assert named("0" * 64) == named("0" * 64) == ACTIVE
    with pytest.raises(Transient):
        NamedRulesets(Known())(ACTIVE.id)
