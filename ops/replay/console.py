"""What `presscheck replay` shows: plans, standings, and bars."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from audit import replays as recorded
from audit.migrate import connect
from broker.lag import lag
from broker.outbox_kafka import side_group
from broker.settings import Settings
from ops.console import err, out, print_table
from ops.replay.source import AUDIT, Gone
from rules.lifecycle import TERMINAL, State
from rules.replay_plan import Plan, plan_of
from schemas.catalogue import REPLAY_REQUESTS
from schemas.events import ReplayChanged, ReplayState

SANITY = "sanity"


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where a replay is.

    waiting: Records of replay.requests that sanity has before it, those of every replay. runs: Its runs by state; None
    without a database. given_up: Of these, the ones that wait for a record which became a dead letter.
    """

    change: ReplayChanged
    waiting: int
    runs: Mapping[State, int] | None
    given_up: int = 0

    @property
    def ended_runs(self) -> int:
        """Runs at an end, given-up ones included; without a database, what sanity has taken."""
        if self.runs is None:
            return max(0, self.change.sent - self.waiting)
        return self.given_up + sum(n for state, n in self.runs.items() if state in TERMINAL)

    @property
    def done(self) -> bool:
        """Whether nothing more comes of it."""
        return self.change.state is not ReplayState.RUNNING and self.ended_runs >= self.change.sent

    def facts(self) -> dict[str, Any]:
        """For programs."""
        runs = None if self.runs is None else {s.value: n for s, n in self.runs.items()}
        ended = {"ended_runs": self.ended_runs, "given_up": self.given_up}
        return {**standing_facts(self.change), "waiting": self.waiting, "runs": runs, **ended}


def standing(settings: Settings, change: ReplayChanged) -> Standing:
    """Look at the lag of sanity and at the runs. Raises Transient."""
    waiting = sum(p.records for p in lag(settings, side_group(SANITY), [REPLAY_REQUESTS]))
    dsn = settings.database_url.get_secret_value()
    if not dsn:
        return Standing(change=change, waiting=waiting, runs=None)
    with connect(dsn, autocommit=True) as conn:
        return Standing(
            change=change,
            waiting=waiting,
            runs=recorded.states(conn, change.replay_id),
            given_up=recorded.given_up(conn, change.replay_id),
        )


def standing_facts(change: ReplayChanged) -> dict[str, Any]:
    """A replay for programs, with its plan as a tree."""
    plan = plan_of(change.plan)
    return {
        "replay_id": change.replay_id,
        "state": change.state.value,
        "sent": change.sent,
        "jobs": plan.jobs,
        "skipped": change.skipped,
        "positions": {str(p.partition): p.next_offset for p in change.positions},
        "at_ms": change.at_ms,
        "who": change.who,
        "why": change.why,
        "plan_sha256": change.plan_sha256,
        "plan": asdict(plan),
    }


def show_plan(plan: Plan) -> None:
    """A plan for people."""
    asked = plan.asked
    engine, lane = asked.engine or "as the rules say", asked.lane.value if asked.lane else "as submitted"
    out().print(f"{asked.topic} ({asked.source}), where {asked.where or 'everything'}", markup=False)
    seeds = "new seeds" if asked.new_seeds else "the seeds they had"
    out().print(f"to engine {engine}, {asked.preset.value} sampling, {seeds}, lane {lane}", markup=False)
    rows = [
        ("records looked at", plan.records),
        ("matching", plan.matched),
        ("of one job with another", plan.repeats),
        ("jobs to replay", plan.jobs),
        (f"jobs replayed {asked.cap} times before, left out", plan.at_cap),
        ("jobs that the rules refuse, left out", plan.refused),
        ("jobs beyond the limit, left out", plan.beyond_limit),
        ("records of no job, left out", plan.unusable),
    ]
    print_table(("plan", ">count"), [r for r in rows if r[1] or r[0] in {"matching", "jobs to replay"}])
    for reason in (*plan.named, *plan.reasons):
        out().print(f"  left out: {reason}", markup=False)
    groups = [("engine", plan.by_engine), ("lane", plan.by_lane), ("tag", plan.by_tag)]
    if plan.jobs:
        print_table(("", "name", ">jobs"), [(kind, name, n) for kind, found in groups for name, n in found.items()])
    engines = ", ".join(f"{name} {shown_s(s)}" for name, s in plan.engine_s.items()) or "none"
    out().print(
        f"about {plan.cost_usd:,.2f} US dollars for one render each; sending takes {shown_s(plan.send_s)} at "
        f"{asked.rate:g}/s, rendering one after the other: {engines}",
        markup=False,
    )
    out().print(f"plan {plan.sha256}")


def show_gone(gone: tuple[Gone, ...], source: str, topic: str, in_ledger: int | None) -> None:
    """What of the range asked for is past retention, and where it still is."""
    for part in gone:
        what = f"offsets {part.start} to {part.end - 1}" if part.start is not None else f"what came before {part.end}"
        err().print(f"{topic}-{part.partition}: {what} is gone from the {source}", style="yellow", markup=False)
    if gone and source != AUDIT and in_ledger is not None:
        err().print(f"the audit ledger has {in_ledger} of these records: add --from-audit", style="yellow")
    if gone:
        err().print("jobs that were rendered are in the store's manifests as well: --from-manifests", style="yellow")


def show_standing(now: Standing) -> None:
    """Where a replay is, for people."""
    change, plan = now.change, plan_of(now.change.plan)
    out().print(
        f"{change.replay_id}: {change.state.value}, {change.sent} of {plan.jobs} jobs requested, "
        f"{change.skipped} records left out; by {change.who}: {change.why}",
        markup=False,
    )
    out().print(f"{now.waiting} requests wait for sanity")
    if now.runs:
        print_table(("runs", ">jobs"), [(state.value, n) for state, n in now.runs.items()])
    if now.given_up:
        out().print(
            f"{now.given_up} of them were given up: presscheck tail dead-letters --from-beginning", markup=False
        )


def shown_time(at_ms: int) -> str:
    """A time of day as people read it."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%MZ")


def shown_s(seconds: float) -> str:
    """A duration in its natural unit."""
    unit, length = next(((u, n) for u, n in (("h", 3_600), ("min", 60)) if seconds >= n), ("s", 1))
    return f"{seconds / length:.1f} {unit}"


@contextmanager
def bar(label: str) -> Generator[Callable[[int, int], None]]:
    """A bar on standard error, where somebody sees it; call what it gives with how many are done, and of how many."""
    console = err()
    if not console.is_terminal:
        yield lambda _done, _total: None
        return
    columns = (TextColumn(label), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Bar(*columns, console=console, transient=True) as shown:
        task = shown.add_task(label, total=None)
        yield lambda done, total: shown.update(task, completed=done, total=total)


def sending_bar(update: Callable[[int, int], None]) -> Callable[[ReplayChanged], None]:
    """What a runner tells where it stands."""
    return lambda change: update(change.sent, plan_of(change.plan).jobs)
