"""The broker killed under a worker and started again: every record arrives once, and nothing waits for ever."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from confluent_kafka.cimpl import NewTopic

from broker.admin import admin_client
from broker.embedded.kafka import EmbeddedKafka
from broker.settings import Settings
from schemas.events import HoldChanged
from tests.integration.worker_support import CODEC, Processes, numbered, read_all, send, through
from tests.waiting import until

PARTITIONS: Final = 4
RECORDS: Final = 1600
BATCH_S: Final = 0.1
THROUGH_S: Final = 200.0
"""Longest wait for the rest: a call that sticks is given up after 20 s, and a fresh process takes over."""


@pytest.fixture
def own_kafka(tmp_path: Path) -> Iterator[EmbeddedKafka]:
    """A broker that this test may kill."""
    with EmbeddedKafka(tmp_path) as broker:
        yield broker


@pytest.fixture
def workers(own_kafka: EmbeddedKafka, tmp_path: Path) -> Iterator[Processes]:
    """Two workers under load, tended as by a supervisor, with some of the work done."""
    settings = Settings.model_validate({"kafka_bootstrap": own_kafka.bootstrap, "state_dir": tmp_path})
    admin = admin_client(settings)
    topics = [NewTopic(name, num_partitions=PARTITIONS, replication_factor=1) for name in ("in", "out")]
    for made_topic in admin.create_topics(topics, operation_timeout=30).values():
        made_topic.result(30)
    send(settings, "in", [CODEC.encode(numbered(n)) for n in range(RECORDS)])
    made = Processes(settings, [["in"]], "out", "copy", cost_s=BATCH_S, log=tmp_path / "workers.log")
    for _ in range(2):
        made.start()
    until("a tenth of the work is done", lambda: len(read_all(settings, "out", PARTITIONS)) >= RECORDS / 10)
    yield made
    for process in made.running:
        process.kill()
        process.wait()


def kill(broker: EmbeddedKafka) -> None:
    """SIGKILL the broker and wait until it is gone."""
    assert broker.pid is not None
    os.kill(broker.pid, signal.SIGKILL)
    until("the broker is gone", lambda: not broker.running)


def finish(workers: Processes) -> None:
    """Every record arrives, once; the workers end well."""

    def done() -> bool:
        workers.tend()
        return through(workers.settings, workers.group, ["in"], PARTITIONS)

    try:
        until("the group is through", done, THROUGH_S)
    except AssertionError as e:
        e.add_note(workers.log.read_text()[-8000:])
        raise
    assert workers.stop() == [0, 0], workers.log.read_text()[-8000:]
    events = [CODEC.decode(m.value()) for m in read_all(workers.settings, "out", PARTITIONS)]
    came = [int(e.hold_id) for e in events if isinstance(e, HoldChanged)]
    assert len(came) == len(set(came)), "some came twice"
    assert sorted(came) == list(range(RECORDS)), "some are missing"


def test_a_broker_that_is_back_at_once(own_kafka: EmbeddedKafka, workers: Processes) -> None:
    kill(own_kafka)
    before = own_kafka.bootstrap
    assert own_kafka.start() == before
    finish(workers)


@pytest.mark.timeout(420)
def test_a_broker_that_stays_away_until_commits_time_out(own_kafka: EmbeddedKafka, workers: Processes) -> None:
    """librdkafka may then never return from sending offsets: it is given up, and a fresh process takes over."""
    kill(own_kafka)

    def failed() -> bool:
        log = workers.log.read_text()
        return "committing offsets: _TIMED_OUT" in log or "committing offsets: no answer" in log

    until("a commit has failed", failed, 180)
    own_kafka.start()
    finish(workers)
