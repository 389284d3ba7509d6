"""Drives a whole stack from outside, by its own commands, as an operator and a bad night would."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import psutil
from confluent_kafka import TopicPartition

from broker import clients
from broker.lag import assigned
from broker.settings import Settings, load
from schemas.catalogue import TERMINAL_TOPICS
from schemas.errors import Transient

PATIENCE_S: Final = 120.0
LOOK_S: Final = 0.2


def wait_for(what: str, seen: Callable[[], bool], patience_s: float = PATIENCE_S) -> None:
    """Look until something is seen; fails naming it where it is not in time. A broker that is away is no answer."""
    pause, end = threading.Event(), time.monotonic() + patience_s
    while True:
        try:
            if seen():
                return
        except Transient:
            pass
        assert time.monotonic() < end, f"not seen within {patience_s:g} s: {what}"
        pause.wait(LOOK_S)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """A stack in a state folder, reached only through `presscheck`.

    `outside` holds PRESSCHECK_ variables that name a broker, database or store of somebody else's.
    """

    state: Path
    outside: Mapping[str, str] = field(default_factory=dict[str, str])

    def call(self, *words: str, stdin: str | None = None, ok: bool = True) -> str:
        """Run one command and give its standard output."""
        done = subprocess.run(
            [sys.executable, "-m", "ops", *words, "--state", str(self.state)],
            input=stdin, capture_output=True, text=True, check=False, timeout=300, env={**os.environ, **self.outside},
        )  # fmt: skip
        assert not ok or done.returncode == 0, f"{words} exited {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    @property
    def settings(self) -> Settings:
        """Settings of the running stack."""
        return load(self.state, self.outside)

    def processes(self) -> Mapping[str, Mapping[str, Any]]:
        """Rows of `status --json` by process name."""
        rows = json.loads(self.call("status", "--json", ok=False))["processes"]
        return {row["name"]: row for row in rows}

    def submit(self, lines: Sequence[Mapping[str, Any]]) -> list[str]:
        """Submit jobs; their ids."""
        return self.call("submit", "-", stdin="".join(json.dumps(line) + "\n" for line in lines)).split()

    def kill(self, name: str) -> None:
        """SIGKILL a process and wait until the supervisor has started another in its place."""
        before = self.processes()[name]
        os.kill(before["pid"], signal.SIGKILL)

        def another() -> bool:
            row = self.processes()[name]
            return row["pid"] not in {None, before["pid"]} and row["restarts"] > before["restarts"]

        wait_for(f"a new {name}", another)

    def freeze_past_its_session(self, name: str, group: str) -> None:
        """SIGSTOP a process until the broker has given its partitions up, then SIGCONT."""
        pid = self.processes()[name]["pid"]
        wait_for(f"{name} holds partitions", lambda: bool(assigned(self.settings, group)))
        os.kill(pid, signal.SIGSTOP)
        try:
            wait_for(f"{name} lost its session", lambda: not assigned(self.settings, group))
        finally:
            os.kill(pid, signal.SIGCONT)

    def terminal_events(self) -> Mapping[str, Counter[str]]:
        """For each job how often it stands on each terminal topic, as a read_committed reader sees them."""
        found: dict[str, Counter[str]] = {}
        for topic, key in committed_keys(self.settings, TERMINAL_TOPICS):
            found.setdefault(key, Counter())[topic] += 1
        return found


@contextmanager
def running(stack: Stack) -> Generator[Stack]:
    """The stack, up; taken down at the end, with nothing left behind."""
    stack.call("up", "--detach")
    try:
        yield stack
    finally:
        stack.call("down")
    assert children_of(stack.state) == []


def committed_keys(settings: Settings, topics: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Topic and key of every committed record of some topics, from the first to the present end."""
    reader = clients.reader(settings, "chaos-count")
    try:
        there = reader.list_topics(timeout=30).topics
        parts = [TopicPartition(t, p, 0) for t in topics for p in there[t].partitions]
        ends = {(tp.topic, tp.partition): reader.get_watermark_offsets(tp, timeout=30)[1] for tp in parts}
        left = {k for k, end in ends.items() if end > 0}
        reader.assign(parts)
        while left:
            message = reader.poll(10)
            if message is not None and message.error() is None:
                yield str(message.topic()), (message.key() or b"").decode()
            # Positions and not records say when the end is reached: the last offsets may be transaction markers.
            at = reader.position([TopicPartition(t, p) for t, p in left])
            left -= {(tp.topic, tp.partition) for tp in at if tp.offset >= ends[tp.topic, tp.partition]}
    finally:
        reader.close()


def children_of(folder: Path) -> list[int]:
    """Processes that name a state folder on their command line or in their environment."""
    found: list[int] = []
    for process in psutil.process_iter():
        try:
            words = [*process.cmdline(), *process.environ().values()]
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            continue
        if any(str(folder) in word for word in words):
            found.append(process.pid)
    return found
