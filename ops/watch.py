"""Shows how far a set of jobs is, live on a terminal and as plain lines elsewhere, until every one is at an end."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from typing import Final

import psycopg
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from audit import queries
from audit.queries import Progress, Scope
from broker.lag import lag
from broker.settings import Settings
from ops.stack import state as stack_state
from ops.stack.plan import STAGES
from schemas.errors import Transient

LOOK_S: Final = 0.5
LAG_EVERY_S: Final = 2.0
PLAIN_EVERY_S: Final = 5.0
SHOWN: Final = (
    ("in flight", "cyan"),
    ("accepted", "green"),
    ("repaired", "blue"),
    ("in review", "yellow"),
    ("refused", "magenta"),
    ("held", "white"),
    ("recalled", "red"),
)


def lag_by_stage(settings: Settings, engines: Sequence[str]) -> Mapping[str, int]:
    """Records that each stage with a consumer group still has before it. Raises Transient."""
    return {s.name: sum(p.records for p in lag(settings, s.positions, s.reads(engines))) for s in STAGES if s.positions}


class Watch:
    """Follows jobs through the audit's projections; one look every half second, lag every two."""

    def __init__(
        self, settings: Settings, job_ids: Sequence[str], console: Console, *, total: int | None = None
    ) -> None:
        self._settings, self._console = settings, console
        self._scope = Scope(job_ids=tuple(job_ids))
        self._total = len(job_ids) if total is None else total
        self._lag: Mapping[str, int] = {}
        self._lag_at = self._said_at = float("-inf")
        self._began = time.monotonic()

    def until_ended(self, timeout_s: float, stop: threading.Event | None = None) -> bool:
        """Show progress until every job is at an end; False where the time ran out or `stop` was set first."""
        stop = stop or threading.Event()
        deadline = time.monotonic() + timeout_s
        stack = stack_state.read(self._settings.state_dir)
        engines = stack.engines if stack is not None else ()
        with (
            psycopg.connect(self._settings.database_url.get_secret_value(), autocommit=True) as conn,
            Live(console=self._console, auto_refresh=False, transient=False) as live,
        ):
            while True:
                now = queries.progress(conn, self._scope)
                ended = now.jobs == self._total and now.in_flight == 0
                self._refresh_lag(engines, force=ended)
                self._show(live, now, last=ended)
                if ended or time.monotonic() > deadline or stop.wait(LOOK_S):
                    return ended

    def _refresh_lag(self, engines: Sequence[str], *, force: bool) -> None:
        if force or time.monotonic() - self._lag_at >= LAG_EVERY_S:
            try:
                self._lag = lag_by_stage(self._settings, engines)
            except Transient:
                self._lag = {}  # a broker that restarts has no lag to show; the jobs are what matters here
            self._lag_at = time.monotonic()

    def _show(self, live: Live, now: Progress, *, last: bool) -> None:
        if self._console.is_terminal:
            live.update(self._panel(now), refresh=True)
        elif last or time.monotonic() - self._said_at >= PLAIN_EVERY_S:
            self._said_at = time.monotonic()
            self._console.print(self._line(now), soft_wrap=True)

    def _counts(self, now: Progress) -> tuple[int, ...]:
        in_flight = now.in_flight + self._total - now.jobs  # what the ledger has not seen yet is under way too
        return in_flight, now.accepted, now.repaired, now.in_review, now.refused, now.held, now.recalled

    def _line(self, now: Progress) -> str:
        jobs = ", ".join(f"{name} {n}" for (name, _), n in zip(SHOWN, self._counts(now), strict=True))
        lags = ", ".join(f"{stage} {n}" for stage, n in self._lag.items())
        return f"{time.monotonic() - self._began:5.0f} s  {jobs}" + (f"  | lag: {lags}" if lags else "")

    def _panel(self, now: Progress) -> RenderableType:
        counts = self._counts(now)
        table = Table.grid(padding=(0, 3))
        table.add_row(*(Text(f"{name} {n}", style=style) for (name, style), n in zip(SHOWN, counts, strict=True)))
        lags = Text("lag   " + "   ".join(f"{stage} {n}" for stage, n in self._lag.items()), style="dim")
        done = self._total - counts[0]
        head = Text(f"{done} of {self._total} jobs at an end, {time.monotonic() - self._began:.0f} s", style="bold")
        return Group(head, ProgressBar(total=max(self._total, 1), completed=done, width=72), table, lags)
