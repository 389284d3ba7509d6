"""A bound on work in flight that all processes of an organisation share: slots in Postgres, each leased for a while.

A holder renews its lease while its work runs and gives the slot back at once. A holder that was killed renews no more:
its slot comes back when the lease runs out, by the database's clock. A holder that cannot renew gives its work up
before that, so that no slot is ever used by two.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
import uuid
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from typing import Final, LiteralString, Self, cast

import psycopg
import structlog
from pydantic import SecretStr

from schemas.errors import Fatal, Transient

LEASE_S: Final = 30.0
"""How long a slot stays taken after its holder was killed."""
RENEWALS: Final = 3
"""Renewals within one lease: two may fail before the work is given up."""
SAFETY: Final = 0.8
"""Share of a lease after which work is given up: the rest is for stopping it, and for clocks that run apart."""
FIRST_PAUSE_S: Final = 0.05
LONGEST_PAUSE_S: Final = 1.0
CONNECT_S: Final = 5
_SQL: Final = Path(__file__).parent / "sql"


class NoSlot(Transient):
    """Every slot stayed taken for as long as the caller could wait."""


class LeaseLost(Transient):
    """The lease could not be renewed in time; the work under it was stopped."""


def pool_of(api: str, key: SecretStr) -> str:
    """Name of the pool of everybody who uses this key. The key cannot be told from it."""
    return f"{api}/{hashlib.sha256(f'presscheck/{api}/{key.get_secret_value()}'.encode()).hexdigest()[:32]}"


class Slots:
    """At most `limit` pieces of work of a pool at once, over all processes that share the database.

    Use it as an asynchronous context manager in one event loop: it holds one connection. `lease_s` bounds how long the
    slot of a killed holder stays taken.
    """

    def __init__(self, dsn: SecretStr, pool: str, limit: int, *, lease_s: float = LEASE_S) -> None:
        self._dsn, self._pool, self._limit, self._lease_s = dsn, pool, limit, lease_s
        self._connection: psycopg.AsyncConnection | None = None
        self._connecting = asyncio.Lock()
        self._draw = random.Random(uuid.uuid4().int)  # noqa: S311 - spreads those who wait, guards nothing

    async def __aenter__(self) -> Self:
        """Connect. Raises Transient where the database is away, Fatal where it was never prepared."""
        await self._run("slots_make", {"limit": self._limit})
        return self

    async def __aexit__(self, *_: object) -> None:
        """Disconnect."""
        if self._connection is not None:
            await self._connection.close()

    @asynccontextmanager
    async def slot(self, within_s: float) -> AsyncGenerator[None]:
        """Hold one slot inside. Raises NoSlot where none is free within_s, LeaseLost, Transient as the database does.

        The body is cancelled where the lease is lost, and LeaseLost takes the place of what it raises.
        """
        loop = asyncio.get_running_loop()
        holder = uuid.uuid4()
        number, asked = await self._take(holder, loop.time() + within_s)
        lease: asyncio.Timeout | None = None
        renewing: asyncio.Task[None] | None = None
        try:
            async with asyncio.timeout_at(asked + self._lease_s * SAFETY) as lease:
                renewing = asyncio.create_task(self._renew(holder, number, lease))
                yield
        except TimeoutError:
            if lease is not None and lease.expired():
                raise LeaseLost(f"the lease of slot {number} of {self._pool} could not be renewed in time") from None
            raise
        finally:
            if renewing is not None:
                renewing.cancel()
            await self._release(holder, number)

    async def _take(self, holder: uuid.UUID, until: float) -> tuple[int, float]:
        """Number of the slot taken, and the loop's time before it was asked for."""
        loop = asyncio.get_running_loop()
        pause = FIRST_PAUSE_S
        while True:
            asked = loop.time()
            number = await self._run("slots_take", {"holder": holder, "limit": self._limit, "lease_s": self._lease_s})
            if number is not None:
                return number, asked
            if loop.time() >= until:
                raise NoSlot(f"all {self._limit} slots of {self._pool} are taken")
            await asyncio.sleep(min(pause * self._draw.uniform(0.5, 1.5), max(0.0, until - loop.time())))
            pause = min(2 * pause, LONGEST_PAUSE_S)

    async def _renew(self, holder: uuid.UUID, number: int, lease: asyncio.Timeout) -> None:
        """Push the end of the lease ahead, for as long as it is ours."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(self._lease_s * SAFETY / RENEWALS)
            asked = loop.time()
            try:
                kept = await self._run("slots_renew", {"holder": holder, "number": number, "lease_s": self._lease_s})
            except Transient as e:
                structlog.get_logger(__name__).warning("lease not renewed", pool=self._pool, slot=number, error=str(e))
                continue
            if kept is None:
                lease.reschedule(loop.time())
                return
            lease.reschedule(asked + self._lease_s * SAFETY)

    async def _release(self, holder: uuid.UUID, number: int) -> None:
        try:
            await self._run("slots_release", {"holder": holder, "number": number})
        except Transient as e:
            structlog.get_logger(__name__).warning("slot not given back", pool=self._pool, slot=number, error=str(e))

    async def _run(self, name: LiteralString, values: Mapping[str, object]) -> int | None:
        """The number that a statement returns, or None. Raises Transient, Fatal."""
        try:
            cursor = await (await self._open()).execute(_statement(name), {"pool": self._pool, **values})
            row = await cursor.fetchone() if cursor.description else None
        except psycopg.errors.UndefinedTable as e:
            raise Fatal("the database was never prepared: run `presscheck up` or `presscheck run prepare`") from e
        except psycopg.OperationalError as e:
            raise Transient(f"Postgres does not answer: {e}") from e
        return None if row is None else int(row[0])

    async def _open(self) -> psycopg.AsyncConnection:
        async with self._connecting:
            if self._connection is None or self._connection.closed:
                self._connection = await psycopg.AsyncConnection.connect(
                    self._dsn.get_secret_value(),
                    autocommit=True,
                    connect_timeout=CONNECT_S,
                    application_name="presscheck",
                )
            return self._connection


@cache
def _statement(name: LiteralString) -> LiteralString:
    """The text of `sql/<name>.sql`: shipped with the program, so as trusted as a literal in it."""
    return cast("LiteralString", (_SQL / f"{name}.sql").read_text(encoding="utf-8"))
