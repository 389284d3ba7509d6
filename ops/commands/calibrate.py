"""`presscheck calibrate`: thresholds of doubt from labels, with the bound that they keep, as a candidate ruleset."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from audit import labels
from audit.labels import Escapes, Sample
from audit.migrate import connect
from ops.commands.report import since_ms
from ops.console import EXIT_FINDING, JsonOption, StateOption, err, out, print_json, print_table, progress
from ops.labels.calibration import Asked, Cell, cells_of, entries, fitted, waiting, write_candidate
from ops.labels.risk_plot import risk_plot
from ops.rulesets.publish import read_config
from ops.stack.running import running_stack
from rules.calibration import Standing, upper_limit
from rules.ruleset import Ruleset
from rules.tree import nearest
from schemas.errors import BadConfig
from schemas.events import Lane


def calibrate(
    *,
    alpha: Annotated[float, typer.Option("--alpha", help="Largest share of wrong ones among accepted assets.")] = 0.01,
    delta: Annotated[float, typer.Option("--delta", help="Chance that the promise is broken.")] = 0.05,
    tighter: Annotated[
        float | None, typer.Option("--tighter", help="A tighter rate to count missing labels for (default: alpha / 2).")
    ] = None,
    jointly: Annotated[
        bool, typer.Option("--jointly", help="Promise all cells at once: delta is shared out among them.")
    ] = False,
    pool: Annotated[bool, typer.Option("--pool-engines", help="Take all engines of a lane as one.")] = False,
    lane: Annotated[Lane | None, typer.Option("--lane", help="Only this lane.")] = None,
    engine: Annotated[str | None, typer.Option("--engine", help="Only this engine.")] = None,
    defect: Annotated[str | None, typer.Option("--defect", metavar="MODE", help="Only this failure mode.")] = None,
    window: Annotated[
        str | None, typer.Option("--window", help="Assets judged since: 30d, 24h, or a time such as 2026-05-01.")
    ] = None,
    out_dir: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Write a copy of config/ with the thresholds there.")
    ] = None,
    plot: Annotated[Path | None, typer.Option("--plot", metavar="FILE.svg", help="Draw risk over coverage.")] = None,
    state: StateOption = None,
    as_json: JsonOption = False,
) -> None:
    """Choose, for each lane, engine and defect, how much doubt an accepted asset may carry, from the labels given.

    Of what a threshold accepts, at most alpha shows the defect, with confidence 1 -
    delta. Nothing is published. Exits with 1 unless every cell keeps the promise.
    docs/calibration.md says what it rests on.
    """
    asked = _asked(alpha, delta, tighter)
    if plot is not None and not plot.parent.is_dir():
        raise BadConfig(f"{plot.parent} is no folder", mend="make it, or name another place with --plot")
    settings = running_stack(state, kafka=False)
    ruleset = read_config(settings.config_dir)
    sample = Sample(
        lane=None if lane is None else lane.value,
        engine=engine,
        mode=defect,
        since_ms=_since(window),
        pooled=pool,
    )
    with connect(settings.database_url.get_secret_value()) as conn:
        counts = cells_of(labels.doubt_counts(conn, sample))
        escaped = labels.escapes(conn, sample)
    if not counts:
        _known(sample, ruleset)
    if jointly and counts:
        asked = replace(asked, delta=delta / len(counts))
    cells = tuple(progress(fitted(counts, asked), len(counts), "cells calibrated"))
    if plot is not None:
        plot.write_text(risk_plot(cells, asked.alpha, asked.delta), encoding="utf-8")
    candidate = None
    if out_dir is not None:
        date = datetime.now(UTC).strftime("%Y-%m-%d")
        candidate = write_candidate(settings.config_dir, out_dir, entries(cells, ruleset, asked, date)).id
    if as_json:
        print_json(_facts(cells, escaped, asked) | {"ruleset_id": ruleset.id, "candidate_id": candidate})
    else:
        _show(cells, escaped, asked)
        if candidate is not None:
            out().print(f"candidate {candidate[:12]} in {out_dir}: presscheck rules check --config {out_dir}")
    if not cells or any(c.fit.standing is not Standing.BOUNDED for c in cells):
        raise typer.Exit(EXIT_FINDING)


def _asked(alpha: float, delta: float, tighter: float | None) -> Asked:
    smaller = alpha / 2 if tighter is None else tighter
    for name, value in (("alpha", alpha), ("delta", delta), ("tighter", smaller)):
        if not 0.0001 <= value <= 0.5:
            raise BadConfig(f"--{name} is {value:g}", mend="want 0.0001 to 0.5")
    if smaller > alpha:
        raise BadConfig(f"--tighter is {smaller:g}, and --alpha {alpha:g}", mend="want a smaller rate than --alpha")
    return Asked(alpha=alpha, delta=delta, tighter=smaller)


def _known(sample: Sample, ruleset: Ruleset) -> None:
    """Where nothing was found: was a name written wrong? Engines that the rules have no more may still have a past."""
    names = (("engine", sample.engine, ruleset.engines), ("failure mode", sample.mode, ruleset.failure_modes))
    for what, name, known in names:
        if name is not None and name not in known:
            raise BadConfig(f"there is no {what} {name!r}", mend=nearest(name, known))


def _since(window: str | None) -> int | None:
    if window is None:
        return None
    try:
        return since_ms(window, time.time_ns() // 1_000_000)
    except ValueError:
        raise BadConfig(f"--window {window!r} is neither a span such as 30d nor an ISO 8601 time") from None


def _facts(cells: Sequence[Cell], escaped: Sequence[Escapes], asked: Asked) -> dict[str, Any]:
    return {
        "alpha": asked.alpha,
        "delta": asked.delta,
        "tighter": asked.tighter,
        "cells": [
            {"lane": c.lane, "engine": c.engine, "mode": c.mode, "waiting": c.waiting, **asdict(c.fit)} for c in cells
        ],
        "escapes": _escapes(escaped, asked),
        "waiting": waiting(cells),
    }


def _escapes(escaped: Sequence[Escapes], asked: Asked) -> list[dict[str, Any]]:
    return [{**asdict(e), "upper": upper_limit(e.wrong, e.labelled, asked.delta)} for e in escaped]


def _show(cells: Sequence[Cell], escaped: Sequence[Escapes], asked: Asked) -> None:
    if not cells:
        err().print("no doubts are recorded in what was asked for; they are, from the first verdict on", style="yellow")
        return
    print_table(
        (
            "lane", "engine", "defect", ">labels", "standing", ">below", ">accepts", ">wrong", ">missing",
            f">for {asked.tighter:.2%}",
        ),
        [_row(c) for c in cells],
        title=f"at most {asked.alpha:.2%} wrong among the accepted, with confidence {1 - asked.delta:.2%} a line",
    )  # fmt: skip
    short = [c for c in cells if c.fit.standing is Standing.OPEN]
    if short:
        most = max(c.fit.missing for c in short)
        out().print(f"{len(short)} of {len(cells)} lines are open, for want of up to {most} labels each")
    unlabelled = waiting(cells)
    if unlabelled:
        out().print(
            f"{unlabelled} drawn assets have no label yet (presscheck label --wanted): the promise waits for them"
        )
    if escaped:
        out().print()
        print_table(
            ("lane", "engine", "defect", ">accepted", ">labels", ">wrong", ">unscored", ">at most"),
            [_escape_row(e, asked.delta) for e in escaped],
            title="what is accepted now",
        )


def _escape_row(e: Escapes, delta: float) -> tuple[object, ...]:
    upper = upper_limit(e.wrong, e.labelled, delta)
    return (
        e.lane, e.engine, e.mode or "any", e.accepted, e.labelled, e.wrong, e.unscored or "",
        f"{upper:.2%}" if e.labelled else "–",
    )  # fmt: skip


def _row(cell: Cell) -> tuple[object, ...]:
    found = cell.fit
    return (
        cell.lane,
        cell.engine,
        cell.mode,
        found.labelled,
        found.standing.value,
        "–" if found.standing is Standing.OPEN else f"{found.accept_below:.2f}",
        f"{found.share:.1%}" if found.labelled else "–",
        f"{found.wrong} of {found.accepted}, at most {found.upper:.2%}" if found.accepted else "–",
        found.missing or "",
        found.missing_tighter or "",
    )
