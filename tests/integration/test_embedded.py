"""The embedded Kafka and Postgres are the real thing: they start, keep their data, stop, and leave no orphan."""

from __future__ import annotations

from collections.abc import Callable

import psycopg
import pytest
from confluent_kafka import Consumer, Producer

from broker.embedded.kafka import EmbeddedKafka
from tests.conftest import MakeTopic


def test_a_record_comes_back_from_the_broker(
    kafka: EmbeddedKafka, make_topic: MakeTopic, unique: Callable[[str], str]
) -> None:
    """Transactions, the read_committed level and the KIP-848 protocol all work on the embedded broker."""
    topic = make_topic("in")
    producer = Producer({"bootstrap.servers": kafka.bootstrap, "transactional.id": unique("tx")})
    producer.init_transactions(30)
    producer.begin_transaction()
    producer.produce(topic, key=b"k", value=b"v")
    producer.commit_transaction(30)
    consumer = Consumer(
        {
            "bootstrap.servers": kafka.bootstrap,
            "group.id": unique("group"),
            "group.protocol": "consumer",
            "auto.offset.reset": "earliest",
            "isolation.level": "read_committed",
        }
    )
    consumer.subscribe([topic])
    message = consumer.poll(30)
    consumer.close()
    assert message is not None
    assert message.error() is None
    assert message.value() == b"v"


def test_the_database_is_postgres_18_and_empty(database: str) -> None:
    """Every test that asks for a database gets one with no table."""
    with psycopg.connect(database) as connection:
        assert connection.info.server_version // 10_000 == 18
        assert connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone() == (0,)


def test_the_database_wants_its_password(database: str) -> None:
    """Another user of the machine, who cannot read the state folder, cannot connect."""
    start, end = database.split("@")
    wrong = f"{start.rsplit(':', 1)[0]}:wrong@{end}"
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(wrong).close()
