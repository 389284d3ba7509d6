"""`presscheck rules diff|what-if|rejudge`: what another ruleset says, and what it would change."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from ops.console import JsonOption, StateOption, out, print_json, print_table
from ops.rulesets import resolve
from ops.running import running_stack
from rules.differences import differences

NameArgument = Annotated[
    str, typer.Argument(metavar="RULESET", help="A published id (6 digits or more), `active`, or a folder of files.")
]


def diff_command(
    name: NameArgument,
    other: Annotated[str, typer.Argument(metavar="[FORMER]", help="What to compare it with.")] = "active",
    state: StateOption = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """Show what a ruleset changes, path by path, against another one (by default the active one)."""
    settings = running_stack(state, database=False)
    new, former = resolve(settings, name), resolve(settings, other)
    found = differences(former, new)
    if as_json:
        facts = {"former_id": former.id, "new_id": new.id, "differences": [asdict(d) for d in found]}
        print_json(facts)
        return
    if not found:
        out().print(f"both are ruleset {new.id[:12]}")
        return
    print_table(
        ("file", "key", "former", "new"),
        [(d.file, d.path, d.former, d.new) for d in found],
        title=f"{former.id[:12]} -> {new.id[:12]}",
    )
