"""Which ruleset decides a record: the active one, or an arm's during a roll-out; and the one a request names."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol

import structlog

from rules import rollout
from rules.ruleset import Ruleset
from schemas.errors import Transient
from schemas.events import Assignment, RolloutChanged

TOLD_MAX: Final = 1_000
MISSED_S: Final = 5.0
"""How long a ruleset is waited for: topics are read apart, and a change is promised to be seen within 2 s."""


class Rulesets(Protocol):
    """The rulesets there are; `broker.broadcast.RulesetTable` in production."""

    def current(self) -> Ruleset:
        """The active one. Raises Transient where none is."""
        ...

    def named(self, ruleset_id: str) -> Ruleset | None:
        """One that was published; None where it cannot be had."""
        ...


def _none(_ruleset_id: str) -> Ruleset | None:
    """Nothing is published: for a ruling outside of roll-outs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruling:
    """What is in force for one batch: the active ruleset, and where roll-outs stand."""

    active: Ruleset
    rollouts: Mapping[str, RolloutChanged] = field(default_factory=dict[str, RolloutChanged])
    named: Callable[[str], Ruleset | None] = _none

    def of(self, assignment: Assignment | None) -> Ruleset:
        """The ruleset that decides a record with this part in a roll-out; the active one where an arm's is not here."""
        ruleset_id = rollout.deciding(assignment, self.rollouts, self.active.id)
        return self.active if ruleset_id == self.active.id else self.named(ruleset_id) or self.active

    def assign(self, job_id: str) -> Assignment | None:
        """The part that a job takes when it is first routed; none where the ruleset of its arm is not here."""
        assignment = rollout.assign(job_id, self.rollouts)
        return assignment if self._has(assignment) else None

    def twin(self, job_id: str, assignment: Assignment | None) -> Assignment | None:
        """The shadow in the other arm, where the job was chosen to be paired."""
        shadow = None if assignment is None else rollout.twin(job_id, assignment, self.rollouts)
        return shadow if self._has(shadow) else None

    def _has(self, assignment: Assignment | None) -> bool:
        """Whether the arm's own ruleset decides: another would be counted for it."""
        if assignment is None:
            return False
        return self.of(assignment).id == rollout.deciding(assignment, self.rollouts, self.active.id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rulings:
    """Gives each batch its ruling."""

    rulesets: Rulesets
    rollouts: Callable[[], Mapping[str, RolloutChanged]]

    def __call__(self) -> Ruling:
        """What is in force now. Raises Transient where no ruleset is active."""
        return Ruling(active=self.rulesets.current(), rollouts=self.rollouts(), named=self.rulesets.named)


@dataclass(slots=True)
class NamedRulesets:
    """The ruleset that a request was decided by, for whoever works by it. One thread at a time uses it.

    An attempt is rendered and measured by the rules that routed it, active or not: so a roll-out's candidate works
    before it is activated, and a change amid work leaves no attempt between two rulesets. `now_s` is a steady clock.
    """

    rulesets: Rulesets
    now_s: Callable[[], float] = time.monotonic
    _missed_s: dict[str, float] = field(default_factory=dict[str, float])
    _told: set[str] = field(default_factory=set[str])

    def __call__(self, ruleset_id: str) -> Ruleset:
        """That ruleset, or the active one, logged once, where it does not come within `MISSED_S`.

        Raises Transient until then, and where none is active.
        """
        if (found := self.rulesets.named(ruleset_id)) is not None:
            return found
        active = self.rulesets.current()
        if self._may_come(ruleset_id):
            raise Transient(f"ruleset {ruleset_id[:12]} is named by a request and was not read yet")
        if ruleset_id not in self._told and len(self._told) < TOLD_MAX:
            self._told.add(ruleset_id)
            log = structlog.get_logger(__name__)
            log.warning("works by the active ruleset instead", ruleset_id=ruleset_id, active_id=active.id)
        return active

    def _may_come(self, ruleset_id: str) -> bool:
        """Whether it is missed since just now: its topic and the request's are read apart."""
        now_s = self.now_s()
        if ruleset_id not in self._missed_s and len(self._missed_s) >= TOLD_MAX:
            return False
        return now_s - self._missed_s.setdefault(ruleset_id, now_s) < MISSED_S
