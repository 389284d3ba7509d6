"""What the audit store knows of a roll-out: its verdicts in order, its steps, how it stood at the last look."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import psycopg
from psycopg.rows import class_row, scalar_row

from audit.rows import RolloutStepRow
from audit.statements import statement
from rules.rollout_decision import FirstVerdict
from schemas.events import Arm

CONTROLLER_LOCK: Final = 0x7072657373_03
"""Advisory lock held by the one controller that decides, for as long as its session lives."""
PAGE: Final = 2_000
"""Verdicts in one read."""
HISTORY_MAX: Final = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """One first verdict. `other`: the one of its twin, where that was stored before it; `stored` gives the order."""

    stored: int
    shadow: bool
    outcome: FirstVerdict
    other: FirstVerdict | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LastLook:
    """How a roll-out stood when its controller last looked: what it had counted, its figures, what it waits for."""

    position: int
    numbers: Mapping[str, float]
    reason: str
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Routed:
    """Jobs (or shadows) that an arm was given, how many of them have no verdict yet, and since long ago."""

    arm: str
    shadow: bool
    routed: int
    waiting: int
    overdue: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stored:
    stored: int
    shadow: bool
    arm: str
    artifact: bool
    modes: Sequence[str]
    latency_ms: float | None
    other_artifact: bool | None
    other_modes: Sequence[str] | None


def take_lease(conn: psycopg.Connection) -> bool:
    """Whether this session is now the one that decides. Postgres gives the lease back when the session ends."""
    row = conn.execute(statement("try_lock"), {"key": CONTROLLER_LOCK}).fetchone()
    return row is not None and bool(row[0])


def lease_is_held(conn: psycopg.Connection) -> bool:
    """Whether some session decides roll-outs now."""
    with conn.cursor(row_factory=scalar_row) as cursor:
        return bool(cursor.execute(statement("lock_is_held"), {"key": CONTROLLER_LOCK}).fetchone())


def verdicts(
    conn: psycopg.Connection, rollout_id: str, after: int, *, until: int | None = None, limit: int = PAGE
) -> tuple[Counted, ...]:
    """First verdicts of a roll-out after a position, up to another one; at most `limit`, in the order of storing."""
    parameters = {"rollout_id": rollout_id, "after": after, "until": until, "limit": limit}
    with conn.cursor(row_factory=class_row(_Stored)) as cursor:
        return tuple(_counted(row) for row in cursor.execute(statement("first_verdicts"), parameters))


def _counted(row: _Stored) -> Counted:
    arm, other = Arm(row.arm), None
    if row.other_artifact is not None:
        away = Arm.STABLE if arm is Arm.CANDIDATE else Arm.CANDIDATE
        other = FirstVerdict(arm=away, artifact=row.other_artifact, modes=frozenset(row.other_modes or ()))
    outcome = FirstVerdict(arm=arm, artifact=row.artifact, modes=frozenset(row.modes), latency_ms=row.latency_ms)
    return Counted(stored=row.stored, shadow=row.shadow, outcome=outcome, other=other)


def stages(conn: psycopg.Connection, rollout_id: str, stage: int) -> Mapping[int, int]:
    """The position at which each stage from 1 to `stage` was entered; a stage whose step is not stored yet is left out.

    The first stage, 0, begins at 0.
    """
    rows = conn.execute(statement("rollout_stages"), {"rollout_id": rollout_id, "stage": stage})
    return {int(number): int(position) for number, position in rows}


def history(conn: psycopg.Connection, rollout_id: str, limit: int) -> tuple[RolloutStepRow, ...]:
    """The newest steps of a roll-out, the newest first, at most `limit`."""
    with conn.cursor(row_factory=class_row(RolloutStepRow)) as cursor:
        bounded = {"rollout_id": rollout_id, "limit": min(limit, HISTORY_MAX)}
        return tuple(cursor.execute(statement("rollout_history"), bounded))


def save_look(conn: psycopg.Connection, rollout_id: str, look: LastLook) -> None:
    """Keep how it stands now, for those who ask."""
    conn.execute(
        statement("put_rollout_look"),
        {
            "rollout_id": rollout_id,
            "position": look.position,
            "numbers": json.dumps(dict(look.numbers)),
            "reason": look.reason,
            "at_ms": look.at_ms,
        },
    )


def last_look(conn: psycopg.Connection, rollout_id: str) -> LastLook | None:
    """How it stood at the last look; None where nobody has looked."""
    with conn.cursor(row_factory=class_row(LastLook)) as cursor:
        return cursor.execute(statement("rollout_look"), {"rollout_id": rollout_id}).fetchone()


def routed(conn: psycopg.Connection, rollout_id: str, *, before_ms: int) -> tuple[Routed, ...]:
    """Jobs and shadows by arm, as far as the audit has read: at most four rows.

    Overdue is what was routed before `before_ms`, ms since 1970 UTC, and has no verdict.
    """
    with conn.cursor(row_factory=class_row(Routed)) as cursor:
        given = {"rollout_id": rollout_id, "before_ms": before_ms}
        return tuple(cursor.execute(statement("rollout_routed"), given))
