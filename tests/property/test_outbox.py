"""The outbox against a model of a log: crashes, freezes and broken calls at every step lose and double nothing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import get_args

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from broker.outbox import Outbox, Step
from broker.outbox_port import Aborted, Decision, Fenced, Inbound, Outgoing, Source
from schemas.errors import Fatal, Transient

STEPS: tuple[Step, ...] = get_args(Step)
SOURCES = (Source("in", 0), Source("in", 1))
WEATHER = ("fine", "aborted", "unclear, done", "unclear, not done")


def _weather(well: int, then: list[str]) -> list[str]:
    return ["fine"] * well + then


BAD_CALLS = st.builds(_weather, st.integers(0, 8), st.lists(st.sampled_from(WEATHER), max_size=3))
"""How the next calls go: usually the first ones well, for a commit is the last of several."""


class Crash(BaseException):
    """kill -9."""


@dataclass
class ModelLog:
    """What a cluster does for transactional producers, positions and read_committed readers."""

    inputs: dict[Source, list[bytes]] = field(default_factory=lambda: defaultdict[Source, list[bytes]](list))
    out: list[tuple[Source, Outgoing]] = field(default_factory=list[tuple[Source, Outgoing]])
    positions: dict[Source, int] = field(default_factory=dict[Source, int])
    epochs: dict[Source, int] = field(default_factory=dict[Source, int])
    weather: list[str] = field(default_factory=list[str])

    def open(self, source: Source) -> ModelOwner:
        if self.next_weather() != "fine":
            raise Transient("no coordinator")
        self.epochs[source] = self.epochs.get(source, 0) + 1
        return ModelOwner(self, source, self.epochs[source])

    def position(self, source: Source) -> int:
        if self.next_weather() != "fine":
            raise Transient("no answer")
        return self.positions.get(source, 0)

    def next_weather(self) -> str:
        return self.weather.pop(0) if self.weather else "fine"

    def keys_out(self, source: Source, topic: str = "seen") -> list[bytes]:
        return [o.key for s, o in self.out if s == source and o.topic == topic]


class ModelOwner:
    def __init__(self, log: ModelLog, source: Source, epoch: int) -> None:
        self._log, self._source, self._epoch = log, source, epoch
        self._records: list[Outgoing] | None = None
        self._position: int | None = None
        self._must_abort = False

    def _call(self, act: Callable[[], None]) -> None:
        if self._log.epochs[self._source] != self._epoch:
            raise Fenced("a newer epoch")
        if self._must_abort:
            raise Aborted("abort first")
        weather = self._log.next_weather()
        if weather == "aborted":
            self._must_abort = True
            raise Aborted("a delivery failed")
        if weather != "unclear, not done":
            act()
        if weather.startswith("unclear"):
            raise Transient("timed out")

    def _start(self) -> None:
        assert self._records is None, "begun twice"
        self._records, self._position = [], None

    def _add(self, record: Outgoing) -> None:
        assert self._records is not None, "produced outside a transaction"
        self._records.append(record)

    def _move(self, position: int) -> None:
        self._position = position

    def _count(self) -> None:
        assert self._records is not None
        assert self._position is not None
        self._log.out += [(self._source, r) for r in self._records]
        self._log.positions[self._source] = self._position
        self._records = None

    def begin(self) -> None:
        if self._log.epochs[self._source] == self._epoch:
            self._start()  # local in the client: it cannot fail on the way

    def produce(self, record: Outgoing) -> None:
        self._call(lambda: self._add(record))

    def send_position(self, position: int) -> None:
        self._call(lambda: self._move(position))

    def commit(self) -> None:
        self._call(self._count)

    def abort(self) -> None:
        if self._log.epochs[self._source] != self._epoch:
            raise Fenced("a newer epoch")
        if self._log.next_weather() != "fine":
            raise Transient("timed out")
        self._records, self._must_abort = None, False

    def close(self) -> None:
        self._records = None


class OncePerKey:
    """One output for every input, and exact state: a key is noted where it is first seen (as prompts.seen)."""

    def __init__(self, log: ModelLog) -> None:
        self._log = log
        self._seen: dict[Source, set[bytes]] = {}

    def taken_over(self, source: Source) -> None:
        self._seen[source] = set(self._log.keys_out(source))

    def decide(self, source: Source, events: Sequence[Inbound]) -> Decision:
        fresh: list[bytes] = []
        for event in events:
            key = event.value or b""
            if key not in self._seen[source] and key not in fresh:
                fresh.append(key)
        return Decision(
            outgoing=(
                *(Outgoing(topic="out", key=str(e.offset).encode(), value=b"") for e in events),
                *(Outgoing(topic="seen", key=k, value=k) for k in fresh),
            ),
            kept=lambda: self._seen[source].update(fresh),
        )


class Process:
    """A worker: an outbox and how far its consumer has read each source."""

    def __init__(self, log: ModelLog) -> None:
        self.log = log
        self.at: Step | None = None
        self.then: Callable[[], None] = lambda: None
        self.cursor: dict[Source, int] = {}
        self.outbox = Outbox(
            log,
            OncePerKey(log),
            still_ours=lambda source: source in self.cursor,
            pause=lambda _s: None,
            attempts=4,
            fault=self._fault,
        )

    def _fault(self, step: Step) -> None:
        if step == self.at:
            self.at = None
            self.then()

    def take_over(self, source: Source) -> None:
        self.cursor.pop(source, None)
        self.cursor[source] = self.outbox.take_over(source)

    def emit(self, source: Source, count: int) -> None:
        start = self.cursor[source]
        values = self.log.inputs[source][start : start + count]
        events = [
            Inbound(source=source, offset=start + i, timestamp_ms=-1, key=None, value=v) for i, v in enumerate(values)
        ]
        if events and self.outbox.emit(source, events):
            self.cursor[source] = start + len(events)


class OutboxMachine(RuleBasedStateMachine):
    """Processes contend for sources; none of them is ever told the truth in time."""

    def __init__(self) -> None:
        super().__init__()
        self.log = ModelLog()
        self.processes = [Process(self.log) for _ in range(3)]

    def _do(self, who: int, act: Callable[[Process], None]) -> None:
        process = self.processes[who]
        try:
            act(process)
        except (Crash, Fatal):  # the supervisor starts it again, with nothing in memory
            self.processes[who] = Process(self.log)
        process.at, process.then = None, lambda: None
        self.log.weather.clear()

    @rule(source=st.sampled_from(SOURCES), keys=st.lists(st.sampled_from([b"a", b"b", b"c", b"d", b"e"]), max_size=6))
    def submit(self, source: Source, keys: list[bytes]) -> None:
        self.log.inputs[source] += keys

    @rule(
        who=st.integers(0, 2),
        source=st.sampled_from(SOURCES),
        crash=st.sampled_from([None, *STEPS]),
        weather=BAD_CALLS,
    )
    def take_over(self, who: int, source: Source, crash: Step | None, weather: list[str]) -> None:
        def act(process: Process) -> None:
            process.at, process.then, self.log.weather[:] = crash, _raise_crash, weather
            process.take_over(source)

        self._do(who, act)

    @precondition(lambda self: any(p.cursor for p in self.processes))
    @rule(
        who=st.integers(0, 2),
        source=st.sampled_from(SOURCES),
        count=st.integers(1, 5),
        crash=st.sampled_from([None, *STEPS]),
        weather=BAD_CALLS,
    )
    def emit(self, who: int, source: Source, count: int, crash: Step | None, weather: list[str]) -> None:
        def act(process: Process) -> None:
            process.at, process.then, self.log.weather[:] = crash, _raise_crash, weather
            process.emit(source, count)

        if source in self.processes[who].cursor:
            self._do(who, act)

    @precondition(lambda self: any(p.cursor for p in self.processes))
    @rule(
        who=st.integers(0, 2),
        other=st.integers(0, 2),
        source=st.sampled_from(SOURCES),
        step=st.sampled_from(STEPS),
        counts=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    )
    def freeze_inside_emit(self, who: int, other: int, source: Source, step: Step, counts: tuple[int, int]) -> None:
        """SIGSTOP at a step; another takes the source over and goes on; SIGCONT."""

        def meanwhile() -> None:
            self.processes[other].take_over(source)
            self.processes[other].emit(source, counts[1])

        def act(process: Process) -> None:
            process.at, process.then = step, meanwhile
            process.emit(source, counts[0])

        if who != other and source in self.processes[who].cursor:
            self._do(who, act)

    @rule(who=st.integers(0, 2), source=st.sampled_from(SOURCES), back=st.integers(1, 5))
    def deliver_again(self, who: int, source: Source, back: int) -> None:
        """A consumer may go back, as after a seek; it never skips."""
        cursor = self.processes[who].cursor
        if source in cursor:
            cursor[source] = max(cursor[source] - back, 0)

    @rule(who=st.integers(0, 2), source=st.sampled_from(SOURCES))
    def revoke(self, who: int, source: Source) -> None:
        self.processes[who].cursor.pop(source, None)
        self.processes[who].outbox.release([source])

    @invariant()
    def outputs_are_those_of_what_was_read_once_each(self) -> None:
        for source in SOURCES:
            self._check(source, self.log.positions.get(source, 0))

    def _check(self, source: Source, position: int) -> None:
        assert self.log.keys_out(source, "out") == [str(n).encode() for n in range(position)]
        assert self.log.keys_out(source) == list(dict.fromkeys(self.log.inputs[source][:position]))

    def teardown(self) -> None:
        """Whatever happened: one healthy process brings the rest home."""
        last = Process(self.log)
        for source in SOURCES:
            last.take_over(source)
            while last.cursor[source] < len(self.log.inputs[source]):
                last.emit(source, 3)
            self._check(source, len(self.log.inputs[source]))


def _raise_crash() -> None:
    raise Crash


TestOutbox = OutboxMachine.TestCase
TestOutbox.settings = settings(max_examples=300, stateful_step_count=30, deadline=None)


def _loaded() -> tuple[ModelLog, Process]:
    log = ModelLog()
    log.inputs[SOURCES[0]] = [b"a", b"b"]
    process = Process(log)
    process.take_over(SOURCES[0])
    return log, process


def test_a_frozen_owner_is_told_that_it_is_fenced() -> None:
    log, process = _loaded()
    Process(log).take_over(SOURCES[0])
    with pytest.raises(Fenced):
        process.emit(SOURCES[0], 2)
    assert log.out == []
    assert process.outbox.owned() == frozenset()


def test_a_commit_whose_answer_was_lost_is_not_repeated() -> None:
    log, process = _loaded()
    log.weather[:] = [*["fine"] * 5, "unclear, done"]
    process.emit(SOURCES[0], 2)
    assert log.keys_out(SOURCES[0], "out") == [b"0", b"1"]
    assert log.positions[SOURCES[0]] == 2


def test_a_batch_that_keeps_failing_stops_the_process() -> None:
    log, process = _loaded()
    log.weather[:] = ["aborted", "fine"] * 10
    with pytest.raises(Fatal, match="gave up on in/0 after 4 tries"):
        process.emit(SOURCES[0], 2)


def test_a_source_that_was_let_go_writes_nothing() -> None:
    log, process = _loaded()
    process.outbox.release(SOURCES)
    process.emit(SOURCES[0], 2)
    assert log.out == []


def test_a_source_lost_during_a_failure_is_not_taken_back() -> None:
    log, process = _loaded()
    process.at, process.then = "produced", process.cursor.clear
    log.weather[:] = [*["fine"] * 4, "unclear, not done"]
    events = [
        Inbound(source=SOURCES[0], offset=i, timestamp_ms=-1, key=None, value=v) for i, v in enumerate([b"a", b"b"])
    ]
    assert not process.outbox.emit(SOURCES[0], events)
    assert log.epochs[SOURCES[0]] == 1
    assert log.out == []
