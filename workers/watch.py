"""Looks on while an engine renders one batch: tells how far it is, and cancels what takes too long or is in the way."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from broker.worker_drain import Drain
from rules.engines import EngineProfile
from workers.engines.port import Cancelled

REST_S: Final = 5.0
"""What finishing, storing and committing a batch may take after a stop: rendering must leave that much of the drain."""
HARD_SHARE: Final = 0.9
"""A batch is cancelled before the limit at which its process ends, whatever its profile allows."""


class Cause(StrEnum):
    """Why a batch was cancelled."""

    TIMEOUT = "timeout"
    STOP = "stop"


def limit_s(profile: EngineProfile, batch: int, hard_s: float) -> float:
    """How long a batch may take, seconds: the profile's time-out is for one picture, and n pictures get n times that.

    Engines that render side by side need far less, and one that draws picture by picture needs no more. `hard_s` is
    when the process ends with a call that does not come back.
    """
    return min(profile.timeout_s * batch, HARD_SHARE * hard_s)


@dataclass(slots=True, kw_only=True)
class BatchWatch:
    """The Watch of one call of an engine.

    limit_s: Seconds that it may take, counted from its start. Where the engine is not loaded yet (`warm` is false),
        from its first step: putting weights in place and compiling them is not the batch's time.
    drain: After a stop, a batch that at its pace would not be done in time is cancelled at once, so that the process
        leaves early; one whose pace is not known yet goes on until the time is up.
    tell: Told of every step.
    cause: Why it was cancelled; None where it was not.
    """

    limit_s: float
    drain: Drain
    tell: Callable[[int, int], None]
    warm: bool = True
    clock: Callable[[], float] = time.monotonic
    cause: Cause | None = None
    _began: float | None = field(default=None, init=False)
    """When its time began to count."""
    _round: tuple[float, int] = field(default=(0.0, 0), init=False)
    """When the steps that are counted now began, and how many of them were done then."""
    _last: tuple[float, int, int] = field(default=(0.0, 0, 0), init=False)
    """When it was told of a step last, and of which one of how many."""

    def __post_init__(self) -> None:
        if self.warm:
            now = self.clock()
            self._began, self._round, self._last = now, (now, 0), (now, 0, 0)

    def step(self, done: int, of: int) -> None:
        """Told after every step of a batch. Raises Cancelled where the engine should stop now."""
        now = self.clock()
        self.tell(done, of)
        if self._began is None:
            self._began, self._round, self._last = now, (now, done), (now, done, of)
        last, before, former = self._last
        if done < before or of != former > 0:
            # Counted from 1 again: the next part of a batch, or setting text after its art was painted.
            self._round = (last, 0)
        self._last = (now, done, of)
        if now - self._began > self.limit_s:
            self.cause = Cause.TIMEOUT
        elif self.drain.begun:
            since, first = self._round
            pace = (now - since) / (done - first) if done > first else 0.0
            if pace * max(0, of - done) > self.drain.left_s(now) - REST_S:
                self.cause = Cause.STOP
        if self.cause is not None:
            raise Cancelled(self.cause.value)
