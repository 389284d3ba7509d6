"""Fixtures that every test may use: the real broker and the real database, one of each for the whole session.

Isolation is by name, not by starting again: `unique` gives names nobody else uses (groups, transactional ids, topics),
`make_topic` creates a topic, `database` is a fresh empty database for one test. A test that kills or restarts a broker
starts one of its own with `broker.embedded` in a folder of its own.
"""

from __future__ import annotations

import itertools
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

import psycopg
import pytest
from confluent_kafka.cimpl import NewTopic
from psycopg import sql

from broker.admin import admin_client
from broker.embedded.kafka import EmbeddedKafka
from broker.embedded.postgres import EmbeddedPostgres
from broker.settings import Settings


class MakeTopic(Protocol):
    """`make_topic("in", partitions=4, compacted=False)` creates a topic with a unique name and gives the name."""

    def __call__(self, prefix: str, *, partitions: int = 1, compacted: bool = False) -> str: ...


@pytest.fixture(scope="session")
def stack_dir() -> Iterator[Path]:
    """State folder of the session's broker and database."""
    folder = Path(tempfile.mkdtemp(prefix="presscheck-tests-"))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def kafka(stack_dir: Path) -> Iterator[EmbeddedKafka]:
    """The session's Apache Kafka; `.bootstrap` is its `host:port`. Do not stop it."""
    with EmbeddedKafka(stack_dir) as broker:
        yield broker


@pytest.fixture(scope="session")
def postgres(stack_dir: Path) -> Iterator[str]:
    """DSN of the session's Postgres, in a database that all tests share: prefer `database`."""
    server = EmbeddedPostgres(stack_dir)
    yield server.start()
    server.stop()


_numbers = itertools.count(1)


@pytest.fixture
def unique(request: pytest.FixtureRequest) -> Callable[[str], str]:
    """`unique("group")` gives a name that no other call in this session gives."""
    test = "".join(c if c.isalnum() else "-" for c in request.node.name)[:40].strip("-").lower()
    return lambda prefix: f"{prefix}-{test}-{next(_numbers)}"


@pytest.fixture
def database(postgres: str, unique: Callable[[str], str]) -> Iterator[str]:
    """DSN of a new, empty database that is dropped after the test."""
    name = unique("db").replace("-", "_")[-60:]
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    yield f"{postgres.rsplit('/', 1)[0]}/{name}"
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture
def make_topic(kafka: EmbeddedKafka, unique: Callable[[str], str]) -> MakeTopic:
    """Creates topics on the session's broker under unique names."""

    def make(prefix: str, *, partitions: int = 1, compacted: bool = False) -> str:
        name = unique(prefix)
        config = {"cleanup.policy": "compact"} if compacted else {}
        admin = admin_client(Settings.model_validate({"kafka_bootstrap": kafka.bootstrap}))
        new = NewTopic(name, num_partitions=partitions, replication_factor=1, config=config)
        admin.create_topics([new], operation_timeout=30)[name].result(30)
        return name

    return make


@pytest.fixture
def settings(kafka: EmbeddedKafka, tmp_path: Path) -> Settings:
    """Settings that point at the session's broker and at a state folder of the test's own; no database."""
    return Settings.model_validate({"kafka_bootstrap": kafka.bootstrap, "state_dir": tmp_path})
