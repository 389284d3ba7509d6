"""Parts of a topic's log by offset or time, cut into slices that worker processes read. No group is disturbed."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, cast

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from broker.clients import classed, reader
from broker.settings import Settings
from schemas.errors import BadConfig, Fatal, Transient

GROUP: Final = "presscheck-log-range"
"""No group is joined; librdkafka only wants a name."""
CALL_S: Final = 10.0
POLL_S: Final = 0.1
CHUNK: Final = 500
STALL_S: Final = 60.0
SLICE: Final = 20_000
"""Offsets that a worker reads at once: a few seconds of work, so that the rest is shared out evenly."""
PREFETCH_KB: Final = 4_096
"""Fetched ahead by each reader, KiB: what is fetched beyond a slice is fetched in vain."""
AGO: Final = re.compile(r"-(\d+)([smhd])")
UNITS_MS: Final = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """One end of a range: an offset (of every partition), or a time in ms since 1970 UTC."""

    offset: int | None = None
    at_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """Offsets `start` to `end` (exclusive) of one partition."""

    topic: str
    partition: int
    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """What is to be read, and how many offsets of what was asked for are past retention."""

    slices: tuple[Slice, ...]
    gone: int

    @property
    def offsets(self) -> int:
        """Offsets to look at; markers of transactions count among them."""
        return sum(s.end - s.start for s in self.slices)


def parse_bound(text: str, *, option: str, now_ms: int) -> Bound:
    """`1200` is an offset; `2026-05-01`, `2026-05-01T09:30` (UTC) and `-24h` are times. Raises BadConfig."""
    if text.isascii() and text.isdigit():
        return Bound(offset=int(text))
    if ago := AGO.fullmatch(text):
        return Bound(at_ms=max(0, now_ms - int(ago[1]) * UNITS_MS[ago[2]]))
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        mend = "give an offset, a time such as 2026-05-01T09:30 (UTC), or -24h"
        raise BadConfig(f"{option}: {text!r} is neither an offset nor a time", mend=mend) from None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return Bound(at_ms=max(0, int(moment.timestamp() * 1000)))


def find_range(
    settings: Settings, topic: str, begin: Bound, end: Bound | None, *, partition: int | None = None
) -> Range:
    """Slices of what is there between two bounds, `end` exclusive; None reads to where the log ends now.

    Raises BadConfig where there is no such topic or partition, Transient where the broker does not answer.
    """
    consumer = reader(settings, GROUP)
    try:
        known = consumer.list_topics(timeout=CALL_S).topics
        if topic not in known:
            raise BadConfig(f"there is no topic {topic!r}", mend="`presscheck topics` lists them")
        numbers = sorted(known[topic].partitions)
        if partition is not None and partition not in numbers:
            raise BadConfig(f"{topic} has no partition {partition}", mend=f"it has 0 to {numbers[-1]}")
        wanted = numbers if partition is None else [partition]
        slices: list[Slice] = []
        gone = 0
        for p in wanted:
            low, high = consumer.get_watermark_offsets(TopicPartition(topic, p), timeout=CALL_S)
            start = _offset(consumer, topic, p, begin, high)
            stop = high if end is None else min(high, _offset(consumer, topic, p, end, high))
            gone += max(0, min(low, stop) - start) if begin.offset is not None else 0
            start = max(low, start)
            slices += [
                Slice(topic=topic, partition=p, start=n, end=min(n + SLICE, stop)) for n in range(start, stop, SLICE)
            ]
    except KafkaException as e:
        raise classed(e, f"looking for offsets of {topic}") from e
    finally:
        consumer.close()
    return Range(slices=tuple(slices), gone=gone)


def _offset(consumer: Consumer, topic: str, partition: int, bound: Bound, high: int) -> int:
    if bound.offset is not None:
        return bound.offset
    (found,) = consumer.offsets_for_times([TopicPartition(topic, partition, bound.at_ms or 0)], timeout=CALL_S)
    if found.error is not None:
        raise classed(found.error, f"looking for a time in {topic}")
    return found.offset if found.offset >= 0 else high  # later than the last record


def slice_reader(settings: Settings) -> Consumer:
    """A consumer for `read_slice`."""
    return reader(settings, GROUP, overrides={"queued.max.messages.kbytes": PREFETCH_KB})


def read_slice(consumer: Consumer, wanted: Slice) -> Iterator[Message]:
    """Committed records of a slice, in order. Raises Transient where nothing comes for STALL_S, Fatal."""
    consumer.assign([TopicPartition(wanted.topic, wanted.partition, wanted.start)])
    moved = time.monotonic()
    while True:
        for message in consumer.consume(CHUNK, timeout=POLL_S):
            moved = time.monotonic()
            error, offset = message.error(), cast("int", message.offset())
            if error is None:
                if offset >= wanted.end:
                    return
                yield message
                moved = time.monotonic()  # whoever takes the records may be slow by intent
                if offset == wanted.end - 1:
                    return
            elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - its public name has the underscore
                return
            elif isinstance(found := classed(error, f"reading {wanted.topic}"), Fatal):
                raise found
        if time.monotonic() - moved > STALL_S:
            raise Transient(f"{wanted.topic}-{wanted.partition} gave nothing for {STALL_S:g} s")
