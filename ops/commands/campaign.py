"""`presscheck campaign`: what inspection remembers of a campaign, and adding to it what a person approved."""

from __future__ import annotations

import time
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from ops.campaign_plot import campaign_plot
from ops.campaigns import points, remember, remembered, twins
from ops.commands.audit import JOB_ID
from ops.console import EXIT_FINDING, JsonOption, StateOption, err, out, print_json, print_table, writable
from ops.rulesets.publish import read_config
from ops.stack.running import running_stack
from schemas.errors import BadConfig

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="The colours of a campaign over time, and pictures made twice.",
)


@app.command("show")
def show_command(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The campaign.")],
    *,
    last: Annotated[int, typer.Option("--last", min=1, max=200, help="Assets on the chart.")] = 50,
    svg: Annotated[Path | None, typer.Option("--svg", metavar="FILE.svg", help="Draw the chart.")] = None,
    state: StateOption = None,
    as_json: JsonOption = False,
) -> None:
    """The control chart of the last accepted assets, by the thresholds of config/, and near-duplicates among them."""
    writable(svg)
    settings = running_stack(state)
    ruleset = read_config(settings.config_dir)
    kept = remembered(settings, name)
    drawn, same = points(kept, ruleset, last), twins(kept, ruleset)
    if svg is not None:
        svg.write_text(campaign_plot(name, drawn), encoding="utf-8")
    if as_json:
        pairs = [
            {
                "bits": t.bits,
                "jobs": [t.first.job_id, t.second.job_id],
                "assets": [t.first.asset_sha256, t.second.asset_sha256],
            }
            for t in same
        ]
        print_json(
            {"campaign": name, "remembered": len(kept), "points": [asdict(p) for p in drawn], "near_duplicates": pairs}
        )
    elif kept:
        shown = [
            (
                datetime.fromtimestamp(p.at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%MZ"),
                p.job_id,
                f"{p.distance:.1f}",
                *("-" if v is None else f"{v:.1f}" for v in (p.mean, p.ewma, p.limit)),
                "beyond" if p.beyond else "",
            )
            for p in drawn
        ]
        print_table(("when", "job", "ΔE00", "mean", "moving", "limit", ""), shown)
        for t in same:
            out().print(f"{t.bits} of 256 bits between job {t.first.job_id} and job {t.second.job_id}", markup=False)
    if not kept:
        err().print(f"nothing is remembered of campaign {name!r}", style="red", markup=False)
        raise typer.Exit(EXIT_FINDING)


@app.command("remember")
def remember_command(
    job_id: Annotated[str, typer.Argument(metavar="JOB", help="A job whose asset a person approved.")],
    *,
    state: StateOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take a job's asset into its campaign's memory though it went to review. It delivers nothing."""
    if JOB_ID.fullmatch(job_id) is None:
        raise BadConfig(f"{job_id!r} is no job id", mend="`presscheck submit` prints them")
    look = remember(running_stack(state), job_id, time.time_ns() // 1_000_000)
    if as_json:
        print_json(asdict(look))
    else:
        out().print(f"campaign {look.campaign} remembers {look.asset_sha256[:16]}… of job {job_id}", markup=False)
