"""When a batch is chosen: full at once, else after its wait and not while the one before is being committed."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence

import pytest

from broker.faults import no_fault
from broker.worker_core import Core, Lane, Waits
from broker.worker_lookahead import LookAhead
from broker.worker_port import Batch, Delivery, Output, Place, Record
from schemas.catalogue import PROMPTS
from schemas.codec import Codec, LockedIds
from schemas.events import Event, PromptSubmitted
from schemas.ids import event_id
from tests.stories import job

PLACE = (PROMPTS, 0)
MAX_BATCH = 3
WAIT_S = 0.5


class Handler:
    """Batches of three; it makes nothing of them."""

    def ready(self, event: Event) -> bool:
        return True

    def batch_key(self, event: Event) -> str:
        return type(event).__name__

    def max_batch(self, event: Event) -> int:
        return MAX_BATCH

    def work(self, batch: Sequence[Delivery], tries: int) -> Sequence[Delivery]:
        return batch

    def settle(self, done: Sequence[Delivery]) -> Sequence[Sequence[Output]]:
        return [[] for _ in done]


class Member:
    """Stands in its group."""

    def membership(self) -> object | None:
        return "member"


class Unused:
    """Transactions that choosing must not touch."""

    def begin(self) -> None:
        raise AssertionError

    def produce(self, topic: str, key: bytes, value: bytes) -> None:
        raise AssertionError

    def send_offsets(self, positions: Mapping[Place, int], membership: object) -> None:
        raise AssertionError

    def commit(self) -> None:
        raise AssertionError

    def abort(self) -> None:
        raise AssertionError


@pytest.fixture
def ahead() -> LookAhead:
    look = LookAhead(threading.Condition(), room=10)
    look.assign([PLACE])
    return look


@pytest.fixture
def core(ahead: LookAhead) -> Core:
    return Core(
        stage="test",
        lanes=[Lane(ahead, Member())],
        handler=Handler(),
        codec=Codec(LockedIds()),
        transactions=Unused(),
        now_ms=lambda: 0,
        waits=Waits(batch_s=WAIT_S),
        fault=no_fault,
    )


def fill(ahead: LookAhead, records: int) -> None:
    value = Codec(LockedIds()).encode(PromptSubmitted(event_id=event_id("x", "y"), job=job("x")))
    for offset in range(records):
        ahead.offer(Record(topic=PROMPTS, partition=0, offset=offset, key=b"x", value=value), 0.0)


def test_a_batch_waits_for_company_until_its_time_is_up(core: Core, ahead: LookAhead):
    fill(ahead, 1)
    assert core.choose(0.25) == pytest.approx(WAIT_S - 0.25)
    assert isinstance(core.choose(WAIT_S), Batch)


def test_it_waits_on_while_the_one_before_is_committed(core: Core, ahead: LookAhead):
    fill(ahead, 1)
    left_s = core.choose(WAIT_S, committing=True)
    assert isinstance(left_s, float)
    assert left_s > 0
    assert isinstance(core.choose(WAIT_S), Batch)


def test_a_full_batch_waits_for_nothing(core: Core, ahead: LookAhead):
    fill(ahead, MAX_BATCH + 1)
    chosen = core.choose(0.0, committing=True)
    assert isinstance(chosen, Batch)
    assert len(chosen.held) == MAX_BATCH
