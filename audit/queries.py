"""What the projections can be asked: states, progress, figures and assets of some jobs, always bounded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, LiteralString, TypeVar

import psycopg
from psycopg.rows import class_row, scalar_row

from audit.statements import statement
from rules.lifecycle import TERMINAL, State

MAX_PAGE: Final = 1_000

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Which jobs are meant: those of a list, of a campaign, submitted since a time (ms since 1970 UTC); None is any."""

    job_ids: tuple[str, ...] | None = None
    campaign: str | None = None
    since_ms: int | None = None

    def parameters(self) -> dict[str, Any]:
        """The scope as every query takes it."""
        ids = None if self.job_ids is None else list(self.job_ids)
        return {"job_ids": ids, "campaign": self.campaign, "since_ms": self.since_ms}


EVERYTHING: Final = Scope()


@dataclass(frozen=True, slots=True, kw_only=True)
class JobState:
    """How far one job is. Attempts, engine time (ms) and cost (US dollars) are of its own run, without replays.

    `text_score` is of the last verdict, None where no text was wanted; `ended_at_ms` is the first terminal event.
    """

    job_id: str
    idempotency_key: str
    prompt: str
    campaign: str
    brand: str
    lane: str
    state: State
    engine: str | None
    backend: str | None
    ruleset_id: str | None
    attempts: int
    asset_sha256: str | None
    manifest_sha256: str | None
    text_score: float | None
    reasons: Sequence[str]
    engine_ms: float
    cost_usd: float
    submitted_at_ms: int
    ended_at_ms: int | None

    def __post_init__(self) -> None:
        object.__setattr__(self, "state", State(self.state))

    @property
    def terminal(self) -> bool:
        """Whether the job's way through the pipeline has ended."""
        return self.state in TERMINAL

    @property
    def latency_ms(self) -> int | None:
        """From submission to the first terminal event."""
        return None if self.ended_at_ms is None else self.ended_at_ms - self.submitted_at_ms


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Jobs by how they stand; `accepted` includes `repaired`, and all but `in_flight` are at an end."""

    jobs: int
    in_flight: int
    accepted: int
    repaired: int
    in_review: int
    refused: int
    held: int
    recalled: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """From submission to the first terminal event, nearest-rank; None where no job has ended."""

    jobs: int
    p50_ms: int | None
    p95_ms: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineFigures:
    """What one engine made; `engine` None is all of them. Times in milliseconds, cost in US dollars.

    damaged: rendered attempts whose last verdict names a certain defect. touched: accepted assets that a designer
    reported hand work on. text_score: mean over accepted assets that wanted text. gpu_ms: engine time on CUDA devices.
    """

    engine: str | None
    attempts: int
    rendered: int
    failed: int
    accepted: int
    repaired: int
    damaged: int
    touched: int
    engine_ms: float
    gpu_ms: float
    cost_usd: float
    text_score: float | None
    backends: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModeCount:
    """How often verdicts named a failure mode, and how often for certain."""

    mode: str
    found: int
    certain: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """Spread of one measurement."""

    check: str
    name: str
    count: int
    lowest: float
    median: float
    highest: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TouchUps:
    """Hand work that designers reported."""

    reports: int
    minutes: float


@dataclass(frozen=True, slots=True, kw_only=True)
class StageLetters:
    """Dead letters of one stage and kind."""

    stage: str
    kind: str
    records: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetLine:
    """One attempt with its last verdict; `attempt` is -1 for a job that has none, for example a refused prompt.

    `record` is the record that carried the verdict (AssetApproved, AssetRejected, ReviewRequested, AssetHeld).
    """

    job_id: str
    replay_id: str
    attempt: int
    prompt: str
    campaign: str
    state: State
    engine: str | None
    backend: str | None
    rung: str | None
    outcome: str | None
    failure_kind: str | None
    asset_sha256: str | None
    media_type: str | None
    manifest_sha256: str | None
    engine_ms: float | None
    verdict: str | None
    record: str | None
    scores: Mapping[str, float]
    reasons: Sequence[str]

    def __post_init__(self) -> None:
        object.__setattr__(self, "state", State(self.state))


def _many(
    conn: psycopg.Connection, kind: type[T], query: LiteralString, scope: Scope, **more: str | int | None
) -> tuple[T, ...]:
    with conn.cursor(row_factory=class_row(kind)) as cursor:
        return tuple(cursor.execute(query, {**scope.parameters(), **more}))


def job_page(
    conn: psycopg.Connection, scope: Scope, *, after: str | None = None, limit: int = MAX_PAGE
) -> tuple[JobState, ...]:
    """Jobs by id, the next `limit` (at most 1000) after one. Jobs that the ledger has not seen are not there."""
    return _many(conn, JobState, statement("job_states"), scope, after=after, limit=min(limit, MAX_PAGE))


def jobs(conn: psycopg.Connection, scope: Scope) -> Iterator[JobState]:
    """Every job of a scope, a page in memory at a time."""
    after: str | None = None
    while page := job_page(conn, scope, after=after):
        yield from page
        after = page[-1].job_id


def job_states(conn: psycopg.Connection, job_ids: Sequence[str]) -> Mapping[str, JobState]:
    """How far these jobs are; one that the ledger has not seen yet is not in the answer."""
    return {job.job_id: job for job in jobs(conn, Scope(job_ids=tuple(job_ids)))}


@dataclass(frozen=True, slots=True, kw_only=True)
class _StateCount:
    state: str
    jobs: int
    repaired: int


def counts(conn: psycopg.Connection, scope: Scope = EVERYTHING) -> Mapping[State, int]:
    """Jobs in each state, every state named."""
    found = {State(c.state): c.jobs for c in _many(conn, _StateCount, statement("counts"), scope)}
    return {state: found.get(state, 0) for state in State}


def progress(conn: psycopg.Connection, scope: Scope = EVERYTHING) -> Progress:
    """Jobs by how they stand."""
    found = {State(c.state): c for c in _many(conn, _StateCount, statement("counts"), scope)}

    def number(state: State) -> int:
        return found[state].jobs if state in found else 0

    return Progress(
        jobs=sum(c.jobs for c in found.values()),
        in_flight=sum(c.jobs for state, c in found.items() if state not in TERMINAL),
        accepted=number(State.APPROVED),
        repaired=found[State.APPROVED].repaired if State.APPROVED in found else 0,
        in_review=number(State.REVIEW),
        **{s.value: number(s) for s in (State.REFUSED, State.HELD, State.RECALLED)},
    )


def latency(conn: psycopg.Connection, scope: Scope = EVERYTHING) -> Latency:
    """Latency of the jobs that have ended."""
    return _many(conn, Latency, statement("latency"), scope)[0]


def engines(conn: psycopg.Connection, scope: Scope = EVERYTHING) -> tuple[EngineFigures, ...]:
    """Figures over all engines first (engine None), then by engine. Attempts of replays count as well."""
    return _many(conn, EngineFigures, statement("engines"), scope)


def defect_modes(conn: psycopg.Connection, scope: Scope = EVERYTHING) -> tuple[ModeCount, ...]:
    """Failure modes that verdicts named, the commonest first."""
    return _many(conn, ModeCount, statement("defect_modes"), scope)


def measured(conn: psycopg.Connection, scope: Scope = EVERYTHING) -> tuple[Measured, ...]:
    """Spread of every measurement."""
    return _many(conn, Measured, statement("measured"), scope)


def touch_ups(conn: psycopg.Connection, scope: Scope = EVERYTHING) -> TouchUps:
    """Hand work reported on assets of these jobs."""
    return _many(conn, TouchUps, statement("touch_up_minutes"), scope)[0]


def reviewed(conn: psycopg.Connection, scope: Scope = EVERYTHING) -> int:
    """Runs that a human was asked about, whatever became of them."""
    with conn.cursor(row_factory=scalar_row) as cursor:
        return int(next(iter(cursor.execute(statement("reviewed"), scope.parameters()))))


def dead_letters(conn: psycopg.Connection, scope: Scope = EVERYTHING) -> tuple[StageLetters, ...]:
    """Records given up, by stage and kind."""
    return _many(conn, StageLetters, statement("dead_letter_stages"), scope)


def assets(
    conn: psycopg.Connection, scope: Scope = EVERYTHING, *, after: AssetLine | None = None, limit: int = MAX_PAGE
) -> tuple[AssetLine, ...]:
    """Attempts with verdict and reasons, by job, replay and attempt: the next `limit` (at most 1000) after a line."""
    return _many(
        conn,
        AssetLine,
        statement("assets"),
        scope,
        after_job=None if after is None else after.job_id,
        after_replay=None if after is None else after.replay_id,
        after_attempt=None if after is None else after.attempt,
        limit=min(limit, MAX_PAGE),
    )
