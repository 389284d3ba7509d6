"""The audit sink on a real broker and a real database: nothing lost, none twice, through kills and losses.

The session's broker is shared, and the sink reads every topic of the catalogue: a test looks at topics of engines that
only it knows, and has a database of its own.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.cimpl import NewPartitions, NewTopic
from pydantic import SecretStr

from audit import ledger, sink
from audit.broker_check import against_broker
from audit.chain import Kind
from audit.migrate import connect, migrate
from audit.verify import verify
from broker.admin import admin_client
from broker.clients import producer, reader
from broker.settings import Settings
from schemas.catalogue import render_topic
from schemas.codec import Codec, LockedIds
from schemas.events import Lane, RenderRequested
from tests.stories import START_MS, job, request

PROCESS = Path(__file__).with_name("audit_process.py")
CODEC = Codec(LockedIds())
DEADLINE_S = 60


class Crash(BaseException):
    """A process that ends here and now."""


def until(what: str, met: Callable[[], bool], *, deadline_s: float = DEADLINE_S) -> None:
    """Wait for a condition that another process brings about."""
    waiter, end = threading.Event(), time.monotonic() + deadline_s
    while not met():
        assert time.monotonic() < end, f"not within {deadline_s} s: {what}"
        waiter.wait(0.05)


@pytest.fixture
def audited(settings: Settings, database: str) -> Settings:
    return settings.model_copy(update={"database_url": SecretStr(database)})


@pytest.fixture
def admin(settings: Settings) -> Any:
    return admin_client(settings)


@pytest.fixture
def topic(admin: Any, unique: Callable[[str], str]) -> str:
    name = render_topic(unique("engine")[:60], Lane.EXPLORATORY)
    create(admin, name)
    return name


def create(admin: Any, name: str, **config: str) -> None:
    new = NewTopic(name, num_partitions=3, replication_factor=1, config=config)
    admin.create_topics([new], operation_timeout=30)[name].result(30)


def value(n: int) -> bytes:
    return CODEC.encode(RenderRequested(event_id=job(f"j{n}").job_id, at_ms=START_MS, request=request(job(f"j{n}"))))


def send(settings: Settings, topic: str, numbers: Sequence[int], *, abort_every: int = 0) -> None:
    """Send records in transactions of ten, so that offsets have gaps; some are aborted first."""
    client = producer(settings, transactional_id=f"test-{topic}-{numbers[0]}")
    client.init_transactions(30)
    for start in range(0, len(numbers), 10):
        if abort_every and (start // 10) % abort_every == 0:
            client.begin_transaction()
            client.produce(topic, value(-1), key=b"aborted")
            client.flush(30)
            client.abort_transaction(30)
        client.begin_transaction()
        for n in numbers[start : start + 10]:
            client.produce(
                topic, value(n), key=job(f"j{n}").job_id.encode(), headers=[("n", str(n).encode()), ("x", None)]
            )
        client.commit_transaction(30)


@contextmanager
def running(settings: Settings) -> Generator[None]:
    """A sink in a thread; its error, if any, is raised at the end."""
    stop = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(sink.run, settings, stop, refresh_s=0.1)
        try:
            yield
        finally:
            stop.set()
            done.result(30)


def keys(conn: psycopg.Connection, topic: str) -> list[str]:
    return [r[0] for r in conn.execute("SELECT convert_from(key, 'UTF8') FROM ledger WHERE topic = %s", [topic])]


def rows(conn: psycopg.Connection, topic: str) -> int:
    found = conn.execute("SELECT count(*) FROM ledger WHERE topic = %s", [topic]).fetchone()
    assert found is not None
    return found[0]


def whole(settings: Settings, conn: psycopg.Connection, topic: str, numbers: Sequence[int]) -> None:
    """Every record once, a chain that verifies, and the broker's own records agree."""
    assert sorted(keys(conn, topic)) == sorted(job(f"j{n}").job_id for n in numbers)
    report = verify(conn, topic=topic)
    assert report.findings == ()
    assert report.rows == len(numbers)
    compared = against_broker(settings, conn, topic=topic)
    assert compared.findings == ()
    assert compared.rows == len(numbers)


@pytest.fixture
def conn(database: str) -> Iterator[psycopg.Connection]:
    migrate(database)
    with connect(database, autocommit=True) as connection:
        yield connection


def test_committed_records_are_in_the_ledger_and_aborted_ones_are_not(
    audited: Settings, conn: psycopg.Connection, topic: str
):
    numbers = range(200)
    send(audited, topic, numbers, abort_every=3)
    with running(audited):
        until("200 rows", lambda: rows(conn, topic) == len(numbers))
    whole(audited, conn, topic, numbers)
    states = conn.execute("SELECT state, count(*) FROM runs JOIN jobs USING (job_id) GROUP BY state").fetchall()
    assert ("routed", len(numbers)) in states
    one = conn.execute("SELECT headers, record, job_id::text FROM ledger WHERE topic = %s LIMIT 1", [topic]).fetchone()
    assert one is not None
    assert (one[0][0], one[0][2:], one[1]) == (b"n", [b"x", None], "RenderRequested")


def test_positions_pass_the_markers_of_transactions(audited: Settings, conn: psycopg.Connection, topic: str):
    send(audited, topic, range(30), abort_every=2)
    with running(audited):
        until("positions at the end", lambda: rows(conn, topic) == 30 and not behind(audited, conn, topic))


def behind(settings: Settings, conn: psycopg.Connection, topic: str) -> list[int]:
    client = reader(settings, "test-ends")
    try:
        heads = ledger.heads(conn)
        ends = [client.get_watermark_offsets(TopicPartition(topic, p), timeout=10)[1] for p in range(3)]
        return [
            p for p, end in enumerate(ends) if end and ((topic, p) not in heads or heads[(topic, p)].next_offset < end)
        ]
    finally:
        client.close()


def test_bytes_that_are_no_record_are_kept_as_they_are(audited: Settings, conn: psycopg.Connection, topic: str):
    key = job("undecodable").job_id
    client = producer(audited)
    client.produce(topic, b"\x00\xff no record", key=key.encode(), headers=[("bad\x00name", b"\xff")])
    client.produce(topic, None, key=b"\x00\xff")
    client.flush(30)
    with running(audited):
        until("2 rows", lambda: rows(conn, topic) == 2)
    found = conn.execute(
        "SELECT value, record, job_id::text FROM ledger WHERE topic = %s ORDER BY value", [topic]
    ).fetchall()
    assert found == [(b"\x00\xff no record", None, key), (None, None, None)]
    assert verify(conn, topic=topic).found == 0
    assert against_broker(audited, conn, topic=topic).found == 0


def test_topics_and_partitions_that_come_later_are_read(
    audited: Settings, conn: psycopg.Connection, topic: str, admin: Any, unique: Callable[[str], str]
):
    later = render_topic(unique("engine")[:60], Lane.CRITICAL)
    with running(audited):
        send(audited, topic, range(20))
        until("the first topic", lambda: rows(conn, topic) == 20)
        create(admin, later)
        send(audited, later, range(20))
        until("the later topic", lambda: rows(conn, later) == 20)
        admin.create_partitions([NewPartitions(topic, 5)])[topic].result(30)
        client = producer(audited)
        until(
            "the broker knows the partition",
            lambda: len(client.list_topics(topic, timeout=10).topics[topic].partitions) == 5,
        )
        client.produce(topic, value(50), partition=4)
        client.flush(30)
        until("the later partition", lambda: rows(conn, topic) == 21)
    assert verify(conn).found == 0


@pytest.mark.parametrize("step", ["decoded", "appended", "projected", "moved", "committed"])
def test_a_crash_at_any_step_loses_nothing_and_doubles_nothing(
    audited: Settings, conn: psycopg.Connection, topic: str, step: str
):
    numbers = range(60)
    send(audited, topic, numbers)
    crashed: list[str] = []

    def fault(reached: str) -> None:
        if reached == step and not crashed:
            crashed.append(step)
            raise Crash

    stop = threading.Event()
    with pytest.raises(Crash):
        sink.run(audited, stop, fault=fault)
    with running(audited):
        until("60 rows", lambda: rows(conn, topic) >= len(numbers))
    whole(audited, conn, topic, numbers)


def process(settings: Settings) -> subprocess.Popen[bytes]:
    environment = {
        **os.environ,
        "PRESSCHECK_STATE_DIR": str(settings.state_dir),
        "PRESSCHECK_KAFKA_BOOTSTRAP": settings.kafka_bootstrap,
        "PRESSCHECK_DATABASE_URL": settings.database_url.get_secret_value(),
        "PYTHONPATH": str(Path(__file__).parents[2]),
    }
    return subprocess.Popen([sys.executable, str(PROCESS)], env=environment, stderr=subprocess.DEVNULL)


def test_a_sink_killed_again_and_again_goes_on_exactly(audited: Settings, conn: psycopg.Connection, topic: str):
    numbers, kills = range(6_000), 4
    with ThreadPoolExecutor(1) as pool:
        sent = pool.submit(send, audited, topic, numbers, abort_every=50)
        for kill in range(kills):
            victim = process(audited)
            try:
                until("some rows more", lambda want=(kill + 1) * 600: rows(conn, topic) >= want)
            finally:
                victim.kill()
                victim.wait()
        sent.result(DEADLINE_S)
    last = process(audited)
    try:
        until("all rows", lambda: rows(conn, topic) >= len(numbers))
    finally:
        last.send_signal(signal.SIGTERM)
        assert last.wait(20) == 0, "SIGTERM drains"
    whole(audited, conn, topic, numbers)


def test_a_second_sink_waits_until_the_first_is_dead(audited: Settings, conn: psycopg.Connection, topic: str):
    send(audited, topic, range(10))
    with running(audited):
        until("the first", lambda: rows(conn, topic) == 10)
        second = process(audited)
        try:
            until("a second session", lambda: sessions(conn) >= 2)
            send(audited, topic, range(10, 30))
            until("all of it", lambda: rows(conn, topic) == 30)
        finally:
            second.send_signal(signal.SIGTERM)
            assert second.wait(20) == 0, "one that only waits ends on SIGTERM too"
    whole(audited, conn, topic, range(30))


def sessions(conn: psycopg.Connection) -> int:
    row = conn.execute(
        """SELECT count(*) FROM pg_stat_activity
           WHERE datname = current_database() AND pid <> pg_backend_pid() AND application_name = 'presscheck'"""
    ).fetchone()
    assert row is not None
    return row[0]


def test_a_database_that_cuts_the_session_is_asked_again(audited: Settings, conn: psycopg.Connection, topic: str):
    with running(audited):
        send(audited, topic, range(20))
        until("the first rows", lambda: rows(conn, topic) == 20)
        for _ in range(3):
            conn.execute(
                """SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                   WHERE datname = current_database() AND pid <> pg_backend_pid()"""
            )
        send(audited, topic, range(20, 60))
        until("the rest", lambda: rows(conn, topic) >= 60)
    whole(audited, conn, topic, range(60))


def test_records_that_expired_unread_are_a_gap_and_no_end(
    audited: Settings, conn: psycopg.Connection, topic: str, admin: Any
):
    send(audited, topic, range(30))
    with running(audited):
        until("the first rows", lambda: rows(conn, topic) == 30)
    send(audited, topic, range(30, 60))
    ends = [ledger.heads(conn)[(topic, p)].next_offset + 3 for p in range(3)]
    for future in admin.delete_records([TopicPartition(topic, p, end) for p, end in enumerate(ends)]).values():
        future.result(30)
    with running(audited):
        until("three gaps", lambda: len(ledger.gaps(conn, topic)) == 3)
        until("positions at the end", lambda: not behind(audited, conn, topic))
    assert {g.reason for g in ledger.gaps(conn, topic)} == {"expired"}
    assert [g.to_offset for g in ledger.gaps(conn, topic)] == ends
    assert verify(conn, topic=topic).found == 0
    assert against_broker(audited, conn, topic=topic).found == 0


def test_a_topic_that_was_made_anew_is_read_as_a_new_generation(
    audited: Settings, conn: psycopg.Connection, topic: str, admin: Any
):
    send(audited, topic, range(60))
    with running(audited):
        until("the first rows", lambda: rows(conn, topic) == 60)
        admin.delete_topics([topic])[topic].result(30)
        until("the topic is gone", lambda: topic not in admin.list_topics(timeout=10).topics)
        create(admin, topic)
        send(audited, topic, range(100, 115))
        until("the new rows", lambda: rows(conn, topic) == 75)
    generations = conn.execute(
        "SELECT generation, count(*) FROM ledger WHERE topic = %s GROUP BY 1 ORDER BY 1", [topic]
    )
    assert generations.fetchall() == [(0, 60), (1, 15)]
    assert {g.reason for g in ledger.gaps(conn, topic)} == {"lost"}
    assert verify(conn, topic=topic).found == 0
    assert against_broker(audited, conn, topic=topic).found == 0


def test_a_ledger_forged_whole_is_found_against_the_broker(audited: Settings, conn: psycopg.Connection, topic: str):
    send(audited, topic, range(30))
    with running(audited):
        until("30 rows", lambda: rows(conn, topic) == 30)
    conn.execute("ALTER TABLE ledger DISABLE TRIGGER ledger_append_only")
    victims = [
        r[0]
        for r in conn.execute(
            'SELECT "offset" FROM ledger WHERE topic = %s AND partition = 1 ORDER BY "offset"', [topic]
        ).fetchall()
    ]
    changed, deleted, *_, last = victims
    conn.execute(
        "UPDATE ledger SET value = '' WHERE topic = %s AND partition = 1 AND \"offset\" = %s", [topic, changed]
    )
    conn.execute('DELETE FROM ledger WHERE topic = %s AND partition = 1 AND "offset" = %s', [topic, deleted])
    conn.execute(
        'UPDATE ledger SET "offset" = "offset" + 500 WHERE topic = %s AND partition = 1 AND "offset" = %s',
        [topic, last],
    )
    found = {(f.kind, f.offset) for f in against_broker(audited, conn, topic=topic).findings}
    assert found == {(Kind.BROKER, o) for o in (changed, deleted, last, last + 500)}
