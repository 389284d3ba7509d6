"""Exactly once on the real broker: killed, frozen and thawed Faust processes lose nothing and double nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from broker.outbox_kafka import KafkaLog
from broker.outbox_port import Fenced, Outgoing, Source
from broker.settings import Settings
from streams.faust_app import SESSION_S
from tests.conftest import MakeTopic
from tests.integration.streams_support import Follower, StageProcess, argument, send
from tests.waiting import until

PARTITIONS = 4
WITHIN_S = 120.0


@pytest.fixture
def topics(make_topic: MakeTopic) -> tuple[str, str]:
    return make_topic("in", partitions=PARTITIONS), make_topic("out", partitions=PARTITIONS)


@pytest.fixture
def processes(
    settings: Settings, topics: tuple[str, str], unique: Callable[[str], str], tmp_path: Path
) -> Iterator[list[StageProcess]]:
    given = argument(settings, unique("copy"), [topics[0]], topics[1])
    made = [StageProcess("tests.integration.streams_process", given, tmp_path / f"{n}.log") for n in range(2)]
    yield made
    for process in made:
        if process.running is not None and process.running.poll() is None:
            process.thaw()
            process.kill()


@pytest.fixture
def follower(settings: Settings, topics: tuple[str, str]) -> Iterator[Follower]:
    made = Follower(settings, {topics[1]: PARTITIONS})
    yield made
    made.close()


def _keys(first: int, count: int) -> list[str]:
    return [str(n) for n in range(first, first + count)]


def _read(follower: Follower, count: int) -> bool:
    return len(follower.look()) >= count


def _once_each(follower: Follower, expected: list[str]) -> None:
    follower.to_the_end()
    found = Counter((m.key() or b"").decode() for m in follower.messages)
    assert [k for k in expected if found[k] == 0] == [], "lost"
    assert {k: n for k, n in found.items() if n > 1} == {}, "doubled"


def test_a_killed_process_loses_nothing_and_doubles_nothing(
    settings: Settings, topics: tuple[str, str], processes: list[StageProcess], follower: Follower
) -> None:
    first, second = processes
    first.start()
    second.start()
    keys: list[str] = []
    for round_ in range(3):
        more = _keys(len(keys), 10_000)
        send(settings, topics[0], [(k, k.encode() * 10) for k in more])
        keys += more
        # Somewhere inside the work: some of the round's records are through, and not all.
        enough = len(keys) - 9_500
        until("the round is under way", partial(_read, follower, enough), WITHIN_S)
        victim = processes[round_ % 2]
        victim.kill()
        victim.start()
    until("every record is through", lambda: len(follower.look()) >= len(keys), WITHIN_S)
    _once_each(follower, keys)
    for process in processes:
        until("it has started for good", partial(process.said, '"event": "started"'), WITHIN_S)
    assert [first.stop(), second.stop()] == [0, 0]


def test_a_process_frozen_past_its_session_and_thawed_doubles_nothing(
    settings: Settings, topics: tuple[str, str], processes: list[StageProcess], follower: Follower
) -> None:
    frozen, other = processes
    frozen.start()
    keys = _keys(0, 3_000)
    send(settings, topics[0], [(k, b"x") for k in keys])
    until("the first works", lambda: len(follower.look()) >= 1, WITHIN_S)
    frozen.freeze()
    other.start()
    more = _keys(len(keys), 3_000)
    send(settings, topics[0], [(k, b"x") for k in more])
    keys += more
    # Only once the group has given the frozen one's partitions away can the other finish.
    until("the other took everything over", lambda: len(follower.look()) >= len(keys), WITHIN_S + SESSION_S)
    frozen.thaw()
    more = _keys(len(keys), 3_000)
    send(settings, topics[0], [(k, b"x") for k in more])
    keys += more

    def through() -> bool:
        frozen.revive()
        other.revive()
        return len(follower.look()) >= len(keys)

    until("both work again", through, WITHIN_S)
    _once_each(follower, keys)


def test_a_stopped_process_drains_and_its_successor_goes_on(
    settings: Settings, topics: tuple[str, str], processes: list[StageProcess], follower: Follower
) -> None:
    first, second = processes
    first.start()
    keys = _keys(0, 5_000)
    send(settings, topics[0], [(k, b"x") for k in keys])
    until("it works", lambda: len(follower.look()) >= 1, WITHIN_S)
    assert first.stop() == 0
    more = _keys(len(keys), 2_000)
    send(settings, topics[0], [(k, b"x") for k in more])
    keys += more
    second.start()
    until("the rest is through", lambda: len(follower.look()) >= len(keys), WITHIN_S)
    _once_each(follower, keys)
    assert second.stop() == 0


def test_positions_lie_in_the_side_group_and_fencing_reaches_the_broker(
    settings: Settings, topics: tuple[str, str], follower: Follower, unique: Callable[[str], str]
) -> None:
    log, source = KafkaLog(settings, unique("app")), Source(topics[0], 0)
    assert log.position(source) == 0
    former = log.open(source)
    former.begin()
    former.produce(Outgoing(topic=topics[1], key=b"former", value=b"x"))
    former.send_position(7)
    latter = log.open(source)
    with pytest.raises(Fenced):
        former.commit()
    assert log.position(source) == 0
    latter.begin()
    latter.produce(Outgoing(topic=topics[1], key=b"latter", value=b"x", partition=3))
    latter.send_position(9)
    latter.commit()
    assert log.position(source) == 9
    assert list(log.read_back(Source(topics[1], 3))) == [(b"latter", b"x")]
    assert list(log.read_back(Source(topics[1], 0))) == []
    log.close()
    until("the record is there", follower.look)
    assert [m.key() for m in follower.messages] == [b"latter"]


def test_a_process_whose_source_another_took_gives_up_and_goes_on_when_started_again(
    settings: Settings, topics: tuple[str, str], follower: Follower, unique: Callable[[str], str], tmp_path: Path
) -> None:
    """The group still says that the source is its own: without an end, nobody would ever read it."""
    app = unique("lost")
    stage = StageProcess(
        "tests.integration.streams_process", argument(settings, app, [topics[0]], topics[1]), tmp_path / "lost.log"
    )
    stage.start()
    try:
        keys = _keys(0, 200)
        send(settings, topics[0], [(k, b"x") for k in keys])
        until("it works", lambda: len(follower.look()) >= len(keys), WITHIN_S)
        log = KafkaLog(settings, app)
        for partition in range(PARTITIONS):
            log.open(Source(topics[0], partition)).close()
        log.close()
        more = _keys(len(keys), 200)
        send(settings, topics[0], [(k, b"x") for k in more])
        keys += more
        until("it gives up", lambda: stage.process().poll() is not None, WITHIN_S)
        assert stage.process().poll() == 1
        assert stage.said("another owner took it over")
        stage.start()
        until("the rest is through", lambda: len(follower.look()) >= len(keys), WITHIN_S)
        _once_each(follower, keys)
        assert stage.stop() == 0
    finally:
        if stage.process().poll() is None:
            stage.kill()
