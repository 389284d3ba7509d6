"""What two rulesets make of the same recorded work, counted in bounded memory; counts of parts add up to the whole."""

from __future__ import annotations

import heapq
import zlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

SAMPLE: Final = 20
"""Changed jobs that are shown: those whose hash is smallest, so that any order of reading shows the same ones."""
NAMES_MAX: Final = 2_000
"""Names counted of one kind; work of further ones is counted under OTHER."""
OTHER: Final = "(other)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """What one ruleset makes of one job, or of many alike.

    place: Where it goes: an engine, or a verdict. names: What it is counted under, by kind (tag, engine, lane).
    modes: Failure modes that are covered, or found. note: For people, in the sample.
    """

    place: str
    names: Mapping[str, Iterable[str]]
    cost_usd: float
    modes: frozenset[str] = frozenset()
    note: str = ""

    def moves_to(self, other: Side) -> bool:
        """Whether the other sends the job elsewhere, or there in another way."""
        return self.place != other.place or self.note != other.note


@dataclass(slots=True)
class Group:
    """Jobs of one name by either ruleset, those of them that change, and their cost, US dollars."""

    former: int = 0
    new: int = 0
    changed: int = 0
    former_usd: float = 0.0
    new_usd: float = 0.0

    def add(self, other: Group) -> None:
        """Count another's too."""
        self.former += other.former
        self.new += other.new
        self.changed += other.changed
        self.former_usd += other.former_usd
        self.new_usd += other.new_usd


@dataclass(frozen=True, slots=True, order=True)
class Changed:
    """A job that changes, for the sample."""

    draw: int
    job_id: str
    former: str
    new: str
    prompt: str


@dataclass(slots=True)
class Changes:
    """Counts over many jobs. `moves` is by (former place, new place), `modes` by (mode, former place, new place).

    A mode counts where either ruleset names it; `gained` and `lost` count jobs where only one of them does.
    """

    jobs: int = 0
    unusable: int = 0
    whole: Group = field(default_factory=Group)
    groups: dict[tuple[str, str], Group] = field(default_factory=dict[tuple[str, str], Group])
    moves: Counter[tuple[str, str]] = field(default_factory=Counter[tuple[str, str]])
    modes: Counter[tuple[str, str, str]] = field(default_factory=Counter[tuple[str, str, str]])
    gained: Counter[str] = field(default_factory=Counter[str])
    lost: Counter[str] = field(default_factory=Counter[str])
    sample: list[Changed] = field(default_factory=list[Changed])
    _kinds: Counter[str] = field(default_factory=Counter[str])

    def take(self, job_id: str, prompt: str, former: Side, new: Side) -> None:
        """Count one job."""
        self.count(former, new)
        self.show(job_id, prompt, former, new)

    def count(self, former: Side, new: Side, jobs: int = 1) -> None:
        """Count so many jobs of which two rulesets make the same."""
        changed = jobs if former.moves_to(new) else 0
        self.jobs += jobs
        self.moves[former.place, new.place] += jobs
        _count(self.whole, former, new, jobs, changed)
        if former is new:
            for kind, names in former.names.items():
                for name in names:
                    _count(self._group(kind, name), former, new, jobs, changed)
        else:
            self._apart(former, new, jobs, changed)
        for mode in former.modes | new.modes:
            self.modes[mode, former.place, new.place] += jobs
        for mode in new.modes - former.modes:
            self.gained[mode] += jobs
        for mode in former.modes - new.modes:
            self.lost[mode] += jobs

    def show(self, job_id: str, prompt: str, former: Side, new: Side) -> None:
        """Offer a job for the sample, which takes it if it changes."""
        draw = zlib.crc32(job_id.encode())
        if not former.moves_to(new) or (len(self.sample) >= SAMPLE and draw >= self.sample[-1].draw):
            return
        shown = Changed(draw, job_id, _said(former), _said(new), prompt[:200])
        self.sample = heapq.nsmallest(SAMPLE, [*self.sample, shown])

    def add(self, other: Changes) -> None:
        """Count what another part of the work gave."""
        self.jobs += other.jobs
        self.unusable += other.unusable
        self.whole.add(other.whole)
        for (kind, name), group in other.groups.items():
            self._group(kind, name).add(group)
        self.moves.update(other.moves)
        self.modes.update(other.modes)
        self.gained.update(other.gained)
        self.lost.update(other.lost)
        self.sample = heapq.nsmallest(SAMPLE, [*self.sample, *other.sample])

    def _apart(self, former: Side, new: Side, jobs: int, changed: int) -> None:
        for kind in former.names:
            before, after = frozenset(former.names[kind]), frozenset(new.names[kind])
            for name in before | after:
                group = self._group(kind, name)
                group.changed += changed
                if name in before:
                    group.former += jobs
                    group.former_usd += jobs * former.cost_usd
                if name in after:
                    group.new += jobs
                    group.new_usd += jobs * new.cost_usd

    def _group(self, kind: str, name: str) -> Group:
        found = self.groups.get((kind, name))
        if found is None:
            if self._kinds[kind] >= NAMES_MAX:
                return self.groups.setdefault((kind, OTHER), Group())
            self._kinds[kind] += 1
            found = self.groups[kind, name] = Group()
        return found


def _count(group: Group, former: Side, new: Side, jobs: int, changed: int) -> None:
    group.former += jobs
    group.new += jobs
    group.changed += changed
    group.former_usd += jobs * former.cost_usd
    group.new_usd += jobs * new.cost_usd


def _said(side: Side) -> str:
    return f"{side.place} ({side.note})" if side.note else side.place
