"""Staged roll-outs: what is asked for, which arm a job is in, which ruleset decides it, and the steps between states.

An arm is drawn by a stable hash of roll-out and job against the share in force when the job is first routed. It is
written into the job's assignment, and read from there ever after: repairs keep the arm, whatever the share has become.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import pairwise
from typing import Final, assert_never

from rules.tree import nearest
from schemas.errors import BadConfig
from schemas.events import Arm, Assignment, Guard, GuardKind, RolloutChanged, RolloutState
from schemas.ids import event_id

ARTIFACT_RATE: Final = "artifact-rate"
P95: Final = "p95"
STAGE: Final = "rollout"
POSITION: Final = "position"
"""Among the numbers of a step: the last verdict that had been counted, by the order in which the audit stored them."""
RANGE: Final = 2**64
FEWEST_JOBS: Final = 20
"""Verdicts of each arm below which no stage ends, whatever a plan says."""
USUAL_STAGES: Final = (1, 5, 25, 50, 100)
USUAL_GUARDS: Final = (
    Guard(metric=ARTIFACT_RATE, kind=GuardKind.ABSOLUTE, limit=0.02),
    Guard(metric=P95, kind=GuardKind.RELATIVE, limit=0.2),
    Guard(metric="corrupt-bytes", kind=GuardKind.HARD, limit=0.01),
)
MOST_STAGES: Final = 32
GUARD: Final = re.compile(r"(?P<metric>[a-z0-9][a-z0-9-]*):(?P<more>\+?)(?P<number>\d+(?:\.\d+)?)(?P<unit>pp|%|ms|s)")
FORMS: Final = "write artifact-rate:+2pp, wrong-text:+20%, p95:+20%, p95:+500ms, p95:30s or corrupt-bytes:1%"

NEXT: Final[Mapping[RolloutState, frozenset[RolloutState]]] = {
    RolloutState.RUNNING: frozenset(RolloutState),
    RolloutState.PAUSED: frozenset({RolloutState.RUNNING, RolloutState.ROLLED_BACK, RolloutState.ABORTED}),
    RolloutState.COMPLETED: frozenset(),
    RolloutState.ROLLED_BACK: frozenset(),
    RolloutState.ABORTED: frozenset(),
}
"""What may follow; running follows itself, at the next stage."""


class Action(StrEnum):
    """What becomes of a roll-out at a look."""

    HOLD = "hold"
    ADVANCE = "advance"
    ROLL_BACK = "roll_back"
    COMPLETE = "complete"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What to do, the figures that made it, and why in words."""

    action: Action
    reason: str
    numbers: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a roll-out was asked to do: shares of its stages (percent, the last one 100), guards, and their promise.

    `alpha`: the most that the chance of a false alarm may be, over all stages, guards and looks. `min_jobs`: verdicts
    of each arm before a stage may end. `paired_share`: share of jobs that are rendered through both arms.
    """

    stages: tuple[int, ...]
    guards: tuple[Guard, ...]
    alpha: float
    min_jobs: int
    paired_share: float


def plan(
    *,
    stages: Sequence[int],
    guards: Sequence[Guard],
    modes: Iterable[str],
    alpha: float = 0.05,
    min_jobs: int = 200,
    paired_share: float = 0.0,
) -> Plan:
    """A plan that can be carried out; `modes` are the failure modes of both rulesets. Raises BadConfig."""
    if not stages or len(stages) > MOST_STAGES or stages[0] < 1 or stages[-1] != 100:
        raise BadConfig(
            f"the stages {_listed(stages)} are no way to 100 %",
            mend=f"name 1 to {MOST_STAGES} shares from 1 to 100 percent, the last one 100",
        )
    if any(b <= a for a, b in pairwise(stages)):
        raise BadConfig(f"the stages {_listed(stages)} do not rise", mend="name each share once, from small to large")
    if not guards:
        raise BadConfig("a roll-out without a guard would end well whatever happens", mend=FORMS)
    names = [ARTIFACT_RATE, P95, *modes]
    for guard in guards:
        if guard.metric not in names:
            raise BadConfig(f"there is nothing to measure by {guard.metric!r}", mend=nearest(guard.metric, names))
    if len({(g.metric, g.kind) for g in guards}) < len(guards):
        raise BadConfig("two guards watch the same", mend="leave the looser one away")
    if not 0 < alpha <= 0.5:
        raise BadConfig(f"alpha={alpha:g} is no chance of a false alarm", mend="take one above 0, 0.5 at most")
    if min_jobs < FEWEST_JOBS:
        raise BadConfig(f"{min_jobs} verdicts say nothing", mend=f"ask for {FEWEST_JOBS} of each arm at least")
    if not 0 <= paired_share <= 1:
        raise BadConfig(f"paired_share={paired_share:g} is no share", mend="take one from 0 to 1")
    return Plan(stages=tuple(stages), guards=tuple(guards), alpha=alpha, min_jobs=min_jobs, paired_share=paired_share)


def parse_stages(text: str) -> tuple[int, ...]:
    """`1,5,25,50,100` as percents. Raises BadConfig."""
    parts = [part.strip().removesuffix("%").strip() for part in text.split(",")]
    if not all(part.isascii() and part.isdigit() and len(part) <= len("100") for part in parts):
        raise BadConfig(f"{text!r} are no stages", mend="write whole percents with commas, as 1,5,25,50,100")
    return tuple(int(part) for part in parts)


def parse_guard(text: str) -> Guard:
    """A guard as people write it. Raises BadConfig.

    `+2pp` is candidate minus stable, `+20%` of stable's own, both for shares; latencies take `+20%`, `+500ms` or `+2s`.
    Without the plus it is a hard limit of the candidate alone. Latencies are kept in ms, shares as fractions.
    """
    found = GUARD.fullmatch(text.strip())
    if not found:
        raise BadConfig(f"{text!r} is no guard", mend=FORMS)
    metric, more, unit = found["metric"], bool(found["more"]), found["unit"]
    number = float(found["number"])
    if unit in {"ms", "s"}:
        if metric != P95:
            raise BadConfig(f"{metric} is a share, and {text!r} names a time", mend=FORMS)
        return Guard(
            metric=metric,
            kind=GuardKind.ABSOLUTE if more else GuardKind.HARD,
            limit=number * (1000 if unit == "s" else 1),
        )
    if metric == P95 and (unit == "pp" or not more):
        raise BadConfig(f"{P95} is a time, and {text!r} names a share", mend=FORMS)
    if unit == "pp" and not more:
        raise BadConfig(f"{text!r}: points are more than something", mend="write +2pp, or 2% for a limit by itself")
    if unit == "pp" or not more:
        number = min(number, 100.0)
    kind = GuardKind.HARD if not more else GuardKind.ABSOLUTE if unit == "pp" else GuardKind.RELATIVE
    return Guard(metric=metric, kind=kind, limit=number / 100)


def guard_text(guard: Guard) -> str:
    """A guard as people write it; `parse_guard` reads it back."""
    more = "" if guard.kind is GuardKind.HARD else "+"
    if guard.metric == P95 and guard.kind is not GuardKind.RELATIVE:
        return f"{guard.metric}:{more}{guard.limit:g}ms"
    return f"{guard.metric}:{more}{100 * guard.limit:g}{'pp' if guard.kind is GuardKind.ABSOLUTE else '%'}"


def current(rollouts: Mapping[str, RolloutChanged]) -> RolloutChanged | None:
    """The roll-out that is running or paused; None where none is. There is at most one."""
    return next((r for r in rollouts.values() if under_way(r.state)), None)


def under_way(state: RolloutState) -> bool:
    """Whether a roll-out in this state has not ended."""
    return bool(NEXT[state])


def assign(job_id: str, rollouts: Mapping[str, RolloutChanged]) -> Assignment | None:
    """The part that a job takes when it is first routed; None outside of a roll-out, and while one is paused."""
    rollout = current(rollouts)
    if rollout is None or rollout.state is not RolloutState.RUNNING:
        return None
    tried = _draw("arm", rollout.rollout_id, job_id) * 100 < rollout.percent * RANGE
    return Assignment(rollout_id=rollout.rollout_id, arm=Arm.CANDIDATE if tried else Arm.STABLE)


def twin(job_id: str, assignment: Assignment, rollouts: Mapping[str, RolloutChanged]) -> Assignment | None:
    """The shadow that goes through the other arm, where a hash chose the job to be paired; None otherwise."""
    rollout = rollouts.get(assignment.rollout_id)
    if assignment.shadow or rollout is None or rollout.state is not RolloutState.RUNNING:
        return None
    if _draw("pair", rollout.rollout_id, job_id) >= rollout.paired_share * RANGE:
        return None
    other = Arm.STABLE if assignment.arm is Arm.CANDIDATE else Arm.CANDIDATE
    return replace(assignment, arm=other, shadow=True)


def deciding(assignment: Assignment | None, rollouts: Mapping[str, RolloutChanged], active_id: str) -> str:
    """The id of the ruleset that decides a record: its arm's while the roll-out is under way, then the active one."""
    rollout = rollouts.get(assignment.rollout_id) if assignment else None
    if assignment is None or rollout is None or not under_way(rollout.state):
        return active_id
    return rollout.candidate_ruleset_id if assignment.arm is Arm.CANDIDATE else rollout.stable_ruleset_id


def started(
    asked: Plan, *, rollout_id: str, stable: str, candidate: str, who: str, reason: str, at_ms: int
) -> RolloutChanged:
    """The first step: running at the first stage. `stable` and `candidate` are ids of rulesets. Raises BadConfig."""
    if stable == candidate:
        raise BadConfig("the candidate is the active ruleset", mend="publish another one, and roll that out")
    return RolloutChanged(
        event_id=event_id(rollout_id, STAGE, f"{RolloutState.RUNNING.value}/0/{at_ms}"),
        at_ms=at_ms,
        rollout_id=rollout_id,
        state=RolloutState.RUNNING,
        stable_ruleset_id=stable,
        candidate_ruleset_id=candidate,
        percent=asked.stages[0],
        reason=reason,
        who=who,
        stages=asked.stages,
        guards=asked.guards,
        alpha=asked.alpha,
        min_jobs=asked.min_jobs,
        paired_share=asked.paired_share,
    )


def moved(was: RolloutChanged, state: RolloutState, *, who: str, reason: str, at_ms: int) -> RolloutChanged:
    """The step to another state by hand: paused, running again, aborted. Raises BadConfig where it may not follow."""
    if not under_way(was.state):
        how = was.state.value.replace("_", " ")
        raise BadConfig(
            f"roll-out {was.rollout_id} has ended: {how} by {was.who}, {was.reason}",
            mend="presscheck rollout start CANDIDATE begins another",
        )
    if state is was.state or state not in NEXT[was.state]:
        raise BadConfig(f"roll-out {was.rollout_id} is {was.state.value}: it cannot become {state.value}")
    return _step(was, state, was.stage, who=who, reason=reason, numbers=was.numbers, at_ms=at_ms)


def followed(was: RolloutChanged, decision: Decision, *, who: str, at_ms: int) -> RolloutChanged | None:
    """The step that a decision makes; None where it holds."""
    match decision.action:
        case Action.HOLD:
            return None
        case Action.ADVANCE:
            state, stage = RolloutState.RUNNING, was.stage + 1
        case Action.COMPLETE:
            state, stage = RolloutState.COMPLETED, was.stage
        case Action.ROLL_BACK:
            state, stage = RolloutState.ROLLED_BACK, was.stage
        case _:
            assert_never(decision.action)
    return _step(was, state, stage, who=who, reason=decision.reason, numbers=decision.numbers, at_ms=at_ms)


def position_of(step: RolloutChanged) -> int:
    """How far verdicts had been counted when the stage that the step is in was decided; 0 in the first stage."""
    return int(step.numbers.get(POSITION, 0))


def _step(
    was: RolloutChanged,
    state: RolloutState,
    stage: int,
    *,
    who: str,
    reason: str,
    numbers: Mapping[str, float],
    at_ms: int,
) -> RolloutChanged:
    """`percent` of an ended roll-out says what the candidate decides from now on."""
    percent = {RolloutState.COMPLETED: 100, RolloutState.ROLLED_BACK: 0, RolloutState.ABORTED: 0}
    return replace(
        was,
        event_id=event_id(was.event_id, STAGE, f"{state.value}/{stage}"),
        at_ms=at_ms,
        state=state,
        stage=stage,
        percent=percent.get(state, was.stages[stage]),
        numbers=numbers,
        reason=reason[:1000],
        who=who,
    )


def _draw(what: str, rollout_id: str, job_id: str) -> int:
    return int.from_bytes(hashlib.sha256(f"{what}/{rollout_id}/{job_id}".encode()).digest()[:8], "big")


def _listed(stages: Sequence[int]) -> str:
    return ", ".join(map(str, stages)) or "(none)"
