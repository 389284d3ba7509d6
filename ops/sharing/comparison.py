"""Original runs and replays of jobs side by side: paired, summed up, and the page of them that is shown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import groupby
from typing import Final

import psycopg

from audit import comparisons
from audit.comparisons import AttemptLine
from audit.rows import OWN_RUN
from rules.comparison import Change, Ending, Side, Summary, Tally, change
from rules.lifecycle import TERMINAL, State
from schemas.errors import BadConfig

JOB_ID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
REPLAY_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
MAX_TARGETS: Final = 100
MAX_REPLAYS: Final = 5
"""Replays that are shown of a job: the newest."""
MAX_LIMIT: Final = 200
REACH: Final = 5_000
"""Rows that are kept to find a page: page times limit."""
BATCH: Final = 200
NEWEST: Final = ""
"""Key of the summary over the newest replay of each job, where no replay is named."""


class Show(StrEnum):
    """Which jobs a page shows."""

    ALL = "all"
    BETTER = "better"
    WORSE = "worse"
    SAME = "same"
    WAITING = "waiting"


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run of a job as it is compared. Cost and engine time are of its attempts up to the one that is shown.

    `replay_id` is empty for the job's own run; `ending` is None while it goes on; `shadow`: the twin
    of a paired job, which ends with its first verdict and so is compared with a first one.
    """

    replay_id: str
    state: State
    ending: Ending | None
    engine: str | None
    backend: str | None
    ruleset_id: str | None
    attempts: int
    asset_sha256: str | None
    failure_kind: str | None
    text_score: float | None
    delta_e00: float | None
    cost_usd: float
    engine_ms: float
    end_to_end_ms: int | None
    defects: tuple[str, ...]
    reasons: tuple[str, ...]
    shadow: bool

    @property
    def side(self) -> Side:
        """What of it is compared."""
        return Side(
            ending=self.ending,
            text_score=self.text_score,
            delta_e00=self.delta_e00,
            cost_usd=self.cost_usd if self.attempts else None,
            engine_ms=self.engine_ms if self.attempts else None,
            end_to_end_ms=self.end_to_end_ms if self.ending is not None else None,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A job with its own run, None where the audit has not seen it, and its replays by age.

    `change` is the worst that a replay came to, then the best; None where there is no pair yet.
    """

    job_id: str
    prompt: str
    original: Run | None
    replays: tuple[Run, ...]
    change: Change | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """A page of jobs, those that came out worse first, and what all of them together say.

    `summaries` are by replay id, over every job and not only the page; `jobs` counts all, `matching` those that
    `show` asks for.
    """

    targets: tuple[str, ...]
    show: Show
    page: int
    limit: int
    jobs: int
    matching: int
    summaries: Mapping[str, Summary]
    rows: tuple[Row, ...]

    @property
    def next_page(self) -> int | None:
        """None at the end."""
        return self.page + 1 if self.page * self.limit < self.matching else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Targets:
    """Jobs and replays that were named, each known to the audit."""

    jobs: tuple[str, ...]
    replays: tuple[str, ...]


def targets_of(conn: psycopg.Connection, names: Sequence[str]) -> Targets:
    """Sort names into jobs and replays. Raises BadConfig naming what is unknown."""
    if not 0 < len(names) <= MAX_TARGETS:
        raise BadConfig(f"{len(names)} jobs and replays are named", mend=f"name 1 to {MAX_TARGETS}")
    for name in names:
        if not REPLAY_ID.fullmatch(name):
            raise BadConfig(f"{name[:80]!r} is no id of a job or a replay")
    unique = tuple(dict.fromkeys(names))
    known = comparisons.known(conn, unique)
    for name in unique:
        if name not in known:
            raise BadConfig(
                f"the audit knows no job and no replay {name!r}", mend="it writes a moment after the stages"
            )
    jobs = tuple(n for n in unique if JOB_ID.fullmatch(n))
    return Targets(jobs=jobs, replays=tuple(n for n in unique if n not in jobs))


def rows(conn: psycopg.Connection, targets: Targets, *, first: bool) -> Iterator[Row]:
    """Every job of the targets, some hundreds in memory at a time.

    A job with a replay shows the replays that are named, or its newest; `first` compares first attempts, and not what
    came of repairs.
    """
    after: str | None = None
    while page := comparisons.job_page(conn, targets.jobs, targets.replays, after=after, limit=BATCH):
        lines = comparisons.attempts(conn, page, targets.replays or None)
        for _, of_job in groupby(lines, key=lambda line: line.job_id):
            yield _row(list(of_job), first=first)
        after = page[-1]


def compare(
    found: Iterable[Row], targets: Targets, *, page: int = 1, limit: int = 24, show: Show = Show.ALL
) -> Comparison:
    """Sum up all rows and keep one page of them. Raises BadConfig for a page that lies too far."""
    reach = page * limit
    if reach > REACH:
        raise BadConfig(f"page {page} of {limit} lies behind row {REACH}", mend="narrow it with --show")
    tallies = {replay: Tally() for replay in targets.replays or (NEWEST,)}
    kept: list[Row] = []
    jobs = matching = 0
    for row in found:
        jobs += 1
        _count(row, tallies, named=bool(targets.replays))
        if show is not Show.ALL and show.value != (row.change.value if row.change is not None else Show.WAITING.value):
            continue
        matching += 1
        kept.append(row)
        if len(kept) >= 2 * reach:
            kept = sorted(kept, key=_order)[:reach]
    return Comparison(
        targets=(*targets.jobs, *targets.replays),
        show=show,
        page=page,
        limit=limit,
        jobs=jobs,
        matching=matching,
        summaries={replay: tally.summary() for replay, tally in tallies.items()},
        rows=tuple(sorted(kept, key=_order)[reach - limit : reach]),
    )


def _count(row: Row, tallies: Mapping[str, Tally], *, named: bool) -> None:
    if row.original is None:
        return
    for run in row.replays if named else row.replays[-1:]:
        tallies[run.replay_id if named else NEWEST].add(row.original.side, run.side)


def _order(row: Row) -> tuple[int, str]:
    return ([Change.WORSE, Change.BETTER, None, Change.SAME].index(row.change), row.job_id)


def _row(lines: Sequence[AttemptLine], *, first: bool) -> Row:
    runs = {replay: list(of_run) for replay, of_run in groupby(lines, key=lambda line: line.replay_id)}
    own = runs.pop(OWN_RUN, None)
    started = own[0].started_at_ms if own else None
    replays = tuple(_run(of_run, started, first=first) for of_run in list(runs.values())[-MAX_REPLAYS:])
    original = _run(own, started, first=first or any(r.shadow for r in replays)) if own else None
    return Row(
        job_id=lines[0].job_id,
        prompt=lines[0].prompt,
        original=original,
        replays=replays,
        change=_change(original, replays),
    )


def _change(original: Run | None, replays: Sequence[Run]) -> Change | None:
    if original is None:
        return None
    found = {change(original.side, r.side) for r in replays}
    return next((c for c in (Change.WORSE, Change.BETTER, Change.SAME) if c in found), None)


def _run(lines: Sequence[AttemptLine], submitted_ms: int | None, *, first: bool) -> Run:
    """A run at its first or its newest attempt. A shadow began when its job was submitted."""
    shadow = any(line.shadow for line in lines)
    counted = [line for line in (lines[:1] if first else lines) if line.attempt is not None]
    shown = (counted or lines)[-1]
    ended = shown.judged_at_ms if first else shown.ended_at_ms
    started = submitted_ms if shadow else shown.started_at_ms
    return Run(
        replay_id=shown.replay_id,
        state=shown.state,
        ending=_ending(shown, first=first),
        engine=shown.engine,
        backend=shown.backend,
        ruleset_id=shown.ruleset_id,
        attempts=len(counted),
        asset_sha256=shown.asset_sha256,
        failure_kind=shown.failure_kind,
        text_score=shown.text_score,
        delta_e00=shown.delta_e00,
        cost_usd=sum(line.cost_usd or 0.0 for line in counted),
        engine_ms=sum(line.engine_ms or 0.0 for line in counted),
        end_to_end_ms=None if ended is None or started is None else max(0, ended - started),
        defects=tuple(shown.defects),
        reasons=tuple(shown.reasons) or tuple(shown.refusals),
        shadow=shadow,
    )


def _ending(shown: AttemptLine, *, first: bool) -> Ending | None:
    if shown.state is State.REFUSED:
        return Ending.REFUSED
    if shown.verdict is None or not (first or shown.state in TERMINAL):
        return None
    return Ending(shown.verdict)
