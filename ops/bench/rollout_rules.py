"""Rules that could take a roll-out back, as `bench rollout` compares them: ours, and what is commonly done."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from rules.sequential import BLOCK, TwoArms

Flags = npt.NDArray[np.bool_]
Counts = npt.NDArray[np.int64]
Numbers = npt.NDArray[np.float64]

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


class Stream:
    """The verdicts of one roll-out in their order, and how many there were of each kind after each of them.

    candidate, bad: Whether each verdict is one of the candidate's, and whether it is a bad one.
    stages: How many verdicts there were before each stage but the first.
    jobs, bads: Verdicts and bad verdicts of the stable arm and of the candidate, after each verdict.
    """

    def __init__(self, candidate: Flags, bad: Flags, stages: Sequence[int]) -> None:
        self.candidate, self.bad, self.stages = candidate, bad, tuple(stages)
        self.jobs = _running(~candidate, candidate)
        self.bads = _running(bad & ~candidate, bad & candidate)

    def difference(self) -> Numbers:
        """Candidate's rate minus the stable one's after each verdict; of an arm without verdicts it is 0."""
        rates = self.bads / np.maximum(self.jobs, 1)
        return rates[1] - rates[0]

    def z(self) -> Numbers:
        """The difference in standard errors of no difference; 0 where nothing or everything was bad."""
        jobs = np.maximum(self.jobs, 1)
        rate = self.bads.sum(axis=0) / self.jobs.sum(axis=0)
        variance = rate * (1 - rate) * (1 / jobs[0] + 1 / jobs[1])
        return np.divide(self.difference(), np.sqrt(variance), out=np.zeros(len(rate)), where=variance > 0)

    def looked_at(self) -> Flags:
        """Whether the common rules look after a verdict."""
        return (self.jobs[1] >= FEWEST) & (self.jobs[0] > 0)


class Rule(Protocol):
    """A rule that looks after every verdict."""

    def alarm(self, stream: Stream) -> int | None:
        """Number of the verdict, from 0, after which it takes the roll-out back; None where it never does."""
        ...


class Bets:
    """The test of rules/sequential.py."""

    def __init__(self, margin: float, alpha: float) -> None:
        self._margin, self._needed = margin, 1 / alpha

    def alarm(self, stream: Stream) -> int | None:
        """Where the wealth reaches 1/alpha."""
        test = TwoArms(ratio=1.0, margin=self._margin, stages=len(stream.stages) + 1)
        left, before = [*stream.stages], np.zeros(4, dtype=np.int64)
        for at, counts in _blocks(stream):
            while left and at >= left[0]:
                left.pop(0)
                test.wealth.next_stage()
            stable, tried, stable_bad, tried_bad = map(int, counts - before)
            test.see_block(stable=stable, stable_bad=stable_bad, tried=tried, tried_bad=tried_bad)
            if test.wealth.value >= self._needed:
                return at
            before = counts
        return None


def _blocks(stream: Stream) -> Iterator[tuple[int, Counts]]:
    """The verdict that closes each block, and the counts after it: jobs and bad ones, each of both arms.

    `TwoArms.see` closes the same blocks; to walk through all verdicts for that would take most of the time.
    """
    places = (np.flatnonzero(~stream.candidate), np.flatnonzero(stream.candidate))
    counts = np.concatenate([stream.jobs, stream.bads])
    stable = tried = 0
    while stable + BLOCK <= len(places[0]) and tried + BLOCK <= len(places[1]):
        at = max(int(places[0][stable + BLOCK - 1]), int(places[1][tried + BLOCK - 1]))
        yield at, counts[:, at]
        stable, tried = int(stream.jobs[0, at]), int(stream.jobs[1, at])


class Peeking:
    """A z-test that is made for one look, looked at after every verdict."""

    def alarm(self, stream: Stream) -> int | None:
        """Where it is significant for the first time."""
        return _first(stream.looked_at() & (stream.z() > Z_ONE_SIDED))


class Fixed:
    """Mann and Whitney's U (1947) with its correction for ties, once, when the candidate has its planned verdicts.

    On outcomes of 0 and 1 it is the z-test of two proportions, but for a factor sqrt((N - 1) / N). The sample is the
    one that finds +10 points with a power of 80 % at the first stage's share, by the usual formula.
    """

    def __init__(self, *, base: float, harm: float, share: float) -> None:
        worse = base + harm
        variance = worse * (1 - worse) + base * (1 - base) * share / (1 - share)
        self.sample = math.ceil(((Z_ONE_SIDED + Z_POWER) / harm) ** 2 * variance)

    def alarm(self, stream: Stream) -> int | None:
        """Where it looks, if it is significant there."""
        at = _first((stream.jobs[1] >= self.sample) & (stream.jobs[0] > 0))
        if at is None:
            return None
        return at if stream.z()[at] * math.sqrt(at / (at + 1)) > Z_ONE_SIDED else None


class Thresholded:
    """An alarm on the difference of both rates, with no regard to chance."""

    def alarm(self, stream: Stream) -> int | None:
        """Where the difference is too large for the first time."""
        return _first(stream.looked_at() & (stream.difference() > THRESHOLD))


class TwoBounds:
    """Anytime-valid bounds on each arm's rate by itself, half of alpha for each, by a Beta mixture (Robbins 1970).

    Valid for one unchanging rate in each arm; takes back when the bounds no longer overlap.
    """

    def __init__(self, alpha: float) -> None:
        self._needed = math.log(2 / alpha)

    def alarm(self, stream: Stream) -> int | None:
        """Where the lower bound of the candidate is above the upper bound of the stable arm for the first time."""
        # Only a bad verdict of the candidate can make the bounds part for the first time, or nearly only.
        looks = stream.candidate & stream.bad & (stream.jobs[0] > 0) & (stream.difference() > 0)
        places = (int(at) for at in np.flatnonzero(looks))
        return next((at for at in places if self._apart(stream.jobs[:, at], stream.bads[:, at])), None)

    def _apart(self, jobs: Counts, bads: Counts) -> bool:
        (stable, tried), (stable_bad, tried_bad) = map(int, jobs), map(int, bads)
        low, high = stable_bad / stable, tried_bad / tried
        if low and self._log_wealth(tried_bad, tried, low) < self._needed:  # not even the rate seen is ruled out
            return False
        for _ in range(HALVINGS):
            middle = (low + high) / 2
            if self._log_wealth(stable_bad, stable, middle) >= self._needed:
                high = middle
            else:
                low = middle
        return self._log_wealth(tried_bad, tried, high) >= self._needed

    @staticmethod
    def _log_wealth(bad: int, jobs: int, rate: float) -> float:
        good = jobs - bad
        mixture = math.lgamma(bad + JEFFREYS) + math.lgamma(good + JEFFREYS) - math.lgamma(jobs + 2 * JEFFREYS)
        against = (bad * math.log(rate) if bad else 0.0) + (good * math.log1p(-rate) if good else 0.0)
        return mixture - 2 * math.lgamma(JEFFREYS) - against


def _running(stable: Flags, candidate: Flags) -> Counts:
    return np.stack([np.cumsum(flags, dtype=np.int64) for flags in (stable, candidate)])


def _first(flags: Flags) -> int | None:
    at = int(flags.argmax()) if len(flags) else 0
    return at if len(flags) and flags[at] else None


def rules(alpha: float, *, base: float, harm: float, share: float) -> Mapping[str, Rule]:
    """All of them by name. `share`: of the candidate in the first stage, 0 to 1."""
    return {
        OURS: Bets(0.0, alpha),
        OURS_MARGIN: Bets(0.02, alpha),
        TWO_BOUNDS: TwoBounds(alpha),
        FIXED: Fixed(base=base, harm=harm, share=share),
        THRESHOLDED: Thresholded(),
        PEEKING: Peeking(),
    }
