"""Which batch is next where an engine is loaded: what is ready goes first, within stated waits, and nothing starves."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

import pytest

from broker.faults import no_fault
from broker.worker_core import PATIENCE, Core, Lane, Waits
from broker.worker_lookahead import LookAhead
from broker.worker_port import Batch, Delivery, Output, Record
from schemas.codec import Codec, LockedIds
from schemas.events import Event, HoldChanged, HoldScope
from schemas.ids import event_id
from tests.unit.broker.test_worker_core import Member, Unused

CODEC = Codec(LockedIds())
BATCH = 3
WAIT_S, SWAP_S = 0.5, 20.0
ROOM = 12


class Engines:
    """Batches of three by engine; one engine is loaded at a time."""

    def __init__(self) -> None:
        self.loaded = "a"

    def ready(self, event: Event) -> bool:
        return engine(event) == self.loaded

    def batch_key(self, event: Event) -> str:
        return engine(event)

    def max_batch(self, event: Event) -> int:
        return BATCH

    def work(self, batch: Sequence[Delivery], tries: int) -> Sequence[Delivery]:
        self.loaded = engine(batch[0].event)
        return batch

    def settle(self, done: Sequence[Delivery]) -> Sequence[Sequence[Output]]:
        return [[] for _ in done]


def engine(event: Event) -> str:
    assert isinstance(event, HoldChanged)
    return event.value


class Stage:
    """A core over two lanes with a partition for each engine."""

    def __init__(self, engines: str = "abc", *, batch_s: float = 0.0) -> None:
        self.handler = Engines()
        changed = threading.Condition()
        self.lanes = {lane: LookAhead(changed, room=ROOM) for lane in ("critical", "exploratory")}
        for lane, ahead in self.lanes.items():
            ahead.assign([(f"render.{e}.{lane}", 0) for e in engines])
        self.core = Core(
            stage="test",
            lanes=[Lane(ahead, Member()) for ahead in self.lanes.values()],
            handler=self.handler,
            codec=CODEC,
            transactions=Unused(),
            now_ms=lambda: 0,
            waits=Waits(batch_s=batch_s, swap_s=SWAP_S),
            fault=no_fault,
        )
        self.offered = 0

    def offer(self, which: str, records: int, at_s: float, lane: str = "critical") -> None:
        for _ in range(records):
            self.offered += 1
            event = HoldChanged(
                event_id=event_id(str(self.offered), "test"),
                at_ms=0,
                hold_id="x",
                scope=HoldScope.TAG,
                value=which,
                active=True,
                who="test",
                why="test",
            )
            topic = f"render.{which}.{lane}"
            record = Record(topic=topic, partition=0, offset=self.offered, key=b"k", value=CODEC.encode(event))
            self.lanes[lane].offer(record, at_s)

    def next(self, at_s: float, *, committing: bool = False) -> Batch | None:
        """Choose, and work on it."""
        chosen = self.core.choose(at_s, committing=committing)
        if not isinstance(chosen, Batch):
            return None
        self.core.work(chosen, 1)
        return chosen

    def order(self, at_s: float, batches: int) -> str:
        """Engines (capitals: of the lower lane) of the next batches."""
        found: list[str] = []
        for _ in range(batches):
            batch = self.next(at_s)
            assert batch is not None
            found.append(self.handler.loaded if batch.lane == 0 else self.handler.loaded.upper())
        return "".join(found)


@pytest.fixture
def stage() -> Callable[..., Stage]:
    return Stage


def test_the_loaded_engine_goes_first_and_then_the_oldest(stage: Callable[..., Stage]):
    its = stage()
    its.offer("b", 2, at_s=0)
    its.offer("c", 2, at_s=1)
    its.offer("a", 4, at_s=2)
    its.offer("b", 2, at_s=3)
    assert its.order(4, 5) == "aabbc"


def test_what_waited_for_the_stated_time_goes_before_the_loaded_engine(stage: Callable[..., Stage]):
    its = stage()
    its.offer("b", 1, at_s=0)
    its.offer("a", 2 * BATCH, at_s=1)
    assert its.order(SWAP_S - 0.1, 1) == "a"
    assert its.order(SWAP_S, 2) == "ba"


def test_a_look_ahead_full_of_others_does_not_wait_for_the_loaded_engine(stage: Callable[..., Stage]):
    its = stage()
    its.offer("b", ROOM - 1, at_s=0)
    its.offer("a", 1, at_s=0.5)
    # The next ones of a cannot come in: its batch of one would be followed by another of one, and so on.
    assert its.order(1, 1) == "b"


def test_a_full_batch_of_the_loaded_engine_goes_first_even_then(stage: Callable[..., Stage]):
    its = stage()
    its.offer("b", ROOM - BATCH, at_s=0)
    its.offer("a", BATCH, at_s=0.5)
    assert its.order(1, 2) == "ab"


def test_critical_goes_first_though_its_engine_is_not_loaded_and_exploratory_has_its_turn(stage: Callable[..., Stage]):
    its = stage()
    its.offer("b", 6 * BATCH, at_s=0)
    its.offer("a", 2 * BATCH, at_s=0, lane="exploratory")
    # Each turn of the lower lane swaps, and critical swaps back.
    assert its.order(1, PATIENCE + 3) == "b" * PATIENCE + "A" + "bb"


def test_a_batch_waits_for_its_time_and_no_longer(stage: Callable[..., Stage]):
    its = stage(batch_s=WAIT_S)
    its.offer("a", 1, at_s=10)
    assert its.core.choose(10.1) == pytest.approx(WAIT_S - 0.1)
    its.offer("a", 1, at_s=10.2)
    assert its.core.choose(10.2) == pytest.approx(WAIT_S - 0.2)
    batch = its.next(10 + WAIT_S)
    assert batch is not None
    assert len(batch.held) == 2


def test_what_gathered_while_the_engine_was_busy_goes_at_once(stage: Callable[..., Stage]):
    its = stage(batch_s=WAIT_S)
    its.offer("a", BATCH, at_s=0)
    assert its.next(0) is not None
    its.offer("a", 2, at_s=0.1)  # the engine works until 1.0: they have waited long enough by then
    batch = its.next(1.0)
    assert batch is not None
    assert len(batch.held) == 2


def test_a_batch_that_gathers_still_waits_after_the_engine_is_free(stage: Callable[..., Stage]):
    its = stage(batch_s=WAIT_S)
    its.offer("a", 1, at_s=0.9)
    assert its.core.choose(1.0) == pytest.approx(WAIT_S - 0.1)
    its.offer("a", BATCH - 1, at_s=1.1)
    assert isinstance(its.core.choose(1.1), Batch)  # full: it waits for nothing
