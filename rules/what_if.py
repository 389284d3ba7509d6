"""How recorded prompts would be routed by another ruleset. Pure: no record is made, and nothing is rendered."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from rules.changes import Changes, Side
from rules.decide import route_facts, routed
from rules.lexicon_change import LexiconChange, lexicon_change
from rules.prompts import read_prompt
from rules.routing import Rule
from rules.ruleset import Ruleset
from rules.sanity import Finding, examine_read
from schemas.events import Job, PromptSubmitted

REFUSED: Final = "refused"
TAG, ENGINE, LANE = "tag", "engine", "lane"
ALIKE_MAX: Final = 1_000
"""Kinds of jobs that are kept apart before they are added up: most traffic is of some hundreds."""


NOTHING: Final = frozenset[str]()
Covered: TypeAlias = Mapping[str, frozenset[str]]
"""Failure modes that each routing rule prevents, by the rule's name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cover:
    """A failure mode whose cover differs: what caught, prevented or repaired it in one ruleset alone.

    None stands for a ruleset that does not know the mode.
    """

    mode: str
    gained: tuple[str, ...] | None
    lost: tuple[str, ...] | None


@dataclass(slots=True)
class WhatIf:
    """Routes prompts by two rulesets. What both read alike is worked out once, and jobs alike are counted together."""

    former: Ruleset
    new: Ruleset
    _changes: Changes = field(default_factory=Changes)
    _sides: dict[tuple[object, ...], Side] = field(default_factory=dict[tuple[object, ...], Side])
    _alike: Counter[tuple[Side, Side]] = field(default_factory=Counter[tuple[Side, Side]])
    _same_frame: bool = field(init=False)
    _lexicons: LexiconChange = field(init=False)
    _same_routes: bool = field(init=False)
    _same_rules: frozenset[str] = field(init=False)
    """Names of the routing rules by which both send a job to the same place."""
    _covers: tuple[Covered, Covered] = field(init=False)

    def __post_init__(self) -> None:
        """Compare what sanity and routing read."""
        former, new = self.former, self.new
        self._same_frame = (former.brands, former.postprocess) == (new.brands, new.postprocess)
        self._lexicons = lexicon_change(former.lexicon, new.lexicon)
        self._covers = (prevented(former), prevented(new))
        rules = {rule.name: rule for rule in former.routing.rules}
        self._same_rules = frozenset(
            rule.name
            for rule in new.routing.rules
            if former.engines == new.engines
            and rules.get(rule.name) == rule
            and self._covers[0][rule.name] == self._covers[1][rule.name]
        )
        self._same_routes = former.routing == new.routing and len(self._same_rules) == len(rules)

    def take(self, event: PromptSubmitted) -> None:
        """Count one prompt."""
        job = event.job
        read = read_prompt(job)
        finding = again = examine_read(read, self.former)
        if not self._same_frame or self._lexicons.touches(read):
            again = examine_read(read, self.new)
        facts = route_facts(job, finding, job.lane)
        rule = self.former.routing.choose(facts)
        former = new = self._side(job, finding, rule, self.former, self._covers[0])
        if again is not finding or not self._same_routes:
            facts = facts if again is finding else route_facts(job, again, job.lane)
            later = self.new.routing.choose(facts)
            if again is not finding or later.name != rule.name or rule.name not in self._same_rules:
                new = self._side(job, again, later, self.new, self._covers[1])
        self._alike[former, new] += 1
        if former is not new:
            self._changes.show(job.job_id, job.prompt, former, new)
        if len(self._sides) >= ALIKE_MAX or len(self._alike) >= ALIKE_MAX:
            self._add_up()

    @property
    def changes(self) -> Changes:
        """What came of all prompts so far."""
        self._add_up()
        return self._changes

    def _add_up(self) -> None:
        for (former, new), jobs in self._alike.items():
            self._changes.count(former, new, jobs)
        self._alike.clear()
        self._sides.clear()

    def _side(self, job: Job, finding: Finding, rule: Rule, ruleset: Ruleset, covered: Covered) -> Side:
        """What a ruleset makes of a job: one object for all that it is the same for."""
        route = routed(job, finding, ruleset, lane=job.lane, engine=job.engine, rule=rule)
        profile = route.profile
        if profile is None:
            place, cost_usd, modes, note = REFUSED, 0.0, NOTHING, route.reasons[0]
        else:
            place, cost_usd = profile.id, profile.expected_cost_usd
            modes = covered[route.rule.name] if route.named == route.rule.name else NOTHING
            note = f"{route.preset.value}, {route.named}"
        key = (finding.names, job.lane, place, cost_usd, modes, note)
        side = self._sides.get(key)
        if side is None:
            names = {TAG: finding.names, ENGINE: (place,), LANE: (job.lane.value,)}
            side = Side(place=place, names=names, cost_usd=cost_usd, modes=modes, note=note)
            self._sides[key] = side
        return side


def prevented(ruleset: Ruleset) -> Covered:
    """What each routing rule of a ruleset prevents."""
    return {
        rule.name: frozenset(m.name for m in ruleset.failure_modes.values() if rule.name in m.prevented_by)
        for rule in ruleset.routing.rules
    }


def covers(former: Ruleset, new: Ruleset) -> tuple[Cover, ...]:
    """Failure modes that gain or lose a check, a rule or a repair, by name."""
    old, now = former.failure_modes, new.failure_modes
    found: list[Cover] = []
    for name in sorted(old.keys() | now.keys()):
        before = frozenset(_cover(former, name)) if name in old else None
        after = frozenset(_cover(new, name)) if name in now else None
        if before != after:
            gained = None if after is None else tuple(sorted(after - (before or frozenset())))
            lost = None if before is None else tuple(sorted(before - (after or frozenset())))
            found.append(Cover(mode=name, gained=gained, lost=lost))
    return tuple(found)


def _cover(ruleset: Ruleset, name: str) -> list[str]:
    mode = ruleset.failure_modes[name]
    return [
        f"{what} by {by}"
        for what, names in (
            ("caught", mode.caught_by),
            ("prevented", mode.prevented_by),
            ("repaired", mode.repaired_by),
        )
        for by in names
    ]
