"""`presscheck up`, `down`, `status` and `run`."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from broker import settings as settings_module
from ops.console import EXIT_FINDING, JsonOption, StateOption, err, out, print_json, print_table
from schemas.errors import BadConfig, Fatal

if TYPE_CHECKING:
    from ops.render_progress import RenderWorker

DETACH_S: Final = 180.0
"""Longest wait for a detached stack: with jars still to fetch over a slow line."""
DOWN_S: Final = 120.0
LOOK_S: Final = 0.1

DetachOption = Annotated[bool, typer.Option("--detach", "-d", help="Return once everything is ready; stop with down.")]


def up(state: StateOption = None, detach: DetachOption = False, as_json: JsonOption = False) -> None:
    """Start broker, database and every stage, and keep them running; Ctrl-C drains and stops.

    Settings that name an external Kafka or Postgres are used in place of the embedded ones. A second `up` on the
    same folder goes on where the first stopped.
    """
    from broker import logs
    from ops.stack.state import StackRow
    from ops.stack.up import Stack, StackPlan

    folder = settings_module.load(state).state_dir
    if detach:
        _detached(folder)
        _show(folder, as_json)
        return
    logs.set_up(settings_module.load(folder), process="up")
    console = err()

    def ready(row: StackRow) -> None:
        console.print(f"ready in {row.ready_s} s")
        _show(folder, as_json)

    Stack(folder, StackPlan(), say=console.print).run(ready)


def _detached(folder: Path) -> None:
    from ops.stack import state as stack_state

    row = stack_state.read(folder)
    if row is not None and row.alive:
        raise BadConfig(
            f"a stack runs in {folder} already (process {row.supervisor.pid})",
            mend="stop it with `presscheck down`, or choose another folder with --state",
        )
    log = folder.absolute() / "logs" / "up.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "ops", "up", "--state", str(folder.absolute())],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    end = time.monotonic() + DETACH_S
    while True:
        row = stack_state.read(folder)
        if row is not None and row.supervisor.pid == process.pid and row.phase == "ready":
            return
        if process.poll() is not None:
            said = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
            raise Fatal(f"the stack did not come up; {log} ends:\n" + "\n".join(said[-15:]))
        if time.monotonic() > end:
            process.terminate()
            raise Fatal(f"the stack was not ready within {DETACH_S:.0f} s; see {log}")
        time.sleep(LOOK_S)


def down(state: StateOption = None) -> None:
    """Stop the stack: drain the stages, then stop database and broker. The data stays."""
    from broker.embedded.process import Identity
    from ops.stack import state as stack_state

    folder = settings_module.load(state).state_dir
    row = stack_state.read(folder)
    if row is None:
        out().print(f"no stack runs in {folder}")
        return
    if row.alive:
        row.supervisor.stop(signal.SIGTERM, DOWN_S)
    for process in (stack_state.read(folder) or row).processes:  # what a supervisor that was killed left behind
        if process.alive and process.pid is not None and process.started is not None:
            Identity(pid=process.pid, started=process.started).stop(signal.SIGTERM, DOWN_S)
    (folder / stack_state.STACK_FILE).unlink(missing_ok=True)
    (folder / settings_module.ENDPOINTS_FILE).unlink(missing_ok=True)
    out().print(f"stopped; the data stays in {folder}")


def status(state: StateOption = None, as_json: JsonOption = False) -> None:
    """Show every process with stage, pid, restarts, lag and memory, what each render worker is at, and the endpoints.

    Exit 1 unless all is well.
    """
    if not _show(settings_module.load(state).state_dir, as_json):
        raise typer.Exit(EXIT_FINDING)


def _show(folder: Path, as_json: bool) -> bool:
    from ops.stack.status import look

    seen = look(folder)
    if as_json:
        print_json(asdict(seen))
        return seen.well
    if seen.state == "down" and not seen.processes:
        out().print(f"no stack runs in {seen.state_dir}")
        return False
    print_table(
        ("process", ">pid", "state", ">restarts", ">lag", ">MiB"),
        [(p.name, p.pid, p.state, p.restarts, p.lag, f"{p.rss_mib:.0f}") for p in seen.processes],
        title=f"{seen.state}, {seen.rss_mib:.0f} MiB resident",
    )
    if seen.renders:
        columns = ("render worker", "engine", ">jobs", ">step", "loaded")
        print_table(columns, [_at_work(r) for r in seen.renders])
    for name, where in seen.endpoints.items():
        out().print(f"{name:16} {where}")
    return seen.well


def _at_work(seen: RenderWorker) -> Sequence[object]:
    step = f"{seen.step} of {seen.steps}" if seen.steps else ""
    return (seen.worker, seen.engine or "waits", seen.jobs, step, ", ".join(seen.resident))


def run(
    process: Annotated[
        str,
        typer.Argument(
            help="sanity, render, inspect, validation, audit or rollouts; prepare makes what they need, and ends."
        ),
    ],
    state: StateOption = None,
    engine: Annotated[
        list[str] | None, typer.Option("--engine", help="render: an engine to serve; may be given several times.")
    ] = None,
    stand_in: Annotated[
        bool | None,
        typer.Option("--stand-in/--no-stand-in", help="render: let the simulator stand in for engines nobody serves."),
    ] = None,
) -> None:
    """Be one stage until Ctrl-C or SIGTERM. The supervisor of `up` runs the same command."""
    from broker import logs
    from ops.stack.plan import run_stage

    settings = settings_module.load(state)
    changes: dict[str, object] = {}
    if engine:
        changes["engines"] = tuple(engine)
    if stand_in is not None:
        changes["stand_in"] = stand_in
    settings = settings.model_copy(update=changes)
    logs.set_up(settings, process=process)
    raise typer.Exit(run_stage(process, settings))
