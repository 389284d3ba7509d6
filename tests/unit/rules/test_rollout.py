"""Plans and guards as people write them, arms, the ruleset that decides, and the steps of a roll-out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from rules.rollout import (
    NEXT,
    POSITION,
    USUAL_GUARDS,
    USUAL_STAGES,
    Action,
    Decision,
    Plan,
    assign,
    current,
    deciding,
    followed,
    guard_text,
    moved,
    parse_guard,
    parse_stages,
    plan,
    position_of,
    started,
    twin,
)
from schemas.errors import BadConfig
from schemas.events import Arm, Assignment, Guard, GuardKind, RolloutChanged, RolloutState

STABLE, CANDIDATE, ACTIVE = "5" * 64, "c" * 64, "a" * 64
MODES = ("wrong-text", "corrupt-bytes")


def asked(**fields: Any) -> Plan:
    usual: dict[str, Any] = {"stages": USUAL_STAGES, "guards": USUAL_GUARDS, "modes": MODES}
    return plan(**{**usual, **fields})


def running(**fields: Any) -> RolloutChanged:
    first = started(
        asked(), rollout_id="r1", stable=STABLE, candidate=CANDIDATE, who="ann", reason="new thresholds", at_ms=1
    )
    return replace(first, **fields)


def only(rollout: RolloutChanged) -> Mapping[str, RolloutChanged]:
    return {rollout.rollout_id: rollout}


@pytest.mark.parametrize(
    ("text", "kind", "limit"),
    [
        ("artifact-rate:+2pp", GuardKind.ABSOLUTE, 0.02),
        ("wrong-text:+20%", GuardKind.RELATIVE, 0.2),
        ("corrupt-bytes:1%", GuardKind.HARD, 0.01),
        ("corrupt-bytes:0.5%", GuardKind.HARD, 0.005),
        ("p95:+20%", GuardKind.RELATIVE, 0.2),
        ("p95:+500ms", GuardKind.ABSOLUTE, 500),
        ("p95:30000ms", GuardKind.HARD, 30_000),
    ],
)
def test_a_guard_is_read_and_told_again(text: str, kind: GuardKind, limit: float):
    guard = parse_guard(text)
    assert (guard.metric, guard.kind, guard.limit) == (text.partition(":")[0], kind, pytest.approx(limit))
    assert guard_text(guard) == text


def test_seconds_are_kept_as_milliseconds():
    assert parse_guard("p95:+2s") == Guard(metric="p95", kind=GuardKind.ABSOLUTE, limit=2000)
    assert parse_guard(" p95:30s ").kind is GuardKind.HARD


@pytest.mark.parametrize(
    "text",
    ["artifact-rate", "artifact-rate:2pp", "artifact-rate:+500ms", "p95:+2pp", "p95:20%", "p95:+-2%", "A:+2pp", ""],
)
def test_what_is_no_guard_is_refused_with_the_forms(text: str):
    with pytest.raises(BadConfig, match="write"):
        parse_guard(text)


def test_a_share_is_never_above_all():
    assert parse_guard("corrupt-bytes:250%").limit == 1
    assert parse_guard("wrong-text:+250%").limit == 2.5


def test_stages_are_read():
    assert parse_stages("1, 5%,25,50,100") == USUAL_STAGES
    for text in ("", "1,,5", "1.5,100", "a", "-1,100", "1000", "١,100"):
        with pytest.raises(BadConfig, match="stages"):
            parse_stages(text)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"stages": ()}, "(none)"),
        ({"stages": (1, 50)}, "no way to 100 %"),
        ({"stages": (0, 100)}, "no way to 100 %"),
        ({"stages": tuple(range(60, 101))}, "no way to 100 %"),
        ({"stages": (5, 5, 100)}, "do not rise"),
        ({"guards": ()}, "without a guard"),
        ({"guards": (parse_guard("wrong-tex:+1pp"),)}, "did you mean 'wrong-text'"),
        ({"guards": (parse_guard("wrong-text:+1pp"), parse_guard("wrong-text:+2pp"))}, "watch the same"),
        ({"alpha": 0.0}, "alpha"),
        ({"alpha": 0.6}, "alpha"),
        ({"min_jobs": 19}, "19 verdicts"),
        ({"paired_share": 1.5}, "paired_share"),
    ],
)
def test_a_plan_that_cannot_be_carried_out_is_refused(wrong: dict[str, Any], said: str):
    with pytest.raises(BadConfig) as refused:
        asked(**wrong)
    assert said in str(refused.value)


def test_a_roll_out_starts_at_its_first_stage():
    first = running()
    assert (first.state, first.stage, first.percent) == (RolloutState.RUNNING, 0, 1)
    assert (first.stages, first.guards, first.alpha) == (USUAL_STAGES, USUAL_GUARDS, 0.05)
    with pytest.raises(BadConfig, match="active ruleset"):
        started(asked(), rollout_id="r", stable=STABLE, candidate=STABLE, who="a", reason="", at_ms=1)


def test_a_job_keeps_its_arm_while_the_share_grows():
    jobs = [f"job-{n}" for n in range(1500)]
    tried: set[str] = set()
    for percent in USUAL_STAGES:
        now = {j for j in jobs if (a := assign(j, only(running(percent=percent)))) and a.arm is Arm.CANDIDATE}
        assert tried <= now
        assert len(now) / len(jobs) == pytest.approx(percent / 100, abs=0.04)
        tried = now
    assert len(tried) == len(jobs)


def test_two_roll_outs_draw_apart():
    jobs = [f"job-{n}" for n in range(1500)]
    arms = [{j for j in jobs if _arm(j, name) is Arm.CANDIDATE} for name in ("r1", "r2")]
    assert len(arms[0] & arms[1]) / len(jobs) == pytest.approx(0.25, abs=0.04)


def _arm(job: str, rollout_id: str) -> Arm:
    part = assign(job, only(running(rollout_id=rollout_id, percent=50)))
    assert part is not None
    return part.arm


def test_no_job_joins_a_roll_out_that_does_not_run():
    assert assign("j", {}) is None
    for state in set(RolloutState) - {RolloutState.RUNNING}:
        assert assign("j", only(running(state=state))) is None


def test_there_is_one_roll_out_under_way():
    ended = running(rollout_id="r0", state=RolloutState.ABORTED)
    assert current({"r0": ended}) is None
    assert current({"r0": ended, "r1": running()}) == running()
    assert current(only(running(state=RolloutState.PAUSED))) is not None


def test_the_arm_decides_while_the_roll_out_is_under_way():
    tried, kept = (Assignment(rollout_id="r1", arm=arm) for arm in (Arm.CANDIDATE, Arm.STABLE))
    for state in (RolloutState.RUNNING, RolloutState.PAUSED):
        now = only(running(state=state))
        assert deciding(tried, now, ACTIVE) == CANDIDATE
        assert deciding(kept, now, ACTIVE) == STABLE
        assert deciding(None, now, ACTIVE) == ACTIVE
    for state in (RolloutState.COMPLETED, RolloutState.ROLLED_BACK, RolloutState.ABORTED):
        assert deciding(tried, only(running(state=state)), ACTIVE) == ACTIVE
    assert deciding(tried, {}, ACTIVE) == ACTIVE


def test_a_paired_job_has_a_shadow_in_the_other_arm():
    now = only(running(percent=50, paired_share=0.2))
    jobs = [f"job-{n}" for n in range(1500)]
    mine = {j: a for j in jobs if (a := assign(j, now))}
    shadows = {j: s for j, a in mine.items() if (s := twin(j, a, now))}
    assert len(shadows) / len(jobs) == pytest.approx(0.2, abs=0.04)
    assert all(s.shadow and s.arm is not mine[j].arm for j, s in shadows.items())
    assert {s.arm for s in shadows.values()} == set(Arm)
    assert not any(twin(j, s, now) for j, s in shadows.items())  # a shadow has no shadow
    job, part = next((j, mine[j]) for j in shadows)
    assert twin(job, part, only(running(paired_share=0.2, state=RolloutState.PAUSED))) is None
    assert twin(job, part, {}) is None


def test_a_decision_becomes_the_next_step():
    second = running(stage=1, percent=5)

    def so(action: Action) -> RolloutChanged | None:
        return followed(second, Decision(action=action, reason="why", numbers={"n": 1.0}), who="controller", at_ms=9)

    assert so(Action.HOLD) is None
    steps = {a: s for a in Action if (s := so(a))}
    assert {a: (s.state.value, s.stage, s.percent) for a, s in steps.items()} == {
        Action.ADVANCE: ("running", 2, 25),
        Action.ROLL_BACK: ("rolled_back", 1, 0),
        Action.COMPLETE: ("completed", 1, 100),
    }
    assert len({s.event_id for s in steps.values()} | {second.event_id}) == 4
    assert all((s.who, s.reason, s.numbers, s.at_ms) == ("controller", "why", {"n": 1.0}, 9) for s in steps.values())
    assert so(Action.ADVANCE) == so(Action.ADVANCE)  # decided again after a kill, it is the same event


def test_people_may_pause_resume_and_abort():
    second = running(stage=1, percent=5)
    paused = moved(second, RolloutState.PAUSED, who="ann", reason="lunch", at_ms=2)
    assert (paused.state, paused.percent, paused.stage) == (RolloutState.PAUSED, 5, 1)
    again = moved(paused, RolloutState.RUNNING, who="ann", reason="back", at_ms=3)
    assert (again.state, again.percent) == (RolloutState.RUNNING, 5)
    aborted = moved(again, RolloutState.ABORTED, who="ann", reason="no", at_ms=4)
    assert (aborted.state, aborted.percent) == (RolloutState.ABORTED, 0)
    assert len({s.event_id for s in (second, paused, again, aborted)}) == 4


def test_an_ended_roll_out_goes_nowhere():
    for state in (RolloutState.COMPLETED, RolloutState.ROLLED_BACK, RolloutState.ABORTED):
        assert not NEXT[state]
        for other in RolloutState:
            with pytest.raises(BadConfig, match=f"has ended: {state.value.replace('_', ' ')} by ann, enough;"):
                moved(running(state=state, who="ann", reason="enough"), other, who="bob", reason="", at_ms=2)
    with pytest.raises(BadConfig, match="cannot become"):
        moved(running(), RolloutState.RUNNING, who="ann", reason="", at_ms=2)


def test_a_step_says_how_far_verdicts_had_been_counted() -> None:
    assert position_of(running()) == 0
    decision = Decision(action=Action.ADVANCE, reason="enough", numbers={POSITION: 1234.0})
    step = followed(running(), decision, who="ann", at_ms=2)
    assert step is not None
    assert position_of(step) == 1234
    assert position_of(moved(step, RolloutState.PAUSED, who="ann", reason="", at_ms=3)) == 1234
