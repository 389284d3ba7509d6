"""Where replays read: the topic itself by a consumer of no group, or the audit ledger, which keeps records for good."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Final, Protocol, cast

import psycopg
from confluent_kafka import KafkaException, TopicPartition

from audit import ledger, replays
from audit.chain import Head
from audit.migrate import connect
from audit.replays import Part
from broker.clients import classed, reader
from broker.settings import Settings
from ops.log_range import CALL_S, GROUP, SLICE, Bound, Slice, find_range, read_slice, slice_reader
from rules.replay_plan import Entry, Place, Span
from rules.tree import nearest
from schemas.catalogue import DEAD_LETTERS
from schemas.codec import Codec
from schemas.errors import BadConfig, Poison
from schemas.events import DeadLetter, Origin
from schemas.registry import codec_for

LOG: Final = "log"
AUDIT: Final = "audit"
MANIFESTS: Final = "manifests"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """The part of a topic that is asked for; `begin` None is the earliest record there is, `end` None the last."""

    topic: str
    begin: Bound | None
    end: Bound | None
    partition: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Gone:
    """Offsets of a partition that a source does not have any more; `start` None where a time was asked for."""

    partition: int
    start: int | None
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """What a source has of what was asked for."""

    spans: tuple[Span, ...]
    gone: tuple[Gone, ...]


class Source(Protocol):
    """Where the records of a topic are read from."""

    def reach(self, wanted: Wanted) -> Reach:
        """The part that is there. Raises BadConfig for a topic or partition that is not, Transient."""
        ...

    def entries(self, topic: str, spans: Iterable[Span]) -> Iterator[Entry]:
        """Its records in order, span by span. Raises Transient, Fatal."""
        ...


class LogSource:
    """The topic on the broker. Nothing is committed, and no group is joined or asked."""

    def __init__(self, settings: Settings) -> None:
        self._settings, self._codec = settings, codec_for(settings.schema_registry_url)

    def reach(self, wanted: Wanted) -> Reach:
        """The part that retention has left."""
        begin = wanted.begin or Bound(offset=0)
        found = find_range(self._settings, wanted.topic, begin, wanted.end, partition=wanted.partition)
        spans: dict[int, Span] = {}
        for s in found.slices:
            start = spans[s.partition].start if s.partition in spans else s.start
            spans[s.partition] = Span(partition=s.partition, start=start, end=s.end)
        return Reach(spans=tuple(spans[p] for p in sorted(spans)), gone=self._gone(wanted, spans))

    def _gone(self, wanted: Wanted, spans: dict[int, Span]) -> tuple[Gone, ...]:
        if wanted.begin is None:
            return ()
        asked, out = wanted.begin.offset, list[Gone]()
        with closing(reader(self._settings, GROUP)) as consumer:
            try:
                numbers = sorted(consumer.list_topics(timeout=CALL_S).topics[wanted.topic].partitions)
                for p in numbers if wanted.partition is None else [wanted.partition]:
                    low, _ = consumer.get_watermark_offsets(TopicPartition(wanted.topic, p), timeout=CALL_S)
                    cut = asked < low if asked is not None else low > 0 and (p not in spans or spans[p].start == low)
                    if cut:
                        out.append(Gone(partition=p, start=asked, end=low))
            except KafkaException as e:
                raise classed(e, f"looking for the beginning of {wanted.topic}") from e
        return tuple(out)

    def entries(self, topic: str, spans: Iterable[Span]) -> Iterator[Entry]:
        """Committed records."""
        with closing(slice_reader(self._settings)) as consumer:
            for span in spans:
                for start in range(span.start, span.end, SLICE):
                    end = min(start + SLICE, span.end)
                    for message in read_slice(
                        consumer, Slice(topic=topic, partition=span.partition, start=start, end=end)
                    ):
                        _, timestamp_ms = message.timestamp()
                        place = Place(timestamp_ms, span.partition, cast("int", message.offset()))
                        yield entry_of(topic, place, message.value(), self._codec)


class LedgerSource:
    """The audit ledger: the same records at the same offsets, for good."""

    def __init__(self, settings: Settings) -> None:
        self._dsn, self._codec = settings.database_url.get_secret_value(), codec_for(settings.schema_registry_url)

    def reach(self, wanted: Wanted) -> Reach:
        """The part that the ledger holds; what the broker had lost before the ledger read it is gone here too."""
        begin, end = wanted.begin or Bound(offset=0), wanted.end or Bound()
        part = Part(from_offset=begin.offset, to_offset=end.offset, from_ms=begin.at_ms, to_ms=end.at_ms)
        spans: list[Span] = []
        gone: list[Gone] = []
        with connect(self._dsn, autocommit=True) as conn:
            heads = self._heads(conn, wanted.topic)
            if wanted.partition is not None and wanted.partition not in heads:
                raise BadConfig(f"the ledger has no partition {wanted.partition} of {wanted.topic}")
            for p in sorted(heads) if wanted.partition is None else [wanted.partition]:
                found = replays.span(conn, heads[p], part)
                if found.start is not None and found.end is not None:
                    spans.append(Span(partition=p, start=found.start, end=found.end))
            for gap in ledger.gaps(conn, wanted.topic):
                span = next((s for s in spans if s.partition == gap.partition), None)
                late = begin.offset is None or gap.to_offset > begin.offset
                if span is not None and late and gap.from_offset < span.end:
                    gone.append(Gone(partition=gap.partition, start=gap.from_offset, end=gap.to_offset))
        return Reach(spans=tuple(spans), gone=tuple(gone))

    def records(self, wanted: Wanted, gone: Iterable[Gone]) -> int:
        """How many of the records that the log has lost the ledger holds."""
        begin = wanted.begin or Bound(offset=0)
        with connect(self._dsn, autocommit=True) as conn:
            heads = {p: h for (t, p), h in ledger.heads(conn).items() if t == wanted.topic}
            parts = [
                (heads[g.partition], Part(from_offset=g.start, to_offset=g.end, from_ms=begin.at_ms))
                for g in gone
                if g.partition in heads
            ]
            return sum(replays.span(conn, head, part).records for head, part in parts)

    def entries(self, topic: str, spans: Iterable[Span]) -> Iterator[Entry]:
        """Rows of the ledger."""
        with connect(self._dsn, autocommit=True) as conn:
            heads = self._heads(conn, topic)
            for span in spans:
                for row in replays.rows(conn, heads[span.partition], span.start, span.end):
                    place = Place(row.timestamp_ms, span.partition, row.offset)
                    yield entry_of(topic, place, row.value, self._codec)

    def _heads(self, conn: psycopg.Connection, topic: str) -> dict[int, Head]:
        known = ledger.heads(conn)
        heads = {p: h for (t, p), h in known.items() if t == topic}
        if not heads:
            raise BadConfig(f"the ledger has no record of {topic}", mend=nearest(topic, {t for t, _ in known}))
        return heads


def entry_of(topic: str, place: Place, value: bytes | None, codec: Codec) -> Entry:
    """A record as the plan takes it; a dead letter as the record in it, from where that one lay."""
    origin = Origin(topic=topic, partition=place.partition, offset=place.offset)
    try:
        event = codec.decode(value)
        if not isinstance(event, DeadLetter) or topic != DEAD_LETTERS:
            return Entry(place=place, origin=origin, event=event)
        stage, origin = event.stage, event.origin
        return Entry(place=place, origin=origin, event=codec.decode(event.value), stage=stage)
    except Poison:
        return Entry(place=place, origin=origin, event=None)
