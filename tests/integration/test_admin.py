"""Topics are created as the catalogue says; what differs is reported; lag is what is left to read."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.cimpl import NewTopic

from broker.admin import admin_client, check_topics, ensure_topics
from broker.clients import producer, reader
from broker.lag import lag
from broker.settings import Settings
from schemas.catalogue import topics_for
from tests.conftest import MakeTopic


def test_topics_are_created_once_and_then_kept(settings: Settings, unique: Callable[[str], str]) -> None:
    engine = unique("engine")
    ensure_topics(settings, [])
    first = ensure_topics(settings, [engine])
    assert set(first.created) == {f"render.{engine}.critical", f"render.{engine}.exploratory"}
    again = ensure_topics(settings, [engine])
    assert again.created == ()
    assert set(again.kept) == {t.name for t in topics_for([engine])}
    assert again.differences == ()


def test_a_topic_that_differs_is_reported_and_left_as_it_is(settings: Settings, unique: Callable[[str], str]) -> None:
    engine = unique("engine")
    name = f"render.{engine}.critical"
    new = NewTopic(name, num_partitions=1, replication_factor=1, config={"retention.ms": "1000"})
    admin = admin_client(settings)
    admin.create_topics([new], operation_timeout=30)[name].result(30)
    for _ in range(2):
        differences = ensure_topics(settings, [engine]).differences
        assert all(d.topic == name for d in differences)
        assert {d.what: d.is_now for d in differences} == {
            "partitions": "1",
            "retention.ms": "1000",
            "max.message.bytes": "1048588",
        }


def test_a_missing_topic_is_a_difference(settings: Settings, unique: Callable[[str], str]) -> None:
    engine = unique("engine")
    ensure_topics(settings, [])
    assert {d.topic for d in check_topics(settings, [engine]) if d.what == "topic"} == {
        f"render.{engine}.critical",
        f"render.{engine}.exploratory",
    }


@pytest.mark.parametrize("read", [0, 2, 5])
def test_lag_is_what_the_group_has_still_to_read(
    settings: Settings, make_topic: MakeTopic, unique: Callable[[str], str], read: int
) -> None:
    topic, group = make_topic("in"), unique("group")
    out = producer(settings)
    for n in range(5):
        out.produce(topic, value=str(n).encode())
    assert out.flush(30) == 0
    if read:
        member = reader(settings, group)
        member.commit(offsets=[TopicPartition(topic, 0, read)], asynchronous=False)
        member.close()
    (only,) = lag(settings, group, [topic, "no-such-topic"])
    assert (only.topic, only.partition, only.records) == (topic, 0, 5 - read)


def test_the_marker_of_a_transaction_is_no_lag(
    settings: Settings, make_topic: MakeTopic, unique: Callable[[str], str]
) -> None:
    topic, group = make_topic("in"), unique("group")
    out = producer(settings, transactional_id=unique("tx"))
    out.init_transactions(30)
    out.begin_transaction()
    out.produce(topic, value=b"only")
    out.commit_transaction(30)
    (before,) = lag(settings, group, [topic])
    assert before.records == 2
    member = reader(settings, group)
    member.commit(offsets=[TopicPartition(topic, 0, 1)], asynchronous=False)
    member.close()
    (after,) = lag(settings, group, [topic])
    assert after.records == 0
