"""A stop that a signal asks for, and waits that it cuts short: one for every process that is no event loop."""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Any, Final, Protocol, Self

STOP: Final = (signal.SIGTERM, signal.SIGINT)
READ_BYTES: Final = 4096


class Stop(Protocol):
    """What tells a loop to end; a threading.Event is one."""

    def is_set(self) -> bool:
        """Whether to end."""
        ...

    def wait(self, timeout: float, /) -> bool:
        """Wait until it is time to end, at most so many seconds; whether it is."""
        ...


class StopSignals:
    """A Stop that signals set. It listens while it is entered, in the main thread; only that thread may wait.

    The handlers set a flag and take no lock: a handler that sets a `threading.Event` can wait for ever for the lock
    that its own thread holds. The kernel's wake-up byte in a pipe ends the wait.
    """

    def __init__(self, signals: Sequence[signal.Signals] = STOP, *, wake_on: Sequence[signal.Signals] = ()) -> None:
        self._signals, self._wake_on = signals, wake_on
        self._asked = False
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        self._read, self._write = os.pipe()
        os.set_blocking(self._read, False)
        os.set_blocking(self._write, False)
        self._wakeup_before = signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)
        handlers: dict[signal.Signals, Callable[[int, FrameType | None], None]] = {
            **dict.fromkeys(self._wake_on, self._on_wake),
            **dict.fromkeys(self._signals, self._on_stop),
        }
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
        self._asked = True

    def _on_wake(self, _number: int, _frame: FrameType | None) -> None:
        """The wake-up byte is all that is wanted."""

    def is_set(self) -> bool:
        """Whether a stop was asked for."""
        return self._asked

    def wait_any(self, timeout_s: float) -> None:
        """Wait for the next signal of any kind, at most timeout_s seconds; not at all once a stop was asked for."""
        if self._asked:
            return
        select.select([self._read], [], [], timeout_s)
        try:
            os.read(self._read, READ_BYTES)
        except BlockingIOError:
            return

    def wait(self, timeout: float) -> bool:
        """Wait for a stop, at most so many seconds; whether one was asked for."""
        ends = time.monotonic() + timeout
        while not self._asked and (left_s := ends - time.monotonic()) > 0:
            self.wait_any(left_s)
        return self._asked
