"""Tests that may be looked at after every verdict: evidence that a candidate is worse than it is allowed to be.

Each test is a game of bets that is fair, or loses, while the candidate is as good as allowed. It begins with a wealth
of 1; by Ville's inequality (1939) the chance that the wealth ever reaches 1/alpha is then at most alpha, however often
one looks, and whenever one stops. So wealth *is* the evidence (an e-value): Shafer, Testing by betting, JRSS A 184
(2021). The two-armed game follows Turner, Ly and Grünwald, Generic e-variables for exact sequential k-sample tests that
allow for optional stopping (2021, arXiv 2106.02693), with the bets of Waudby-Smith and Ramdas, Estimating means of
bounded random variables by betting, JRSS B 86 (2024). docs/rollouts.md derives it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Final

from rules.calibration import lower_tail

FIRST: Final = 0.6
"""Share of the wealth that is bet from the first verdict on, for harm that is there from the beginning."""
LATER: Final = 0.2
"""Share that is kept for the beginnings of later stages; the rest is for harm that begins within a stage."""
PATIENCE: Final = 100
"""Rounds of a stage after which half of what was kept for harm within it has been staked."""
MOST_WEALTH: Final = 1e12
"""Where wealth ends: far beyond any 1/alpha, and a float can hold it. To stop winning never makes a game unfair."""
EXCESSES: Final = (0.4, 0.15, 1.0, 2.5, 6.0)
"""Harms that are bet on, in parts of what is allowed. They span from a creeping regression to a broken release.

Here and in the other games the first bet tells which way the verdicts lean. It is a cautious one: bold ones have lost
before a moderate harm shows. With the most cautious, though, a candidate that is just as good would wait for ever.
"""
MOST_LOSS: Final = 0.95
"""Share of a stake that one verdict may cost at most."""
BLOCK: Final = 2
"""Verdicts of each arm that close a block. With one, a long run of one arm often meets a single verdict of the other,
which costs a tenth more verdicts where both arms are equally large; many wait long where one arm has a hundredth."""
LEARN: Final = 10
"""Verdicts of the stable arm before its rate is known well enough to bet."""
MEMORY: Final = 4096
"""Verdicts over which the stable arm's rate is remembered, so that it follows a stream that drifts."""
HARD_RATIOS: Final = (2.0, 5.0, 15.0, 50.0)
"""Shares that bets against a hard limit expect, in multiples of the limit; none above MOST_SHARE."""
MOST_SHARE: Final = 0.9
SMALLEST_LIMIT: Final = 1e-6
"""A hard limit of nothing at all is taken for this: a chance of 0 leaves nothing to compare with."""
PAIR_STAKES: Final = (0.15, 0.05, 0.4, 0.8)
"""Bets on a pair, in parts of the most that a pair can lose."""


class Wealth:
    """A wealth of 1, spread over several bets and over when harm may begin; never below 0.

    What lies idle neither grows nor shrinks, and is staked at times that were fixed beforehand. So the wealth is a
    weighted mean of games that begin at different times, and harm that comes late finds one that is not yet lost.
    """

    __slots__ = ("_bets", "_idle", "_lead", "_rounds", "_stages")

    def __init__(self, bets: int, stages: int) -> None:
        self._stages = stages
        first = FIRST + LATER if stages == 1 else FIRST
        self._bets = [first / bets] * bets
        self._idle = 1 - first
        self._rounds = 0
        self._lead = 1.0

    @property
    def value(self) -> float:
        """Evidence against the candidate: 1 at the beginning, more where it looks worse than allowed."""
        return min(MOST_WEALTH, self._idle + math.fsum(self._bets))

    @property
    def leans(self) -> bool:
        """Whether the first bet has won rather than lost since the stage began."""
        return self._lead > 1

    def next_stage(self) -> None:
        """Stake what was kept for the beginning of a stage."""
        self._rounds, self._lead = 0, 1.0
        self._stake(LATER / max(1, self._stages - 1))

    def settle(self, factors: Sequence[float]) -> None:
        """A round: each bet is multiplied by its factor, whose expectation must be at most 1 where nothing is wrong."""
        for number, factor in enumerate(factors):
            self._bets[number] = min(MOST_WEALTH, self._bets[number] * factor)
        self._lead = min(MOST_WEALTH, self._lead * factors[0])
        self._rounds += 1
        kept = (1 - FIRST - LATER) / self._stages
        self._stake(kept * PATIENCE / ((self._rounds + PATIENCE - 1) * (self._rounds + PATIENCE)))

    def _stake(self, share: float) -> None:
        share = min(share, self._idle)
        self._idle -= share
        for number in range(len(self._bets)):
            self._bets[number] += share / len(self._bets)

    def dump(self) -> list[float]:
        """All of its state."""
        return [self._idle, float(self._rounds), self._lead, *self._bets]

    def load(self, state: Sequence[float]) -> None:
        """Take up the state that `dump` told."""
        self._idle, rounds, self._lead, *self._bets = state
        self._rounds = int(rounds)


class TwoArms:
    """Evidence that the candidate's share exceeds `ratio` x the stable share + `margin`, verdict by verdict.

    Verdicts are gathered into blocks that hold both arms. Within a block only the difference of the arms is bet on, so
    a stream that drifts, and arms whose sizes change from stage to stage, raise no false alarm.
    """

    __slots__ = ("_bad", "_jobs", "_seen", "_seen_bad", "margin", "ratio", "wealth")

    def __init__(self, *, ratio: float, margin: float, stages: int) -> None:
        self.ratio, self.margin = ratio, margin
        self.wealth = Wealth(len(EXCESSES), stages)
        self._jobs, self._bad = [0, 0], [0, 0]
        self._seen = self._seen_bad = 0.0

    def see(self, *, candidate: bool, bad: bool) -> bool:
        """One verdict more. Says whether it closed a block: only then may the wealth have changed."""
        self._jobs[candidate] += 1
        self._bad[candidate] += bad
        if self._jobs[0] < BLOCK or self._jobs[1] < BLOCK:
            return False
        (stable, tried), (stable_bad, tried_bad) = self._jobs, self._bad
        self._jobs, self._bad = [0, 0], [0, 0]
        self.see_block(stable=stable, stable_bad=stable_bad, tried=tried, tried_bad=tried_bad)
        return True

    def see_block(self, *, stable: int, stable_bad: int, tried: int, tried_bad: int) -> None:
        """A whole block at once, with verdicts of both arms: what `see` does where it closes one."""
        if self._seen >= LEARN:
            rate = (self._seen_bad + 0.5) / (self._seen + 1)
            allowed = min(self.ratio * rate + self.margin, 1.0)
            weight = self.ratio * tried / stable
            factors: list[float] = []
            for bet, against in self._bets(rate, allowed, weight):
                factors.append(
                    (1 + bet * (1 - allowed)) ** tried_bad
                    * (1 - bet * allowed) ** (tried - tried_bad)
                    * (1 - against * (1 - rate)) ** stable_bad
                    * (1 + against * rate) ** (stable - stable_bad)
                )
            self.wealth.settle(factors)
        self._seen += stable
        self._seen_bad += stable_bad
        if self._seen > MEMORY:
            self._seen, self._seen_bad = self._seen / 2, self._seen_bad / 2

    def _bets(self, rate: float, allowed: float, weight: float) -> Iterable[tuple[float, float]]:
        """What each bet stakes on a bad verdict of the candidate, and against one of the stable arm.

        Near the size that makes wealth grow fastest if the harm is as great as the bet says: the harm over the variance
        of the difference. `against` is tied to `bet`: that alone makes the game fair (docs/rollouts.md).
        """
        variance = allowed * (1 - allowed) + self.ratio * weight * rate * (1 - rate)
        most = MOST_LOSS / max(allowed, weight * (1 - rate))
        for excess in EXCESSES:
            bet = min(excess * allowed, 0.8 * (1 - allowed)) / variance
            yield min(bet, most), weight * min(bet, most)

    def dump(self) -> list[float]:
        """All of its state."""
        return [*map(float, self._jobs), *map(float, self._bad), self._seen, self._seen_bad, *self.wealth.dump()]

    def load(self, state: Sequence[float]) -> None:
        """Take up the state that `dump` told."""
        self._jobs, self._bad = [int(n) for n in state[:2]], [int(n) for n in state[2:4]]
        self._seen, self._seen_bad = state[4:6]
        self.wealth.load(state[6:])


class OneArm:
    """Evidence that a share of one arm exceeds `limit`, after every verdict."""

    __slots__ = ("_bad", "_good", "wealth")

    def __init__(self, *, limit: float, stages: int) -> None:
        limit = max(limit, SMALLEST_LIMIT)
        expected = [max(min(ratio * limit, MOST_SHARE), limit) for ratio in HARD_RATIOS]
        self._bad = [share / limit for share in expected]
        self._good = [(1 - share) / (1 - limit) if limit < 1 else 1.0 for share in expected]
        self.wealth = Wealth(len(expected), stages)

    def see(self, *, bad: bool) -> None:
        """One verdict more."""
        self.wealth.settle(self._bad if bad else self._good)


class Pairs:
    """Evidence that of pairs, the candidate's share exceeds `ratio` x the stable share + `margin`.

    With a ratio of 1 and no margin this is a sequential sign test: pairs in which both arms are alike cost nothing.
    """

    __slots__ = ("_margin", "_ratio", "wealth")

    def __init__(self, *, ratio: float, margin: float, stages: int) -> None:
        self._ratio, self._margin = ratio, margin
        self.wealth = Wealth(len(PAIR_STAKES), stages)

    def see(self, *, candidate_bad: bool, stable_bad: bool) -> None:
        """One pair more: the same prompt and seed through both arms."""
        gain = candidate_bad - self._ratio * stable_bad - self._margin
        most = self._ratio + self._margin
        self.wealth.settle([1 + stake * gain / most for stake in PAIR_STAKES])


def sign_test(better: int, worse: int) -> float:
    """Exact two-sided p-value against "of pairs that differ, half are better": for a summary at the end, not for looks.

    Source: McNemar, Note on the sampling error of the difference between correlated proportions, Psychometrika 12
    (1947), in the exact binomial form.
    """
    return min(1.0, 2 * lower_tail(min(better, worse), better + worse, 0.5))


def evidence(bad: int, of: int, null: float, shares: Sequence[float]) -> float:
    """Natural logarithm of the mean likelihood ratio of `shares` over `null`, for `bad` of so many.

    An e-value against "at most null" where all shares are above it, and against "at least null" where all are below.
    """
    logs = [bad * math.log(s / null) + (of - bad) * math.log((1 - s) / (1 - null)) for s in shares]
    top = max(logs)
    return top + math.log(math.fsum(math.exp(x - top) for x in logs) / len(logs))
