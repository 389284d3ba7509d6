"""Runs a command of `presscheck` in this process: the same output and exit status, without starting Python again."""

from __future__ import annotations

import contextlib
import io
from dataclasses import dataclass

import pytest

from ops.cli import main


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What a command printed, and its exit status."""

    returncode: int
    stdout: str
    stderr: str


def presscheck(*words: str) -> Done:
    """Run a command to its end."""
    said, complained, code = io.StringIO(), io.StringIO(), 0
    with (
        contextlib.redirect_stdout(said),
        contextlib.redirect_stderr(complained),
        pytest.MonkeyPatch.context() as patched,
    ):
        patched.setenv("COLUMNS", "200")
        try:
            main(words)
        except SystemExit as e:
            code = e.code if isinstance(e.code, int) else int(e.code is not None)
    return Done(returncode=code, stdout=said.getvalue(), stderr=complained.getvalue())
