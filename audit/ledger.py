"""The ledger in Postgres: appends chained rows, moves the heads, reads both back."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, LiteralString

import psycopg
from psycopg.rows import class_row, dict_row

from audit.chain import Entry, Head, Link
from audit.statements import statement
from schemas.errors import Transient

SINK_LOCK: Final = 0x7072657373_02
"""Advisory lock held by the one sink that writes, for as long as its session lives."""
ROW_TYPES: Final = (
    "text", "int4", "int4", "int8", "int8", "int8", "bytea", "bytea", "bytea[]", "text", "uuid", "bytea", "bytea",
)  # fmt: skip
FETCH_ROWS: Final = 500
"""Rows that a reading cursor holds at once."""

Place = tuple[str, int]
"""Topic and partition."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """Records that the broker no longer had: `expired` before they were read, or `lost` by it.

    `generation` is the one that begins or goes on after the gap; offsets from_offset up to to_offset are missing, or
    the partition began anew at to_offset where that is the smaller one.
    """

    topic: str
    partition: int
    generation: int
    from_offset: int
    to_offset: int
    reason: str
    noticed_at_ms: int


def take_lease(conn: psycopg.Connection) -> bool:
    """Whether this session is now the one that writes. Postgres gives the lease back when the session ends."""
    row = conn.execute(statement("try_lock"), {"key": SINK_LOCK}).fetchone()
    return row is not None and bool(row[0])


def heads(conn: psycopg.Connection) -> dict[Place, Head]:
    """Where every partition stands."""
    with conn.cursor(row_factory=class_row(Head)) as cursor:
        return {(h.topic, h.partition): h for h in cursor.execute(statement("heads"))}


def gaps(conn: psycopg.Connection, topic: str | None = None) -> tuple[Gap, ...]:
    """The first 1000 gaps by the time they were noticed."""
    with conn.cursor(row_factory=class_row(Gap)) as cursor:
        return tuple(cursor.execute(statement("gaps"), {"topic": topic}))


def append(conn: psycopg.Connection, links: Iterable[Link]) -> None:
    """Append rows inside the caller's transaction. A row that is there already raises UniqueViolation."""
    with conn.cursor() as cursor, cursor.copy(statement("append_rows")) as copy:
        copy.set_types(ROW_TYPES)
        for link in links:
            e = link.entry
            copy.write_row(
                (
                    e.topic, e.partition, e.generation, e.offset, e.position, e.timestamp_ms, e.key, e.value,
                    list(e.headers), e.record, None if e.job_id is None else uuid.UUID(e.job_id),
                    link.previous_hash, link.hash,
                )
            )  # fmt: skip


def move_heads(conn: psycopg.Connection, moves: Sequence[tuple[Head, Head]]) -> None:
    """Move heads from (was, is) inside the caller's transaction.

    Raises Transient where a head is not where this sink left it: another one wrote, so everything is read afresh.
    """
    rows: list[Mapping[str, Any]] = [
        {
            "topic": is_.topic,
            "partition": is_.partition,
            "generation": is_.generation,
            "rows": is_.rows,
            "last_offset": is_.last_offset,
            "next_offset": is_.next_offset,
            "hash": is_.hash,
            "was_generation": was.generation,
            "was_next_offset": was.next_offset,
            "was_hash": was.hash,
        }
        for was, is_ in moves
    ]
    with conn.cursor() as cursor:
        cursor.executemany(statement("move_head"), rows)
        if cursor.rowcount != len(rows):
            raise Transient(f"{len(rows) - cursor.rowcount} head(s) moved under this sink; is a second one running?")


def note_gap(conn: psycopg.Connection, gap: Gap, was: Head) -> Head:
    """Write a gap down and move the head over it, in one transaction; gives the head to go on from."""
    now = replace(was, generation=gap.generation, next_offset=gap.to_offset)
    with conn.transaction():
        conn.execute(
            statement("note_gap"),
            {
                "topic": gap.topic,
                "partition": gap.partition,
                "generation": gap.generation,
                "from_offset": gap.from_offset,
                "to_offset": gap.to_offset,
                "reason": gap.reason,
                "noticed_at_ms": gap.noticed_at_ms,
            },
        )
        move_heads(conn, [(was, now)])
    return now


def unguarded(conn: psycopg.Connection) -> tuple[tuple[str, str], ...]:
    """Table and name of every append-only trigger that is not in force."""
    return tuple((str(r[0]), str(r[1])) for r in conn.execute(statement("guards")))


def _link(row: Mapping[str, Any]) -> Link:
    fields = dict(row)
    previous_hash, own = fields.pop("previous_hash"), fields.pop("hash")
    fields["headers"] = tuple(fields["headers"])
    return Link(entry=Entry(**fields), previous_hash=previous_hash, hash=own)


def _stream(conn: psycopg.Connection, name: str, query: LiteralString, parameters: Mapping[str, Any]) -> Iterator[Link]:
    with conn.cursor(name, row_factory=dict_row) as cursor:
        cursor.itersize = FETCH_ROWS
        cursor.execute(query, parameters)
        yield from map(_link, cursor)


def rows(conn: psycopg.Connection, topic: str | None = None) -> Iterator[Link]:
    """Every row, by topic, partition, generation and offset, a few hundred at a time; inside a transaction."""
    return _stream(conn, "ledger_rows", statement("rows"), {"topic": topic})


def partition_rows(conn: psycopg.Connection, head: Head, from_offset: int) -> Iterator[Link]:
    """Rows of a partition's current generation from an offset on, a few hundred at a time; inside a transaction."""
    parameters = {
        "topic": head.topic,
        "partition": head.partition,
        "generation": head.generation,
        "from_offset": from_offset,
    }
    return _stream(conn, "partition_rows", statement("partition_rows"), parameters)


def job_rows(conn: psycopg.Connection, job_id: str, limit: int) -> tuple[Link, ...]:
    """Rows about one job by the time of their records, at most `limit`."""
    with conn.cursor(row_factory=dict_row) as cursor:
        cursor.execute(statement("job_rows"), {"job_id": job_id, "limit": limit})
        return tuple(_link(row) for row in cursor)
