"""Sends jobs to the topic `prompts`, in order and each one acknowledged."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from confluent_kafka import KafkaError, KafkaException, Message

from broker import clients
from broker.settings import Settings
from ops.submission import submitted
from schemas.catalogue import PROMPTS
from schemas.errors import Transient
from schemas.events import Job
from schemas.registry import codec_for

CHUNK: Final = 500
"""Jobs under way at once; what they become is only reported once the broker has all of them."""
ACKNOWLEDGED_S: Final = 60.0


def publish(settings: Settings, jobs: Iterable[Job]) -> Iterator[Job]:
    """Send the jobs and yield each one once the broker acknowledged it.

    Sending a job again is safe: its idempotency key makes it one job. Raises Transient naming the first job
    that the broker did not take; those yielded before it are safe.
    """
    producer = clients.producer(settings)
    codec = codec_for(settings.schema_registry_url)
    failed: list[str] = []

    def done(error: KafkaError | None, message: Message) -> None:
        if error is not None:
            failed.append(f"job {(message.key() or b'').decode()} was not taken: {error.str()}")

    chunk: list[Job] = []
    for job in jobs:
        producer.produce(PROMPTS, key=job.job_id.encode(), value=codec.encode(submitted(job)), on_delivery=done)
        chunk.append(job)
        if len(chunk) == CHUNK:
            yield from _settled(producer, chunk, failed)
            chunk = []
    yield from _settled(producer, chunk, failed)


def _settled(producer: clients.Producer, chunk: list[Job], failed: list[str]) -> Iterator[Job]:
    try:
        left = producer.flush(ACKNOWLEDGED_S)
    except KafkaException as e:
        raise clients.classed(e, "sending prompts") from e
    if failed or left:
        said = failed[0] if failed else f"{left} prompts were not acknowledged within {ACKNOWLEDGED_S:g} s"
        raise Transient(f"{said}; submit the same file again: jobs with an idempotency_key are not doubled")
    yield from chunk
