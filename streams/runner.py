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

from broker.outbox import Outbox
from broker.outbox_port import Decider, Source, TransactionalLog
from broker.settings import Settings
from schemas.errors import Fatal
from streams.faust_app import SESSION_S, OutboxApp, build_app
from streams.lanes import Lanes

READY_S: Final = 60.0
"""Longest wait for the broadcast topics when a stage starts."""
THREADS: Final = 8
STOP_S: Final = 20.0
"""A process that takes longer to stop ends itself: every step may be cut off, and a broker that is away cuts many."""
GIVE_UP_S: Final = 10.0
"""The same for a process that failed: it has nothing to finish, and its successor should start soon."""
LOST_S: Final = SESSION_S + 2
"""A source that another owner took, and which the group still says is ours after this time, restarts the process."""


class _Ending:
    """How the process comes to its end: asked to, or because it must; at a fixed time where something hangs.

    Whatever is cut off, the promise holds: the next owner aborts what is left open.
    """

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.no_more_tries = threading.Event()
        self.failure: BaseException | None = None
        self._asked_to, self._must = _last_resort(STOP_S), _last_resort(GIVE_UP_S)

    def ask(self) -> None:
        """End once what was accepted is through."""
        if not self.asked.is_set():
            self.asked.set()
            self._asked_to.start()

    def fail(self, error: BaseException) -> None:
        """End soon, without that."""
        if self.failure is None:
            self.failure = error
            structlog.get_logger(__name__).critical("cannot go on", error=repr(error))
            self.no_more_tries.set()
            self._must.start()
        self.ask()

    def came(self) -> None:
        """The end came by itself."""
        self._asked_to.cancel()
        self._must.cancel()


class Runner:
    """One stage as a process. `run` returns the exit code: 0 after SIGTERM or SIGINT, 1 where it had to give up."""

    def __init__(
        self, settings: Settings, name: str, inputs: Sequence[str], log: TransactionalLog, decider: Decider
    ) -> None:
        self._settings, self._name, self._inputs = settings, name, inputs
        self._log, self._decider = log, decider

    def run(self) -> int:
        """Run until a signal or a failure."""
        return 0 if asyncio.run(self._serve()) is None else 1

    async def _serve(self) -> BaseException | None:
        loop = asyncio.get_running_loop()
        ending = _Ending()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, ending.ask)

        def fail(error: BaseException) -> None:
            app.drain_s = 0.0
            ending.fail(error)

        def still_ours(source: Source) -> bool:
            return app.still_ours(source)

        def go_back(source: Source, expected: int) -> None:
            app.go_back(source, expected)

        def lost(source: Source) -> None:
            loop.call_later(LOST_S, lambda: _give_up_if_ours(app, source, fail))

        pool = ThreadPoolExecutor(THREADS, thread_name_prefix=self._name)
        outbox = Outbox(self._log, self._decider, still_ours=still_ours, pause=ending.no_more_tries.wait)
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
            ending.ask()  # on the way out, too, something may hang
            raise
        structlog.get_logger(__name__).info("started", inputs=sorted(self._inputs))
        ended = [asyncio.create_task(app.wait_until_stopped()), asyncio.create_task(ending.asked.wait())]
        await asyncio.wait(ended, return_when=asyncio.FIRST_COMPLETED)
        if app.crash_reason is not None:
            fail(app.crash_reason)
        ending.ask()
        await app.stop()
        ending.no_more_tries.set()
        for task in ended:
            task.cancel()
        pool.shutdown(wait=True, cancel_futures=True)
        outbox.close()
        ending.came()
        structlog.get_logger(__name__).info("stopped")
        return ending.failure


def _last_resort(within_s: float) -> threading.Timer:
    """Ends the process so many seconds after it was started, unless it is cancelled."""

    def end() -> None:
        structlog.get_logger(__name__).error("did not stop in time: ending at once", within_s=within_s)
        os._exit(1)

    timer = threading.Timer(within_s, end)
    timer.daemon = True
    return timer


def _give_up_if_ours(app: OutboxApp, source: Source, fail: Callable[[BaseException], None]) -> None:
    if app.lanes.expected(source) is None and app.still_ours(source):
        fail(Fatal(f"{source.topic}/{source.partition} is assigned to us, but another owner took it over"))
