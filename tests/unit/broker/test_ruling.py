"""Which ruleset decides a record in and out of roll-outs, and by which an attempt is worked on."""

from __future__ import annotations

from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from broker.ruling import MISSED_S, TOLD_MAX, NamedRulesets, Ruling, Rulings
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

    def publish(self, ruleset: Ruleset) -> None:
        self._rulesets = (*self._rulesets, ruleset)

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
    with pytest.raises(Transient, match="no ruleset is active"):
        NamedRulesets(Known())(ACTIVE.id)


def test_a_ruleset_that_was_not_read_yet_is_waited_for() -> None:
    table, now = Known(ACTIVE), [7.0]
    named = NamedRulesets(table, now_s=lambda: now[0])
    for at_s in (7.0, 7.0 + MISSED_S - 0.1):
        now[0] = at_s
        with pytest.raises(Transient, match=CANDIDATE.id[:12]):
            named(CANDIDATE.id)
    table.publish(CANDIDATE)
    assert named(CANDIDATE.id) == CANDIDATE


def test_a_ruleset_that_never_comes_gives_way_to_the_active_one_and_is_told_once() -> None:
    now = [0.0]
    named = NamedRulesets(Known(ACTIVE), now_s=lambda: now[0])
    with pytest.raises(Transient):
        named("0" * 64)
    now[0] = MISSED_S
    with capture_logs() as logs:
        assert named("0" * 64) == named("0" * 64) == ACTIVE
    assert [line["ruleset_id"] for line in logs] == ["0" * 64]


def test_unknown_rulesets_are_remembered_up_to_a_bound() -> None:
    named = NamedRulesets(Known(ACTIVE), now_s=lambda: 0.0)
    for number in range(TOLD_MAX):
        with pytest.raises(Transient):
            named(f"{number:064x}")
    with capture_logs():
        assert named(f"{TOLD_MAX:064x}") == ACTIVE
    with pytest.raises(Transient):
        named(f"{0:064x}")
