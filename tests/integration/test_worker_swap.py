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

JOBS = 60
BATCH = 5
ENGINES = ("a", "b")


class Engines:
    """Notes which engine each batch went to; a batch takes a tenth of a second."""

    def __init__(self) -> None:
        self.batches: list[str] = []

    def ready(self, event: Event) -> bool:
        return not self.batches or engine(event) == self.batches[-1]

    def batch_key(self, event: Event) -> str:
        return engine(event)

    def max_batch(self, event: Event) -> int:
        return BATCH

    def work(self, batch: Sequence[Delivery], tries: int) -> Sequence[Delivery]:
        self.batches.append(engine(batch[0].event))
        threading.Event().wait(0.1)
        return batch

    def settle(self, done: Sequence[Delivery]) -> Sequence[Sequence[Output]]:
        return [[] for _ in done]


def engine(event: Event) -> str:
    """Even numbers are for the first engine."""
    return ENGINES[int(getattr(event, "hold_id", "")) % 2]


def turns(settings: Settings, topics: Sequence[str], group: str, swap_wait_s: float) -> int:
    """How often another engine had its turn, where jobs for both come in turn while the worker works."""
    handler, stop = Engines(), threading.Event()
    plan = WorkerPlan(
        stage="test",
        group=group,
        lanes=[topics],
        transactional_id=group,
        look_ahead=4 * JOBS,
        swap_wait_s=swap_wait_s,
    )
    thread = threading.Thread(target=run_worker, args=(plan, settings, CODEC, handler, stop))
    thread.start()
    producer = clients.producer(settings)
    try:
        for n in range(2 * JOBS):
            producer.produce(topics[n % 2], key=b"k", value=CODEC.encode(numbered(n)))
            assert producer.flush(30) == 0
        eventually("the group to be through", lambda: through(settings, group, topics, 1), 60)
    finally:
        stop.set()
        thread.join(40)
    assert len(handler.batches) >= 2 * JOBS / BATCH
    return len(list(groupby(handler.batches)))


def test_the_loaded_engine_goes_on_while_the_other_may_wait(
    settings: Settings, make_topic: Callable[..., str], unique: Callable[[str], str]
) -> None:
    patient, to_and_fro = (
        turns(settings, [make_topic(f"render-{name}") for name in ENGINES], unique("swap"), swap_wait_s)
        for swap_wait_s in (60.0, 0.0)
    )
    assert 2 * patient < to_and_fro
