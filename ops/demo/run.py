"""The demo: one campaign through a plain loop and through the pipeline, on a stack of its own."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final

import psycopg
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table as RichTable

from audit import queries
from audit.queries import Scope
from broker.settings import Settings, load
from ops import contact_sheet
from ops.console import EXIT_FINDING, err
from ops.contact_sheet import Table
from ops.demo.before_after import Figures, Outcome, caught, figures, mission_table
from ops.demo.cards import cards, pipeline_outcome, plain_outcome
from ops.demo.plain import run_plain
from ops.publish import publish
from ops.rulesets.publish import read_config
from ops.submission import Draft, Fault, parse_lines, upload
from ops.watch import Watch
from rules.ruleset import Ruleset
from schemas.errors import BadConfig, Fatal
from schemas.events import Job
from store.artifacts import ArtifactStore, open_store
from workers.checks.readers import open_readers
from workers.engines.damage import RATES

SUBTITLE: Final = (
    "Every attempt, and why it was passed on, rendered again or kept back. Engine names are routes: the simulator"
    " drew for every engine but typeset."
)
MARKER: Final = "made-by-presscheck-demo"
WAIT_S: Final = 1200.0
DOWN_S: Final = 90.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoPlan:
    """What to run: `rate_per_s` prompts a second in both runs; `keep` leaves the stack up."""

    campaign: Path
    out: Path
    state: Path
    rate_per_s: float
    keep: bool


def run_demo(plan: DemoPlan) -> int:
    """The whole demo; the exit status. Ctrl-C takes the stack down again."""
    console = err()
    _fresh(plan.state)
    drafts = _drafts(plan.campaign)
    try:
        console.rule(f"[bold]1 of 4  A stack of its own in {plan.state}")
        _stack("up", plan.state, "--detach")
        settings = load(plan.state)
        ruleset, store = read_config(settings.config_dir), open_store(settings)
        jobs = [upload(d, store) for d in drafts]
        console.rule("[bold]2 of 4  Plain run: everything to one fast engine, no checks")
        plain = _plain(jobs, ruleset, store, plan.rate_per_s, console)
        console.rule("[bold]3 of 4  The same prompts through the pipeline")
        ended = _pipeline(jobs, settings, plan.rate_per_s, console)
        console.rule("[bold]4 of 4  Before and after")
        _report(plan, settings, store, plain, console)
    finally:
        if not plan.keep:
            _stack("down", plan.state)
    return 0 if ended else EXIT_FINDING


def _fresh(state: Path) -> None:
    """An empty state folder, so that no idempotency key of a former demo is already taken."""
    if state.exists() and any(state.iterdir()):
        if not (state / MARKER).exists():
            raise BadConfig(f"{state} holds something that no demo made", mend="name another folder with --state")
        _stack("down", state)
        shutil.rmtree(state)
    state.mkdir(parents=True, exist_ok=True)
    (state / MARKER).touch()


def _stack(verb: str, state: Path, *more: str) -> None:
    done = subprocess.run([sys.executable, "-m", "ops", verb, "--state", str(state), *more], check=False)
    if done.returncode != 0 and verb == "up":
        raise Fatal(f"the stack did not come up; its logs are in {state / 'logs'}")


def _drafts(campaign: Path) -> Sequence[Draft]:
    now_ms = time.time_ns() // 1_000_000
    with campaign.open(encoding="utf-8") as lines:
        parsed = list(parse_lines(lines, source=str(campaign), folder=campaign.parent, now_ms=now_ms))
    for fault in parsed:
        if isinstance(fault, Fault):
            raise BadConfig(f"{fault.place}: {fault.message}")
    return [p for p in parsed if isinstance(p, Draft)]


def _bar(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"), BarColumn(48), MofNCompleteColumn(), TimeElapsedColumn(), console=console
    )


def _plain(
    jobs: Sequence[Job], ruleset: Ruleset, store: ArtifactStore, rate_per_s: float, console: Console
) -> list[Outcome]:
    with _bar(console) as bar:
        arriving = run_plain(jobs, ruleset, store, rate_per_s=rate_per_s, stop=threading.Event())
        made = list(bar.track(arriving, total=len(jobs), description="rendered and delivered"))
        readers = open_readers(ruleset.readers)
        return [
            plain_outcome(result, ruleset, readers)
            for result in bar.track(made, description="read afterwards, for the score")
        ]


def _pipeline(jobs: Sequence[Job], settings: Settings, rate_per_s: float, console: Console) -> bool:
    stop = threading.Event()

    def arriving() -> Iterator[Job]:
        began = time.monotonic()
        for n, job in enumerate(jobs):
            if stop.wait(max(0.0, began + n / rate_per_s - time.monotonic())):
                return
            yield replace(job, submitted_at_ms=time.time_ns() // 1_000_000)

    def send() -> None:
        for _ in publish(settings, arriving()):
            pass

    def watch_for_failure(sent: Future[None]) -> None:
        if sent.exception() is not None:
            stop.set()

    with ThreadPoolExecutor(1, thread_name_prefix="campaign") as pool:
        sent = pool.submit(send)
        sent.add_done_callback(watch_for_failure)
        try:
            ended = Watch(settings, [j.job_id for j in jobs], console).until_ended(WAIT_S, stop)
        finally:
            stop.set()
        sent.result()
        return ended


def _report(
    plan: DemoPlan,
    settings: Settings,
    store: ArtifactStore,
    plain: Sequence[Outcome],
    console: Console,
) -> None:
    scope = Scope()  # the stack is the demo's own, so all that it holds is the campaign
    with psycopg.connect(settings.database_url.get_secret_value()) as conn:
        pipeline = [pipeline_outcome(job, store) for job in queries.jobs(conn, scope)]
        shown = list(cards(conn, scope, store))
    before, after = figures(plain), figures(pipeline)
    table = mission_table(before, after, {mode.value: rate for mode, rate in RATES.items()})
    title = f"Contact sheet: {plan.campaign.name}, {len(plain)} prompts"
    plan.out.mkdir(parents=True, exist_ok=True)
    pages = {
        "contact-sheet.html": contact_sheet.html(
            shown,
            title=title,
            subtitle=SUBTITLE,
            table=table,
        ).encode(),
        "contact-sheet.png": contact_sheet.png(shown, title=title, subtitle=SUBTITLE),
        "figures.json": json.dumps(_facts(before, after, plain, pipeline), indent=2).encode(),
    }
    for name, data in pages.items():
        (plan.out / name).write_bytes(data)
    _print(table, caught(plain, pipeline))
    for name in pages:
        console.print(f"{plan.out / name}", soft_wrap=True)


def _facts(before: Figures, after: Figures, plain: Sequence[Outcome], pipeline: Sequence[Outcome]) -> dict[str, object]:
    return {
        "plain": asdict(before),
        "pipeline": asdict(after),
        "delivered_with_defect": {m: {"plain": b, "pipeline": a} for m, (b, a) in caught(plain, pipeline).items()},
        "injected_shares": {mode.value: rate for mode, rate in RATES.items()},
    }


def _print(table: Table, defects: Mapping[str, tuple[int, int]]) -> None:
    console = Console(highlight=False)
    console.print(_rich(table.head, table.rows))
    rows = [(mode, str(before), str(after)) for mode, (before, after) in defects.items()]
    console.print(_rich(("Injected defect, in delivered assets", *table.head[1:]), rows))
    for note in table.notes:
        console.print(note, style="dim")


def _rich(head: Sequence[str], rows: Iterable[Sequence[str]]) -> RichTable:
    shown = RichTable()
    for n, name in enumerate(head):
        shown.add_column(name, justify="right" if n else "left")
    for row in rows:
        shown.add_row(*row)
    return shown
