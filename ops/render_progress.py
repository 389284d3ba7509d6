"""What the render workers are at, read from the end of topic `progress`."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Final

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from broker import clients
from broker.settings import Settings
from schemas.catalogue import PROGRESS
from schemas.codec import Codec
from schemas.errors import Poison, Transient
from schemas.events import RenderProgress
from schemas.registry import codec_for
from workers.progress import HEARTBEAT_S

STALE_S: Final = 3 * HEARTBEAT_S
"""A word that is older is of a process that is gone: a living worker says its own again and again."""
READ_S: Final = 5.0
POLL_S: Final = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderWorker:
    """One render worker. `engine` is None while it waits; `age_s` is how old its word is."""

    worker: str
    engine: str | None
    jobs: int
    job_ids: tuple[str, ...]
    step: int
    steps: int
    resident: tuple[str, ...]
    age_s: float


def render_workers(settings: Settings, now_ms: int) -> tuple[RenderWorker, ...]:
    """The living workers of this Kafka, by id; `now_ms` is the time of day.

    A worker that left in good order has deleted its word, and one that was killed is left out once its word is
    STALE_S old. Raises Transient where the broker does not answer, Fatal where it refuses.
    """
    consumer = clients.reader(settings, "render-progress")
    try:
        words = _newest(consumer, codec_for(settings.schema_registry_url), now_ms - round(STALE_S * 1000))
    except KafkaException as e:
        raise clients.classed(e, f"reading {PROGRESS}") from e
    finally:
        consumer.close()
    fresh = (w for w in words.values() if now_ms - w.at_ms <= STALE_S * 1000)
    return tuple(
        RenderWorker(
            worker=w.worker,
            engine=w.engine,
            jobs=len(w.job_ids),
            job_ids=w.job_ids,
            step=w.step,
            steps=w.steps,
            resident=w.resident,
            age_s=round(max(0, now_ms - w.at_ms) / 1000, 1),
        )
        for w in sorted(fresh, key=lambda w: w.worker)
    )


def _newest(consumer: Consumer, codec: Codec, since_ms: int) -> dict[str, RenderProgress]:
    """The newest word of every worker among those since a moment: the rest of the topic is of no interest."""
    topic = consumer.list_topics(PROGRESS, timeout=READ_S).topics[PROGRESS]
    if topic.error is not None:
        return {}
    begin = consumer.offsets_for_times([TopicPartition(PROGRESS, p, since_ms) for p in topic.partitions], READ_S)
    consumer.assign(begin)
    waiting = {p.partition for p in begin}
    words: dict[str, RenderProgress] = {}
    ends = time.monotonic() + READ_S
    while waiting:
        if time.monotonic() > ends:
            raise Transient(f"topic {PROGRESS} was not read to its end in {READ_S:g} s")
        message = consumer.poll(POLL_S)
        if message is None:
            continue
        error = message.error()
        if error is not None:
            if error.code() != KafkaError._PARTITION_EOF:  # noqa: SLF001 - its public name carries the underscore
                raise clients.classed(error, f"reading {PROGRESS}")
            waiting.discard(message.partition() or 0)
            continue
        key = (message.key() or b"").decode(errors="replace")
        words.pop(key, None)
        if (value := message.value()) is not None and (word := _word(codec, value)) is not None:
            words[key] = word
    return words


def _word(codec: Codec, value: bytes) -> RenderProgress | None:
    try:
        event = codec.decode(value)
    except Poison:
        return None  # of a newer version: its worker is left out rather than shown wrongly
    return event if isinstance(event, RenderProgress) else None
