"""What the database knows for replays: recorded bytes for good, how often jobs were replayed, and how replays stand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import psycopg
from psycopg.rows import class_row

from audit.chain import Head
from audit.statements import statement
from rules.lifecycle import State

PAGE: Final = 500
"""Rows of one look: no transaction stays open while a slow replay works through them."""


class Row(NamedTuple):
    """A record as the ledger keeps it; `timestamp_ms` is -1 where it had none."""

    offset: int
    timestamp_ms: int
    value: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerSpan:
    """A part of a partition in the ledger; None and None where it holds nothing of it."""

    start: int | None
    end: int | None
    records: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Which part is meant, by offsets or times (ms since 1970 UTC); the ends are exclusive, and None is open."""

    from_offset: int | None = None
    to_offset: int | None = None
    from_ms: int | None = None
    to_ms: int | None = None


def span(conn: psycopg.Connection, head: Head, part: Part) -> LedgerSpan:
    """What the ledger holds of a part of a partition, in its current generation."""
    parameters = {
        "topic": head.topic,
        "partition": head.partition,
        "generation": head.generation,
        "from_offset": part.from_offset,
        "to_offset": part.to_offset,
        "from_ms": part.from_ms,
        "to_ms": part.to_ms,
    }
    with conn.cursor(row_factory=class_row(LedgerSpan)) as cursor:
        return next(iter(cursor.execute(statement("ledger_span"), parameters)))


def rows(conn: psycopg.Connection, head: Head, start: int, end: int) -> Iterator[Row]:
    """Records of a partition from offset `start` to `end` (exclusive), a page in memory at a time."""
    place = {"topic": head.topic, "partition": head.partition, "generation": head.generation}
    while start < end:
        found = conn.execute(
            statement("ledger_page"), {**place, "from_offset": start, "to_offset": end, "limit": PAGE}
        ).fetchall()
        for row in found:
            yield Row(*row)
        if len(found) < PAGE:
            return
        start = int(found[-1][0]) + 1


def times(conn: psycopg.Connection, job_ids: Sequence[str], *, but: str) -> Mapping[str, int]:
    """How often each of these jobs was replayed, one replay left out; jobs that never were are absent."""
    counted: dict[str, int] = {}
    for n in range(0, len(job_ids), 1_000):
        parameters = {"job_ids": list(job_ids[n : n + 1_000]), "replay_id": but}
        counted.update((str(row[0]), int(row[1])) for row in conn.execute(statement("replay_counts"), parameters))
    return counted


def given_up(conn: psycopg.Connection, replay_id: str) -> int:
    """Runs of a replay that will not go on: a stage made a dead letter of the record that they wait for."""
    return next(int(row[0]) for row in conn.execute(statement("replay_given_up"), {"replay_id": replay_id}))


def states(conn: psycopg.Connection, replay_id: str) -> Mapping[State, int]:
    """Runs of a replay by state."""
    return {State(row[0]): int(row[1]) for row in conn.execute(statement("replay_states"), {"replay_id": replay_id})}
