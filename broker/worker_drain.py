"""How long what is under way may still take: a loop that is to end sets it, and a handler's long work looks at it."""

from __future__ import annotations

import math


class Drain:
    """Shared by a worker loop, which begins it once, and its handler, which may look from any thread."""

    def __init__(self) -> None:
        self._ends_s = math.inf

    def begin(self, ends_s: float) -> None:
        """The loop ends: what is not done by `ends_s` (monotonic seconds) is left, and nothing of it is committed."""
        self._ends_s = ends_s

    @property
    def begun(self) -> bool:
        """Whether the loop ends."""
        return math.isfinite(self._ends_s)

    def left_s(self, now_s: float) -> float:
        """Seconds left at `now_s` (monotonic seconds); infinite while nobody asked to stop."""
        return self._ends_s - now_s
