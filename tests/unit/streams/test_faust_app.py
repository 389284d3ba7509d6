"""The Faust app sends a reader back that skipped something, once, and only where the source is still waited for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast

import pytest
from faust.types import TP

from broker.outbox import Outbox
from broker.outbox_port import Decision, Inbound, Outgoing, Source
from broker.settings import Settings
from streams.faust_app import OutboxApp, build_app
from streams.lanes import Chunk, Lanes

SOURCE = Source("in", 0)
WITHIN_S = 30.0


class Reader:
    """Stands where Faust's consumer stands: says what is assigned, and takes seeks."""

    def __init__(self) -> None:
        self.assigned = {TP(*SOURCE)}
        self.sought: list[Mapping[TP, int]] = []
        self.seeks = asyncio.Event()

    def assignment(self) -> set[TP]:
        return self.assigned

    async def seek_wait(self, positions: Mapping[TP, int]) -> None:
        self.sought.append(positions)
        self.seeks.set()


class Nothing:
    """No log and no decisions: no batch gets that far."""

    def open(self, source: Source) -> Any:
        raise AssertionError(source)

    def position(self, source: Source) -> int:
        raise AssertionError(source)

    def taken_over(self, source: Source) -> None:
        raise AssertionError(source)

    def decide(self, source: Source, events: Sequence[Inbound]) -> Decision:
        return Decision(outgoing=(Outgoing(topic=source.topic, key=b"", value=b""),) * len(events))


def chunk(after: int, *offsets: int) -> Chunk:
    events = tuple(Inbound(source=SOURCE, offset=n, timestamp_ms=-1, key=None, value=b"v") for n in offsets)
    return Chunk(source=SOURCE, after=after, events=events)


@pytest.fixture
def with_app(tmp_path: Path) -> Callable[[Callable[[OutboxApp, Reader], Coroutine[Any, Any, None]]], None]:
    """Runs a test's body with an app that has no broker and a lane that waits for offset 5."""

    def run(body: Callable[[OutboxApp, Reader], Coroutine[Any, Any, None]]) -> None:
        async def inside() -> None:
            reader = Reader()

            def still_ours(source: Source) -> bool:
                return app.still_ours(source)

            def go_back(source: Source, expected: int) -> None:
                app.go_back(source, expected)

            with ThreadPoolExecutor(1) as pool:
                outbox = Outbox(Nothing(), Nothing(), still_ours=still_ours, pause=lambda _s: None)
                lanes = Lanes(
                    lambda _s, _e: True,
                    pool,
                    on_lost=lambda _s: None,
                    on_gap=go_back,
                    on_failure=lambda _e: None,
                )
                settings = Settings.model_validate({"kafka_bootstrap": "127.0.0.1:1", "state_dir": tmp_path})
                app = build_app(settings, "gap", [SOURCE.topic], outbox, lanes, pool)
                app.consumer = cast("Any", reader)
                lanes.open(SOURCE, 5)
                await body(app, reader)

        asyncio.run(inside())

    return run


Runs = Callable[[Callable[[OutboxApp, Reader], Coroutine[Any, Any, None]]], None]


def test_a_reader_that_skipped_is_sent_back_once(with_app: Runs) -> None:
    async def body(app: OutboxApp, reader: Reader) -> None:
        await app.lanes.put(chunk(7, 7, 8))
        await app.lanes.put(chunk(9, 9))
        await asyncio.wait_for(reader.seeks.wait(), WITHIN_S)
        assert reader.sought == [{TP("in", 0): 5}]
        await app.lanes.put(chunk(5, 5, 6, 7))
        await app.lanes.settle(WITHIN_S)
        assert app.lanes.expected(SOURCE) == 8

    with_app(body)


@pytest.mark.parametrize("why", ["filled", "revoked"])
def test_nobody_is_sent_back_for_what_came_or_is_no_longer_ours(with_app: Runs, why: str) -> None:
    async def body(app: OutboxApp, reader: Reader) -> None:
        await app.lanes.put(chunk(7, 7))
        if why == "filled":
            await app.lanes.put(chunk(5, 5, 6, 7))
        else:
            reader.assigned.clear()
        await asyncio.wait_for(asyncio.gather(*app.going_back()), WITHIN_S)
        assert reader.sought == []

    with_app(body)
