"""What a controller cannot have counted: jobs without a verdict, and verdicts that the audit has not stored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

import psycopg

from audit import ledger
from audit import rollouts as store
from broker.lag import PartitionLag, lag_behind
from broker.settings import Settings
from rules.rollout_decision import OVERDUE_MS, Unseen
from schemas.catalogue import DESIGN_QUEUE, HELD, REPLAY, REVIEW

VERDICTS: Final = (DESIGN_QUEUE, REPLAY, REVIEW, HELD)
"""Where validation writes what it decides."""
EVERY_MS: Final = 10_000
"""Between two looks at what is overdue. An audit that stores less than what was there so long ago is behind."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """Where verdicts ended at a time, ms, on partitions of which the audit had not stored all."""

    at_ms: int
    ends: Mapping[tuple[str, int], int]


class Watch:
    """Of one stage of a roll-out. `overdue_ms`: how long a job may go without a verdict."""

    def __init__(
        self,
        settings: Settings,
        conn: psycopg.Connection,
        rollout_id: str,
        stage: int,
        *,
        overdue_ms: int = OVERDUE_MS,
    ) -> None:
        self.rollout_id, self.stage = rollout_id, stage
        self._settings, self._conn, self._overdue_ms = settings, conn, overdue_ms
        self._now = Unseen()
        self._usual: Mark | None = None
        self._before_end: Mark | None = None

    def look(self, at_ms: int, *, ending: bool) -> Unseen:
        """What is unseen; `ending` says that the verdicts counted so far would end the stage.

        Then nothing may be unstored of what was there when that was asked first. Verdicts that are counted after this
        look hold all that it found stored. Raises Transient where the broker is away.
        """
        if self._usual is None or at_ms - self._usual.at_ms >= EVERY_MS:
            self._now = replace(self._jobs(at_ms), unstored=self._unstored(self._usual))
            self._usual = self._mark(at_ms)
        if not ending:
            self._before_end = None
            return self._now
        left = self._unstored(self._before_end)
        old = self._before_end is None or at_ms - self._before_end.at_ms >= EVERY_MS
        if old and not left:
            self._before_end = self._mark(at_ms)
            left = self._unstored(self._before_end)
        return replace(self._now, unstored=left)

    def _jobs(self, at_ms: int) -> Unseen:
        before_ms = at_ms - self._overdue_ms
        own = [r for r in store.routed(self._conn, self.rollout_id, before_ms=before_ms) if not r.shadow]
        return Unseen(routed={r.arm: r.routed for r in own}, overdue={r.arm: r.overdue for r in own})

    def _mark(self, at_ms: int) -> Mark:
        return Mark(at_ms=at_ms, ends={(f.topic, f.partition): f.end for f in self._behind() if f.records})

    def _unstored(self, mark: Mark | None) -> int:
        if mark is None or not mark.ends:
            return 0
        ends = mark.ends
        return sum(max(0, ends.get((f.topic, f.partition), 0) - f.position) for f in self._behind() if f.records)

    def _behind(self) -> tuple[PartitionLag, ...]:
        positions = {place: head.next_offset for place, head in ledger.heads(self._conn).items()}
        return lag_behind(self._settings, positions, VERDICTS)
