"""Compares the ledger with the broker's own records: finds even a ledger whose every hash was made anew."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, cast

import psycopg
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from audit import ledger
from audit.chain import Finding, Head, Kind, Link
from audit.ledger import Place
from audit.source import CALL_S, GONE, GROUP, Fetched, fetched, wanted_topic
from audit.statements import statement
from audit.verify import Progress, Report, Tally, no_progress
from broker.clients import classed, reader
from broker.settings import Settings
from schemas.catalogue import catalogue
from schemas.errors import Transient

QUIET_S: Final = 30.0
"""A partition that gives no record and no end for this long counts as unreachable."""
CHUNK: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Offsets of a partition that the broker still holds and the ledger has already passed: low up to end."""

    low: int
    end: int


def _span(consumer: Consumer, place: Place, head: Head) -> Span | None:
    try:
        low, high = consumer.get_watermark_offsets(TopicPartition(*place), timeout=CALL_S)
    except KafkaException as e:
        if e.args[0].code() in GONE:
            return None
        raise classed(e, f"asking for the ends of {place[0]}/{place[1]}") from e
    return Span(low=low, end=min(high, head.next_offset))


def _gone(place: Place) -> Finding:
    return Finding(
        kind=Kind.BROKER, topic=place[0], partition=place[1], offset=None, detail="the broker has no such partition"
    )


def _records(consumer: Consumer, place: Place, span: Span) -> Iterator[Fetched]:
    """The broker's records of a span. Raises Transient where it stops answering."""
    if span.low >= span.end:
        return
    consumer.assign([TopicPartition(*place, span.low)])
    while True:
        messages = consumer.consume(CHUNK, timeout=0.05)
        quiet = not messages and not (messages := consumer.consume(1, timeout=QUIET_S))
        if quiet:
            raise Transient(f"{place[0]}/{place[1]}: no record for {QUIET_S:g} s")
        for message in messages:
            error = message.error()
            if error is not None:
                if error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - librdkafka's own codes are named so
                    return
                if error.code() in GONE:
                    return
                continue
            record = fetched(message)
            if record.offset >= span.end:
                return
            yield record


def _same(record: Fetched, link: Link) -> bool:
    e = link.entry
    return (record.timestamp_ms, record.key, record.value, record.headers) == (
        e.timestamp_ms,
        e.key,
        e.value,
        e.headers,
    )


def compare(place: Place, records: Iterator[Fetched], rows: Iterator[Link], *, compacted: bool) -> Iterator[Finding]:
    """Merge both by offset: records without a row, rows without a record (fine where compacted), and unlike pairs."""

    def finding(offset: int, detail: str) -> Finding:
        return Finding(kind=Kind.BROKER, topic=place[0], partition=place[1], offset=offset, detail=detail)

    record, row = next(records, None), next(rows, None)
    while record is not None or row is not None:
        if row is None or (record is not None and record.offset < row.entry.offset):
            yield finding(cast("Fetched", record).offset, "the broker has this record, the ledger has no row of it")
            record = next(records, None)
        elif record is None or row.entry.offset < record.offset:
            if not compacted:
                yield finding(row.entry.offset, "the ledger has this row, the broker has no record of it")
            row = next(rows, None)
        else:
            if not _same(record, row):
                yield finding(row.entry.offset, "the row is not what the broker has")
            record, row = next(records, None), next(rows, None)


def against_broker(
    settings: Settings, conn: psycopg.Connection, *, topic: str | None = None, progress: Progress = no_progress
) -> Report:
    """Compare every record that the broker still holds, up to where the ledger stands, with its row.

    Raises Transient, Fatal, psycopg.Error.
    """
    tally, count = Tally(), 0
    compacted = {t.name for t in catalogue() if t.compacted}
    consumer = reader(settings, GROUP, overrides={"auto.offset.reset": "error"})

    def counted(records: Iterator[Fetched], tell: Callable[[int], None]) -> Iterator[Fetched]:
        nonlocal count
        for record in records:
            count += 1
            if count % 1_000 == 0:
                tell(count)
            yield record

    try:
        with conn.transaction():
            conn.execute(statement("one_snapshot"))
            heads = {p: h for p, h in ledger.heads(conn).items() if topic in {None, p[0]} and wanted_topic(p[0])}
            for place in sorted(heads):
                head = heads[place]
                span = _span(consumer, place, head)
                if span is None:
                    tally.add(iter([_gone(place)]))
                    continue
                records = counted(_records(consumer, place, span), progress)
                rows = ledger.partition_rows(conn, head, span.low)
                tally.add(compare(place, records, rows, compacted=place[0] in compacted))
            progress(count)
            return Report(
                rows=count,
                heads=tuple(heads[p] for p in sorted(heads)),
                gaps=ledger.gaps(conn, topic),
                found=tally.found,
                findings=tuple(tally.kept),
            )
    finally:
        consumer.close()
