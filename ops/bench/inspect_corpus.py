"""Runs the inspection over the drawn corpus: what it accepts, reviews and rejects of each kind and each damage."""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from PIL import Image

from ops.bench.corpus import Sample, has_cjk, sample
from ops.bench.corpus_kinds import DECORATED_KINDS, ONE_LETTER, PLAIN_KINDS, Damage, Kind, Split
from ops.bench.intervals import Goal, wilson
from ops.bench.stack import machine
from ops.file_inspection import FileInspector, Inspected, Wanted
from rules.ruleset import Ruleset
from schemas.events import Lane, Verdict
from workers.checks.port import Pixels
from workers.checks.readers import open_readers

WORST_MOST: Final = 40
"""Pictures kept of each way to go wrong."""
WORST_FILE: Final = "worst.jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The verdict on one picture; `damage` is None for a sound one."""

    kind: Kind
    damage: Damage | None
    verdict: Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class CorpusFigures:
    """What came of a corpus."""

    machine: str
    split: Split
    readers: tuple[str, ...]
    cjk: bool
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
    seen: Callable[[Iterator[Outcome]], Iterator[Outcome]],
    size: tuple[int, int] | None = None,
) -> CorpusFigures:
    """Draws and inspects the first `count` pictures of a split; `seen` gets every outcome and passes it on.

    `worst` is a folder for the pictures that went wrong; `size` draws all in one width and height.
    Raises BadConfig where a reader of the ruleset is not installed.
    """
    readers = open_readers(ruleset.readers, threads=1)
    inspector = FileInspector(ruleset, lambda: readers)
    keep = None if worst is None else _Worst(worst)

    def run() -> Iterator[Outcome]:
        for index in range(count):
            drawn = sample(split, index, size)
            found = inspect(inspector, drawn, png(drawn.pixels))
            if keep is not None:
                keep.look(drawn, found)
            yield Outcome(kind=drawn.kind, damage=drawn.damage, verdict=found.verdict)

    return CorpusFigures(
        machine=machine(), split=split, readers=tuple(ruleset.readers), cjk=has_cjk(), outcomes=tuple(seen(run()))
    )


def inspect(inspector: FileInspector, drawn: Sample, data: bytes) -> Inspected:
    """The bytes of a picture as `presscheck inspect --expect` inspects a file, in the critical lane."""
    wanted = Wanted(file=Path(f"{drawn.split}-{drawn.index}.png"), expect=drawn.expected, lane=Lane.CRITICAL)
    return inspector.inspect_bytes(wanted, data)


def png(pixels: Pixels) -> bytes:
    """A PNG file, written fast."""
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG", compress_level=1)
    return out.getvalue()


class _Worst:
    """Keeps pictures that went wrong, and one line on each in WORST_FILE; at most WORST_MOST of each way."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._kept = folder, Counter[str]()
        (folder / WORST_FILE).write_text("", encoding="utf-8")

    def look(self, drawn: Sample, found: Inspected) -> None:
        accepted = found.verdict is Verdict.ACCEPT
        if accepted == (drawn.damage is None):
            return
        way = "damaged-accept" if accepted else f"sound-{found.verdict}"
        if self._kept[way] >= WORST_MOST:
            return
        self._kept[way] += 1
        name = f"{way}-{drawn.split}-{drawn.index}-{drawn.kind.replace(' ', '-')}.png"
        (self._folder / name).write_bytes(png(drawn.pixels))
        line = {
            "file": name,
            "kind": drawn.kind,
            "damage": drawn.damage,
            "expected": drawn.expected,
            "shown": drawn.shown,
            "verdict": found.verdict,
            "reasons": found.judgement.reasons if found.judgement else (),
            "read": {r.reader: [w.text for w in r.words] for r in found.inspection.reads} if found.inspection else {},
        }
        with (self._folder / WORST_FILE).open("a", encoding="utf-8") as file:
            file.write(json.dumps(line, ensure_ascii=False) + "\n")
