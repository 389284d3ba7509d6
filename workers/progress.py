"""Publishes what a render worker is at, on the compacted topic `progress`: newest wins, nobody waits for it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

import structlog
from confluent_kafka import KafkaException, Producer

from broker import clients
from broker.settings import Settings
from schemas import ids
from schemas.catalogue import PROGRESS
from schemas.errors import Transient
from schemas.events import RenderProgress
from schemas.registry import codec_for

GAP_S: Final = 0.5
"""Least time between two words of a worker: what is said meanwhile is overtaken by what is said last."""
HEARTBEAT_S: Final = 10.0
"""A word is said again after this long, so that one that grows old is of a process that is gone."""
FLUSH_S: Final = 2.0
"""How long the last word may take; the process then leaves without it."""
MAX_JOBS: Final = 1000
MAX_RESIDENT: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """What a worker is at; fields as in RenderProgress."""

    engine: str | None = None
    job_ids: tuple[str, ...] = ()
    step: int = 0
    steps: int = 0
    resident: tuple[str, ...] = ()


Tell = Callable[[Word], None]


def nobody(_word: Word) -> None:
    """Nobody wants to know."""


class ProgressTopic:
    """A worker's word on the topic, in a thread of its own with a producer of its own.

    Only the newest word is held, so `tell` never waits and nothing piles up: while the broker is away, words are lost.
    The record is deleted (a tombstone) when the worker leaves.
    """

    def __init__(self, settings: Settings, worker: str, now_ms: Callable[[], int]) -> None:
        self._producer: Producer = clients.producer(settings, linger_ms=0)
        self._codec = codec_for(settings.schema_registry_url)
        self._worker, self._now_ms = worker, now_ms
        self._changed = threading.Condition()
        self._word, self._new = Word(), True
        self._leaving = threading.Event()
        self._thread = threading.Thread(target=self._run, name="progress", daemon=True)
        self._log = structlog.get_logger(__name__).bind(worker=worker)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, e: BaseException | None, trace: TracebackType | None) -> None:
        with self._changed:
            self._leaving.set()
            self._changed.notify_all()
        self._thread.join(FLUSH_S)
        if not self._thread.is_alive():
            self._write(None)
            self._producer.flush(FLUSH_S)

    def tell(self, word: Word) -> None:
        """Say this next, in place of what was not said yet."""
        with self._changed:
            self._word, self._new = word, True
            self._changed.notify_all()

    def _run(self) -> None:
        while not self._leaving.is_set():
            said = time.monotonic()
            self._write(self._take())
            self._leaving.wait(max(0.0, said + GAP_S - time.monotonic()))
            with self._changed:
                self._changed.wait_for(lambda: self._new or self._leaving.is_set(), HEARTBEAT_S)

    def _take(self) -> Word:
        with self._changed:
            self._new = False
            return self._word

    def _write(self, word: Word | None) -> None:
        try:
            value = None if word is None else self._codec.encode(self._event(word))
            self._producer.produce(PROGRESS, key=self._worker.encode(), value=value)
            self._producer.poll(0)
        except (BufferError, KafkaException, Transient) as e:
            self._log.info("a word on the progress is lost", error=str(e))

    def _event(self, word: Word) -> RenderProgress:
        at_ms = self._now_ms()
        return RenderProgress(
            event_id=ids.event_id(self._worker, "progress", str(at_ms)),
            at_ms=at_ms,
            worker=self._worker,
            engine=word.engine,
            job_ids=word.job_ids[:MAX_JOBS],
            step=word.step,
            steps=word.steps,
            resident=word.resident[:MAX_RESIDENT],
        )
