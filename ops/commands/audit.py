"""`presscheck audit`: the story of a job, and the check that nobody changed the ledger."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final, cast

import psycopg
import typer
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar
from rich.tree import Tree

from audit import ledger
from audit.broker_check import against_broker
from audit.migrate import connect
from audit.rows import OWN_RUN
from audit.trace import Step, trace
from audit.verify import Report, anchors, merged, total_rows, verify
from ops.console import EXIT_FINDING, EXIT_WRONG_USE, JsonOption, StateOption, err, out, print_json, print_table
from ops.stack.running import running_stack
from schemas.errors import Transient
from schemas.registry import codec_for

app = typer.Typer(
    name="audit",
    add_completion=False,
    no_args_is_help=True,
    help="The story of a job, and proof that nobody changed it.",
)

JOB_ID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
MAX_SHOWN: Final = 50
MAX_VALUE_CHARS: Final = 400


@app.command("trace")
def trace_command(
    job_id: Annotated[str, typer.Argument(metavar="JOB", help="Job id, as `presscheck submit` printed it.")],
    *,
    state: StateOption = None,
    as_json: JsonOption = False,
) -> None:
    """Tell the whole story of a job from prompt to verdict, each step with where its record lies."""
    if JOB_ID.fullmatch(job_id) is None:
        err().print(f"{job_id!r} is no job id; `presscheck submit` prints them", style="red", markup=False)
        raise typer.Exit(EXIT_WRONG_USE)
    settings = running_stack(state, kafka=False)
    with connect(settings.database_url.get_secret_value()) as conn:
        steps = trace(conn, job_id, codec_for(settings.schema_registry_url))
    if as_json:
        print_json({"job_id": job_id, "steps": [s.plain() for s in steps]})
    elif steps:
        out().print(story(job_id, steps))
    if not steps:
        err().print(f"the ledger has no record of job {job_id} (yet)", style="red")
        raise typer.Exit(EXIT_FINDING)


def story(job_id: str, steps: Sequence[Step]) -> Tree:
    """The steps as a tree: runs, their attempts, their records."""
    tree = Tree(f"[bold]job {job_id}[/bold]")
    start_ms = steps[0].timestamp_ms
    branches: dict[tuple[str, int | None], Tree] = {}
    for step in steps:
        run = branches.get((step.replay_id, None))
        if run is None:
            name = "own run" if step.replay_id == OWN_RUN else f"replay {escape(step.replay_id)}"
            run = branches[(step.replay_id, None)] = tree.add(f"[bold]{name}[/bold]")
        parent = run
        if step.attempt is not None:
            key = (step.replay_id, step.attempt)
            if key not in branches:
                branches[key] = run.add(f"[bold]attempt {step.attempt}[/bold]")
            parent = branches[key]
        _leaf(parent, step, start_ms)
    return tree


def _leaf(parent: Tree, step: Step, start_ms: int) -> None:
    at = datetime.fromtimestamp(step.timestamp_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
    again = f" generation {step.generation}" if step.generation else ""
    leaf = parent.add(
        f"[cyan]{step.record or 'undecodable'}[/cyan]  {at}Z  +{(step.timestamp_ms - start_ms) / 1000:.3f} s"
        f"  [dim]{escape(step.topic)}/{step.partition}@{step.offset}{again}  row {step.row_sha256[:16]}[/dim]"
    )
    if step.forbidden:
        leaf.add(f"[bold red]forbidden by the lifecycle: {escape(step.forbidden)}[/bold red]")
    for name, value in step.facts.items():
        if value not in (None, "", [], {}):
            leaf.add(f"[dim]{name}[/dim] {escape(_shown(value))}")


def _shown(value: Any) -> str:
    if isinstance(value, float):
        text = f"{value:.6g}"
    elif isinstance(value, list):
        text = "; ".join(str(v) for v in cast("list[Any]", value))
    elif isinstance(value, dict):
        text = ", ".join(f"{k}={_shown(v)}" for k, v in cast("dict[str, Any]", value).items())
    else:
        text = str(value)
    return text if len(text) <= MAX_VALUE_CHARS else text[: MAX_VALUE_CHARS - 1] + "…"


@app.command("verify")
def verify_command(
    *,
    topic: Annotated[str | None, typer.Option("--topic", help="Only this topic.")] = None,
    broker: Annotated[
        bool, typer.Option("--against-broker", help="Compare with the records that the broker still holds as well.")
    ] = False,
    anchor: Annotated[
        Path | None,
        typer.Option(
            "--anchor", metavar="FILE", help="An earlier --json report kept elsewhere: its heads must still hold."
        ),
    ] = None,
    state: StateOption = None,
    as_json: JsonOption = False,
) -> None:
    """Recompute the hash chain of the ledger; any changed, missing or added row is named. Exit 1 on a finding."""
    settings = running_stack(state, kafka=False)
    known = None if anchor is None else anchors(anchor)
    began_s = time.monotonic()
    with connect(settings.database_url.get_secret_value(), autocommit=True) as conn:
        total = total_rows(tuple(ledger.heads(conn).values()), topic)
        bar = Bar(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
            console=err(), transient=True, disable=as_json or not err().is_terminal,
        )  # fmt: skip
        try:
            with bar:
                chain_task = bar.add_task("chain", total=total)
                report = verify(conn, topic=topic, known=known, progress=lambda n: bar.update(chain_task, completed=n))
                if broker:
                    task = bar.add_task("against the broker", total=total)
                    checked = against_broker(
                        settings, conn, topic=topic, progress=lambda n: bar.update(task, completed=n)
                    )
                    report = merged(report, checked)
        except psycopg.OperationalError as e:
            raise Transient(f"Postgres went away: {e}") from e
    if as_json:
        print_json(report.plain())
    else:
        _print_report(report, time.monotonic() - began_s)
    if report.found:
        raise typer.Exit(EXIT_FINDING)


def _print_report(report: Report, took_s: float) -> None:
    if report.findings:
        print_table(
            ("kind", "topic", ">partition", ">offset", "what"),
            [
                (f.kind.value, escape(f.topic), f.partition if f.partition >= 0 else None, f.offset, escape(f.detail))
                for f in report.findings[:MAX_SHOWN]
            ],
        )
        if report.found > MAX_SHOWN:
            out().print(f"… and {report.found - MAX_SHOWN} more; --json lists the first 1,000")
    for gap in report.gaps[:MAX_SHOWN]:
        out().print(
            f"gap: {escape(gap.topic)}/{gap.partition} wanted offset {gap.from_offset}, the broker went on at"
            f" {gap.to_offset} ({gap.reason})",
            style="yellow",
        )
    verdict = f"[red]{report.found} finding(s)[/red]" if report.found else "[green]the ledger is whole[/green]"
    out().print(f"{verdict}: {report.rows:,} rows in {len(report.heads)} partitions, {took_s:.1f} s")
