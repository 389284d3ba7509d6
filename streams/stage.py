"""What the two stages share: bytes to events, decisions to bytes, and poison to dead letters. No Faust."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import structlog

from broker.deadletter import address, dead_letter
from broker.outbox_port import Decision, Inbound, Outgoing, Source
from schemas import catalogue
from schemas.codec import Codec, plain
from schemas.errors import Poison
from schemas.events import Event, Job, Origin

MAX_OUTPUT_BYTES: Final = 1_000_000
"""Largest record a stage writes; the topics take 1 MiB with headers and framing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """An event to write. `partition` None lets the key choose."""

    topic: str
    key: str
    event: Event
    partition: int | None = None


class Batch(Protocol):
    """The decisions of one batch; what it remembers counts only once `kept` is called."""

    def handle(self, event: Event, at_ms: int) -> Sequence[Output]:
        """What one event leads to. Raises Poison where it cannot be used, Transient where it cannot be decided now."""
        ...

    def written(self, outputs: Sequence[Output]) -> None:
        """These outputs of the last `handle` go out with the batch (they do not where one does not fit its topic)."""
        ...

    def kept(self) -> None:
        """The batch counts now."""
        ...


class Stage(Protocol):
    """One stage: its name, what it reads, and its decisions."""

    @property
    def name(self) -> str:
        """Name of the stage and of its consumer group."""
        ...

    @property
    def inputs(self) -> tuple[str, ...]:
        """Topics that it reads."""
        ...

    def taken_over(self, source: Source) -> None:
        """Read back what must be exact about a source."""
        ...

    def batch(self, source: Source) -> Batch:
        """Begin a batch."""
        ...


class StageDecider:
    """Makes a stage's decisions into bytes. `now_ms` is the clock, milliseconds since 1970 UTC."""

    def __init__(
        self, stage: Stage, codec: Codec, now_ms: Callable[[], int], *, max_output_bytes: int = MAX_OUTPUT_BYTES
    ) -> None:
        self._stage, self._codec, self._now_ms, self._max_output_bytes = stage, codec, now_ms, max_output_bytes
        records = {t.name: t.records for t in catalogue.catalogue()}
        self._records: Mapping[str, tuple[str, ...]] = {t: records[t] for t in stage.inputs}

    def taken_over(self, source: Source) -> None:
        """Read back what must be exact about a source."""
        self._stage.taken_over(source)

    def decide(self, source: Source, events: Sequence[Inbound]) -> Decision:
        """The outputs of a batch: for a record that cannot be used, its dead letter."""
        batch = self._stage.batch(source)
        outgoing: list[Outgoing] = []
        for inbound in events:
            at_ms = self._now_ms()
            try:
                event = self._codec.decode(inbound.value)
                outgoing += self._handled(batch, source, event, at_ms)
            except Poison as e:
                outgoing.append(self._dead(inbound, e, at_ms))
        return Decision(outgoing=tuple(outgoing), kept=batch.kept)

    def _handled(self, batch: Batch, source: Source, event: Event, at_ms: int) -> list[Outgoing]:
        record, expected = type(event).__name__, self._records[source.topic]
        if record not in expected:
            raise Poison(f"topic {source.topic} carries {' and '.join(expected)}, and this is a {record}")
        outputs = batch.handle(event, at_ms)
        encoded = [self._encoded(output) for output in outputs]
        batch.written(outputs)
        return encoded

    def _encoded(self, output: Output) -> Outgoing:
        value = self._codec.encode(output.event)
        if len(value) > self._max_output_bytes:
            record = type(output.event).__name__
            raise Poison(
                f"the {record} for {output.topic} has {len(value)} bytes, at most {self._max_output_bytes} fit"
            )
        return Outgoing(topic=output.topic, key=output.key.encode(), value=value, partition=output.partition)

    def _dead(self, inbound: Inbound, error: Poison, at_ms: int) -> Outgoing:
        origin = Origin(topic=inbound.source.topic, partition=inbound.source.partition, offset=inbound.offset)
        letter = dead_letter(
            self._stage.name,
            origin,
            key=inbound.key,
            value=inbound.value,
            headers=inbound.headers,
            timestamp_ms=inbound.timestamp_ms,
            error=error,
            at_ms=at_ms,
        )
        structlog.get_logger(__name__).warning(
            "dead letter",
            topic=origin.topic,
            partition=origin.partition,
            offset=origin.offset,
            job_id=(inbound.key or b"").decode(errors="replace")[:64],
            error=letter.error,
        )
        return Outgoing(topic=catalogue.DEAD_LETTERS, key=address(origin), value=self._codec.encode(letter))


def content_sha256(job: Job) -> str:
    """Hash of what a job asks for, without when it was asked: equal for a repeat, different for a clash."""
    content = {k: v for k, v in plain(job).items() if k != "submitted_at_ms"}
    text = json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def now_ms() -> int:
    """The wall clock, milliseconds since 1970 UTC."""
    return time.time_ns() // 1_000_000
