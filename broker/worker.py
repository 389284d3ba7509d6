"""The worker loop for heavy stages: poll threads, one engine thread, one commit thread, a graceful end.

A KIP-848 group member for each lane keeps a bounded look-ahead. The engine thread works on one batch while the commit
thread stores and commits the one before, each in one transaction. Nothing is committed that is not ours any more.
"""

from __future__ import annotations

import queue
import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, TypeVar

import structlog

from broker.clients import StaleMember
from broker.faults import no_fault
from broker.settings import Settings
from broker.signals import Stop
from broker.worker_core import Core, Lane, Waits
from broker.worker_drain import Drain
from broker.worker_kafka import KafkaLane, KafkaTransactions
from broker.worker_lookahead import LookAhead
from broker.worker_port import Batch, Fault, Handler, Settled, Worked
from schemas.codec import Codec
from schemas.errors import Fatal, Transient

R = TypeVar("R")

FIRST_PAUSE_S: Final = 0.1
LONGEST_PAUSE_S: Final = 10.0
TRIES: Final = 12
"""About a minute of trying with growing pauses; then the process ends and its supervisor takes over the waiting."""
GROUP_NEWS_S: Final = 30.0
"""How long to wait for the group to tell what is ours after a stale commit."""
DRAIN_S: Final = 30.0
LEAVE_S: Final = 10.0
"""How long threads may take to leave once there is nothing more to finish."""
WATCH_S: Final = 0.2
"""How soon a thread that waits sees that the worker ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerPlan:
    """What to run.

    `lanes` are topic lists by priority: each has a consumer of its own in group `group`, and a look-ahead of
    `look_ahead` records (about two batches). A batch that is not full waits `batch_wait_s` for company, and one that
    is not ready lets others go first for `swap_wait_s`. `transactional_id` is held by this process alone (see
    `worker_slot`). `drain_s` bounds how long the batch under way may take to finish after a stop; `drain` tells the
    handler. `seed` draws the jitter of pauses.
    """

    stage: str
    group: str
    lanes: Sequence[Sequence[str]]
    transactional_id: str
    look_ahead: int = 32
    batch_wait_s: float = 0.0
    swap_wait_s: float = 0.0
    drain_s: float = DRAIN_S
    drain: Drain = field(default_factory=Drain)
    seed: int = 0
    now_ms: Callable[[], int] = field(default=lambda: time.time_ns() // 1_000_000)
    fault: Fault = no_fault


def run_worker(plan: WorkerPlan, settings: Settings, codec: Codec, handler: Handler[Any], stop: Stop) -> None:
    """Work until `stop` is set, then finish the batch under way, commit, and leave the group.

    Only the calling thread waits on `stop`.

    Raises Fatal where the process must end with nothing more committed (fenced, no rights, retries used up), and
    whatever a handler raises that is no PresscheckError.
    """
    _Worker(plan, settings, codec, handler, stop).run()


class _Worker:
    """The threads of one process, and how they end together."""

    def __init__(self, plan: WorkerPlan, settings: Settings, codec: Codec, handler: Handler[Any], stop: Stop) -> None:
        self._plan, self._stop = plan, stop
        self._changed = threading.Condition()
        self._lanes = [
            KafkaLane(settings, plan.group, topics, LookAhead(self._changed, room=plan.look_ahead))
            for topics in plan.lanes
        ]
        self._transactions = KafkaTransactions(settings, plan.transactional_id)
        self._core = Core(
            stage=plan.stage,
            lanes=[Lane(lane.ahead, lane) for lane in self._lanes],
            handler=handler,
            codec=codec,
            transactions=self._transactions,
            now_ms=plan.now_ms,
            waits=Waits(batch_s=plan.batch_wait_s, swap_s=plan.swap_wait_s),
            fault=plan.fault,
        )
        self._done: queue.Queue[Worked | None] = queue.Queue(maxsize=1)
        self._publishing = False
        self._turns = 0
        self._ending = threading.Event()  # claim no more, finish what is under way
        self._abandon = threading.Event()  # finish nothing either
        self._over = threading.Event()  # leave the group
        self._failures: list[BaseException] = []
        self._log = structlog.get_logger(__name__).bind(stage=plan.stage)

    def run(self) -> None:
        self._retried("starting transactions", self._stop, lambda _tries: self._transactions.start())
        for lane in self._lanes:
            lane.subscribe()
        pollers = [self._thread(f"poll-{n}", partial(self._poll, lane)) for n, lane in enumerate(self._lanes)]
        workers = [self._thread("engine", self._engine), self._thread("commit", self._commit)]
        self._log.info("worker runs", topics=[t for lane in self._plan.lanes for t in lane])
        while not self._stop.is_set() and not self._failures:
            self._stop.wait(WATCH_S)
        self._end(workers, pollers)
        if self._failures:
            raise self._failures[0]

    def _end(self, workers: Sequence[threading.Thread], pollers: Sequence[threading.Thread]) -> None:
        ends = time.monotonic() + (LEAVE_S if self._failures else self._plan.drain_s)
        self._plan.drain.begin(ends)
        self._ending.set()
        if self._failures:
            self._abandon.set()
        with self._changed:
            self._changed.notify_all()
        for thread in workers:
            thread.join(max(0.0, ends - time.monotonic()))
        if any(thread.is_alive() for thread in workers):
            self._log.warning("the batch under way is left uncommitted", drain_s=self._plan.drain_s)
        self._abandon.set()
        self._over.set()
        for thread in pollers:
            thread.join(LEAVE_S)
        self._log.info("worker left")

    def _thread(self, name: str, body: Callable[[], None]) -> threading.Thread:
        def guarded() -> None:
            try:
                body()
            except BaseException as e:  # noqa: BLE001 - handed over whole: run() raises it in the main thread
                self._log.error("worker thread fails", thread=name, error=repr(e))
                self._failures.append(e)

        thread = threading.Thread(target=guarded, name=f"{self._plan.stage}-{name}", daemon=True)
        thread.start()
        return thread

    def _poll(self, lane: KafkaLane) -> None:
        try:
            while not self._over.is_set():
                if self._ending.is_set():
                    lane.drain_once()
                else:
                    lane.poll_once()
        finally:
            lane.close()

    def _engine(self) -> None:
        while not self._ending.is_set():
            seen = self._version()
            chosen = self._retried("choosing a batch", self._ending, self._choose)
            if isinstance(chosen, Batch):
                batch = chosen
                worked = self._retried("working", self._ending, lambda tries, b=batch: self._core.work(b, tries))
                if worked is not None:
                    self._hand_over(worked)
            elif chosen:
                with self._changed:
                    self._changed.wait_for(lambda v=seen: self._version() != v or self._ending.is_set(), chosen)
        self._hand_over(None)

    def _choose(self, _tries: int) -> Batch | float:
        return self._core.choose(time.monotonic(), committing=self._publishing or self._done.full())

    def _version(self) -> int:
        return self._turns + sum(lane.ahead.version for lane in self._lanes)

    def _hand_over(self, worked: Worked | None) -> None:
        while not self._abandon.is_set():
            try:
                self._done.put(worked, timeout=WATCH_S)
            except queue.Full:
                continue
            return

    def _commit(self) -> None:
        while not self._abandon.is_set():
            try:
                worked = self._done.get(timeout=WATCH_S)
            except queue.Empty:
                continue
            if worked is None:
                return
            self._turn(publishing=False)
            settled = self._retried("settling", self._abandon, lambda _, w=worked: self._core.settle(w))
            if settled is not None:
                self._turn(publishing=True)
                self._publish(settled)
                self._turn(publishing=False)

    def _turn(self, *, publishing: bool) -> None:
        """What the commit thread is about, for the engine's choice of a batch."""
        with self._changed:
            self._publishing = publishing
            self._turns += 1
            self._changed.notify_all()

    def _publish(self, settled: Settled) -> None:
        """Commit until it is done or nothing of it is ours any more."""
        current = settled

        def once(_tries: int) -> int:
            nonlocal current
            try:
                return self._core.commit(current)
            except StaleMember:
                if not self._lanes[current.batch.lane].wait_quiet(GROUP_NEWS_S):
                    raise Fatal(f"the group told nothing for {GROUP_NEWS_S:g} s after a stale commit") from None
                current = self._core.renew(current)
                raise

        committed = self._retried("committing", self._abandon, once)
        left = len(settled.batch.held) - (committed or 0)
        if left:
            self._log.info("records left to the new owner of their partition", records=left)

    def _retried(self, doing: str, halt: Stop, call: Callable[[int], R]) -> R | None:
        """Call until it is no longer Transient; None where `halt` came first. Raises Fatal after TRIES."""
        draw = random.Random(f"{self._plan.seed}/{doing}")  # noqa: S311 - spreads retries out, guards nothing
        pause_s = FIRST_PAUSE_S
        for tries in range(1, TRIES + 1):
            try:
                return call(tries)
            except Transient as e:
                if halt.is_set():
                    self._log.info("left undone", doing=doing, why=str(e))
                    return None
                self._log.warning("will try again", doing=doing, tries=tries, error=str(e))
            if halt.wait(pause_s * draw.uniform(0.5, 1.0)):
                return None
            pause_s = min(pause_s * 2, LONGEST_PAUSE_S)
        raise Fatal(f"{doing}: given up after {TRIES} tries; a fresh process may fare better")
