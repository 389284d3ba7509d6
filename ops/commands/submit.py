"""`presscheck submit`: a file of job lines becomes prompt events; prints one job id a line."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import psycopg
import typer

from audit import queries
from broker.settings import Settings
from ops.console import EXIT_FINDING, EXIT_WRONG_USE, JsonOption, StateOption, err, print_json
from ops.publish import publish
from ops.stack.running import running_stack
from ops.submission import Draft, Fault, parse_lines, upload
from ops.watch import Watch
from schemas.events import Job
from store.artifacts import open_store

MAX_FAULTS_SHOWN = 20


def submit(
    file: Annotated[Path, typer.Argument(metavar="FILE.jsonl", help="One job a line; - reads standard input.")],
    *,
    wait: Annotated[bool, typer.Option("--wait", help="Show progress until every job is at an end.")] = False,
    timeout_s: Annotated[float, typer.Option("--timeout", help="Give up waiting after so many seconds.")] = 3600,
    state: StateOption = None,
    as_json: JsonOption = False,
) -> None:
    """Send jobs to the running stack: every line is checked before the first one is sent.

    A line is a JSON object: {"prompt": "a red tent", "required_text": ["SLEEP"]}.
    Beside prompt it may hold idempotency_key, campaign, brand, lane (critical,
    exploratory), required_text, negative_prompt, width, height, upscale (1, 2,
    4), format (png, jpeg, webp), crops (["4:5", "1.91:1"]: ratios it will be
    cropped to about its middle), bleed_px (what may be trimmed off each edge),
    seed, engine, and files, a list of {"role": …, "path": …}: paths start in the folder of the file of jobs, roles
    are logo, layout, init_image, mask, style_reference and colour_mask.
    """
    drafts = _drafts(file)
    settings = running_stack(state)
    store = open_store(settings)
    seen: dict[str, Job] = {}
    for job in publish(settings, (upload(draft, store) for draft in drafts)):
        seen[job.job_id] = job
        if not as_json:
            typer.echo(job.job_id)
    if not wait:
        if as_json:
            print_json({"jobs": list(seen)})
        return
    _wait(settings, tuple(seen), timeout_s, as_json=as_json)


def _drafts(file: Path) -> Sequence[Draft]:
    if str(file) != "-" and not file.is_file():
        err().print(f"{file} is not there", style="red", markup=False, soft_wrap=True)
        raise typer.Exit(EXIT_WRONG_USE)
    source = sys.stdin if str(file) == "-" else file.open(encoding="utf-8")
    folder = Path() if str(file) == "-" else file.parent
    with source:
        parsed = list(parse_lines(source, source=str(file), folder=folder, now_ms=time.time_ns() // 1_000_000))
    faults = [p for p in parsed if isinstance(p, Fault)]
    for fault in faults[:MAX_FAULTS_SHOWN]:
        err().print(f"{fault.place}: {fault.message}", style="red", markup=False, soft_wrap=True)
    if faults:
        more = f" ({len(faults) - MAX_FAULTS_SHOWN} more not shown)" if len(faults) > MAX_FAULTS_SHOWN else ""
        err().print(
            f"{len(faults)} of {len(parsed)} lines are wrong{more}; nothing was sent", style="bold red", soft_wrap=True
        )
        raise typer.Exit(EXIT_WRONG_USE)
    if not parsed:
        err().print(f"{file} holds no job", style="red", markup=False)
        raise typer.Exit(EXIT_WRONG_USE)
    return [p for p in parsed if isinstance(p, Draft)]


def _wait(settings: Settings, job_ids: tuple[str, ...], timeout_s: float, *, as_json: bool) -> None:
    ended = Watch(settings, job_ids, err()).until_ended(timeout_s)
    with psycopg.connect(settings.database_url.get_secret_value()) as conn:
        states = queries.job_states(conn, job_ids)
    if as_json:
        print_json({"jobs": [_fact(job_id, states.get(job_id)) for job_id in job_ids]})
    if not ended:
        err().print(
            f"not every job was at an end after {timeout_s:g} s; `presscheck status` shows the lag", style="red"
        )
        raise typer.Exit(EXIT_FINDING)


def _fact(job_id: str, job: queries.JobState | None) -> dict[str, object]:
    if job is None:
        return {"job_id": job_id, "state": None, "ended": False, "reasons": []}
    return {"job_id": job_id, "state": job.state, "ended": job.terminal, "reasons": list(job.reasons)}
