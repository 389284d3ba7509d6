"""A lane on the real broker: what becomes of partitions that come and go while it stands still."""

from __future__ import annotations

import threading
from collections.abc import Callable

from broker.settings import Settings
from broker.worker_kafka import KafkaLane
from broker.worker_lookahead import LookAhead
from tests.integration.worker_support import CODEC, eventually, numbered, send

PARTITIONS = 4
ROOM = 4


def test_partitions_taken_away_in_a_pause_run_again_when_they_come_back(
    settings: Settings, make_topic: Callable[..., str], unique: Callable[[str], str]
) -> None:
    topic, group = make_topic("in", partitions=PARTITIONS), unique("g")
    send(settings, topic, [CODEC.encode(numbered(n)) for n in range(200)])
    first = KafkaLane(settings, group, [topic], LookAhead(threading.Condition(), room=ROOM))
    first.subscribe()

    def paused() -> bool:
        first.poll_once()
        return first._paused

    eventually("the lane to pause with its look-ahead full", paused, 30)
    second = KafkaLane(settings, group, [topic], LookAhead(threading.Condition(), room=1000))
    second.subscribe()

    def shared() -> bool:
        for lane in (first, second):
            lane.poll_once()
        return len(places(second)) == PARTITIONS // 2

    eventually("the second to have its half", shared, 30)
    assert len(places(first)) == PARTITIONS // 2
    empty(first)
    first.poll_once()
    assert not first._paused
    second.close()
    seen: set[int] = set()

    def all_seen() -> bool:
        first.poll_once()
        seen.update(empty(first))
        return seen == set(range(PARTITIONS))

    # Nothing was committed: every partition starts again and has records.
    eventually("records of every partition", all_seen, 30)
    first.close()


def places(lane: KafkaLane) -> set[int]:
    """Partitions that are the lane's."""
    return {partition for _, partition in lane.ahead._generation}


def empty(lane: KafkaLane) -> set[int]:
    """Take all that waits; gives the partitions it came from."""
    waiting = [held for queue in lane.ahead.peek() for held in queue]
    lane.ahead.claim(waiting, lambda: None)
    return {held.record.partition for held in waiting}
