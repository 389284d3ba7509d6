"""Asks a person before a ruleset may get jobs that no worker is there to do."""

from __future__ import annotations

import sys

import typer

from broker.settings import Settings
from ops.console import err
from rules.ruleset import Ruleset
from schemas.errors import BadConfig


def unserved_or_confirmed(settings: Settings, ruleset: Ruleset, *, yes: bool, doing: str) -> tuple[str, ...]:
    """Engines that no worker serves, once a person took that; `doing` names what is asked. Raises BadConfig."""
    from ops.serving import unserved  # it brings the workers' libraries, and a rollback cannot wait for those

    waiting = unserved(settings, ruleset)
    if not waiting:
        return ()
    said = f"no running worker serves {', '.join(waiting)}: what is routed there would wait"
    if yes:
        err().print(said, style="yellow", markup=False)
    elif not (sys.stdin.isatty() and typer.confirm(f"{said}. {doing} all the same?", err=True)):
        raise BadConfig(said, mend=f"start one (presscheck run render --engine {waiting[0]}), or say --yes")
    return waiting
