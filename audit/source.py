"""Reads every topic of the record: finds partitions, places the reader, notices what the broker lost."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, cast

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from audit.chain import Head, first_head
from audit.ledger import Place
from broker.clients import classed, reader
from broker.settings import Settings
from schemas.catalogue import RENDER_PATTERN, catalogue
from schemas.errors import Fatal
from schemas.events import Lane

GROUP: Final = "presscheck-audit"
"""No group is joined: the positions lie in Postgres. librdkafka only wants a name."""
READER: Final = "audit"
"""What a topic's `read_by` says where its records are kept."""
CALL_S: Final = 10.0
LOST_AFTER_S: Final = 5.0
"""A partition must end below our position for this long before it counts as lost: a restarted broker needs a moment."""
MAX_BATCH_ROWS: Final = 2_000
MAX_BATCH_BYTES: Final = 8 * 1024 * 1024
CHUNK: Final = 200
GONE: Final = frozenset(
    {
        KafkaError._UNKNOWN_TOPIC,  # noqa: SLF001 - librdkafka's local codes carry the underscore in their public names
        KafkaError._UNKNOWN_PARTITION,  # noqa: SLF001 - as above
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError.OFFSET_OUT_OF_RANGE,
        KafkaError._AUTO_OFFSET_RESET,  # noqa: SLF001 - as above
    }
)
"""Codes after which a partition must be looked at and placed afresh."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """One record as it lay on the broker. `timestamp_ms` is -1 where it had none."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: tuple[bytes | None, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Records in the order of their partitions, and where a reader stands at the end of those it has emptied."""

    records: tuple[Fetched, ...]
    ends: Mapping[Place, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shift:
    """A partition that does not hold the offset wanted: `expired` starts later, `lost` ends earlier."""

    place: Place
    wanted: int
    start: int
    reason: str


def wanted_topic(name: str) -> bool:
    """Whether a topic of the catalogue is for the record, whatever the engine."""
    return _pattern().fullmatch(name) is not None


def _pattern() -> re.Pattern[str]:
    lanes = "|".join(re.escape(lane.value) for lane in Lane)
    names = [
        re.escape(t.name)
        .replace(re.escape("{engine}"), "[a-z0-9][a-z0-9.-]*")
        .replace(re.escape("{lane}"), f"({lanes})")
        if t.name == RENDER_PATTERN
        else re.escape(t.name)
        for t in catalogue()
        if READER in t.read_by
    ]
    return re.compile("|".join(names))


def fetched(message: Message) -> Fetched:
    """A librdkafka message as a value."""
    _, timestamp_ms = message.timestamp()
    headers: list[bytes | None] = []
    for name, value in cast("list[tuple[str, bytes | None]]", message.headers() or []):
        headers += [name.encode(), value]
    return Fetched(
        topic=cast("str", message.topic()),
        partition=cast("int", message.partition()),
        offset=cast("int", message.offset()),
        timestamp_ms=timestamp_ms,
        key=message.key(),
        value=message.value(),
        headers=tuple(headers),
    )


class Source:
    """A read_committed reader of many partitions that places itself. One thread uses it."""

    def __init__(self, settings: Settings) -> None:
        overrides = {
            "auto.offset.reset": "error",
            "queued.max.messages.kbytes": 2_048,
            "fetch.queue.backoff.ms": 10,
            "topic.metadata.refresh.interval.ms": 5_000,
        }
        self._consumer: Consumer = reader(settings, GROUP, overrides=overrides)
        self._placed: set[Place] = set()
        self._suspected: dict[Place, float] = {}

    def close(self) -> None:
        """Let the broker connections go."""
        self._consumer.close()

    def unplaced(self) -> tuple[Place, ...]:
        """Partitions that the broker has and this reader does not read yet. Raises Transient, Fatal."""
        try:
            known = self._consumer.list_topics(timeout=CALL_S).topics
        except KafkaException as e:
            raise classed(e, "listing the topics") from e
        pattern = _pattern()
        found = {
            (name, number)
            for name, topic in known.items()
            if pattern.fullmatch(name) and topic.error is None
            for number in topic.partitions
        }
        for place in self._placed - found:
            self._forget(*place)
        return tuple(sorted(found - self._placed))

    def place(self, place: Place, head: Head | None, now_s: float) -> Shift | None:
        """Read a partition on from its head, or say that the broker does not hold that offset any more.

        `now_s` is a monotonic clock, seconds. Where a Shift comes back nothing is read yet: write the gap down and
        place the partition again from the head moved over it. Raises Transient, Fatal.
        """
        topic, partition = place
        wanted = (head or first_head(topic, partition)).next_offset
        try:
            low, high = self._consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=CALL_S)
        except KafkaException as e:
            if e.args[0].code() in GONE:
                return None
            raise classed(e, f"asking for the ends of {topic}/{partition}") from e
        if wanted > high:
            since = self._suspected.setdefault(place, now_s)
            lost = now_s - since >= LOST_AFTER_S
            return Shift(place=place, wanted=wanted, start=low, reason="lost") if lost else None
        self._suspected.pop(place, None)
        if wanted < low:
            return Shift(place=place, wanted=wanted, start=low, reason="expired")
        self._consumer.incremental_assign([TopicPartition(topic, partition, wanted)])
        self._placed.add(place)
        return None

    def _forget(self, topic: str, partition: int) -> None:
        if (topic, partition) in self._placed:
            self._placed.discard((topic, partition))
            self._consumer.incremental_unassign([TopicPartition(topic, partition)])

    def poll(self, wait_s: float) -> Batch:
        """What comes within wait_s, or sooner once a batch is full. Raises Transient, Fatal.

        A batch ends at 2,000 records or once it has 8 MiB of values, whichever comes first.
        """
        records: list[Fetched] = []
        ends: dict[Place, int] = {}
        size = 0
        while len(records) < MAX_BATCH_ROWS and size < MAX_BATCH_BYTES:
            chunk = self._consumer.consume(CHUNK, timeout=0 if records or ends else wait_s)
            for message in chunk:
                error = message.error()
                if error is None:
                    record = fetched(message)
                    records.append(record)
                    size += len(record.value or b"")
                    ends.pop((record.topic, record.partition), None)
                elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - as above
                    ends[(cast("str", message.topic()), cast("int", message.partition()))] = cast(
                        "int", message.offset()
                    )
                elif error.code() in GONE:
                    self._forget(cast("str", message.topic()), cast("int", message.partition()))
                else:
                    self._raise_fatal(error)
            if len(chunk) < CHUNK:
                break
        return Batch(records=tuple(records), ends=ends)

    def _raise_fatal(self, error: KafkaError) -> None:
        # Everything else librdkafka mends by itself and tells only for information.
        if isinstance(found := classed(error, "reading"), Fatal):
            raise found
