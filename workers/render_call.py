"""Calls an engine in its own thread with a time limit, and makes a result of whatever happens to a job."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

import structlog

from schemas.errors import Fatal, Poison, PresscheckError, Transient
from schemas.events import FailureKind, RenderFailure, RenderRequest
from workers.engines.port import Rendered
from workers.watch import BatchWatch, Cause

AWAY_TRIES: Final = 5
"""Times an engine may be away before its jobs fail as unavailable, and the ladder looks for another engine."""
MAX_MESSAGE_CHARS: Final = 500

Results = Sequence[Rendered | RenderFailure]


class OutOfTime(Exception):
    """The engine did not come back in time; its thread is lost, and so is the process."""


@dataclass(slots=True)
class EngineThread:
    """The one thread that calls engines. A call that does not come back leaves it stuck for good."""

    _calls: queue.Queue[Callable[[], None]] = field(default_factory=lambda: queue.Queue(maxsize=1))
    _thread: threading.Thread | None = None

    def call(self, ask: Callable[[], Results], limit_s: float) -> Results:
        """Ask. Raises OutOfTime after limit_s seconds, and whatever the engine raises."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._serve, name="render-engine", daemon=True)
            self._thread.start()
        answers: queue.SimpleQueue[Results | BaseException] = queue.SimpleQueue()

        def run() -> None:
            try:
                answers.put(ask())
            except BaseException as e:  # noqa: BLE001 - carried over whole to the thread that asked
                answers.put(e)

        self._calls.put(run)
        try:
            answer = answers.get(timeout=limit_s)
        except queue.Empty:
            raise OutOfTime from None
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def _serve(self) -> None:
        while True:
            self._calls.get()()


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A result for one request. `engine_ms` is the call's time over its size, `batch_size` that size."""

    result: Rendered | RenderFailure
    engine_ms: float
    batch_size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Calls:
    """How an engine is asked.

    ask: Renders some requests, looked on by a watch.
    watch: A fresh watch for a call of so many requests.
    hard_s: When a call that does not come back is given up, and the process with it.
    """

    thread: EngineThread
    ask: Callable[[Sequence[RenderRequest], BatchWatch], Results]
    watch: Callable[[int], BatchWatch]
    hard_s: float


def render(calls: Calls, requests: Sequence[RenderRequest], *, tries: int) -> Sequence[Answer]:
    """One answer for each request, in order: an engine that stumbles over a batch is asked for each job alone.

    A batch that took longer than its watch allows fails as a time-out. Raises Transient while the engine is away (up
    to AWAY_TRIES) and where the batch was cancelled for a stop, Fatal where it can never go on, OutOfTime.
    """
    began, watch = time.perf_counter(), calls.watch(len(requests))
    try:
        results = calls.thread.call(lambda: calls.ask(requests, watch), calls.hard_s)
        _not_stopped(watch)
        if len(results) != len(requests):
            raise Fatal(f"an engine gave {len(results)} results for {len(requests)} requests")
    except Transient as e:
        if watch.cause is Cause.STOP or tries < AWAY_TRIES:
            raise
        results = [_failure(FailureKind.UNAVAILABLE, e)] * len(requests)
    except (Fatal, OutOfTime):
        raise
    except Exception as e:  # noqa: BLE001 - an engine is foreign code: whatever it throws is a failure of the job
        _not_stopped(watch)
        log = structlog.get_logger(__name__)
        if watch.cause is Cause.TIMEOUT:
            log.warning("batch cancelled: it took too long", jobs=len(requests), limit_s=watch.limit_s)
            message = f"cancelled: not done within {watch.limit_s:g} s"
            results = [RenderFailure(kind=FailureKind.TIMEOUT, message=message)] * len(requests)
        elif len(requests) > 1:
            log.warning("batch fails: each job alone now", jobs=len(requests), error=repr(e))
            return [answer for r in requests for answer in render(calls, [r], tries=tries)]
        else:
            results = [_failure(_kind(e), e)]
    each_ms = (time.perf_counter() - began) * 1000 / len(requests)
    return [Answer(result=r, engine_ms=each_ms, batch_size=len(requests)) for r in results]


def _not_stopped(watch: BatchWatch) -> None:
    """Raises Transient where the batch was cancelled for a stop, whatever the engine made of that."""
    if watch.cause is Cause.STOP:
        raise Transient("the batch could not be done before the stop: left to the next owner of its partitions")


def _kind(error: Exception) -> FailureKind:
    if isinstance(error, Poison):
        return FailureKind.INVALID_REQUEST
    # torch's own class is not imported here: its name is enough, and torch is only there with its engine.
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return FailureKind.OUT_OF_MEMORY
    return FailureKind.ENGINE_ERROR


def _failure(kind: FailureKind, error: Exception) -> RenderFailure:
    said = str(error) if isinstance(error, PresscheckError) else f"{type(error).__name__}: {error}"
    return RenderFailure(kind=kind, message=said[:MAX_MESSAGE_CHARS])
