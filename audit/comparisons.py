"""What the projections know of the runs of a job next to each other: its own and its replays."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import psycopg
from psycopg.rows import class_row, scalar_row

from audit.queries import MAX_PAGE
from audit.statements import statement
from rules.lifecycle import State


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptLine:
    """One attempt of one run, with validation's verdict on it; times in milliseconds, cost in US dollars.

    `replay_id` is empty for the job's own run; `prompt` is its first 2000 characters. `attempt` is None where the run
    has none: then nothing else is known but the state and why the prompt was refused. `delta_e00` is the mean over the
    picture to the brand's palette.
    """

    job_id: str
    prompt: str
    replay_id: str
    state: State
    started_at_ms: int | None
    ended_at_ms: int | None
    refusals: Sequence[str]
    attempt: int | None
    engine: str | None
    backend: str | None
    ruleset_id: str | None
    asset_sha256: str | None
    failure_kind: str | None
    engine_ms: float | None
    cost_usd: float | None
    verdict: str | None
    shadow: bool
    judged_at_ms: int | None
    text_score: float | None
    reasons: Sequence[str]
    defects: Sequence[str]
    delta_e00: float | None

    def __post_init__(self) -> None:
        object.__setattr__(self, "state", State(self.state))


def known(conn: psycopg.Connection, names: Collection[str]) -> frozenset[str]:
    """Those of the names that are a job or a replay in the ledger."""
    with conn.cursor(row_factory=scalar_row) as cursor:
        return frozenset(cursor.execute(statement("compared_known"), {"names": list(names)}))


def job_page(
    conn: psycopg.Connection, job_ids: Sequence[str], replay_ids: Sequence[str], *, after: str | None, limit: int
) -> tuple[str, ...]:
    """Ids of the jobs that are named, that a replay ran, or both: the next `limit` (at most 1000) after one."""
    given = {"job_ids": list(job_ids), "replay_ids": list(replay_ids), "after": after, "limit": min(limit, MAX_PAGE)}
    with conn.cursor(row_factory=scalar_row) as cursor:
        return tuple(cursor.execute(statement("compared_jobs"), given))


def attempts(
    conn: psycopg.Connection, job_ids: Sequence[str], replay_ids: Sequence[str] | None
) -> tuple[AttemptLine, ...]:
    """Attempts of these jobs (at most 1000), by job and run: its own first, then replays by age; None is any replay."""
    given = {"job_ids": list(job_ids)[:MAX_PAGE], "replay_ids": None if replay_ids is None else list(replay_ids)}
    with conn.cursor(row_factory=class_row(AttemptLine)) as cursor:
        return tuple(cursor.execute(statement("compared_attempts"), given))
