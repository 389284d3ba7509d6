"""The loop on the real broker with two engines of which one is loaded at a time: how often it swaps."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from itertools import groupby

from broker import clients
from broker.settings import Settings
from broker.worker import WorkerPlan, run_worker
from broker.worker_port import Delivery, Output
from schemas.events import Event
from tests.integration.worker_support import CODEC, eventually, numbered, through

BATCH = 5
BATCHES = 12
"""Of each engine."""
BEHIND = 3
"""Batches of each engine that wait at any time, so that the loaded one never runs dry for want of a fetch."""
ENGINES = ("a", "b")


class Engines:
    """Notes which engine each batch went to; a batch takes a tenth of a second.

    As many jobs as it takes come in behind those that wait, for the same engine. So the oldest job is soon the other
    engine's, in whatever order the broker hands out the first of them.
    """

    def __init__(self, settings: Settings, topics: Sequence[str]) -> None:
        self.batches: list[str] = []
        self._topics: dict[str, str] = dict(zip(ENGINES, topics, strict=True))
        self._producer = clients.producer(settings)
        self._left: dict[str, int] = dict.fromkeys(ENGINES, BATCHES * BATCH)

    def more(self, name: str, count: int) -> None:
        """Send so many jobs for an engine, or as many as are left."""
        count = min(count, self._left[name])
        self._left[name] -= count
        for _ in range(count):
            self._producer.produce(self._topics[name], key=b"k", value=CODEC.encode(numbered(ENGINES.index(name))))
        assert self._producer.flush(30) == 0

    def ready(self, event: Event) -> bool:
        return not self.batches or engine(event) == self.batches[-1]

    def batch_key(self, event: Event) -> str:
        return engine(event)

    def max_batch(self, event: Event) -> int:
        return BATCH

    def work(self, batch: Sequence[Delivery], tries: int) -> Sequence[Delivery]:
        self.batches.append(engine(batch[0].event))
        self.more(self.batches[-1], len(batch))
        threading.Event().wait(0.1)
        return batch

    def settle(self, done: Sequence[Delivery]) -> Sequence[Sequence[Output]]:
        return [[] for _ in done]


def engine(event: Event) -> str:
    """Its number says which engine a job is for."""
    return ENGINES[int(getattr(event, "hold_id", ""))]


def turns(settings: Settings, topics: Sequence[str], group: str, swap_wait_s: float) -> int:
    """How often another engine had its turn, where jobs for both keep coming."""
    handler, stop = Engines(settings, topics), threading.Event()
    plan = WorkerPlan(
        stage="test",
        group=group,
        lanes=[topics],
        transactional_id=group,
        look_ahead=4 * BEHIND * BATCH,
        swap_wait_s=swap_wait_s,
    )
    for name in ENGINES:
        handler.more(name, BEHIND * BATCH)
    thread = threading.Thread(target=run_worker, args=(plan, settings, CODEC, handler, stop))
    thread.start()
    try:
        eventually("the group to be through", lambda: through(settings, group, topics, 1), 60)
    finally:
        stop.set()
        thread.join(40)
    assert len(handler.batches) >= 2 * BATCHES
    return len(list(groupby(handler.batches)))


def test_the_loaded_engine_goes_on_while_the_other_may_wait(
    settings: Settings, make_topic: Callable[..., str], unique: Callable[[str], str]
) -> None:
    patient, to_and_fro = (
        turns(settings, [make_topic(f"render-{name}") for name in ENGINES], unique("swap"), swap_wait_s)
        for swap_wait_s in (60.0, 0.0)
    )
    assert 2 * patient < to_and_fro
