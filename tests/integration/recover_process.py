"""A recovery in a process of its own, which ends itself by SIGKILL at a point: nothing that would run after it runs."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from pathlib import Path

from broker.settings import load
from ops.recovery.run import Runner
from rules.recovery import recovery_of

PATIENCE_S = 120.0


def killed_at(state: Path, recovery_id: str, point: str, nth: int, plan: str | None = None) -> None:
    """Begin a recovery by its plan, or go on with it, until it gets to a point so many times."""
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload([__name__])  # what it imports is imported once, and each process is a new one
    process = processes.Process(target=_carry_on, args=(state, recovery_id, point, nth, plan), daemon=True)
    process.start()
    process.join(PATIENCE_S)
    assert process.exitcode == -signal.SIGKILL, f"it ended with {process.exitcode} before {point}"


def _carry_on(state: Path, recovery_id: str, point: str, nth: int, plan: str | None) -> None:
    left = [nth]

    def die(at: str) -> None:
        left[0] -= at == point
        if not left[0]:
            os.kill(os.getpid(), signal.SIGKILL)

    runner = Runner(
        settings=load(state),
        recovery_id=recovery_id,
        who="ann",
        now_ms=lambda: time.time_ns() // 1_000_000,
        pause=threading.Event().wait,
        fault=die,
    )
    if plan is not None:
        runner.tag(recovery_of(plan), why="killed now and then")
    runner.carry_on()
