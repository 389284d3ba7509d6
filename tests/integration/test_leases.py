"""Slots that all processes share: never more than the limit, and a killed holder's come back."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from pydantic import SecretStr

from audit.migrate import migrate
from broker import leases
from broker.leases import LeaseLost, NoSlot, Slots, pool_of
from schemas.errors import Fatal, Transient

HOLDER = Path(__file__).with_name("slot_holder.py")
LEASE_S = 1.5


@pytest.fixture
def dsn(database: str) -> str:
    migrate(database)
    return database


@contextmanager
def holder(dsn: str, pool: str, limit: int, lease_s: float) -> Generator[subprocess.Popen[str]]:
    """Another process that holds a slot, and is killed at the end."""
    command = [sys.executable, str(HOLDER), dsn, pool, str(limit), str(lease_s)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "held\n"
            yield process
        finally:
            process.kill()


def test_threads_never_hold_more_than_the_limit_and_all_of_them_get_their_turn(dsn: str) -> None:
    limit, now, most, turns = 3, 0, 0, 0
    count = threading.Lock()

    async def work() -> None:
        async with Slots(SecretStr(dsn), "crowd", limit) as slots:
            await asyncio.gather(*(once(slots) for _ in range(10)))

    async def once(slots: Slots) -> None:
        nonlocal now, most, turns
        async with slots.slot(60):
            with count:
                now, turns = now + 1, turns + 1
                most = max(most, now)
            await asyncio.sleep(0)
            with count:
                now -= 1

    with ThreadPoolExecutor(6) as threads:
        for done in [threads.submit(asyncio.run, work()) for _ in range(6)]:
            done.result(120)
    assert (turns, now) == (60, 0)
    assert 1 <= most <= limit


def test_a_killed_holders_slot_comes_back_when_its_lease_runs_out_and_no_sooner(dsn: str) -> None:
    async def take(within_s: float) -> float:
        async with Slots(SecretStr(dsn), "killed", 1, lease_s=LEASE_S) as slots:
            began = time.monotonic()
            async with slots.slot(within_s):
                return time.monotonic() - began

    with holder(dsn, "killed", 1, LEASE_S) as other:
        with pytest.raises(NoSlot, match="all 1 slots of killed are taken"):
            asyncio.run(take(2 * LEASE_S))  # it renews
        other.kill()
        other.wait(10)
        assert asyncio.run(take(30)) < 2 * LEASE_S + leases.LONGEST_PAUSE_S + 2


def test_a_slot_is_given_back_whatever_the_work_raises(dsn: str) -> None:
    async def fail() -> None:
        async with Slots(SecretStr(dsn), "failing", 1) as slots:
            for _ in range(3):
                with pytest.raises(ZeroDivisionError):
                    async with slots.slot(0):
                        raise ZeroDivisionError
            with pytest.raises(TimeoutError):
                async with slots.slot(0), asyncio.timeout(0):
                    await asyncio.Event().wait()
            async with slots.slot(0):
                pass

    asyncio.run(fail())


def test_work_stops_before_its_lease_runs_out_where_it_cannot_be_renewed(dsn: str) -> None:
    async def outlive() -> float:
        async with Slots(SecretStr(dsn), "stolen", 1, lease_s=LEASE_S) as slots:
            began = time.monotonic()
            with pytest.raises(LeaseLost):
                await lose(slots)
            return time.monotonic() - began

    async def lose(slots: Slots) -> None:
        async with slots.slot(0):
            with psycopg.connect(dsn, autocommit=True) as conn:
                conn.execute("UPDATE slots SET holder = gen_random_uuid() WHERE pool = 'stolen'")
            await asyncio.Event().wait()

    assert asyncio.run(outlive()) < LEASE_S


def test_pools_do_not_share_and_a_higher_limit_adds_slots(dsn: str) -> None:
    async def both() -> None:
        async with (
            Slots(SecretStr(dsn), "one", 1) as one,
            Slots(SecretStr(dsn), "two", 1) as two,
            Slots(SecretStr(dsn), "one", 2) as more,
            one.slot(0),
            two.slot(0),
            more.slot(0),
        ):
            with pytest.raises(NoSlot):
                async with one.slot(0):
                    pass

    asyncio.run(both())


def test_a_connection_that_broke_is_made_again(dsn: str) -> None:
    async def go_on() -> None:
        async with Slots(SecretStr(dsn), "broken", 1) as slots:
            with psycopg.connect(dsn, autocommit=True) as conn:
                conn.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
            with pytest.raises(Transient, match="Postgres does not answer"):
                async with slots.slot(0):
                    pass
            async with slots.slot(0):
                pass

    asyncio.run(go_on())


def test_a_database_that_is_away_or_was_never_prepared_is_said_plainly(
    database: str, unique: Callable[[str], str]
) -> None:
    async def enter(dsn: str) -> None:
        async with Slots(SecretStr(dsn), unique("pool"), 1):
            pass

    with pytest.raises(Transient, match="does not answer"):
        asyncio.run(enter("postgresql://nobody@127.0.0.1:1/none"))
    with pytest.raises(Fatal, match="presscheck up"):
        asyncio.run(enter(database))


def test_the_key_cannot_be_told_from_the_name_of_its_pool() -> None:
    key = SecretStr("sk-0123456789abcdef")
    assert pool_of("ideogram", key) == pool_of("ideogram", key) != pool_of("stability", key)
    assert pool_of("ideogram", key) != pool_of("ideogram", SecretStr("sk-0123456789abcdee"))
    assert not any(key.get_secret_value()[n : n + 6] in pool_of("ideogram", key) for n in range(10))
