"""Draws and inspects pictures of the drawn corpus, in this process or in several, and keeps those that went wrong."""

from __future__ import annotations

import io
import json
import multiprocessing
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any, Final

from PIL import Image

from ops.bench.corpus import Sample, sample
from ops.bench.corpus_kinds import Damage, Kind, Split
from ops.files.inspection import FileInspector, Inspected, Wanted
from rules.ruleset import from_document
from schemas.events import Lane, LetterState, Verdict
from workers.checks.port import Pixels
from workers.checks.readers import open_readers

WORST_MOST: Final = 40
"""Pictures kept of each way to go wrong."""
WORST_FILE: Final = "worst.jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The verdict on one picture, and the time it took, seconds; `damage` is None for a sound one."""

    kind: Kind
    damage: Damage | None
    verdict: Verdict
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What every process is told: the ruleset's document, the split, the size of all pictures or None."""

    document: str
    split: Split
    size: tuple[int, int] | None
    keep: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Wrong:
    """A picture that went wrong, how, and what was said of it."""

    way: str
    name: str
    data: bytes
    line: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """One outcome; `wrong` where it is to be kept."""

    outcome: Outcome
    wrong: Wrong | None


def inspected(task: Task, indices: Iterable[int], jobs: int) -> Iterator[Shown]:
    """Every picture in its order. Raises BadConfig where a reader of the ruleset is not installed."""
    if jobs == 1:
        yield from (_one(task, index) for index in indices)
        return
    # Spawned, not forked: ONNX Runtime's threads do not live through a fork.
    with ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield from pool.map(partial(_one, task), indices, chunksize=1)


@cache
def _inspector(document: str) -> FileInspector:
    ruleset = from_document(document)
    return FileInspector(ruleset, lambda: open_readers(ruleset.readers, threads=1))


def _one(task: Task, index: int) -> Shown:
    drawn = sample(task.split, index, task.size)
    data = png(drawn.pixels)
    found = inspect(_inspector(task.document), drawn, data)
    seconds = (found.inspection.elapsed_ms if found.inspection else 0.0) / 1000
    outcome = Outcome(kind=drawn.kind, damage=drawn.damage, verdict=found.verdict, seconds=seconds)
    return Shown(outcome=outcome, wrong=_wrong(drawn, found, data) if task.keep else None)


def inspect(inspector: FileInspector, drawn: Sample, data: bytes) -> Inspected:
    """The bytes of a picture as `presscheck inspect --expect` inspects a file, in the critical lane."""
    wanted = Wanted(file=Path(f"{drawn.split}-{drawn.index}.png"), expect=drawn.expected, lane=Lane.CRITICAL)
    return inspector.inspect_bytes(wanted, data)


def png(pixels: Pixels) -> bytes:
    """A PNG file, written fast."""
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG", compress_level=1)
    return out.getvalue()


def _wrong(drawn: Sample, found: Inspected, data: bytes) -> Wrong | None:
    """A damaged picture that was accepted, or a sound one that was not."""
    accepted = found.verdict is Verdict.ACCEPT
    if accepted == (drawn.damage is None):
        return None
    way = "damaged-accept" if accepted else f"sound-{found.verdict}"
    name = f"{way}-{drawn.split}-{drawn.index}-{drawn.kind.replace(' ', '-')}.png"
    seen, judged = found.inspection, found.judgement
    line = {
        "file": name,
        "kind": drawn.kind,
        "damage": drawn.damage,
        "expected": drawn.expected,
        "shown": drawn.shown,
        "verdict": found.verdict,
        "reasons": judged.reasons if judged else (),
        "letters": [
            f"{letter.state}: {letter.wanted or '-'} {letter.seen or '-'} at {letter.phrase}.{letter.place}"
            for letter in (judged.letters if judged else ())
            if letter.state is not LetterState.RIGHT
        ],
        "read": {r.reader: [w.text for w in r.words] for r in seen.reads} if seen else {},
    }
    return Wrong(way=way, name=name, data=data, line=line)


class WorstPictures:
    """Keeps pictures that went wrong, and one line on each in WORST_FILE; at most WORST_MOST of each way."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._kept = folder, Counter[str]()
        (folder / WORST_FILE).write_text("", encoding="utf-8")

    def add(self, wrong: Wrong) -> None:
        """Writes one, where there are not too many of its way."""
        if self._kept[wrong.way] >= WORST_MOST:
            return
        self._kept[wrong.way] += 1
        (self._folder / wrong.name).write_bytes(wrong.data)
        with (self._folder / WORST_FILE).open("a", encoding="utf-8") as file:
            file.write(json.dumps(wrong.line, ensure_ascii=False) + "\n")
