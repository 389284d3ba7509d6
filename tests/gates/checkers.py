"""Runs a checker as a developer would, and gives back what it said."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
SPECIMENS = Path(__file__).parent / "specimens"
ROOMS = ("audit", "broker", "ops", "rules", "schemas", "store", "streams", "workers")


def run(*command: str, cwd: Path = ROOT, stdin: str = "", limit_s: float = 280) -> tuple[int, str]:
    """Exit status and output of a tool of this environment."""
    done = subprocess.run(
        [str(Path(sys.executable).parent / command[0]), *command[1:]],
        cwd=cwd,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=limit_s,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr
