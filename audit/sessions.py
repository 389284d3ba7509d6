"""Sessions of a process of which one works at a time: a lease in the database, and the next one after a failure."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Final

import psycopg
import structlog

from audit.migrate import connect, migrate
from broker.settings import Settings
from broker.signals import Stop
from schemas.errors import Transient

LEASE_WAIT_S: Final = 0.5
BACKOFF_FIRST_S, BACKOFF_MOST_S = 0.1, 5.0


@contextmanager
def leased(
    settings: Settings, take: Callable[[psycopg.Connection], bool], stop: Stop, *, who: str
) -> Generator[psycopg.Connection | None]:
    """A database that is up to date, and the lease that `take` takes in it, for as long as the block runs.

    None where `stop` came while another process held the lease. Raises Transient where Postgres went away, Fatal.
    """
    dsn = settings.database_url.get_secret_value()
    try:
        migrate(dsn)
        with connect(dsn, autocommit=True) as conn:
            waiting = False
            while not take(conn):
                if not waiting:
                    structlog.get_logger(__name__).info(f"another {who} holds the lease; waiting")
                    waiting = True
                if stop.wait(LEASE_WAIT_S):
                    yield None
                    return
            yield conn
    except (psycopg.OperationalError, psycopg.InterfaceError) as e:
        raise Transient(f"Postgres: {e}") from e


def sessions(session: Callable[[], None], stop: Stop, *, who: str) -> None:
    """Sessions until `stop`: one that fails for now is followed by another after a growing wait. Raises Fatal."""
    wait_s = BACKOFF_FIRST_S
    while not stop.is_set():
        began_s = time.monotonic()
        try:
            session()
        except Transient as e:
            wait_s = BACKOFF_FIRST_S if time.monotonic() - began_s > BACKOFF_MOST_S * 2 else wait_s
            structlog.get_logger(__name__).warning(f"{who} backs off", error=str(e), wait_s=wait_s)
            stop.wait(wait_s)
            wait_s = min(wait_s * 2, BACKOFF_MOST_S)
