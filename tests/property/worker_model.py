"""A group, its partitions and its transactions in memory, as nasty as Kafka may be: the worker core's other port.

The broker checks member id and epoch when offsets are sent, as Kafka does, and never who owns the partition. A client
learns of news late: a revocation or a loss queues up behind records, while its epoch is already fresh.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, cast

from broker.clients import StaleMember
from broker.worker_core import Core, Lane, Waits
from broker.worker_lookahead import LookAhead
from broker.worker_port import Batch, Delivery, Fault, Output, Place, Record, Settled, Worked
from schemas.codec import Codec
from schemas.errors import Fatal, Poison, Transient
from schemas.events import Event, HoldChanged

Answer = Literal["well", "away", "lost", "stuck"]
SWAP_S: Final = 4.0
"""How long what is not loaded lets others go first, in records of the model's clock."""


class Crash(BaseException):
    """The process is gone in this instant."""


@dataclass
class Member:
    """What the broker knows of one member."""

    epoch: int
    owns: set[Place] = field(default_factory=set[Place])
    asked_back: set[Place] = field(default_factory=set[Place])


@dataclass
class Open:
    """A transaction that is neither committed nor aborted."""

    writes: list[tuple[str, bytes, bytes]] = field(default_factory=list[tuple[str, bytes, bytes]])
    offsets: dict[Place, int] = field(default_factory=dict[Place, int])


class ModelBroker:
    """Logs, one group, and its open transactions."""

    def __init__(self, logs: Mapping[Place, Sequence[Record]]) -> None:
        self.logs = logs
        self.committed: dict[Place, int] = dict.fromkeys(logs, 0)
        self.published: list[tuple[str, bytes, bytes]] = []
        self.members: dict[str, Member] = {}
        self.open: dict[str, Open] = {}
        self.epoch = 0

    @property
    def finished(self) -> bool:
        """Whether every record's offset is committed."""
        return all(self.committed[p] == len(log) for p, log in self.logs.items())

    def free(self) -> list[Place]:
        """Partitions that nobody owns."""
        return [p for p in self.logs if not any(p in m.owns for m in self.members.values())]

    def expire(self, member: str) -> None:
        """The session of a member ended: it is out, and its partitions are free at once."""
        self.members.pop(member, None)

    def time_out(self, producer: str) -> None:
        """The coordinator aborts a transaction that stayed open too long."""
        self.open.pop(producer, None)

    def bump(self, member: str) -> None:
        """The group moves on: the member has a new epoch that its client does not know yet."""
        self.epoch += 1
        self.members[member].epoch = self.epoch

    def position(self, place: Place) -> int | None:
        """Committed offset; None while a transaction that commits it is open (UNSTABLE_OFFSET_COMMIT)."""
        return None if any(place in t.offsets for t in self.open.values()) else self.committed[place]


class ModelTransactions:
    """One producer. `answers` holds how its next calls end: well, unanswered, or done with the answer lost."""

    def __init__(self, broker: ModelBroker, name: str) -> None:
        self._broker, self._name = broker, name
        self._began = False
        self.answers: deque[Answer] = deque()

    def _answer(self) -> Answer:
        return self.answers.popleft() if self.answers else "well"

    def begin(self) -> None:
        self.abort()  # as the real one: a transaction that could not be aborted before
        self._broker.open[self._name] = Open()
        self._began = True

    def _mine(self) -> Open:
        mine = self._broker.open.get(self._name)
        if mine is None:
            raise Fatal("fenced: the transaction timed out")
        return mine

    def produce(self, topic: str, key: bytes, value: bytes) -> None:
        self._mine().writes.append((topic, key, value))

    def send_offsets(self, positions: Mapping[Place, int], membership: object) -> None:
        name, epoch = cast("tuple[str, int]", membership)
        answer = self._answer()
        if answer == "away":
            raise Transient("no answer")
        member = self._broker.members.get(name)
        if member is None or member.epoch != epoch:
            raise StaleMember(f"{name} says {epoch}")
        self._mine().offsets.update(positions)
        if answer == "lost":
            raise Transient("no answer, though it is done")
        if answer == "stuck":
            raise Fatal("no answer and no time-out, though it is done")

    def commit(self) -> None:
        answer = self._answer()
        if answer == "away":
            raise Fatal("whether it is committed is unknown: it is not")
        mine = self._mine()
        self._broker.published += mine.writes
        self._broker.committed.update(mine.offsets)
        del self._broker.open[self._name]
        self._began = False
        if answer in {"lost", "stuck"}:
            raise Fatal("whether it is committed is unknown: it is")

    def abort(self) -> None:
        if self._began:
            if self._answer() != "well":
                raise Transient("no answer")
            self._broker.open.pop(self._name, None)
            self._began = False


class ModelHandler:
    """Publishes what it reads; some events are poison, and it is away for `away` calls. The key is its engine."""

    def __init__(self) -> None:
        self.away = 0
        self.loaded: str | None = None

    def ready(self, event: Event) -> bool:
        assert isinstance(event, HoldChanged)
        return self.loaded in {None, event.value}

    def batch_key(self, event: Event) -> str:
        assert isinstance(event, HoldChanged)
        return event.value

    def max_batch(self, event: Event) -> int:
        return 3

    def _tire(self) -> None:
        if self.away:
            self.away -= 1
            raise Transient("away")

    def work(self, batch: Sequence[Delivery], tries: int) -> Sequence[Delivery]:
        self._tire()
        assert isinstance(batch[0].event, HoldChanged)
        self.loaded = batch[0].event.value
        if any(d.event.why == "poison" for d in batch if isinstance(d.event, HoldChanged)):
            raise Poison("cannot be worked on")
        return batch

    def settle(self, done: Sequence[Delivery]) -> Sequence[Sequence[Output] | Poison]:
        self._tire()
        return [
            Poison("cannot be settled")
            if isinstance(d.event, HoldChanged) and d.event.why == "unsettled"
            else [Output(topic="out", key=b"k", event=d.event)]
            for d in done
        ]


class ModelWorker:
    """One process: a client that learns late, and the real core on top."""

    def __init__(self, name: str, broker: ModelBroker, codec: Codec, fault: Fault, topics: Sequence[str]) -> None:
        self.name, self.broker = name, broker
        self.known_epoch = 0
        self.assigned = 0
        self.handler = ModelHandler()
        self.inbox: deque[tuple[str, Any]] = deque()
        self.positions: dict[Place, int | None] = {}
        self.told: set[Place] = set()
        self.tokens: dict[Place, int] = {}
        self.standing: object | None = None
        self.transactions = ModelTransactions(broker, name)
        changed = threading.Condition()
        self.lanes = {topic: LookAhead(changed, room=6) for topic in topics}
        self.clock = 0.0
        self.core = Core(
            stage="model",
            lanes=[Lane(ahead, self) for ahead in self.lanes.values()],
            handler=self.handler,
            codec=codec,
            transactions=self.transactions,
            now_ms=lambda: 0,
            waits=Waits(swap_s=SWAP_S),
            fault=fault,
        )
        self.worked: deque[Worked] = deque()
        self.settled: Settled | None = None
        self.batch: Batch | None = None
        self.join()

    def join(self) -> None:
        """A member from now on, with nothing yet."""
        self.broker.epoch += 1
        self.broker.members[self.name] = Member(epoch=self.broker.epoch)
        self.known_epoch = self.broker.epoch

    def membership(self) -> object | None:
        return self.standing

    def hear(self) -> None:
        """A heartbeat's answer: a fresh epoch at once, what follows from it queues up behind the records."""
        member = self.broker.members.get(self.name)
        if member is None:
            self.inbox.append(("gone", tuple(self.told)))
            self.told.clear()
            self.join()
            return
        self.known_epoch = member.epoch

    def grant(self, place: Place) -> None:
        """The broker gives this member a partition, and the client says so to the loop."""
        self.broker.members[self.name].owns.add(place)
        self.told.add(place)
        self.inbox.append(("assign", place))

    def ask_back(self, place: Place) -> None:
        """The broker wants a partition back; it stays this member's until the loop has heard."""
        member = self.broker.members[self.name]
        if place in member.owns - member.asked_back:
            member.asked_back.add(place)
            self.inbox.append(("revoke", place))

    def fetch(self) -> None:
        """The client reads one more record of every partition it has."""
        for place, at in list(self.positions.items()):
            now = self.broker.position(place) if at is None else at
            self.positions[place] = now
            if now is not None and now < len(self.broker.logs[place]):
                self.inbox.append(("record", (self.tokens[place], self.broker.logs[place][now])))
                self.positions[place] = now + 1

    def listen(self) -> None:
        """A turn of the poll thread."""
        if not self.inbox:
            self.standing = (self.name, self.known_epoch)
            return
        what, value = self.inbox.popleft()
        if what == "record":
            self.clock += 1
            token, record = value
            if self.tokens.get(record.place) == token:  # as librdkafka lets go what an old assignment fetched
                self.lanes[record.topic].offer(record, self.clock)
        elif what == "assign":
            self.lanes[value[0]].assign([value])
            self.positions[value] = None
            self.assigned += 1
            self.tokens[value] = self.assigned
        elif what == "revoke":
            self.lanes[value[0]].revoke([value])
            self._let_go(value)
            member = self.broker.members.get(self.name)
            if member is not None and value in member.asked_back:
                member.owns.discard(value)
                member.asked_back.discard(value)
                self.told.discard(value)
                self.broker.bump(self.name)
                self.known_epoch = member.epoch
        else:
            for place in value:
                self.lanes[place[0]].revoke([place])
                self._let_go(place)

    def _let_go(self, place: Place) -> None:
        self.positions.pop(place, None)
        self.tokens.pop(place, None)

    def be_quiet(self) -> None:
        """The barrier: all that the client knows reaches the loop."""
        standing = (self.name, self.known_epoch)
        while self.inbox:
            self.listen()
        self.standing = standing

    def engine_turn(self) -> None:
        """Claim a batch, or work on the one claimed, unless the commit thread is two behind."""
        if len(self.worked) >= 2:
            return
        try:
            if self.batch is None:
                chosen = self.core.choose(self.clock, committing=self.settled is not None)
                self.batch = chosen if isinstance(chosen, Batch) else None
            else:
                self.worked.append(self.core.work(self.batch, 1))
                self.batch = None
        except Transient:
            return

    def commit_turn(self) -> None:
        """Settle the oldest batch, or commit it."""
        try:
            if self.settled is None:
                if self.worked:
                    self.settled = self.core.settle(self.worked[0])
                return
            self.core.commit(self.settled)
        except StaleMember:
            assert self.settled is not None
            self.be_quiet()
            self.settled = self.core.renew(self.settled)
            return
        except Transient:
            return
        self.settled = None
        self.worked.popleft()
