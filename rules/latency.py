"""Bounds on the 95th percentile of a latency that hold at every look at once, in a histogram of bounded size.

The confidence sequence of a fixed quantile of Howard and Ramdas, Sequential estimation of quantiles with applications
to A/B testing and best-arm identification, Bernoulli 28 (2022): how many values lie beyond the true quantile is a sum
of coin throws of a known chance, whatever the distribution. Their mixture of bets on that chance is taken over a few
fixed alternatives, each side for itself.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

from rules.sequential import evidence

BEYOND: Final = 0.05
"""Chance of a value beyond the 95th percentile."""
MORE: Final = tuple(BEYOND * ratio for ratio in (1.15, 1.4, 2.0, 4.0, 12.0))
FEWER: Final = tuple(BEYOND * ratio for ratio in (0.85, 0.6, 0.3, 0.05))
STEP: Final = math.log(1.02)
"""Width of a bin: latencies are told apart by 2 %."""
BINS: Final = 1200
"""Bins at most: the last one begins at 5.8 hours and has no end."""


class Latencies:
    """Latencies of one arm, ms."""

    __slots__ = ("_bins", "count")

    def __init__(self) -> None:
        self._bins: dict[int, int] = {}
        self.count = 0

    def see(self, latency_ms: float) -> None:
        """One latency more; what is below 1 ms counts as 1 ms."""
        number = min(BINS - 1, int(math.log(max(1.0, latency_ms)) / STEP))
        self._bins[number] = self._bins.get(number, 0) + 1
        self.count += 1

    def p95(self) -> float:
        """The 95th percentile seen so far, to the bin's middle; 0 where nothing was seen."""
        rest = math.ceil(0.95 * self.count)
        for number in sorted(self._bins):
            rest -= self._bins[number]
            if rest <= 0:
                return math.exp((number + 0.5) * STEP)
        return 0.0

    def lower(self, alpha: float) -> float:
        """At every look at once, the true 95th percentile is at least this, but for a chance of alpha; ms."""
        beyond = 0
        for number in sorted(self._bins, reverse=True):
            beyond += self._bins[number]
            over = beyond > BEYOND * self.count
            if over and evidence(beyond, self.count, BEYOND, MORE) >= -math.log(alpha):
                return math.exp(number * STEP)
        return 0.0

    def upper(self, alpha: float) -> float:
        """At every look at once, the true 95th percentile is at most this, but for a chance of alpha; ms."""
        beyond = self.count
        for number in sorted(self._bins):
            beyond -= self._bins[number]
            under = beyond < BEYOND * self.count
            if under and number < BINS - 1 and evidence(beyond, self.count, BEYOND, FEWER) >= -math.log(alpha):
                return math.exp((number + 1) * STEP)
        return math.inf

    def dump(self) -> dict[str, int]:
        """How many fell into each bin."""
        return {str(number): self._bins[number] for number in sorted(self._bins)}

    def load(self, bins: Mapping[str, int]) -> None:
        """Take up what `dump` told."""
        self._bins = {int(number): count for number, count in bins.items()}
        self.count = sum(self._bins.values())
