"""The worker loop on the real broker: every record once, dead letters, a graceful end, kill -9 and freezes."""

from __future__ import annotations

import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import pytest
from confluent_kafka import Message

from broker.admin import ensure_topics
from broker.settings import Settings
from broker.worker import WorkerPlan, run_worker
from schemas.catalogue import DEAD_LETTERS
from schemas.errors import Fatal
from schemas.events import DeadLetter, HoldChanged
from tests.integration.worker_process import MAX_BATCH, Copy
from tests.integration.worker_support import (
    CODEC,
    Processes,
    eventually,
    no_transaction_is_open,
    numbered,
    read_all,
    send,
    through,
)

PARTITIONS = 4


@pytest.fixture
def dead_letters(settings: Settings) -> None:
    ensure_topics(settings, [])


def numbers(messages: Sequence[Message]) -> list[int]:
    events = [CODEC.decode(m.value()) for m in messages]
    return [int(e.hold_id) for e in events if isinstance(e, HoldChanged)]


class Running:
    """A worker in a thread of this process."""

    def __init__(self, plan: WorkerPlan, settings: Settings, out: str) -> None:
        self.stop = threading.Event()
        self.failed: list[BaseException] = []

        def body() -> None:
            try:
                run_worker(plan, settings, CODEC, Copy(out, 0), self.stop)
            except Fatal as e:
                self.failed.append(e)

        self.thread = threading.Thread(target=body)
        self.thread.start()

    def end(self) -> None:
        self.stop.set()
        self.thread.join(40)
        assert not self.thread.is_alive()


def test_every_record_arrives_once_in_order_and_garbage_is_dead_lettered(
    settings: Settings,
    dead_letters: None,
    make_topic: Callable[..., str],
    unique: Callable[[str], str],
) -> None:
    source, out, group = make_topic("in", partitions=PARTITIONS), make_topic("out", partitions=PARTITIONS), unique("g")
    values = [CODEC.encode(numbered(n)) if n % 50 else b"\x89PNG garbage" for n in range(500)]
    send(settings, source, values)
    plan = WorkerPlan(stage="copy", group=group, lanes=[[source]], transactional_id=group, look_ahead=2 * MAX_BATCH)
    first = Running(plan, settings, out)
    eventually("the group to be through", lambda: through(settings, group, [source], PARTITIONS), 60)
    first.end()
    assert not first.failed
    came = read_all(settings, out, PARTITIONS)
    assert sorted(numbers(came)) == [n for n in range(500) if n % 50]
    for partition in range(PARTITIONS):
        mine = numbers([m for m in came if m.partition() == partition])
        assert mine == sorted(mine)
    letters = [CODEC.decode(m.value()) for m in read_all(settings, DEAD_LETTERS, 2)]
    mine = [x for x in letters if isinstance(x, DeadLetter) and x.origin.topic == source]
    assert len(mine) == 10
    assert {x.value for x in mine} == {b"\x89PNG garbage"}
    assert sorted(int(x.key or b"-1") for x in mine) == list(range(0, 500, 50))


def test_a_stopped_worker_leaves_at_once_and_the_next_goes_on_where_it_was(
    settings: Settings, make_topic: Callable[..., str], unique: Callable[[str], str]
) -> None:
    source, out, group = make_topic("in", partitions=PARTITIONS), make_topic("out", partitions=PARTITIONS), unique("g")
    for n in range(2):
        send(settings, source, [CODEC.encode(numbered(100 * n + i)) for i in range(100)])
        plan = WorkerPlan(stage="copy", group=group, lanes=[[source]], transactional_id=f"{group}-{n}")
        worker = Running(plan, settings, out)
        began = time.monotonic()
        # Well under the session of 10 s: the first one left the group, the second need not wait for its end.
        eventually("the group to be through", lambda: through(settings, group, [source], PARTITIONS), 8)
        worker.end()
        assert time.monotonic() - began < 10
    assert sorted(numbers(read_all(settings, out, PARTITIONS))) == list(range(200))


def test_a_second_holder_of_the_transactional_id_fences_the_first_which_ends(
    settings: Settings, make_topic: Callable[..., str], unique: Callable[[str], str]
) -> None:
    source, out, group = make_topic("in"), make_topic("out"), unique("g")
    plan = WorkerPlan(stage="copy", group=group, lanes=[[source]], transactional_id=group)
    first = Running(plan, settings, out)
    send(settings, source, [CODEC.encode(numbered(0))])
    eventually("the first record", lambda: through(settings, group, [source], 1), 30)
    second = Running(plan, settings, out)
    send(settings, source, [CODEC.encode(numbered(1))])
    eventually("the second record", lambda: through(settings, group, [source], 1), 60)
    send(settings, source, [CODEC.encode(numbered(2))])
    eventually("the third record", lambda: through(settings, group, [source], 1), 60)
    first.end()
    second.end()
    assert numbers(read_all(settings, out, 1)) == [0, 1, 2]


@pytest.fixture
def processes(
    settings: Settings, make_topic: Callable[..., str], unique: Callable[[str], str], tmp_path: Path
) -> Iterator[Processes]:
    lanes = [[make_topic("critical", partitions=PARTITIONS)], [make_topic("exploratory", partitions=PARTITIONS)]]
    out = make_topic("out", partitions=PARTITIONS)
    made = Processes(settings, lanes, out, unique("g"), cost_s=0.02, log=tmp_path / "workers.log")
    yield made
    for process in made.running:
        process.kill()
        process.wait()


def half_way(processes: Processes, share: float, total: int) -> Callable[[], bool]:
    def holds() -> bool:
        processes.tend()
        return len(read_all(processes.settings, processes.out, PARTITIONS)) >= share * total

    return holds


def finish(processes: Processes, each: int, *, thawed: subprocess.Popen[bytes] | None = None) -> None:
    """Wait until all is through, stop the workers, and count.

    A thawed worker may meet the stop just when it finds that the broker ended its transaction: it then leaves with
    status 3 (Fatal), which a supervisor answers by a fresh one. Any other worker must leave with 0.
    """

    def done() -> bool:
        processes.tend()
        topics = [t for lane in processes.lanes for t in lane]
        return through(processes.settings, processes.group, topics, PARTITIONS)

    eventually("the group to be through", done, 90)
    stopped = list(processes.running)
    codes = processes.stop()
    assert len(codes) == 2
    allowed = [{0, 3} if process is thawed else {0} for process in stopped]
    assert all(code in ok for code, ok in zip(codes, allowed, strict=True)), processes.log.read_text()
    settled = partial(no_transaction_is_open, processes.settings, processes.out, PARTITIONS)
    eventually("the last transaction to end", settled, 30)
    came = numbers(read_all(processes.settings, processes.out, PARTITIONS))
    assert len(came) == len(set(came)), "some came twice"
    assert sorted(came) == list(range(2 * each)), "some are missing"


def load(processes: Processes, each: int) -> None:
    for n, (topic,) in enumerate(processes.lanes):
        send(processes.settings, topic, [CODEC.encode(numbered(n * each + i)) for i in range(each)])


def test_kill_9_under_load_loses_nothing_and_doubles_nothing(processes: Processes) -> None:
    each = 3000
    load(processes, each)
    for _ in range(2):
        processes.start()
    for kill, share in enumerate((0.1, 0.3, 0.5)):
        eventually(f"{share:.0%} of the work", half_way(processes, share, 2 * each), 60)
        processes.signal(kill % 2, signal.SIGKILL)
    finish(processes, each)
    assert processes.starts == 5


def test_a_worker_frozen_past_its_session_doubles_nothing_when_it_thaws(processes: Processes) -> None:
    each = 2000
    load(processes, each)
    for _ in range(2):
        processes.start()
    eventually("a tenth of the work", half_way(processes, 0.1, 2 * each), 60)
    frozen = processes.running[0]
    frozen.send_signal(signal.SIGSTOP)
    eventually("nine tenths of the work by the other", half_way(processes, 0.9, 2 * each), 180)
    frozen.send_signal(signal.SIGCONT)
    finish(processes, each, thawed=frozen)
