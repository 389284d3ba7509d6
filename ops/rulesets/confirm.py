"""Asks a person before a ruleset comes into force that no worker can carry out whole."""

from __future__ import annotations

import sys
from dataclasses import dataclass

import typer

from broker.settings import Settings
from ops.console import err
from rules.ruleset import Ruleset
from schemas.errors import BadConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class Unapplied:
    """What of a ruleset cannot be applied: engines that no worker serves, and readers that this machine lacks."""

    engines: tuple[str, ...] = ()
    readers: tuple[str, ...] = ()


def unapplied_or_confirmed(settings: Settings, ruleset: Ruleset, *, yes: bool, doing: str) -> Unapplied:
    """What cannot be applied, once a person took that; `doing` names what is asked. Raises BadConfig."""
    from ops.rulesets.serving import (  # they bring the workers' libraries; a rollback cannot wait for those
        unread,
        unserved,
    )

    waiting, lacking = unserved(settings, ruleset), unread(settings, ruleset)
    said: list[str] = []
    mends: list[str] = []
    if waiting:
        said.append(f"no running worker serves {', '.join(waiting)}: what is routed there would wait")
        mends.append(f"start one (presscheck run render --engine {waiting[0]})")
    if lacking:
        said.append(f"on this machine {'; '.join(lacking.values())}: a person would have to see every asset")
        mends.append("set it up, or take it out of `readers`")
    if said and yes:
        for line in said:
            err().print(line, style="yellow", markup=False)
    elif said and not (sys.stdin.isatty() and typer.confirm(f"{'; '.join(said)}. {doing} all the same?", err=True)):
        raise BadConfig("; ".join(said), mend=f"{', '.join(mends)}, or say --yes")
    return Unapplied(engines=waiting, readers=tuple(lacking))
