"""Pairs of runs of one job compared: better, worse or the same, and how surely that is more than chance.

The question asked first is the verdict's. Its pairs that differ are tested exactly: McNemar, Note on the sampling
error of the difference between correlated proportions, Psychometrika 12 (1947), with the binomial in place of
chi-square. With three verdicts instead of two that is the sign test (Dixon and Mood, JASA 41 (1946)): equal pairs say
nothing, and where nothing changed a pair that differs is as likely better as worse. The five measures are asked by the
same test, and their p-values are raised for asking five times: Holm, A simple sequentially rejective multiple test
procedure, Scandinavian Journal of Statistics 6 (1979).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from rules.calibration import lower_tail, upper_limit

TAIL: Final = 0.025
"""Left out at either end of an interval of 95 %."""
VISIBLE_DELTA_E: Final = 1.0
"""ΔE00 below which two pictures are equally far from a palette: about what an observer just notices (CIE 142-2001)."""
TIME_SHARE: Final = 0.05
"""Two times within so much of the longer one are the same: a machine is never twice equally fast."""
TINY: Final = 1e-9


class Ending(StrEnum):
    """How a run ended for validation; what a person made of it afterwards is not compared."""

    ACCEPT = "accept"
    REVIEW = "review"
    REJECT = "reject"
    REFUSED = "refused"


RANK: Final[Mapping[Ending, int]] = {Ending.ACCEPT: 2, Ending.REVIEW: 1, Ending.REJECT: 0, Ending.REFUSED: 0}


class Change(StrEnum):
    """What became of a job, seen from its original run."""

    BETTER = "better"
    WORSE = "worse"
    SAME = "same"


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """What is compared of one run. `ending` None: not judged yet; a measure None: it was not taken.

    text_score: 0 to 1. delta_e00: mean over the picture to the brand's palette. Times in milliseconds, of all attempts;
    cost in US dollars.
    """

    ending: Ending | None
    text_score: float | None = None
    delta_e00: float | None = None
    cost_usd: float | None = None
    engine_ms: float | None = None
    end_to_end_ms: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """One number of a side: which way is better, and how far apart two values must be to differ.

    `apart` is absolute, `share` of the larger one; either is enough to be the same.
    """

    name: str
    more_is_better: bool
    apart: float = TINY
    share: float = 0.0


MEASURES: Final = (
    Measure(name="text_score", more_is_better=True),
    Measure(name="delta_e00", more_is_better=False, apart=VISIBLE_DELTA_E),
    Measure(name="cost_usd", more_is_better=False),
    Measure(name="engine_ms", more_is_better=False, share=TIME_SHARE),
    Measure(name="end_to_end_ms", more_is_better=False, share=TIME_SHARE),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Signs:
    """Pairs by change. `p_value` is two-sided and exact; 1 where no pair differs.

    `better_low` and `better_high` hold, in 95 % of samples, the share of better ones among pairs that differ (Clopper
    and Pearson); 0 and 1 where none does.
    """

    better: int
    worse: int
    same: int
    p_value: float
    better_low: float
    better_high: float

    @property
    def pairs(self) -> int:
        """All that could be compared."""
        return self.better + self.worse + self.same


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """One measure over all pairs that have it: means of both sides, and signs whose p-value is raised after Holm."""

    name: str
    signs: Signs
    mean_before: float | None
    mean_after: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What a comparison found. `waiting` pairs are not judged on both sides yet, and count nowhere else."""

    waiting: int
    verdict: Signs
    accepted_before: int
    accepted_after: int
    measures: tuple[Compared, ...]


def change(before: Side, after: Side) -> Change | None:
    """How the verdict changed; None where either run is not judged yet."""
    if before.ending is None or after.ending is None:
        return None
    return _sign(RANK[after.ending] - RANK[before.ending])


def measured(measure: Measure, before: float, after: float) -> Change:
    """How one number changed."""
    difference = after - before
    if abs(difference) <= max(measure.apart, measure.share * max(abs(before), abs(after))):
        return Change.SAME
    return _sign(difference if measure.more_is_better else -difference)


def _sign(gain: float) -> Change:
    if gain == 0:
        return Change.SAME
    return Change.BETTER if gain > 0 else Change.WORSE


def signs(better: int, worse: int, same: int) -> Signs:
    """The exact test of so many pairs."""
    differ = better + worse
    if not differ:
        return Signs(better=0, worse=0, same=same, p_value=1.0, better_low=0.0, better_high=1.0)
    return Signs(
        better=better,
        worse=worse,
        same=same,
        p_value=min(1.0, 2 * lower_tail(min(better, worse), differ, 0.5)),
        better_low=1 - upper_limit(worse, differ, TAIL),
        better_high=upper_limit(better, differ, TAIL),
    )


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """The p-values as they stand after asking so often, in their own order."""
    raised = [0.0] * len(p_values)
    highest = 0.0
    for n, index in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        highest = max(highest, min(1.0, (len(p_values) - n) * p_values[index]))
        raised[index] = highest
    return tuple(raised)


class Tally:
    """Counts pairs as they come; its size does not depend on how many there are."""

    __slots__ = ("_accepted", "_counts", "_sums", "_verdicts", "_waiting")

    def __init__(self) -> None:
        self._waiting = 0
        self._verdicts = dict.fromkeys(Change, 0)
        self._accepted = [0, 0]
        self._counts = {m.name: dict.fromkeys(Change, 0) for m in MEASURES}
        self._sums = {m.name: [0.0, 0.0] for m in MEASURES}

    def add(self, before: Side, after: Side) -> Change | None:
        """Count one pair, and give how its verdict changed."""
        verdict = change(before, after)
        if verdict is None:
            self._waiting += 1
            return None
        self._verdicts[verdict] += 1
        for n, side in enumerate((before, after)):
            self._accepted[n] += side.ending is Ending.ACCEPT
        for measure in MEASURES:
            one: float | None = getattr(before, measure.name)
            other: float | None = getattr(after, measure.name)
            if one is not None and other is not None:
                self._counts[measure.name][measured(measure, one, other)] += 1
                self._sums[measure.name][0] += one
                self._sums[measure.name][1] += other
        return verdict

    def summary(self) -> Summary:
        """What the pairs so far say."""
        asked = {m.name: _counted(self._counts[m.name]) for m in MEASURES}
        raised = dict(zip(asked, holm([s.p_value for s in asked.values()]), strict=True))
        return Summary(
            waiting=self._waiting,
            verdict=_counted(self._verdicts),
            accepted_before=self._accepted[0],
            accepted_after=self._accepted[1],
            measures=tuple(
                Compared(
                    name=name,
                    signs=replace(s, p_value=raised[name]),
                    mean_before=self._sums[name][0] / s.pairs if s.pairs else None,
                    mean_after=self._sums[name][1] / s.pairs if s.pairs else None,
                )
                for name, s in asked.items()
            ),
        )


def _counted(counts: Mapping[Change, int]) -> Signs:
    return signs(counts[Change.BETTER], counts[Change.WORSE], counts[Change.SAME])
