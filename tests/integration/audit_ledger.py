"""Fills a ledger without a broker, for tests of what reads it."""

from __future__ import annotations

from collections.abc import Sequence

import psycopg

from audit import ledger, projections
from audit.chain import first_head
from audit.migrate import connect, migrate
from audit.project import Projected
from audit.sink import chained, read
from audit.source import Fetched
from schemas.codec import Codec, LockedIds
from tests.stories import START_MS, Said

CODEC = Codec(LockedIds())


def fetched(said: Sequence[Said], *, partition: int = 0, first: int = 0) -> list[Fetched]:
    """The records as a broker would hand them out, each topic's at offsets from `first` on."""
    offsets: dict[str, int] = {}
    out: list[Fetched] = []
    for n, (topic, event) in enumerate(said):
        offset = offsets.get(topic, first)
        offsets[topic] = offset + 1
        value = CODEC.encode(event)
        out.append(
            Fetched(
                topic=topic,
                partition=partition,
                offset=offset,
                timestamp_ms=START_MS + n,
                key=b"k",
                value=value,
                headers=(b"h", None),
            )
        )
    return out


def open_ledger(dsn: str) -> psycopg.Connection:
    migrate(dsn)
    return connect(dsn, autocommit=True)


def fill(conn: psycopg.Connection, records: Sequence[Fetched]) -> None:
    """Write records as the sink does, as one batch."""
    heads = ledger.heads(conn)
    reads = [read(r, CODEC) for r in records]
    links, moved = chained(reads, {}, heads)
    rows = Projected()
    for r in reads:
        if r.event is not None:
            rows.take(r.event, r.job_id, r.given_up)
    with conn.transaction():
        ledger.append(conn, links)
        projections.store(conn, rows)
        ledger.move_heads(conn, [(heads.get(p) or first_head(*p), h) for p, h in moved.items()])
