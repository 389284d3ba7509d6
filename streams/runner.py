"""Runs one stage as a process: wires outbox, lanes and Faust, drains on SIGTERM, gives up on what cannot be mended."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import structlog

from broker.outbox import Decider, Outbox, Source, TransactionalLog
from broker.settings import Settings
from schemas.errors import Fatal
from streams.faust_app import SESSION_S, OutboxApp, build_app
from streams.lanes import Lanes

READY_S: Final = 60.0
"""Longest wait for the broadcast topics when a stage starts."""
THREADS: Final = 8
STOP_S: Final = 20.0
"""A process that takes longer to stop ends itself: every step may be cut off, and a broker that is away cuts many."""
LOST_S: Final = SESSION_S + 2
"""A source that another owner took, and which the group still says is ours after this time, restarts the process."""


class Runner:
    """One stage as a process. `run` returns the exit code: 0 after SIGTERM or SIGINT, 1 where it had to give up."""

    def __init__(
        self, settings: Settings, name: str, inputs: Sequence[str], log: TransactionalLog, decider: Decider
    ) -> None:
        self._settings, self._name, self._inputs = settings, name, inputs
        self._log, self._decider = log, decider
        self._failure: BaseException | None = None

    def run(self) -> int:
        """Run until a signal or a failure."""
        asyncio.run(self._serve())
        return 0 if self._failure is None else 1

    async def _serve(self) -> None:
        loop = asyncio.get_running_loop()
        stop = asyncio.Event()
        stopping = threading.Event()
        # Whatever hangs, the promise holds: the next owner aborts what is left open.
        last_resort = threading.Timer(STOP_S, _end_at_once)
        last_resort.daemon = True

        def ask_to_stop() -> None:
            if not stop.is_set():
                stop.set()
                last_resort.start()

        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, ask_to_stop)

        def fail(error: BaseException) -> None:
            if self._failure is None:
                self._failure = error
                structlog.get_logger(__name__).critical("cannot go on", error=repr(error))
                stopping.set()  # no batch is tried again
            ask_to_stop()

        def still_ours(source: Source) -> bool:
            return app.still_ours(source)

        def go_back(source: Source, expected: int) -> None:
            app.go_back(source, expected)

        def lost(source: Source) -> None:
            loop.call_later(LOST_S, lambda: _give_up_if_ours(app, source, fail))

        pool = ThreadPoolExecutor(THREADS, thread_name_prefix=self._name)
        outbox = Outbox(self._log, self._decider, still_ours=still_ours, pause=stopping.wait)
        lanes = Lanes(
            outbox.emit,
            pool,
            on_lost=lost,
            on_gap=go_back,
            on_failure=fail,
        )
        app = build_app(self._settings, self._name, self._inputs, outbox, lanes, pool)
        try:
            await app.start()
        except BaseException:
            ask_to_stop()  # on the way out, too, something may hang
            raise
        structlog.get_logger(__name__).info("started", inputs=sorted(self._inputs))
        ended = [asyncio.create_task(app.wait_until_stopped()), asyncio.create_task(stop.wait())]
        await asyncio.wait(ended, return_when=asyncio.FIRST_COMPLETED)
        if app.crash_reason is not None:
            fail(app.crash_reason)
        ask_to_stop()
        await app.stop()
        stopping.set()
        for task in ended:
            task.cancel()
        pool.shutdown(wait=True, cancel_futures=True)
        outbox.close()
        last_resort.cancel()
        structlog.get_logger(__name__).info("stopped")


def _end_at_once() -> None:
    structlog.get_logger(__name__).error("did not stop in time: ending at once", stop_s=STOP_S)
    os._exit(1)


def _give_up_if_ours(app: OutboxApp, source: Source, fail: Callable[[BaseException], None]) -> None:
    if app.lanes.expected(source) is None and app.still_ours(source):
        fail(Fatal(f"{source.topic}/{source.partition} is assigned to us, but another owner took it over"))
