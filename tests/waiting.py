"""Waits for a named condition with a deadline, so that no test sleeps and none hangs."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
LOOK_S = 0.05


def until(what: str, look: Callable[[], T | None], within_s: float = 60.0) -> T:
    """The first true value that `look` gives. Fails naming `what` where there is none within within_s seconds."""
    end = time.monotonic() + within_s
    pause = threading.Event()
    while True:
        if seen := look():
            return seen
        if time.monotonic() > end:
            raise AssertionError(f"waited {within_s:g} s in vain until {what}")
        pause.wait(LOOK_S)
