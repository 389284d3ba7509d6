"""The audit process: every record of every topic into the ledger and its projections, once, with its position."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import psycopg
import structlog

from audit import ledger, projections
from audit.chain import Entry, Head, Link, first_head, link_hash
from audit.ledger import Gap, Place
from audit.project import Projected
from audit.sessions import leased, sessions
from audit.source import Batch, Fetched, Shift, Source
from broker.faults import no_fault
from broker.settings import Settings
from broker.signals import Stop, StopSignals
from schemas.catalogue import RENDER_PATTERN, catalogue
from schemas.codec import Codec
from schemas.errors import Poison, Transient
from schemas.events import AssetLabelled, AssetRecalled, DeadLetter, Event, PromptSeen, TouchUpReported
from schemas.registry import codec_for

POLL_S: Final = 0.1
REFRESH_S: Final = 2.0
"""How often new topics and partitions are looked for."""
WHO: Final = "audit sink"
JOB_ID: Final = re.compile(rb"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


Fault = Callable[[str], None]
"""Called with the name of each step done, so that a test can crash there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """A record with what was made of its value. `event` is None where it could not be decoded.

    given_up: Of a dead letter, the record in it; None where that could not be decoded.
    """

    record: Fetched
    event: Event | None
    job_id: str | None
    given_up: Event | None = None


def read(record: Fetched, codec: Codec) -> Read:
    """Decode one record. Raises Transient where a registry could not be asked."""
    event = _decoded(record.value, codec)
    given_up = _decoded(event.value, codec) if isinstance(event, DeadLetter) else None
    return Read(record=record, event=event, job_id=_job_id(record, event), given_up=given_up)


def _decoded(value: bytes | None, codec: Codec) -> Event | None:
    try:
        return codec.decode(value)
    except Poison:
        return None  # the bytes are kept, and the stage that could not use them writes the dead letter


def _job_id(record: Fetched, event: Event | None) -> str | None:
    match event:
        case None:
            found = record.key
        case DeadLetter():
            found = event.key
        case AssetLabelled() | AssetRecalled() | PromptSeen() | TouchUpReported():
            return event.job_id
        case _:
            request = getattr(event, "request", event)
            job = getattr(request, "job", None)
            return None if job is None else job.job_id
    return found.decode() if found is not None and JOB_ID.fullmatch(found) else None


def carries(topic: str, event: Event) -> bool:
    """Whether the catalogue has this record on this topic: only then do the projections believe it."""
    row = next((t for t in catalogue() if t.name == topic), None)
    if row is None:
        row = next(t for t in catalogue() if t.name == RENDER_PATTERN)
    return type(event).__name__ in row.records


def chained(
    reads: list[Read], ends: dict[Place, int], heads: dict[Place, Head]
) -> tuple[list[Link], dict[Place, Head]]:
    """Rows for a batch, and the heads that it moves. Records below a head are in the ledger already: left out."""
    links: list[Link] = []
    moved: dict[Place, Head] = {}
    for r in reads:
        record, place = r.record, (r.record.topic, r.record.partition)
        head = moved.get(place) or heads.get(place) or first_head(*place)
        if record.offset < head.next_offset:
            continue
        entry = Entry(
            topic=record.topic,
            partition=record.partition,
            generation=head.generation,
            offset=record.offset,
            position=head.rows,
            timestamp_ms=record.timestamp_ms,
            key=record.key,
            value=record.value,
            headers=record.headers,
            record=None if r.event is None else type(r.event).__name__,
            job_id=r.job_id,
        )
        link = Link(entry=entry, previous_hash=head.hash, hash=link_hash(head.hash, entry))
        links.append(link)
        moved[place] = replace(
            head, rows=head.rows + 1, last_offset=record.offset, next_offset=record.offset + 1, hash=link.hash
        )
    for place, end in ends.items():
        head = moved.get(place) or heads.get(place) or first_head(*place)
        if end > head.next_offset:
            moved[place] = replace(head, next_offset=end)
    return links, moved


class Sink:
    """One session of the sink: a lease, the heads, and a reader placed on every partition."""

    def __init__(self, conn: psycopg.Connection, source: Source, codec: Codec, *, fault: Fault = no_fault) -> None:
        self._conn, self._source, self._codec, self._fault = conn, source, codec, fault
        self.heads = ledger.heads(conn)
        self._log = structlog.get_logger(__name__)

    def refresh(self, now_s: float, at_ms: int) -> None:
        """Place the reader on partitions that it does not read yet; write down what the broker no longer has.

        `now_s` is a monotonic clock in seconds, `at_ms` the time of day.
        """
        for place in self._source.unplaced():
            shift = self._source.place(place, self.heads.get(place), now_s)
            if shift is not None:
                self._note(shift, at_ms)
                self._source.place(place, self.heads[place], now_s)

    def _note(self, shift: Shift, at_ms: int) -> None:
        topic, partition = shift.place
        was = self.heads.get(shift.place) or first_head(topic, partition)
        gap = Gap(
            topic=topic,
            partition=partition,
            generation=was.generation + (shift.reason == "lost"),
            from_offset=shift.wanted,
            to_offset=shift.start,
            reason=shift.reason,
            noticed_at_ms=at_ms,
        )
        self.heads[shift.place] = ledger.note_gap(self._conn, gap, was)
        self._log.warning(
            "records are gone from the broker",
            topic=topic, partition=partition, reason=shift.reason, wanted=shift.wanted, reads_on_at=shift.start,
        )  # fmt: skip

    def write(self, batch: Batch) -> int:
        """Append one batch with its projections and positions in one transaction; gives the rows appended."""
        reads = [read(r, self._codec) for r in batch.records]
        self._fault("decoded")
        links, moved = chained(reads, dict(batch.ends), self.heads)
        if not moved:
            return 0
        appended = {(x.entry.topic, x.entry.partition, x.entry.offset) for x in links}
        rows = Projected()
        for r in reads:
            known = (r.record.topic, r.record.partition, r.record.offset) in appended
            if known and r.event is not None and carries(r.record.topic, r.event):
                rows.take(r.event, r.job_id, r.given_up)
        with self._conn.transaction():
            if links:
                ledger.append(self._conn, links)
            self._fault("appended")
            projections.store(self._conn, rows)
            self._fault("projected")
            ledger.move_heads(
                self._conn, [(self.heads.get(place) or first_head(*place), head) for place, head in moved.items()]
            )
            self._fault("moved")
        self._fault("committed")
        self.heads.update(moved)
        return len(links)

    def run(self, stop: Stop, *, refresh_s: float = REFRESH_S) -> None:
        """Read and write until `stop`; what was begun is finished first. Raises Transient, Fatal."""
        refresh_at = 0.0
        while not stop.is_set():
            now_s = time.monotonic()
            if now_s >= refresh_at:
                self.refresh(now_s, time.time_ns() // 1_000_000)
                refresh_at = now_s + refresh_s
            self.write(self._source.poll(POLL_S))


def session(settings: Settings, stop: Stop, *, refresh_s: float = REFRESH_S, fault: Fault = no_fault) -> None:
    """From the lease to the end of one session. Raises Transient where Postgres or Kafka went away, Fatal."""
    try:
        with leased(settings, ledger.take_lease, stop, who=WHO) as conn:
            if conn is None:
                return
            source = Source(settings)
            try:
                structlog.get_logger(__name__).info("audit sink reads", partitions=len(ledger.heads(conn)))
                Sink(conn, source, codec_for(settings.schema_registry_url), fault=fault).run(stop, refresh_s=refresh_s)
            finally:
                source.close()
    except psycopg.errors.UniqueViolation as e:
        raise Transient(f"rows are in the ledger already: {e}") from e


def run(settings: Settings, stop: Stop, *, refresh_s: float = REFRESH_S, fault: Fault = no_fault) -> None:
    """Sessions until `stop`: one that fails for now is followed by another after a growing wait. Raises Fatal."""
    sessions(lambda: session(settings, stop, refresh_s=refresh_s, fault=fault), stop, who=WHO)


def main(settings: Settings) -> None:
    """Run until SIGTERM or SIGINT, then finish the batch in hand. Raises Fatal."""
    with StopSignals() as stop:
        run(settings, stop)
