"""Checks the ledger: its chain, its heads, what was written down elsewhere, and the broker's own records."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, Final

import psycopg

from audit import ledger
from audit.chain import Finding, Head, Kind, PartitionCheck
from audit.ledger import Gap, Place
from audit.statements import statement
from schemas.errors import BadConfig

MAX_FINDINGS: Final = 1_000
"""Findings that are listed; more are only counted."""
TELL_EVERY: Final = 1_000

Progress = Callable[[int], None]
"""Called now and then with the number of rows checked so far."""
Anchors = Mapping[Place, Sequence[tuple[int, bytes]]]
"""By topic and partition: after so many rows, the hash was this one."""


def no_progress(rows: int) -> None:
    """Nobody watches."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a check found. `found` counts every finding; `findings` lists the first 1,000 of them."""

    rows: int
    heads: tuple[Head, ...]
    gaps: tuple[Gap, ...]
    found: int
    findings: tuple[Finding, ...]

    def plain(self) -> dict[str, Any]:
        """The report as JSON takes it; `heads` of a report kept elsewhere is an anchor for later ones."""
        return {
            "rows": self.rows,
            "found": self.found,
            "findings": [
                {
                    "kind": f.kind.value,
                    "topic": f.topic,
                    "partition": f.partition,
                    "offset": f.offset,
                    "detail": f.detail,
                }
                for f in self.findings
            ],
            "gaps": [
                {
                    "topic": g.topic,
                    "partition": g.partition,
                    "generation": g.generation,
                    "from_offset": g.from_offset,
                    "to_offset": g.to_offset,
                    "reason": g.reason,
                    "noticed_at_ms": g.noticed_at_ms,
                }
                for g in self.gaps
            ],
            "heads": [
                {
                    "topic": h.topic,
                    "partition": h.partition,
                    "generation": h.generation,
                    "rows": h.rows,
                    "last_offset": h.last_offset,
                    "hash": h.hash.hex(),
                }
                for h in self.heads
            ],
        }


class Tally:
    """Keeps the first findings and counts the rest."""

    def __init__(self) -> None:
        self.found = 0
        self.kept: list[Finding] = []

    def add(self, findings: Iterator[Finding]) -> None:
        """Take findings as they come."""
        for finding in findings:
            self.found += 1
            if len(self.kept) < MAX_FINDINGS:
                self.kept.append(finding)


def anchors(path: Path) -> Anchors:
    """The heads in a report once written by `audit verify --json`. Raises BadConfig where it is none."""
    try:
        heads = json.loads(path.read_text(encoding="utf-8"))["heads"]
        out: dict[Place, list[tuple[int, bytes]]] = {}
        for head in heads:
            mark = (int(head["rows"]), bytes.fromhex(head["hash"]))
            if len(mark[1]) != hashlib.sha256().digest_size:
                raise ValueError(head["hash"])
            out.setdefault((str(head["topic"]), int(head["partition"])), []).append(mark)
    except (OSError, ValueError, KeyError, TypeError) as e:
        raise BadConfig(
            f"this is no report of an earlier check: {e!r}",
            file=str(path),
            mend="keep the output of `presscheck audit verify --json`",
        ) from e
    return out


def verify(
    conn: psycopg.Connection,
    *,
    topic: str | None = None,
    known: Anchors | None = None,
    progress: Progress = no_progress,
) -> Report:
    """Recompute the chain of one topic or of all, in one snapshot, with a few hundred rows in memory.

    Raises psycopg.Error where Postgres goes away.
    """
    tally, count = Tally(), 0
    marks = {} if known is None else {p: m for p, m in known.items() if topic in {None, p[0]}}
    with conn.transaction():
        conn.execute(statement("one_snapshot"))
        heads = {p: h for p, h in ledger.heads(conn).items() if topic in {None, p[0]}}
        tally.add(
            Finding(
                kind=Kind.UNGUARDED,
                topic=table,
                partition=-1,
                offset=None,
                detail=f"the trigger {name} is not in force",
            )
            for table, name in ledger.unguarded(conn)
        )
        seen: set[Place] = set()
        for place, links in groupby(ledger.rows(conn, topic), key=lambda x: (x.entry.topic, x.entry.partition)):
            check = PartitionCheck(*place, marks.get(place, ()))
            seen.add(place)
            for link in links:
                tally.add(check.take(link))
                count += 1
                if count % TELL_EVERY == 0:
                    progress(count)
            tally.add(check.finish(heads.get(place)))
        for place in sorted((heads.keys() | marks.keys()) - seen):
            check = PartitionCheck(*place, marks.get(place, ()))
            if place in heads:
                tally.add(check.finish(heads[place]))
            else:
                tally.add(
                    iter(
                        [
                            Finding(
                                kind=Kind.MISSING,
                                topic=place[0],
                                partition=place[1],
                                offset=None,
                                detail="rows and head are gone",
                            )
                        ]
                    )
                )
        progress(count)
        return Report(
            rows=count,
            heads=tuple(heads[p] for p in sorted(heads)),
            gaps=ledger.gaps(conn, topic),
            found=tally.found,
            findings=tuple(tally.kept),
        )


def merged(*reports: Report) -> Report:
    """Several checks of one ledger as one report; rows and heads are the first one's."""
    findings = [f for r in reports for f in r.findings]
    return Report(
        rows=reports[0].rows,
        heads=reports[0].heads,
        gaps=reports[0].gaps,
        found=sum(r.found for r in reports),
        findings=tuple(findings[:MAX_FINDINGS]),
    )


def total_rows(heads: Sequence[Head], topic: str | None) -> int:
    """How many rows a check will see, for a progress bar."""
    return sum(h.rows for h in heads if topic in {None, h.topic})
