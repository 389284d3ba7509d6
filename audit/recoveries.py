"""What the projections know of releases and of recoveries: how a batch stands, and what people say of it."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import psycopg
from psycopg.rows import class_row

from audit.statements import statement


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleasedFigures:
    """Assets of one hold that were released, and those of them that somebody mended, called wrong, or took back."""

    released: int
    touched: int
    wrong: int
    recalled: int

    def shares(self) -> dict[str, float | None]:
        """By the names that guards have; None before anything was released."""
        counted = {"touch-up-rate": self.touched, "wrong-rate": self.wrong, "recall-rate": self.recalled}
        return {name: n / self.released if self.released else None for name, n in counted.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchFigures:
    """Runs of a batch and their attempts. Cost in US dollars; text_score is the mean over accepted ones with text.

    given_up: runs that have ended because a record of theirs is a dead letter.
    """

    runs: int
    ended: int
    given_up: int
    accepted: int
    reviews: int
    attempts: int
    rendered: int
    failed: int
    damaged: int
    cost_usd: float
    text_score: float | None

    def shares(self) -> dict[str, float | None]:
        """By the names that bars have; None where there is nothing to divide by."""
        parts = {
            "artifact-rate": (self.damaged, self.rendered),
            "accept-rate": (self.accepted, self.runs),
            "review-rate": (self.reviews, self.runs),
            "failure-rate": (self.failed, self.attempts),
        }
        return {**{k: n / of if of else None for k, (n, of) in parts.items()}, "text-score": self.text_score}

    def numbers(self, prefix: str) -> dict[str, float]:
        """All that is known, as the figures of an event."""
        found = {**asdict(self), **{k.replace("-", "_"): v for k, v in self.shares().items()}}
        return {f"{prefix}_{k}": float(v) for k, v in found.items() if v is not None}


def released(conn: psycopg.Connection, hold_id: str) -> ReleasedFigures:
    """How what a hold kept fares after its release."""
    with conn.cursor(row_factory=class_row(ReleasedFigures)) as cursor:
        return next(iter(cursor.execute(statement("released"), {"hold_id": hold_id})))


def batch(conn: psycopg.Connection, replay_id: str, *, originals: bool = False) -> BatchFigures:
    """A replay's own runs; or, as `originals`, the first runs of the same jobs, as they were before."""
    with conn.cursor(row_factory=class_row(BatchFigures)) as cursor:
        return next(iter(cursor.execute(statement("replay_figures"), {"replay_id": replay_id, "originals": originals})))
