"""What the broker and the database have in common: one child process that is watched and stopped."""

from __future__ import annotations

from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self

from broker.embedded.process import Child


class EmbeddedService(ABC):
    """One embedded server; a context manager that starts and stops it. `stop_s`: how long a stop may take, seconds."""

    def __init__(self, stop_s: float) -> None:
        self._stop_s = stop_s
        self._child: Child | None = None

    @abstractmethod
    def start(self) -> str:
        """Start it and wait until it answers; gives where it answers."""

    @property
    def pid(self) -> int | None:
        """Process id; None where it was not started."""
        return None if self._child is None else self._child.pid

    @property
    def running(self) -> bool:
        """Whether its process is there."""
        return self._child is not None and self._child.running

    def exit_status(self) -> int | None:
        """Exit status (negative: the signal that ended it); None while it runs or before it was started."""
        return None if self._child is None else self._child.exit_status()

    def ask_to_stop(self) -> None:
        """Ask it to end; return at once."""
        if self._child is not None:
            self._child.ask_to_stop()

    def stop(self, wait_s: float | None = None) -> bool:
        """Stop it; its data stays. False where it had to be killed."""
        return self._child is None or self._child.stop(self._stop_s if wait_s is None else wait_s)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, e: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()
