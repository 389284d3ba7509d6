"""What the projections know of labels: which are wanted, what doubt was worth, how far verdicts and people agree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, LiteralString, TypeVar

import psycopg
from psycopg.rows import class_row

from audit.queries import MAX_PAGE, Scope
from audit.statements import statement

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedLabel:
    """An asset that nobody has spoken of yet and somebody should. `at_ms` is when it was judged."""

    at_ms: int
    event_id: str
    job_id: str
    asset_sha256: str
    verdict: str
    lane: str
    engine: str
    prompt: str
    campaign: str
    required_text: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownAsset:
    """An asset that was judged; `audit` says whether a hash chose it for a label."""

    job_id: str
    asset_sha256: str
    audit: bool
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DoubtCount:
    """Candidates in one hundredth of doubt: `bucket` n holds doubts from n/100 on, 100 only a doubt of 1.

    labelled, wrong: of the random sample, and those that show the defect. placing: all others. waiting: chosen, and
    not labelled yet.
    """

    lane: str
    engine: str
    mode: str
    bucket: int
    labelled: int
    wrong: int
    placing: int
    waiting: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Escapes:
    """Accepted assets, those of the random sample that were looked at, and of these those that show a defect.

    `mode` None is any defect. `unscored` of the wrong ones carry no doubt of that mode: no threshold can keep them.
    """

    lane: str
    engine: str
    mode: str | None
    accepted: int
    labelled: int
    wrong: int
    unscored: int


class Stratum(StrEnum):
    """How an asset may come to a person; each is drawn at a rate of its own."""

    PASSED = "passed"
    """Every check passed it: the audit draws a share, whether doubt then sends it to review or not."""
    REJECTED = "rejected"
    """The audit draws another share."""
    REVIEW = "review"
    """In review on other grounds than doubt: reviewers are to look at all of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreed:
    """Assets of a Stratum by what validation and people say of one failure mode; `mode` None counts all judged ones.

    told: somebody spoke of them. drawn: how many a hash chose, or, in review, are to be looked at anyway; counted where
    `mode` is None. sampled: these, and a person did look at them.
    """

    mode: str | None
    stratum: str
    told: bool
    sampled: bool
    assets: int
    drawn: int
    both: int
    found_only: int
    said_only: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """Which verdicts a calibration looks at; None is any. `pooled` takes all engines of a lane as one."""

    lane: str | None = None
    engine: str | None = None
    mode: str | None = None
    since_ms: int | None = None
    pooled: bool = False

    def parameters(self) -> dict[str, Any]:
        """The sample as the queries take it."""
        return {
            "lane": self.lane,
            "engine": self.engine,
            "mode": self.mode,
            "since_ms": self.since_ms,
            "pooled": self.pooled,
        }


def _many(conn: psycopg.Connection, kind: type[T], query: LiteralString, parameters: dict[str, Any]) -> tuple[T, ...]:
    with conn.cursor(row_factory=class_row(kind)) as cursor:
        return tuple(cursor.execute(query, parameters))


def wanted(
    conn: psycopg.Connection,
    *,
    reviews: bool = False,
    lane: str | None = None,
    after: tuple[int, str] | None = None,
    limit: int = MAX_PAGE,
) -> tuple[WantedLabel, ...]:
    """Assets that the audit drew, or those in review, which wait for a first word; the longest waiting first.

    The next `limit` (at most 1000) after an (at_ms, event_id).
    """
    after_ms, after_id = (None, None) if after is None else after
    return _many(
        conn,
        WantedLabel,
        statement("labels_wanted"),
        {"reviews": reviews, "lane": lane, "after_ms": after_ms, "after_id": after_id, "limit": min(limit, MAX_PAGE)},
    )


def known_assets(
    conn: psycopg.Connection, *, job_id: str | None = None, asset: str | None = None
) -> tuple[KnownAsset, ...]:
    """The newest two assets of a job, or with an address that begins so (hex digits); empty where there is none."""
    pattern = None if asset is None else f"{asset}%"
    return _many(conn, KnownAsset, statement("labelled_asset"), {"job_id": job_id, "asset": pattern})


def doubt_counts(conn: psycopg.Connection, sample: Sample) -> tuple[DoubtCount, ...]:
    """Counted in the database: at most 101 rows for each lane, engine and failure mode, however many assets."""
    return _many(conn, DoubtCount, statement("doubt_counts"), sample.parameters())


def escapes(conn: psycopg.Connection, sample: Sample) -> tuple[Escapes, ...]:
    """What got through, by lane and engine: any defect counted, and each one that somebody named."""
    return _many(conn, Escapes, statement("escapes"), sample.parameters())


def agreement(conn: psycopg.Connection, scope: Scope) -> tuple[Agreed, ...]:
    """How far verdicts and people agree, by failure mode and by the way on which assets come to people."""
    return _many(conn, Agreed, statement("agreement"), scope.parameters())
