"""`presscheck rules`: whether the files of config/ make a ruleset, and what it says."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from broker.settings import load
from ops.console import JsonOption, out, print_json, print_table
from ops.rulesets import read_config
from rules.ruleset import Ruleset

app = typer.Typer(add_completion=False, no_args_is_help=True, help="Check and show the rules in config/.")

ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", metavar="DIR", help="Folder with pipeline.yml (default: PRESSCHECK_CONFIG_DIR)."),
]


def _ruleset(config: Path | None) -> Ruleset:
    return read_config(config or load().config_dir)


@app.command()
def check(config: ConfigOption = None) -> None:
    """Check the rules as publishing does: names, engines, thresholds, and that nobody's failure mode goes uncaught."""
    ruleset = _ruleset(config)
    out().print(
        f"well: {len(ruleset.failure_modes)} failure modes, {len(ruleset.routing.rules)} routing rules,"
        f" {len(ruleset.engines)} engines, {len(ruleset.brands)} brands; ruleset {ruleset.id[:12]}"
    )


@app.command()
def show(config: ConfigOption = None, *, as_json: JsonOption = False) -> None:
    """Show the pipeline's parts and, for each failure mode, what catches it, what prevents it and what repairs it."""
    ruleset = _ruleset(config)
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
