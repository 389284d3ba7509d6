"""Figures of a window of time: over all and by group, by stage, over its course, and what operators did in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, LiteralString, TypeVar

import psycopg
from psycopg.rows import class_row

from audit.statements import statement

OPERATIONS_MAX: Final = 200
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """From a time up to another, exclusive; milliseconds since 1970 UTC."""

    from_ms: int
    to_ms: int

    def parameters(self) -> dict[str, Any]:
        """As the queries take it."""
        return {"from_ms": self.from_ms, "to_ms": self.to_ms}


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Attempts of one engine, ruleset, lane or tag; `kind` all is every one. Times in ms, cost in US dollars.

    damaged: rendered images whose last verdict names a certain defect. accepted: attempts that were delivered.
    touch_minutes: hand work on these, reported in the window. reviews: asked for in it. gpu_ms, gpu_images: on CUDA
    devices.
    """

    kind: str
    name: str
    attempts: int
    rendered: int
    failed: int
    damaged: int
    accepted: int
    text_score: float | None
    engine_ms: float
    gpu_ms: float
    gpu_images: int
    cost_usd: float
    touch_minutes: float
    reviews: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StageTime:
    """How long a stage took in one group, waiting included; `whole` is from submission or replay to the first end.

    A whole run counts for the engine, ruleset, lane and tags of its first attempt.
    """

    kind: str
    name: str
    stage: str
    records: int
    p50_ms: int
    p95_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One part of a window: images rendered, and damaged ones."""

    part: int
    rendered: int
    damaged: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Hands:
    """What people had to do: touch-ups and their minutes, reviews; and assets that were taken back."""

    touch_ups: int
    touch_minutes: float
    reviews: int
    recalls: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """Something that an operator did."""

    at_ms: int
    kind: str
    subject: str
    step: str
    who: str
    why: str


def _many(conn: psycopg.Connection, kind: type[T], query: LiteralString, window: Window, **more: int) -> tuple[T, ...]:
    with conn.cursor(row_factory=class_row(kind)) as cursor:
        return tuple(cursor.execute(query, {**window.parameters(), **more}))


def groups(conn: psycopg.Connection, window: Window) -> tuple[Group, ...]:
    """All first, then by engine, lane, ruleset and tag; the 1,000 largest."""
    return _many(conn, Group, statement("window_groups"), window)


def stages(conn: psycopg.Connection, window: Window) -> tuple[StageTime, ...]:
    """Times of each stage that did something: over all first, then by engine, lane, ruleset and tag; 4,000 at most."""
    return _many(conn, StageTime, statement("window_stages"), window)


def course(conn: psycopg.Connection, window: Window, parts: int) -> tuple[Part, ...]:
    """The parts of the window in which something was rendered."""
    return _many(conn, Part, statement("window_course"), window, parts=parts)


def hands(conn: psycopg.Connection, window: Window) -> Hands:
    """What people did."""
    return _many(conn, Hands, statement("window_hands"), window)[0]


def operations(conn: psycopg.Connection, window: Window) -> tuple[Operation, ...]:
    """What operators did, the newest 200."""
    return _many(conn, Operation, statement("window_operations"), window, limit=OPERATIONS_MAX)


def share_history(conn: psycopg.Connection, share_id: str, *, limit: int, skip: int) -> tuple[Operation, ...]:
    """Who shared a page and who took it back, the newest first. `share_id` may be how it begins; empty for all."""
    with conn.cursor(row_factory=class_row(Operation)) as cursor:
        return tuple(cursor.execute(statement("share_history"), {"share_id": share_id, "limit": limit, "skip": skip}))
