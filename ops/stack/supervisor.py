"""Keeps services running: starts one that died again, with growing pauses, and stops them all in order.

It has no thread and no clock of its own: `tick(now_s)` looks at every service once and says when to look again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Protocol

import structlog

FIRST_PAUSE_S: Final = 0.25
LONGEST_PAUSE_S: Final = 30.0
STEADY_S: Final = 60.0
"""A service that ran this long is well again: its next death is its first."""
LOOK_S: Final = 5.0
"""Longest time between two looks, should the signal of a child's death get lost."""


class Service(Protocol):
    """One thing to keep running: a stage's process, or the broker. Starting must not block for long."""

    @property
    def running(self) -> bool:
        """Whether it was started and has not ended."""
        ...

    @property
    def pid(self) -> int | None:
        """Process id of the latest start."""
        ...

    def begin(self) -> None:
        """Start it without waiting until it is of use."""
        ...

    def exit_status(self) -> int | None:
        """Exit status, negative for a signal; None while it runs."""
        ...

    def ask_to_stop(self) -> None:
        """Ask it to end; return at once."""
        ...

    def stop(self, wait_s: float) -> bool:
        """Ask it to end, wait, kill it where it has not. False where it had to be killed."""
        ...


class Condition(StrEnum):
    """How a supervised service is."""

    WAITING = "waiting"
    RUNNING = "running"
    STOPPED = "stopped"


@dataclass(kw_only=True)
class Supervised:
    """A service with its history. `again_at_s` is when it is to be started, where it waits."""

    name: str
    service: Service
    condition: Condition = Condition.STOPPED
    restarts: int = 0
    deaths_in_a_row: int = 0
    last_exit: int | None = None
    started_s: float = 0.0
    again_at_s: float = 0.0

    def pause_s(self) -> float:
        """How long to wait before the next start."""
        return min(FIRST_PAUSE_S * 2 ** (self.deaths_in_a_row - 1), LONGEST_PAUSE_S)


@dataclass(kw_only=True)
class Supervisor:
    """Keeps a row of services running. `changed` is called after anything changed, to write it down."""

    rows: list[Supervised] = field(default_factory=list[Supervised])
    changed: Callable[[], None] = lambda: None

    def add(self, name: str, service: Service, *, now_s: float) -> None:
        """Start one service, or take over one that runs already."""
        row = Supervised(name=name, service=service)
        self.rows.append(row)
        if service.running:
            row.condition, row.started_s = Condition.RUNNING, now_s
        else:
            self._start(row, now_s)
        self.changed()

    def tick(self, now_s: float) -> float:
        """Note deaths, start what is due. Gives the seconds after which to look again."""
        changed = False
        for row in self.rows:
            if row.condition is Condition.RUNNING and not row.service.running:
                self._note_death(row, now_s)
                changed = True
            if row.condition is Condition.WAITING and now_s >= row.again_at_s:
                row.restarts += 1
                self._start(row, now_s)
                changed = True
        if changed:
            self.changed()
        due = [row.again_at_s - now_s for row in self.rows if row.condition is Condition.WAITING]
        return max(min([LOOK_S, *due]), 0.0)

    def _note_death(self, row: Supervised, now_s: float) -> None:
        steady = now_s - row.started_s >= STEADY_S
        row.deaths_in_a_row = 1 if steady else row.deaths_in_a_row + 1
        row.last_exit = row.service.exit_status()
        row.condition = Condition.WAITING
        row.again_at_s = now_s + row.pause_s()
        structlog.get_logger(__name__).warning(
            "service ended", name=row.name, status=row.last_exit, again_in_s=row.pause_s(), restarts=row.restarts
        )

    @staticmethod
    def _start(row: Supervised, now_s: float) -> None:
        row.service.begin()
        row.condition, row.started_s = Condition.RUNNING, now_s

    def stop(self, names: Sequence[str], wait_s: float) -> tuple[str, ...]:
        """Ask these services to end, all at once, and wait for all of them; gives those that had to be killed."""
        rows = [row for row in self.rows if row.name in names]
        for row in rows:
            row.service.ask_to_stop()
        end = time.monotonic() + wait_s
        killed: list[str] = []
        for row in rows:
            if not row.service.stop(max(end - time.monotonic(), 0.1)):
                killed.append(row.name)
            row.condition, row.last_exit = Condition.STOPPED, row.service.exit_status()
        self.changed()
        return tuple(killed)
