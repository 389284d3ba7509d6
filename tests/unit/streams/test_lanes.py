"""Lanes: in order, nothing skipped, bounded, and honest about what they lost."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from broker.outbox_port import Fenced, Inbound, Source
from streams import lanes as lanes_module
from streams.lanes import MAX_WAITING, Chunk, Lanes

SOURCE = Source("in", 0)
LONG_S = 30.0


class Outside:
    """What lanes talk to, with a gate before every commit."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.gate, self.entered = threading.Event(), threading.Event()
        self.gate.set()
        self.lost: list[Source] = []
        self.gaps: list[int] = []
        self.failures: list[BaseException] = []
        self.answer: bool | BaseException = True

    def emit(self, _source: Source, events: Sequence[Inbound]) -> bool:
        self.entered.set()
        assert self.gate.wait(LONG_S)
        self.batches.append([e.offset for e in events])
        if isinstance(self.answer, BaseException):
            raise self.answer
        return self.answer

    def lanes(self, pool: ThreadPoolExecutor) -> Lanes:
        return Lanes(
            self.emit,
            pool,
            on_lost=self.lost.append,
            on_gap=lambda _s, expected: self.gaps.append(expected),
            on_failure=self.failures.append,
        )

    def offsets(self) -> list[int]:
        return [n for batch in self.batches for n in batch]


def chunk(after: int, *offsets: int, value: bytes = b"v") -> Chunk:
    events = tuple(Inbound(source=SOURCE, offset=n, timestamp_ms=-1, key=None, value=value) for n in offsets)
    return Chunk(source=SOURCE, after=after, events=events)


def test_the_next_batch_gathers_while_the_former_commits() -> None:
    async def story(outside: Outside, lanes: Lanes) -> None:
        outside.gate.clear()
        lanes.open(SOURCE, 0)
        await lanes.put(chunk(0, 0))
        await asyncio.to_thread(outside.entered.wait, LONG_S)
        await lanes.put(chunk(1, 1, 2))
        await lanes.put(chunk(3, 5))  # 3 and 4 are transaction markers
        outside.gate.set()
        assert await lanes.settle(LONG_S)

    assert _run(story).batches == [[0], [1, 2, 5]]


def test_what_does_not_follow_is_refused_and_what_comes_again_is_skipped() -> None:
    async def story(outside: Outside, lanes: Lanes) -> None:
        lanes.open(SOURCE, 10)
        await lanes.put(chunk(12, 12))
        await lanes.put(chunk(8, 8, 9, 10))
        await lanes.put(chunk(8, 9, 10, 11))
        await lanes.put(Chunk(source=Source("in", 1), after=0, events=chunk(0, 0).events))
        assert await lanes.settle(LONG_S)
        assert lanes.expected(SOURCE) == 12

    outside = _run(story)
    assert outside.offsets() == [10, 11]
    assert outside.gaps == [10]


def test_a_full_lane_makes_its_feeder_wait() -> None:
    async def story(outside: Outside, lanes: Lanes) -> None:
        outside.gate.clear()
        lanes.open(SOURCE, 0)
        await lanes.put(chunk(0, 0))
        await asyncio.to_thread(outside.entered.wait, LONG_S)
        feeding = asyncio.create_task(lanes.put(chunk(1, *range(1, MAX_WAITING + 1))))
        await asyncio.sleep(0)
        assert not feeding.done()
        outside.gate.set()
        await asyncio.wait_for(feeding, LONG_S)
        assert await lanes.settle(LONG_S)

    outside = _run(story)
    assert outside.offsets() == list(range(MAX_WAITING + 1))
    assert max(map(len, outside.batches)) == lanes_module.MAX_BATCH


def test_large_events_fill_a_lane_as_well() -> None:
    async def story(outside: Outside, lanes: Lanes) -> None:
        outside.gate.clear()
        lanes.open(SOURCE, 0)
        await lanes.put(chunk(0, 0))
        await asyncio.to_thread(outside.entered.wait, LONG_S)
        feeding = asyncio.create_task(lanes.put(chunk(1, 1, value=bytes(lanes_module.MAX_WAITING_BYTES))))
        await asyncio.sleep(0)
        assert not feeding.done()
        lanes.drop([SOURCE])  # a revocation frees the feeder
        await asyncio.wait_for(feeding, LONG_S)
        outside.gate.set()
        assert await lanes.settle(LONG_S)

    assert _run(story).offsets() == [0]


def test_a_dropped_source_finishes_what_commits_and_forgets_what_waits() -> None:
    async def story(outside: Outside, lanes: Lanes) -> None:
        outside.gate.clear()
        lanes.open(SOURCE, 0)
        await lanes.put(chunk(0, 0))
        await asyncio.to_thread(outside.entered.wait, LONG_S)
        await lanes.put(chunk(1, 1))
        lanes.drop([SOURCE])
        assert not await lanes.settle(0.01)
        outside.gate.set()
        assert await lanes.settle(LONG_S)
        assert lanes.expected(SOURCE) is None
        lanes.open(SOURCE, 1)
        await lanes.put(chunk(1, 1))
        assert await lanes.settle(LONG_S)

    assert _run(story).batches == [[0], [1]]


@pytest.mark.parametrize("answer", [False, Fenced("a newer epoch")])
def test_a_source_that_is_not_ours_is_told(answer: bool | Fenced) -> None:
    async def story(outside: Outside, lanes: Lanes) -> None:
        outside.answer = answer
        lanes.open(SOURCE, 0)
        await lanes.put(chunk(0, 0))
        assert await lanes.settle(LONG_S)
        assert lanes.expected(SOURCE) is None

    outside = _run(story)
    assert outside.lost == [SOURCE]
    assert outside.failures == []


def test_any_other_error_stops_the_process() -> None:
    async def story(outside: Outside, lanes: Lanes) -> None:
        outside.answer = ValueError("a bug")
        lanes.open(SOURCE, 0)
        await lanes.put(chunk(0, 0))
        await lanes.settle(LONG_S)

    outside = _run(story)
    assert [str(e) for e in outside.failures] == ["a bug"]
    assert outside.lost == []


def _run(story: Callable[[Outside, Lanes], Coroutine[Any, Any, None]]) -> Outside:
    outside = Outside()
    with ThreadPoolExecutor(2) as pool:

        async def main() -> None:
            await story(outside, outside.lanes(pool))

        asyncio.run(main())
    return outside
