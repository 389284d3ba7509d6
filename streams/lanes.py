"""Lanes: what gathers for each input partition while its former batch commits. Plain asyncio, no Faust.

A lane accepts a chunk only if it directly follows what was accepted before, by the reader's own account of what it
read (`after`). Whatever a rebalance drops, delays or delivers again, nothing can be skipped: a gap stops the lane until
the reader has gone back.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import Final

import structlog

from broker.outbox_port import Fenced, Inbound, Source

MAX_WAITING: Final = 4_000
"""The agent that feeds a lane waits while more events than this wait in it (one chunk may go over)."""
MAX_WAITING_BYTES: Final = 16 * 1024 * 1024
MAX_BATCH: Final = 1_000
"""Events of one transaction: it must commit well inside the transaction time-out of 15 s."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """Events read at once, in order, never none. What the reader had read before ended at offset `after` - 1."""

    source: Source
    after: int
    events: tuple[Inbound, ...]


Emit = Callable[[Source, Sequence[Inbound]], bool]


def _full_room() -> asyncio.Event:
    room = asyncio.Event()
    room.set()
    return room


@dataclass(slots=True)
class _Lane:
    """One owned source. `expected` is the offset after the last accepted event."""

    source: Source
    expected: int
    waiting: deque[Inbound] = field(default_factory=deque[Inbound])
    waiting_bytes: int = 0
    pump: asyncio.Task[None] | None = None
    room: asyncio.Event = field(default_factory=_full_room)
    gone: bool = False

    def full(self) -> bool:
        return len(self.waiting) >= MAX_WAITING or self.waiting_bytes >= MAX_WAITING_BYTES

    def take(self) -> list[Inbound]:
        batch = [self.waiting.popleft() for _ in range(min(len(self.waiting), MAX_BATCH))]
        self.waiting_bytes -= sum(_size(e) for e in batch)
        if not self.full():
            self.room.set()
        return batch


class Lanes:
    """All lanes of one process; used from one event loop.

    `emit` blocks and runs in `pool`. `on_lost(source)` is called where a source turned out not to be ours any more,
    `on_gap(source, expected)` where the reader must go back to an offset, `on_failure(error)` where the process must
    stop.
    """

    def __init__(
        self,
        emit: Emit,
        pool: Executor,
        *,
        on_lost: Callable[[Source], None],
        on_gap: Callable[[Source, int], None],
        on_failure: Callable[[BaseException], None],
    ) -> None:
        self._emit, self._pool = emit, pool
        self._on_lost, self._on_gap, self._on_failure = on_lost, on_gap, on_failure
        self._lanes: dict[Source, _Lane] = {}
        self._ending: set[asyncio.Task[None]] = set()

    def open(self, source: Source, position: int) -> None:
        """Accept events of a source from a position on."""
        self.drop([source])
        self._lanes[source] = _Lane(source, position)

    def drop(self, sources: Iterable[Source]) -> None:
        """Forget sources and what waits for them; a batch that is committing goes on."""
        for source in sources:
            if (lane := self._lanes.pop(source, None)) is not None:
                lane.gone = True
                lane.waiting.clear()
                lane.room.set()
                if lane.pump is not None:
                    self._ending.add(lane.pump)
                    lane.pump.add_done_callback(self._ending.discard)

    def expected(self, source: Source) -> int | None:
        """The offset that the lane waits for; None where the source is not ours."""
        lane = self._lanes.get(source)
        return None if lane is None else lane.expected

    def sources(self) -> frozenset[Source]:
        """Sources that have a lane."""
        return frozenset(self._lanes)

    async def put(self, chunk: Chunk) -> None:
        """Hand over what the reader read at once; waits while the lane is full."""
        lane = self._lanes.get(chunk.source)
        if lane is None:
            return  # not ours: its owner reads it
        if chunk.after > lane.expected:
            self._on_gap(chunk.source, lane.expected)
            return
        fresh = [e for e in chunk.events if e.offset >= lane.expected]  # the rest was delivered again
        if not fresh:
            return
        lane.expected = fresh[-1].offset + 1
        lane.waiting.extend(fresh)
        lane.waiting_bytes += sum(_size(e) for e in fresh)
        if lane.pump is None:
            lane.pump = asyncio.create_task(self._run(lane))
        if lane.full():
            lane.room.clear()
            await lane.room.wait()

    async def settle(self, timeout_s: float) -> bool:
        """Wait until nothing waits or commits. False where it took longer than timeout_s seconds."""
        pumps = {lane.pump for lane in self._lanes.values() if lane.pump is not None} | self._ending
        if not pumps:
            return True
        _, left = await asyncio.wait(pumps, timeout=timeout_s)
        return not left

    async def _run(self, lane: _Lane) -> None:
        loop = asyncio.get_running_loop()
        try:
            while lane.waiting:
                if not await loop.run_in_executor(self._pool, self._emit, lane.source, lane.take()):
                    self._lose(lane, "no longer ours")
        except Fenced as e:
            self._lose(lane, str(e))
        except BaseException as e:
            # A batch is gone from memory and not committed: only a process that reads it again may go on.
            lane.gone = True
            self._on_failure(e)
            raise
        finally:
            lane.pump = None

    def _lose(self, lane: _Lane, why: str) -> None:
        if lane.gone:
            return
        structlog.get_logger(__name__).warning(
            "lost a source", topic=lane.source.topic, partition=lane.source.partition, why=why
        )
        self.drop([lane.source])
        self._on_lost(lane.source)


def _size(event: Inbound) -> int:
    return len(event.value or b"") + len(event.key or b"")
