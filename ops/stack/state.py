"""The state folder as other commands see it: who supervises it, which processes there are, where they listen."""

from __future__ import annotations

import fcntl
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any, Final, Self, cast

from broker.embedded.process import Identity, write_private
from schemas.errors import BadConfig

STACK_FILE: Final = "stack.json"
LOCK_FILE: Final = "stack.lock"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessRow:
    """One supervised process as written down. `stage` is `kafka`, `postgres` or the stage's name."""

    name: str
    stage: str
    pid: int | None
    started: float | None
    condition: str
    restarts: int
    last_exit: int | None
    log: str

    @property
    def alive(self) -> bool:
        """Whether this very process runs now."""
        return self.pid is not None and self.started is not None and Identity(pid=self.pid, started=self.started).alive


@dataclass(frozen=True, slots=True, kw_only=True)
class StackRow:
    """The stack as written down by its supervisor. `ready_s`: seconds from start to ready, None before."""

    phase: str
    supervisor: Identity
    processes: tuple[ProcessRow, ...]
    ready_s: float | None
    ruleset_id: str
    engines: tuple[str, ...]

    @property
    def alive(self) -> bool:
        """Whether the supervisor that wrote this still runs."""
        return self.supervisor.alive


def write(state_dir: Path, row: StackRow) -> None:
    """Replace what is written down."""
    write_private(state_dir / STACK_FILE, json.dumps(asdict(row), indent=1))


def read(state_dir: Path) -> StackRow | None:
    """What is written down; None where no stack was ever started there or the last one stopped cleanly."""
    path = state_dir / STACK_FILE
    if not path.exists():
        return None
    raw = cast("dict[str, Any]", json.loads(path.read_text(encoding="utf-8")))
    return StackRow(
        phase=raw["phase"],
        supervisor=Identity(**raw["supervisor"]),
        processes=tuple(ProcessRow(**p) for p in raw["processes"]),
        ready_s=raw["ready_s"],
        ruleset_id=raw["ruleset_id"],
        engines=tuple(raw["engines"]),
    )


class StackLock:
    """Held by the one supervisor of a state folder, for as long as it lives; the kernel lets go when it dies."""

    def __init__(self, state_dir: Path) -> None:
        self._folder = state_dir
        self._file: IO[str] | None = None

    def __enter__(self) -> Self:
        self._folder.mkdir(parents=True, exist_ok=True)
        file = (self._folder / LOCK_FILE).open("a", encoding="utf-8")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.close()
            row = read(self._folder)
            who = f"process {row.supervisor.pid}" if row else "another process"
            raise BadConfig(
                f"a stack runs in {self._folder} already ({who})",
                mend="stop it with `presscheck down`, or choose another folder with --state",
            ) from None
        self._file = file
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()
