"""A whole stack with two small programs for stages, to be killed in tests: `small_stack.py STATE_DIR`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from broker import logs
from broker.settings import Settings
from ops.stack.prepare import Prepared, Say
from ops.stack.up import Stack, StackPlan

WAITS = "import signal; signal.sigwait({signal.SIGTERM})"
"""Ends at once when asked to, and only then."""


def nothing_to_prepare(_settings: Settings, _say: Say) -> Prepared:
    """The programs need no topic."""
    return Prepared(ruleset_id="", engines=())


def say(line: str) -> None:
    """For whoever reads a failed test."""
    sys.stderr.write(line + "\n")


def main() -> None:
    """Run until SIGTERM."""
    folder = Path(sys.argv[1])
    logs.set_up(Settings.model_validate({"state_dir": folder}), process="small-stack")
    command: Sequence[str] = (sys.executable, "-c", WAITS)
    commands = {"first": command, "second": command}
    plan = StackPlan(commands=commands, prepare=nothing_to_prepare)
    Stack(folder, plan, say=say).run(lambda _row: None)


if __name__ == "__main__":
    main()
