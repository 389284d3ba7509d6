"""How recorded prompts would be routed by another ruleset. Pure: no record is made, and nothing is rendered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from rules.changes import Changes, Side
from rules.conditions import HasTag
from rules.decide import routed
from rules.lexicon_change import LexiconChange, lexicon_change
from rules.prompts import read_prompt
from rules.reach import atoms
from rules.ruleset import Ruleset
from rules.sanity import Finding, examine_read
from schemas.events import Job, PromptSubmitted

REFUSED: Final = "refused"
TAG, ENGINE, LANE = "tag", "engine", "lane"
KINDS_MAX: Final = 1_000
"""Kinds of jobs that are kept apart before they are added up: most traffic is of some hundreds."""


Key: TypeAlias = tuple[object, ...]
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
class _Kind:
    """Jobs that both rulesets make the same of, counted."""

    former: Side
    new: Side
    jobs: int = 0


@dataclass(slots=True)
class WhatIf:
    """Routes prompts by two rulesets. What both read alike is worked out once, and jobs alike are counted together."""

    former: Ruleset
    new: Ruleset
    _changes: Changes = field(default_factory=Changes)
    _kinds: dict[Key, _Kind] = field(default_factory=dict[Key, _Kind])
    _same_frame: bool = field(init=False)
    _lexicons: LexiconChange = field(init=False)
    _reads: frozenset[str] = field(init=False)
    _covers: tuple[Covered, Covered] = field(init=False)

    def __post_init__(self) -> None:
        """Compare what sanity reads, and see what routing reads."""
        former, new = self.former, self.new
        self._same_frame = (former.brands, former.postprocess) == (new.brands, new.postprocess)
        self._lexicons = lexicon_change(former.lexicon, new.lexicon)
        self._reads = _fields(former) | _fields(new)
        self._covers = (prevented(former), prevented(new))

    def take(self, event: PromptSubmitted) -> None:
        """Count one prompt."""
        job = event.job
        read = read_prompt(job)
        finding = again = examine_read(read, self.former)
        if not self._same_frame or self._lexicons.touches(read):
            again = examine_read(read, self.new)
        key = self._key(job, finding) if again is finding else (self._key(job, finding), self._key(job, again))
        kind = self._kinds.get(key)
        if kind is None:
            if len(self._kinds) >= KINDS_MAX:
                self._add_up()
            former = _side(job, finding, self.former, self._covers[0])
            new = _side(job, again, self.new, self._covers[1])
            kind = self._kinds[key] = _Kind(former, former if new == former else new)
        kind.jobs += 1
        if kind.former is not kind.new:
            self._changes.show(job.job_id, job.prompt, kind.former, kind.new)

    @property
    def changes(self) -> Changes:
        """What came of all prompts so far."""
        self._add_up()
        return self._changes

    def _add_up(self) -> None:
        for kind in self._kinds.values():
            self._changes.count(kind.former, kind.new, kind.jobs)
        self._kinds.clear()

    def _key(self, job: Job, finding: Finding) -> Key:
        """All that routing may look at: jobs with one key take one way."""
        lengths = [len(p.text) for p in finding.text.phrases]
        return (
            finding.names,
            finding.risk,
            finding.reasons,
            job.lane,
            job.brand,
            job.engine,
            job.width,
            job.height,
            job.files,
            len(lengths),
            max(lengths, default=0),
            job.campaign if "campaign" in self._reads else "",
            len(job.prompt) if "prompt_length" in self._reads else 0,
        )


def _side(job: Job, finding: Finding, ruleset: Ruleset, covered: Covered) -> Side:
    """What a ruleset makes of a job."""
    route = routed(job, finding, ruleset, lane=job.lane, engine=job.engine)
    profile = route.profile
    place = REFUSED if profile is None else profile.id
    names = {TAG: finding.names, ENGINE: (place,), LANE: (job.lane.value,)}
    if profile is None:
        return Side(place=place, names=names, cost_usd=0.0, note=route.reasons[0])
    return Side(
        place=place,
        names=names,
        cost_usd=profile.expected_cost_usd,
        modes=covered[route.rule.name] if route.named == route.rule.name else frozenset(),
        note=f"{route.preset.value}, {route.named}",
    )


def _fields(ruleset: Ruleset) -> frozenset[str]:
    """Fields that the routing rules look at."""
    found = (a for rule in ruleset.routing.rules for a in atoms(rule.when))
    return frozenset(a.field for a in found if not isinstance(a, HasTag))


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
