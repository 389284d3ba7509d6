"""`presscheck rules`: what the rules say, and the commands that publish, change, compare and try them."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from broker.settings import load
from ops.commands import rules_change, rules_try
from ops.console import JsonOption, StateOption, out, print_json, print_table
from ops.rulesets.publish import read_config, resolve
from ops.stack.running import running_stack

app = typer.Typer(
    add_completion=False, no_args_is_help=True, help="Check, publish, activate, compare and take back the rules."
)

ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", metavar="DIR", help="Folder with pipeline.yml (default: PRESSCHECK_CONFIG_DIR)."),
]


@app.command()
def check(config: ConfigOption = None, *, as_json: JsonOption = False) -> None:
    """Check the rules as publishing does: names, engines, thresholds, and that nobody's failure mode goes uncaught."""
    ruleset = read_config(config or load().config_dir)
    counts = {
        "failure_modes": len(ruleset.failure_modes),
        "routing_rules": len(ruleset.routing.rules),
        "engines": len(ruleset.engines),
        "brands": len(ruleset.brands),
    }
    if as_json:
        print_json({"ruleset_id": ruleset.id, **counts})
        return
    said = ", ".join(f"{n} {name.replace('_', ' ')}" for name, n in counts.items())
    out().print(f"well: {said}; ruleset {ruleset.id[:12]}")


app.command("publish")(rules_change.publish_command)
app.command("activate")(rules_change.activate_command)
app.command("rollback")(rules_change.rollback_command)
app.command("list")(rules_change.list_command)


@app.command()
def show(
    ruleset_name: Annotated[
        str | None, typer.Argument(metavar="[RULESET]", help="A published id, or `active`; else the files of --config.")
    ] = None,
    config: ConfigOption = None,
    *,
    state: StateOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the pipeline's parts and, for each failure mode, what catches it, what prevents it and what repairs it."""
    ruleset = (
        read_config(config or load(state).config_dir)
        if ruleset_name is None
        else resolve(running_stack(state, database=False), ruleset_name)
    )
    parts = ruleset.pipeline
    if as_json:
        modes = {name: asdict(mode) for name, mode in ruleset.failure_modes.items()}
        print_json({"ruleset_id": ruleset.id, "pipeline": asdict(parts), "failure_modes": modes})
        return
    print_table(
        ("stage", "part"),
        [
            ("prefilter", parts.prefilter),
            ("primary_generator", parts.primary_generator),
            ("text_validator", f"{parts.text_validator} (hands wrong text to {parts.specialist or 'nobody'})"),
            ("scorer", parts.scorer),
            ("postprocess", ", ".join(parts.postprocess)),
        ],
        title=f"ruleset {ruleset.id[:12]}",
    )
    for m in ruleset.failure_modes.values():
        out().print(f"\n{m.name}: {m.title}", style="bold", markup=False)
        out().print(f"  {m.how}", style="dim", markup=False)
        for what, names in (("caught", m.caught_by), ("prevented", m.prevented_by), ("repaired", m.repaired_by)):
            out().print(f"  {what} by {', '.join(names)}", markup=False)


app.command("diff")(rules_try.diff_command)
app.command("what-if")(rules_try.what_if_command)
app.command("rejudge")(rules_try.rejudge_command)
