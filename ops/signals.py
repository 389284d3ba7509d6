"""Signals of a supervisor: a stop asked for, a child that ended; waits that either of them cuts short."""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Callable
from types import FrameType
from typing import Any, Final, Self

STOP: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
READ_BYTES: Final = 4096


class Signals:
    """Listens while it is entered, in the main thread.

    The handlers set a flag and take no lock: a handler that sets a `threading.Event` can wait for ever for the lock
    that its own thread holds.
    """

    def __init__(self) -> None:
        self.stop_asked = False
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        self._read, self._write = os.pipe()
        os.set_blocking(self._read, False)
        os.set_blocking(self._write, False)
        self._wakeup_before = signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)
        handlers: dict[signal.Signals, Callable[[int, FrameType | None], None]] = dict.fromkeys(STOP, self._on_stop)
        handlers[signal.SIGCHLD] = self._on_child
        for number, handler in handlers.items():
            self._before[number] = signal.signal(number, handler)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._wakeup_before)
        os.close(self._read)
        os.close(self._write)

    def _on_stop(self, _number: int, _frame: FrameType | None) -> None:
        self.stop_asked = True

    def _on_child(self, _number: int, _frame: FrameType | None) -> None:
        """The wake-up byte is all that is wanted."""

    def wait(self, timeout_s: float) -> None:
        """Wait for the next signal, at most timeout_s seconds."""
        if self.stop_asked:
            return
        select.select([self._read], [], [], timeout_s)
        try:
            os.read(self._read, READ_BYTES)
        except BlockingIOError:
            return
