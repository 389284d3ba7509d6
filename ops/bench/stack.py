"""Measures a whole embedded stack: seconds until ready, and resident memory at rest."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ops.stack.status import StackStatus, look
from schemas.errors import Fatal

LIMIT_READY_S: Final = 25
LIMIT_MIB: Final = 2500
TIMEOUT_S: Final = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class StackFigures:
    """What was measured. The first start makes data folders and topics, the second finds them."""

    machine: str
    first_ready_s: float
    second_ready_s: float
    rss_mib: float
    processes: dict[str, float]

    @property
    def within_limits(self) -> bool:
        """Whether both stay under what is promised."""
        return max(self.first_ready_s, self.second_ready_s) <= LIMIT_READY_S and self.rss_mib <= LIMIT_MIB


def machine() -> str:
    """This machine in a few words, for beside the figures."""
    return f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"


def measure(rest_s: float) -> StackFigures:
    """Start, stop, start again, rest, look, stop; in a folder that is removed afterwards. Raises Fatal."""
    folder = Path(tempfile.mkdtemp(prefix="presscheck-bench-"))
    try:
        first = _timed_up(folder)
        _presscheck(folder, "down")
        second = _timed_up(folder)
        time.sleep(rest_s)
        seen = look(folder, with_lag=False)
        return _figures(first, second, seen)
    finally:
        _presscheck(folder, "down")
        shutil.rmtree(folder)


def _figures(first: float, second: float, seen: StackStatus) -> StackFigures:
    if not seen.well:
        raise Fatal(f"the stack is {seen.state}: {[(p.name, p.state) for p in seen.processes]}")
    processes = {p.name: p.rss_mib for p in seen.processes}
    return StackFigures(
        machine=machine(),
        first_ready_s=first,
        second_ready_s=second,
        rss_mib=seen.rss_mib,
        processes={**processes, "supervisor": round(seen.rss_mib - sum(processes.values()), 1)},
    )


def _timed_up(folder: Path) -> float:
    began = time.monotonic()
    _presscheck(folder, "up", "--detach")
    return round(time.monotonic() - began, 2)


def _presscheck(folder: Path, *words: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "ops", *words, "--state", str(folder)],
        capture_output=True,
        text=True,
        check=False,
        timeout=TIMEOUT_S,
    )
    if done.returncode != 0:
        raise Fatal(f"presscheck {' '.join(words)} ended with status {done.returncode}: {done.stderr.strip()}")
