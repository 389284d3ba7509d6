"""`presscheck bench rollout`: rules that take roll-outs back, compared by simulation."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from ops.console import EXIT_FINDING, JsonOption, print_json, progress, writable
from schemas.errors import BadConfig


def rollout_command(
    runs: Annotated[int, typer.Option("--runs", min=1, max=100_000, help="Roll-outs of each scenario.")] = 2000,
    stages: Annotated[str, typer.Option("--stages", help="Shares of the candidate, percent.")] = "1,5,25,50",
    min_jobs: Annotated[int, typer.Option("--min-jobs", min=20, max=10_000, help="Verdicts that end a stage.")] = 200,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the streams.")] = 1,
    jobs: Annotated[int, typer.Option("--jobs", min=1, max=64, help="Processes that play.")] = 1,
    plot: Annotated[Path | None, typer.Option("--plot", metavar="FILE", help="Draw how soon, as an SVG.")] = None,
    as_json: JsonOption = False,
) -> None:
    """How often rules take sound roll-outs back, and how soon bad ones, looking after every verdict.

    Exits with 1 where ours shows more false alarms than its alpha. 2,000 roll-outs take some minutes.
    """
    from ops.bench import rollout as simulated
    from ops.bench.rollout_plot import draw
    from ops.bench.rollout_rules import OURS, OURS_MARGIN
    from rules.rollout import parse_stages

    try:
        compared = [percent for percent in parse_stages(stages) if 0 < percent < 100]
    except BadConfig as e:
        raise typer.BadParameter(str(e), param_hint="--stages") from None
    if not compared:
        raise typer.BadParameter("there is nothing to compare with", param_hint="--stages")
    writable(plot)
    total = runs * len(simulated.Scenario)
    played = list(progress(simulated.measure(runs, compared, min_jobs, seed, jobs), total, "rolled out"))
    rows = simulated.summed(played)
    if plot:
        plot.write_text(draw(played), encoding="utf-8")
    if as_json:
        print_json([asdict(row) for row in rows])
    else:
        simulated.show(rows, compared, min_jobs)
    if not simulated.holds(rows, (OURS, OURS_MARGIN)):
        raise typer.Exit(EXIT_FINDING)
