"""Reads a topic whole: every committed record up to where the log ended when reading began."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Final, cast

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from broker.clients import classed, reader
from broker.settings import Settings
from schemas.codec import Codec
from schemas.errors import BadConfig, Fatal, Poison, Transient
from schemas.events import Event

GROUP: Final = "presscheck-whole-topic"
"""No group is joined; librdkafka only wants a name."""
CALL_S: Final = 10.0
POLL_S: Final = 0.02
"""The client waits this out unless 500 records come: short, for most topics read so are short."""
RETRY_S: Final = 0.2
LEADER_S: Final = 30.0
"""Ten were not enough for a topic just made while a stack came up on two cores that had a load of 15."""
STALL_S: Final = 60.0
"""A broker aborts the open transaction of a writer that died after 15 s, and looks for such every 10 s."""


def whole_topic(settings: Settings, topic: str) -> Iterator[Message]:
    """Committed records of a topic, in order within each partition.

    An open transaction hides what others committed after it began. So this reads to the end of the log and not only
    to the last stable offset, and waits for such a transaction to end: what was committed before the call is seen.
    Raises BadConfig where there is no such topic, Transient where it is not to be read to its end.
    """
    bounds = _bounds(settings, topic)
    ends = {p: high for p, (low, high) in bounds.items() if low < high}
    open_ = set(ends)
    consumer = reader(settings, GROUP)
    try:
        consumer.assign([TopicPartition(topic, p, bounds[p][0]) for p in ends])
        moved = time.monotonic()
        while open_:
            for message in consumer.consume(500, timeout=POLL_S):
                moved = time.monotonic()
                partition, offset = cast("int", message.partition()), cast("int", message.offset())
                error = message.error()
                if error is None:
                    if offset < ends[partition]:
                        yield message
                    done = offset >= ends[partition] - 1
                elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - its public name has the underscore
                    done = offset >= ends[partition]
                elif isinstance(found := classed(error, f"reading {topic}"), Fatal):
                    raise found
                else:
                    continue
                if done:
                    open_.discard(partition)
            if time.monotonic() - moved > STALL_S:
                raise Transient(
                    f"topic {topic} cannot be read to its end: nothing came for {STALL_S:g} s; is a transaction open?"
                )
    finally:
        consumer.close()


def whole_topic_events(settings: Settings, topic: str, codec: Codec) -> Iterator[Event]:
    """The same, decoded; a record that cannot be is logged and passed over. Raises as whole_topic, and Transient."""
    for message in whole_topic(settings, topic):
        try:
            yield codec.decode(message.value())
        except Poison as e:
            log = structlog.get_logger(__name__)
            log.warning("passed over", topic=topic, partition=message.partition(), offset=message.offset(), why=str(e))


def _bounds(settings: Settings, topic: str) -> dict[int, tuple[int, int]]:
    """Where each partition's log begins and ends, open transactions included."""
    look = reader(settings, GROUP, overrides={"isolation.level": "read_uncommitted"})
    try:
        # Of all topics: asking for one by name would have a broker with auto-creation make it.
        known = look.list_topics(timeout=CALL_S).topics
        if topic not in known:
            raise BadConfig(f"there is no topic {topic!r}", mend="`presscheck topics --create` makes what is missing")
        return {p: _watermarks(look, TopicPartition(topic, p)) for p in known[topic].partitions}
    except KafkaException as e:
        raise classed(e, f"looking for the end of {topic}") from e
    finally:
        look.close()


def _watermarks(look: Consumer, place: TopicPartition) -> tuple[int, int]:
    """Asked again for a while where the broker does not say: a partition just made has no leader for a moment."""
    end = time.monotonic() + LEADER_S
    while True:
        try:
            return look.get_watermark_offsets(place, timeout=CALL_S)
        except KafkaException as e:
            if isinstance(classed(e, "looking for the end"), Fatal) or time.monotonic() > end:
                raise
            time.sleep(RETRY_S)
