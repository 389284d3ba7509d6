"""Runs the inspection over the drawn corpus: what it accepts, reviews and rejects of each kind and each damage."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ops.bench.corpus import has_cjk
from ops.bench.corpus_faces import has_script
from ops.bench.corpus_kinds import DECORATED_KINDS, ONE_LETTER, PLAIN_KINDS, Damage, Kind, Split
from ops.bench.inspect_jobs import Outcome, Task, WorstPictures, inspected
from ops.bench.intervals import Goal, wilson
from ops.bench.stack import machine
from rules.ruleset import Ruleset
from schemas.events import Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class CorpusFigures:
    """What came of a corpus."""

    machine: str
    split: Split
    readers: tuple[str, ...]
    cjk: bool
    script: bool
    outcomes: tuple[Outcome, ...]

    def goals(self) -> tuple[Goal, ...]:
        """The goals for inspection, and how they stand on these pictures."""
        return goals(self.outcomes)

    def as_json(self) -> dict[str, Any]:
        """Counts by kind and damage, and the goals."""
        return {
            "machine": self.machine,
            "split": self.split,
            "pictures": len(self.outcomes),
            "readers": self.readers,
            "cjk": self.cjk,
            "script": self.script,
            "sound_by_kind": _counts({o.kind: [p for p in self.sound if p.kind is o.kind] for o in self.sound}),
            "damaged_by_kind": _counts({o.kind: [p for p in self.damaged if p.kind is o.kind] for o in self.damaged}),
            "damaged_by_damage": _counts(
                {o.damage or "": [p for p in self.damaged if p.damage is o.damage] for o in self.damaged}
            ),
            "goals": [asdict(g) | {"standing": g.standing} for g in self.goals()],
        }

    @property
    def sound(self) -> list[Outcome]:
        """Pictures that show what was asked for."""
        return [o for o in self.outcomes if o.damage is None]

    @property
    def damaged(self) -> list[Outcome]:
        """Pictures that do not."""
        return [o for o in self.outcomes if o.damage is not None]


def _counts(groups: Mapping[str, list[Outcome]]) -> dict[str, dict[str, int]]:
    return {
        name: {v.value: sum(o.verdict is v for o in outcomes) for v in Verdict} for name, outcomes in groups.items()
    }


def goals(outcomes: tuple[Outcome, ...]) -> tuple[Goal, ...]:
    """How the goals for inspection stand. Cyrillic, Greek, Chinese and Japanese count in the first two only."""

    def goal(name: str, of: Callable[[Outcome], bool], hit: Callable[[Verdict], bool], limit: float) -> Goal:
        those = [o for o in outcomes if of(o)]
        seen = wilson(sum(hit(o.verdict) for o in those), len(those))
        return Goal(name=name, limit=limit, at_least=limit > 0.5, seen=seen)

    def accepted(verdict: Verdict) -> bool:
        return verdict is Verdict.ACCEPT

    lettered = PLAIN_KINDS | DECORATED_KINDS
    return (
        goal("one-letter errors accepted", lambda o: o.damage in ONE_LETTER, accepted, 0.005),
        goal("letters for digits accepted", lambda o: o.damage is Damage.LOOK_ALIKE, accepted, 0.005),
        goal("correct plain lettering accepted", lambda o: _right(o, PLAIN_KINDS), accepted, 0.97),
        goal("correct curved or decorated lettering accepted", lambda o: _right(o, DECORATED_KINDS), accepted, 0.85),
        goal("correct lettering refused outright", lambda o: _right(o, lettered), lambda v: v is Verdict.REJECT, 0.03),
        goal(
            "false alarms on pictures without text",
            lambda o: _right(o, frozenset({Kind.NO_TEXT})),
            lambda v: not accepted(v),
            0.01,
        ),
    )


def _right(outcome: Outcome, kinds: frozenset[Kind]) -> bool:
    return outcome.damage is None and outcome.kind in kinds


def measure(
    ruleset: Ruleset,
    split: Split,
    count: int,
    *,
    worst: Path | None = None,
    jobs: int = 1,
    seconds: float | None = None,
    seen: Callable[[Iterator[Outcome]], Iterator[Outcome]],
    size: tuple[int, int] | None = None,
) -> CorpusFigures:
    """Draws and inspects the first `count` pictures of a split; `seen` gets every outcome and passes it on.

    `worst` is a folder for the pictures that went wrong; `jobs` are processes, each with readers of its own on one
    thread; after `seconds` no more are begun; `size` draws all in one width and height. Raises BadConfig where a reader
    of the ruleset is not installed.
    """
    task = Task(document=ruleset.document, split=split, size=size, keep=worst is not None)
    keep = None if worst is None else WorstPictures(worst)

    started = time.monotonic()

    def run() -> Iterator[Outcome]:
        for shown in inspected(task, range(count), jobs):
            if keep is not None and shown.wrong is not None:
                keep.add(shown.wrong)
            yield shown.outcome
            if seconds is not None and time.monotonic() - started > seconds:
                return

    return CorpusFigures(
        machine=machine(),
        split=split,
        readers=tuple(ruleset.readers),
        cjk=has_cjk(),
        script=has_script(),
        outcomes=tuple(seen(run())),
    )
