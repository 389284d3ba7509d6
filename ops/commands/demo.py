"""`presscheck demo`: the main job from end to end, with a before/after table and a contact sheet."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

from broker.settings import load
from ops.demo.run import DemoPlan, run_demo
from ops.rulesets.publish import config_folder

CAMPAIGN: Final = Path("demo/campaign.jsonl")
"""In the folder of the configuration."""


def demo(
    *,
    campaign: Annotated[
        Path | None,
        typer.Option(metavar="FILE.jsonl", help="Job lines to run (default: the one in config/).", exists=True),
    ] = None,
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="Where the contact sheet and the figures are left.")
    ] = Path(".presscheck/demo-out"),
    state: Annotated[
        Path, typer.Option("--state", metavar="DIR", help="State folder of the demo's own stack; made afresh.")
    ] = Path(".presscheck/demo"),
    rate_per_s: Annotated[
        float, typer.Option("--rate", min=0.1, max=50, help="Prompts a second, in both runs.")
    ] = 1.25,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the stack running at the end.")] = False,
) -> None:
    """Run a campaign through a plain loop and through the pipeline, and compare the two."""
    chosen = campaign or config_folder(load().config_dir) / CAMPAIGN
    plan = DemoPlan(campaign=chosen, out=out, state=state, rate_per_s=rate_per_s, keep=keep)
    raise typer.Exit(run_demo(plan))
