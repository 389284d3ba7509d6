"""The worker loop under crashes, freezes and rebalances at every step: nothing lost, none twice, in order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from broker.worker_core import PATIENCE
from broker.worker_port import STEPS, Place, Record
from schemas.codec import Codec, LockedIds
from schemas.errors import Fatal
from schemas.events import DeadLetter, HoldChanged, HoldScope
from schemas.ids import event_id
from tests.property.worker_model import Answer, Crash, ModelBroker, ModelWorker

CODEC = Codec(LockedIds())
CRITICAL, EXPLORATORY = "render.x.critical", "render.x.exploratory"
TOPICS = (CRITICAL, EXPLORATORY)
ANSWERS: Mapping[str, Answer] = {"no answer": "away", "answer lost": "lost", "stuck": "stuck", "answer": "well"}
"""How the next call of a worker's producer will end."""
GARBAGE = b"\x89PNG not a record"


def an_event(place: Place, offset: int, kind: str, value: str) -> bytes:
    event = HoldChanged(
        event_id=event_id(f"{place}", "test", str(offset)),
        at_ms=offset,
        hold_id=f"{place[0]}/{place[1]}/{offset}",
        scope=HoldScope.TAG,
        value=value,
        active=True,
        who="test",
        why=kind,
    )
    return CODEC.encode(event)


@st.composite
def logs(draw: st.DrawFn) -> dict[Place, list[Record]]:
    made: dict[Place, list[Record]] = {}
    for place in [(CRITICAL, 0), (CRITICAL, 1), (EXPLORATORY, 0)]:
        made[place] = []
        for offset in range(draw(st.integers(0, 7))):
            kind = draw(st.sampled_from(["good", "good", "good", "poison", "unsettled", "garbage"]))
            value = GARBAGE if kind == "garbage" else an_event(place, offset, kind, draw(st.sampled_from("ab")))
            record = Record(topic=place[0], partition=place[1], offset=offset, key=b"k", value=value)
            made[place].append(record)
    return made


def whence(topic: str, value: bytes) -> str:
    """Where the record came from that this output answers."""
    event = CODEC.decode(value)
    if isinstance(event, DeadLetter):
        assert topic == "dead-letters"
        return f"{event.origin.topic}/{event.origin.partition}/{event.origin.offset}"
    assert isinstance(event, HoldChanged)
    assert event.why == "good"
    return event.hold_id


class World:
    """Two processes that are started again whenever they die, and a broker that picks on them."""

    def __init__(self, broker: ModelBroker, draw: st.DataObject | None) -> None:
        self.broker, self.data = broker, draw
        self.starts = 0
        self.calm = draw is None
        self.depth = 0
        self.workers: list[ModelWorker] = []
        self.workers = [self.start() for _ in range(2)]

    def start(self) -> ModelWorker:
        self.starts += 1
        return ModelWorker(f"worker-{self.starts}", self.broker, CODEC, self.fault, TOPICS)

    def fault(self, step: str) -> None:
        """After each step of a batch: nothing, the end, or anything else that may happen meanwhile."""
        assert step in STEPS
        if self.calm or self.data is None or self.depth:
            return
        self.depth += 1
        try:
            for _ in range(self.data.draw(st.integers(0, 3), label=f"news at {step}")):
                self.news()
            if self.data.draw(st.integers(0, 9), label=f"crash at {step}") == 0:
                raise Crash
        finally:
            self.depth -= 1

    def news(self) -> None:
        assert self.data is not None
        worker = self.data.draw(st.sampled_from(self.workers), label="who")
        what = self.data.draw(
            st.sampled_from(
                ["expire", "hear", "listen", "listen", "fetch", "grant", "ask", "bump", "time-out", *ANSWERS]
            )
        )
        self.happen(what, worker)

    def happen(self, what: str, worker: ModelWorker) -> None:
        member = self.broker.members.get(worker.name)
        if what == "expire":
            self.broker.expire(worker.name)
        elif what == "hear":
            worker.hear()
        elif what == "listen":
            worker.listen()
        elif what == "fetch":
            worker.fetch()
        elif what == "grant" and member is not None:
            for place in self.broker.free()[:1]:
                worker.grant(place)
        elif what == "ask" and member is not None:
            for place in sorted(member.owns)[:1]:
                worker.ask_back(place)
        elif what == "bump" and member is not None:
            self.broker.bump(worker.name)
        elif what == "time-out":
            self.broker.time_out(worker.name)
        elif what in ANSWERS:
            worker.transactions.answers.append(ANSWERS[what])

    def act(self, what: str, n: int) -> None:
        worker = self.workers[n]
        try:
            if what == "engine":
                worker.engine_turn()
            elif what == "commit":
                worker.commit_turn()
            elif what == "away":
                worker.handler.away += 1
            elif what == "kill":
                raise Crash
            else:
                self.happen(what, worker)
        except (Crash, Fatal):
            # The broker finds out later: the session ends by `expire`, the open transaction by `time-out`.
            self.workers[n] = self.start()

    def warm_up(self) -> None:
        """Both have partitions and records before anything goes wrong."""
        for worker in self.workers:
            for what in ("hear", "grant", "grant", "listen", "listen", "fetch", "fetch", "listen", "listen", "listen"):
                self.happen(what, worker)

    def settle_down(self) -> None:
        """No more faults: the dead expire, and the living get everything done."""
        self.calm = True
        for name in set(self.broker.members) - {w.name for w in self.workers}:
            self.broker.expire(name)
        for name in set(self.broker.open) - {w.name for w in self.workers}:
            self.broker.time_out(name)
        for _ in range(400):
            if self.broker.finished:
                return
            for n, worker in enumerate(list(self.workers)):
                for what in ("hear", "grant", "listen", "fetch", "listen", "listen", "engine", "engine", "commit"):
                    if self.workers[n] is worker:
                        self.act(what, n)
                if self.workers[n] is not worker:
                    self.broker.expire(worker.name)
                    self.broker.time_out(worker.name)


ACTS = ["engine", "engine", "commit", "commit", "hear", "listen", "listen", "fetch", "fetch", "grant", "ask", "bump"]
RARE = ["expire", "time-out", "kill", "away", *ANSWERS]


@settings(max_examples=300, deadline=None)
@given(logs(), st.lists(st.tuples(st.sampled_from(ACTS * 2 + RARE), st.integers(0, 1)), max_size=80), st.data())
def test_nothing_is_lost_and_nothing_twice(
    made: dict[Place, list[Record]], acts: Sequence[tuple[str, int]], data: st.DataObject
) -> None:
    broker = ModelBroker(made)
    world = World(broker, data)
    world.warm_up()
    for what, n in acts:
        world.act(what, n)
    world.settle_down()
    assert broker.finished
    came = [whence(topic, value) for topic, _, value in broker.published]
    for place, log in made.items():
        prefix = f"{place[0]}/{place[1]}/"
        assert [c for c in came if c.startswith(prefix)] == [f"{prefix}{r.offset}" for r in log]
    assert len(came) == sum(len(log) for log in made.values())


@pytest.mark.parametrize("step", STEPS)
def test_a_crash_after_each_step_is_made_good(step: str) -> None:
    place: Place = (CRITICAL, 0)
    values = [an_event(place, n, "good", "a") for n in range(8)]
    made: dict[Place, list[Record]] = {
        place: [Record(topic=CRITICAL, partition=0, offset=n, key=b"k", value=v) for n, v in enumerate(values)]
    }
    broker = ModelBroker(made)
    crashes: list[str] = []

    def crash_once(at: str) -> None:
        if at == step and len(crashes) < 2:
            crashes.append(at)
            raise Crash

    name = 0
    while not broker.finished:
        name += 1
        assert name < 5
        worker = ModelWorker(f"w{name}", broker, CODEC, crash_once, TOPICS)
        worker.grant(place)
        try:
            for _ in range(60):
                worker.fetch()
                worker.listen()
                worker.engine_turn()
                worker.commit_turn()
        except Crash:
            broker.expire(worker.name)
            broker.time_out(worker.name)
    assert crashes == [step, step]
    assert [whence(t, v) for t, _, v in broker.published] == [f"{CRITICAL}/0/{n}" for n in range(8)]


def one_partition() -> tuple[ModelBroker, ModelWorker, ModelWorker]:
    """A broker with three records, a worker that has them in its look-ahead, and another with nothing yet."""
    place: Place = (CRITICAL, 0)
    values = [an_event(place, n, "good", "a") for n in range(3)]
    records = [Record(topic=CRITICAL, partition=0, offset=n, key=b"k", value=v) for n, v in enumerate(values)]
    broker = ModelBroker({place: records})
    former = ModelWorker("former", broker, CODEC, lambda _: None, TOPICS)
    former.grant(place)
    for _ in range(4):
        former.be_quiet()
        former.fetch()
    former.be_quiet()
    return broker, former, ModelWorker("next", broker, CODEC, lambda _: None, TOPICS)


def do_all(broker: ModelBroker, worker: ModelWorker) -> None:
    for _ in range(20):
        worker.hear()
        worker.be_quiet()
        worker.fetch()
        worker.engine_turn()
        worker.commit_turn()
    assert broker.finished


def test_a_batch_under_way_for_a_revoked_partition_is_left_to_its_new_owner() -> None:
    broker, former, following = one_partition()
    former.engine_turn()
    former.engine_turn()
    former.ask_back((CRITICAL, 0))
    former.be_quiet()
    following.grant((CRITICAL, 0))
    do_all(broker, following)
    for _ in range(6):
        former.commit_turn()
    assert [whence(t, v) for t, _, v in broker.published] == [f"{CRITICAL}/0/{n}" for n in range(3)]


def test_a_fresh_epoch_does_not_hide_a_loss_that_was_not_heard_of_yet() -> None:
    broker, former, following = one_partition()
    broker.expire(former.name)
    former.hear()  # it is a member again, with a new epoch; that its partition is gone still queues up
    following.grant((CRITICAL, 0))
    do_all(broker, following)
    for _ in range(2):
        former.engine_turn()
    for _ in range(6):
        former.commit_turn()
    assert [whence(t, v) for t, _, v in broker.published] == [f"{CRITICAL}/0/{n}" for n in range(3)]


def test_critical_goes_first_and_exploratory_does_not_starve() -> None:
    places: list[Place] = [(CRITICAL, 0), (EXPLORATORY, 0)]
    made: dict[Place, list[Record]] = {
        p: [
            Record(topic=p[0], partition=0, offset=n, key=b"k", value=an_event(p, n, "good", str(n)))
            for n in range(3 * PATIENCE)
        ]
        for p in places
    }
    broker = ModelBroker(made)
    worker = ModelWorker("w", broker, CODEC, lambda _: None, TOPICS)
    for place in places:
        worker.grant(place)
    for _ in range(20):
        worker.be_quiet()
        worker.fetch()
    worker.be_quiet()
    for _ in range(200):
        worker.engine_turn()
        worker.commit_turn()
    order = ["c" if CRITICAL in whence(t, v) else "e" for t, _, v in broker.published]
    assert "".join(order).startswith("c" * PATIENCE + "e" + "c" * PATIENCE + "e")
    assert len(order) == 6 * PATIENCE
