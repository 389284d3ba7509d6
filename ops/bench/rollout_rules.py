"""Rules that could take a roll-out back, as `bench rollout` compares them: ours, and what is commonly done."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final, Protocol

from rules.sequential import TwoArms

Z_ONE_SIDED: Final = 1.6448536269514722
"""Standard normal quantile of 0.95: a test at 5 %, one-sided."""
Z_POWER: Final = 0.8416212335729143
"""Of 0.8: the power that a fixed sample is usually planned for."""
FEWEST: Final = 30
"""Verdicts of the candidate before the common rules look at all: a normal approximation wants about so many."""
THRESHOLD: Final = 0.05
"""The common alarm: the candidate's rate is 5 points above the stable one's."""
JEFFREYS: Final = 0.5
HALVINGS: Final = 30

OURS: Final = "bets (ours), guard +0pp"
OURS_MARGIN: Final = "bets (ours), guard +2pp"
PEEKING: Final = "z-test at 5 % after every verdict"
FIXED: Final = "Mann-Whitney at 5 %, once"
THRESHOLDED: Final = "fixed threshold, +5 points after 30"
TWO_BOUNDS: Final = "a confidence sequence for each arm"


class Counts:
    """Verdicts and bad verdicts of both arms so far, over all stages: what the common rules go by."""

    __slots__ = ("bad", "jobs")

    def __init__(self) -> None:
        self.jobs, self.bad = [0, 0], [0, 0]

    def difference(self) -> float:
        """Candidate's rate minus the stable one's; both arms must have verdicts."""
        return self.bad[1] / self.jobs[1] - self.bad[0] / self.jobs[0]

    def z(self) -> float:
        """The difference in standard errors of no difference; 0 where nothing or everything was bad."""
        total = self.jobs[0] + self.jobs[1]
        rate = (self.bad[0] + self.bad[1]) / total
        variance = rate * (1 - rate) * (1 / self.jobs[0] + 1 / self.jobs[1])
        return self.difference() / math.sqrt(variance) if variance else 0.0


class Rule(Protocol):
    """A rule that looks after every verdict."""

    def see(self, *, candidate: bool, bad: bool, counts: Counts) -> bool:
        """Whether it takes the roll-out back now. `counts` hold this verdict already."""
        ...

    def next_stage(self) -> None:
        """The roll-out has reached its next stage."""
        ...


class Bets:
    """The test of rules/sequential.py."""

    def __init__(self, margin: float, alpha: float, stages: int) -> None:
        self.test = TwoArms(ratio=1.0, margin=margin, stages=stages)
        self._needed = 1 / alpha

    def see(self, *, candidate: bool, bad: bool, counts: Counts) -> bool:
        """Whether the wealth has reached 1/alpha."""
        return self.test.see(candidate=candidate, bad=bad) and self.test.wealth.value >= self._needed

    def next_stage(self) -> None:
        """Stakes what was kept for it."""
        self.test.wealth.next_stage()


class Peeking:
    """A z-test that is made for one look, looked at after every verdict."""

    def see(self, *, candidate: bool, bad: bool, counts: Counts) -> bool:
        """Whether it is significant now."""
        return counts.jobs[1] >= FEWEST and counts.jobs[0] > 0 and counts.z() > Z_ONE_SIDED

    def next_stage(self) -> None:
        """Does not matter to it."""


class Fixed:
    """Mann and Whitney's U (1947) with its correction for ties, once, when the candidate has its planned verdicts.

    On outcomes of 0 and 1 it is the z-test of two proportions, but for a factor sqrt((N - 1) / N). The sample is the
    one that finds +10 points with a power of 80 % at the first stage's share, by the usual formula.
    """

    def __init__(self, *, base: float, harm: float, share: float) -> None:
        worse = base + harm
        variance = worse * (1 - worse) + base * (1 - base) * share / (1 - share)
        self.sample = math.ceil(((Z_ONE_SIDED + Z_POWER) / harm) ** 2 * variance)
        self._done = False

    def see(self, *, candidate: bool, bad: bool, counts: Counts) -> bool:
        """Whether this is the look, and it is significant."""
        if self._done or counts.jobs[1] < self.sample or not counts.jobs[0]:
            return False
        self._done = True
        total = counts.jobs[0] + counts.jobs[1]
        return counts.z() * math.sqrt((total - 1) / total) > Z_ONE_SIDED

    def next_stage(self) -> None:
        """Does not matter to it."""


class Thresholded:
    """An alarm on the difference of both rates, with no regard to chance."""

    def see(self, *, candidate: bool, bad: bool, counts: Counts) -> bool:
        """Whether the difference is too large now."""
        return counts.jobs[1] >= FEWEST and counts.jobs[0] > 0 and counts.difference() > THRESHOLD

    def next_stage(self) -> None:
        """Does not matter to it."""


class TwoBounds:
    """Anytime-valid bounds on each arm's rate by itself, half of alpha for each, by a Beta mixture (Robbins 1970).

    Valid for one unchanging rate in each arm; takes back when the bounds no longer overlap.
    """

    def __init__(self, alpha: float) -> None:
        self._needed = math.log(2 / alpha)

    def see(self, *, candidate: bool, bad: bool, counts: Counts) -> bool:
        """Whether the lower bound of the candidate is above the upper bound of the stable arm."""
        # Only a bad verdict of the candidate can make the bounds part for the first time, or nearly only.
        if not (candidate and bad) or not counts.jobs[0] or counts.difference() <= 0:
            return False
        low, high = counts.bad[0] / counts.jobs[0], counts.bad[1] / counts.jobs[1]
        for _ in range(HALVINGS):
            middle = (low + high) / 2
            if self._log_wealth(counts.bad[0], counts.jobs[0], middle) >= self._needed:
                high = middle
            else:
                low = middle
        return self._log_wealth(counts.bad[1], counts.jobs[1], high) >= self._needed

    @staticmethod
    def _log_wealth(bad: int, jobs: int, rate: float) -> float:
        good = jobs - bad
        mixture = math.lgamma(bad + JEFFREYS) + math.lgamma(good + JEFFREYS) - math.lgamma(jobs + 2 * JEFFREYS)
        return mixture - 2 * math.lgamma(JEFFREYS) - bad * math.log(rate) - good * math.log1p(-rate)

    def next_stage(self) -> None:
        """Does not matter to it."""


def rules(alpha: float, stages: int, *, base: float, harm: float, share: float) -> Mapping[str, Rule]:
    """All of them, new, by name. `share`: of the candidate in the first stage, 0 to 1."""
    return {
        OURS: Bets(0.0, alpha, stages),
        OURS_MARGIN: Bets(0.02, alpha, stages),
        TWO_BOUNDS: TwoBounds(alpha),
        FIXED: Fixed(base=base, harm=harm, share=share),
        THRESHOLDED: Thresholded(),
        PEEKING: Peeking(),
    }
