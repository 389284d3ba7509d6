"""A child process on a leash: started, recorded, watched, stopped; a stale one of a former run is found and stopped."""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import structlog

from schemas.errors import Fatal

LEASH = Path(__file__).with_name("leash.py")
CLIENT_PORTS = Path("/proc/sys/net/ipv4/ip_local_port_range")
LOWEST_PORT = 20_000
PORT_TRIES = 100
LOOK_S = 0.02
KILL_S = 5.0
"""How long the kernel may take to end a process that was killed."""
LOG_KEPT_BYTES = 8 * 1024 * 1024
"""A log larger than this is moved aside (one generation is kept) when its process starts."""


def free_port() -> int:
    """A TCP port that nobody listens on, below the range from which the kernel gives ports to clients.

    Inside that range a client that keeps trying to reach a stopped server can end up connected to itself, and then
    it holds the very port that the server needs to come back.
    """
    first_for_clients = 32_768
    if CLIENT_PORTS.exists():
        first_for_clients = int(CLIENT_PORTS.read_text(encoding="ascii").split()[0])
    candidates = range(LOWEST_PORT, max(first_for_clients, LOWEST_PORT + 1))
    for port in secrets.SystemRandom().sample(candidates, min(len(candidates), PORT_TRIES)):
        if port_is_free(port):
            return port
    with socket.socket() as s:  # a kernel that gives clients every port there is
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def port_is_free(port: int) -> bool:
    """Whether a server could listen on this loopback port now."""
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            s.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def write_private(path: Path, text: str) -> None:
    """Replace a file at once by one that only its owner may read."""
    part = path.with_name(f".{path.name}.{os.getpid()}")
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as f:
        f.write(text)
    part.replace(path)


def remembered_ports(path: Path, names: Sequence[str]) -> dict[str, int]:
    """Ports chosen earlier for these names, where they are free still; else new ones, written down."""
    known: dict[str, int] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    ports = {n: known[n] if n in known and port_is_free(known[n]) else free_port() for n in names}
    if ports != known:
        write_private(path, json.dumps(ports))
    return ports


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """A process beyond doubt: ids are used again, an id with its start time is not."""

    pid: int
    started: float

    @classmethod
    def of(cls, pid: int) -> Identity | None:
        """Identity of a running process; None where there is none (a zombie counts as none)."""
        try:
            p = psutil.Process(pid)
            return None if p.status() == psutil.STATUS_ZOMBIE else cls(pid=pid, started=p.create_time())
        except psutil.NoSuchProcess:
            return None

    @property
    def alive(self) -> bool:
        """Whether this very process still runs."""
        now = Identity.of(self.pid)
        return now is not None and abs(now.started - self.started) < 1.0

    def stop(self, sig: signal.Signals, wait_s: float) -> None:
        """Ask it to end, and kill it where it has not within wait_s. It need not be a child of ours."""
        if not self.alive:
            return
        try:
            os.kill(self.pid, sig)
            if not self._gone(wait_s):
                os.kill(self.pid, signal.SIGKILL)
                self._gone(KILL_S)
        except ProcessLookupError:
            return

    def _gone(self, wait_s: float) -> bool:
        # Not psutil's wait: that one waits for a zombie until its parent has time for it.
        end = time.monotonic() + wait_s
        while self.alive:
            if time.monotonic() > end:
                return False
            time.sleep(LOOK_S)
        return True


@dataclass(kw_only=True)
class Child:
    """One program. `record` is the file that remembers its process id between runs.

    Start it from a thread that lives as long as the process should: Linux ties the leash to that thread.
    """

    name: str
    argv: Sequence[str]
    log: Path
    record: Path
    cwd: Path | None = None
    env: Mapping[str, str] = field(default_factory=dict[str, str])
    user: str = "-"
    stop_signal: signal.Signals = signal.SIGTERM
    orphan_signal: signal.Signals = signal.SIGTERM
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    def recorded(self) -> Identity | None:
        """What a former run wrote down, whether or not it still runs."""
        if not self.record.exists():
            return None
        return Identity(**json.loads(self.record.read_text(encoding="utf-8")))

    def begin(self) -> None:
        """Start it; return at once."""
        self.start()

    def start(self, *, stale_wait_s: float = 20.0) -> None:
        """Start it; where a former run's process is still there, stop that one first."""
        if (stale := self.recorded()) is not None and stale.alive:
            structlog.get_logger(__name__).warning("stopping a stale process", name=self.name, pid=stale.pid)
            stale.stop(self.stop_signal, stale_wait_s)
        for folder in (self.log.parent, self.record.parent):
            folder.mkdir(parents=True, exist_ok=True)
        if self.log.exists() and self.log.stat().st_size > LOG_KEPT_BYTES:
            self.log.replace(self.log.with_suffix(".old.log"))
        leash = [sys.executable, "-I", "-S", str(LEASH), self.orphan_signal.name, str(os.getpid()), self.user]
        with self.log.open("ab") as out:
            self.process = subprocess.Popen(
                [*leash, *self.argv],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                cwd=self.cwd,
                env={**os.environ, **self.env},
                start_new_session=True,  # a Ctrl-C in the terminal is ours to hand on, in the right order
            )
        identity = Identity.of(self.process.pid)
        if identity is not None:
            write_private(self.record, json.dumps({"pid": identity.pid, "started": identity.started}))

    @property
    def pid(self) -> int | None:
        """Process id; None where it was never started."""
        return None if self.process is None else self.process.pid

    def exit_status(self) -> int | None:
        """Exit status (negative: the signal that ended it); None while it runs or before it was started."""
        return None if self.process is None else self.process.poll()

    @property
    def running(self) -> bool:
        """Whether it was started and has not ended."""
        return self.process is not None and self.process.poll() is None

    def ask_to_stop(self) -> None:
        """Send the stop signal and return at once."""
        if self.running and self.process is not None:
            self.process.send_signal(self.stop_signal)

    def stop(self, wait_s: float) -> bool:
        """Ask it to end and wait; kill it where it has not within wait_s. False where it had to be killed."""
        if self.process is None:
            return True
        self.ask_to_stop()
        clean = True
        try:
            self.process.wait(wait_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            clean = False
        self.record.unlink(missing_ok=True)
        return clean

    def tail(self, lines: int = 15) -> str:
        """Last lines of its log, for an error message."""
        if not self.log.exists():
            return ""
        return "\n".join(self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])

    def died(self) -> Fatal:
        """The error that says how it ended and what it said last."""
        return Fatal(f"{self.name} ended with status {self.exit_status()}; its log {self.log} ends:\n{self.tail()}")
