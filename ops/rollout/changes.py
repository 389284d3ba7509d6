"""Roll-outs as people and the controller change them: begun, moved to another state, taken a step further."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from broker.faults import no_fault
from broker.settings import Settings
from ops.rollout.topic import Fault, Write, in_one_transaction, read_rollouts
from ops.rulesets.publish import activated_after
from ops.rulesets.topic import activation_records, parsed, read_topic
from rules.rollout import Plan, current, moved, started
from rules.ruleset import Ruleset
from rules.tree import nearest
from schemas import catalogue
from schemas.errors import BadConfig
from schemas.events import RolloutChanged, RolloutState

ID_MAX: Final = 90
"""Characters: the twins of its paired jobs run under its id and a suffix, as a replay, whose id may have 100."""
ID: Final = re.compile(r"[a-z0-9][a-z0-9._-]*")


def new_id(candidate_id: str, at_ms: int) -> str:
    """A name for a roll-out that nobody named: when it began and what it tries."""
    return f"{datetime.fromtimestamp(at_ms / 1000, UTC):%Y%m%d-%H%M%S}-{candidate_id[:8]}"


def check_id(rollout_id: str) -> None:
    """Raises BadConfig for a name that cannot be used."""
    if len(rollout_id) > ID_MAX or not ID.fullmatch(rollout_id):
        raise BadConfig(
            f"{rollout_id!r} is no name of a roll-out", mend=f"take a-z, 0-9, '.', '_' and '-', at most {ID_MAX}"
        )


def active_ruleset(settings: Settings) -> Ruleset:
    """The ruleset that decides now: what a candidate is compared with. Raises BadConfig where none is active."""
    return parsed(read_topic(settings).find("active"))


def begin(
    settings: Settings, plan: Plan, *, rollout_id: str, stable: str, candidate: str, who: str, reason: str, at_ms: int
) -> RolloutChanged:
    """Start a roll-out at its first stage; `stable` and `candidate` are ids of published rulesets.

    Raises BadConfig where another one is under way, the name was used before, or `stable` does not decide (any more);
    Overtaken, Transient.
    """
    check_id(rollout_id)
    step = started(plan, rollout_id=rollout_id, stable=stable, candidate=candidate, who=who, reason=reason, at_ms=at_ms)

    def writes() -> list[Write]:
        known = read_rollouts(settings)
        if (other := current(known)) is not None:
            raise BadConfig(
                f"roll-out {other.rollout_id} is {other.state.value}",
                mend=f"one at a time: wait for it, or presscheck rollout abort {other.rollout_id}",
            )
        if rollout_id in known:
            raise BadConfig(f"there was a roll-out {rollout_id!r} before", mend="choose another name")
        now = read_topic(settings)
        if now.active_id != stable:
            raise BadConfig("another ruleset has become active meanwhile", mend="look at it, and start again")
        parsed(now.find(candidate))
        return [(catalogue.ROLLOUTS, rollout_id, step)]

    in_one_transaction(settings, writes)
    return step


def change(
    settings: Settings, rollout_id: str | None, state: RolloutState, *, who: str, reason: str, at_ms: int
) -> RolloutChanged:
    """Pause, resume or abort a roll-out; None names the one that is under way. Gives the step.

    Raises BadConfig where there is none, or it cannot come to that state; Overtaken, Transient.
    """
    written: list[RolloutChanged] = []

    def writes() -> list[Write]:
        was = find(read_rollouts(settings), rollout_id)
        written.append(step := moved(was, state, who=who, reason=reason, at_ms=at_ms))
        return [(catalogue.ROLLOUTS, step.rollout_id, step)]

    in_one_transaction(settings, writes)
    return written[0]


def find(known: Mapping[str, RolloutChanged], rollout_id: str | None) -> RolloutChanged:
    """The roll-out of a name, or the one under way for None. Raises BadConfig where there is none."""
    found = current(known) if rollout_id is None else known.get(rollout_id)
    if found is not None:
        return found
    if rollout_id is None:
        raise BadConfig("no roll-out is under way", mend="presscheck rollout start CANDIDATE begins one")
    raise BadConfig(f"there is no roll-out {rollout_id!r}", mend=nearest(rollout_id, [*known][-20:]))


def take_step(settings: Settings, was: RolloutChanged, step: RolloutChanged, *, fault: Fault = no_fault) -> bool:
    """Write a step that was decided on the roll-out as it was; False, and nothing is written, where it is not so now.

    A roll-out that completes makes its candidate the active ruleset in the same transaction. Raises BadConfig where
    the candidate cannot be used, Overtaken, Transient.
    """
    done: list[bool] = []

    def writes() -> list[Write]:
        now = current(read_rollouts(settings))
        same = now is not None and now.event_id == was.event_id
        done.append(same)
        if not same:
            return []
        activation: list[Write] = []
        if step.state is RolloutState.COMPLETED:
            rulesets = read_topic(settings)
            candidate = parsed(rulesets.find(step.candidate_ruleset_id)).id
            event = activated_after(rulesets, candidate, f"{step.who} {step.rollout_id}"[:200], step.at_ms)
            activation = [(catalogue.RULESETS, k, e) for k, e in activation_records(rulesets, event)]
        return [*activation, (catalogue.ROLLOUTS, step.rollout_id, step)]

    in_one_transaction(settings, writes, fault=fault)
    return done[0]
