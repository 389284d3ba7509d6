"""Wilson intervals against known values, and goals that stand by the whole interval."""

import pytest

from ops.bench.corpus_kinds import Damage, Kind
from ops.bench.inspect_corpus import goals
from ops.bench.inspect_jobs import Outcome
from ops.bench.intervals import Goal, Standing, wilson
from schemas.events import Verdict


@pytest.mark.parametrize(
    ("hits", "total", "low", "high"),
    # Newcombe, Two-sided confidence intervals for the single proportion, Statistics in Medicine 17 (1998), table I.
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_known_intervals(hits: int, total: int, low: float, high: float):
    seen = wilson(hits, total)
    assert (round(seen.low, 4), round(seen.high, 4)) == (low, high)


def test_bounds():
    assert (wilson(0, 0).low, wilson(0, 0).high) == (0.0, 1.0)
    assert wilson(0, 5).low == 0.0
    assert wilson(5, 5).high == 1.0


@pytest.mark.parametrize(
    ("hits", "total", "limit", "at_least", "standing"),
    [
        (1000, 1000, 0.97, True, Standing.MET),
        (98, 100, 0.97, True, Standing.UNDECIDED),
        (80, 100, 0.97, True, Standing.MISSED),
        (0, 1000, 0.005, False, Standing.MET),
        (0, 100, 0.005, False, Standing.UNDECIDED),
        (10, 100, 0.005, False, Standing.MISSED),
        (0, 0, 0.5, False, Standing.UNDECIDED),
    ],
)
def test_a_goal_stands_by_its_interval(hits: int, total: int, limit: float, at_least: bool, standing: Standing):
    assert Goal(name="", limit=limit, at_least=at_least, seen=wilson(hits, total)).standing is standing


def test_each_goal_counts_its_own_pictures():
    outcomes = (
        Outcome(kind=Kind.PLAIN, damage=None, verdict=Verdict.ACCEPT),
        Outcome(kind=Kind.NEON, damage=None, verdict=Verdict.REJECT),
        Outcome(kind=Kind.GREEK, damage=None, verdict=Verdict.REJECT),
        Outcome(kind=Kind.NO_TEXT, damage=None, verdict=Verdict.REVIEW),
        Outcome(kind=Kind.NEON, damage=Damage.WRONG_LETTER, verdict=Verdict.ACCEPT),
        Outcome(kind=Kind.GREEK, damage=Damage.WRONG_LETTER, verdict=Verdict.REVIEW),
        Outcome(kind=Kind.NEON, damage=Damage.LOOK_ALIKE, verdict=Verdict.ACCEPT),
        Outcome(kind=Kind.NEON, damage=Damage.MALFORMED, verdict=Verdict.ACCEPT),
    )
    counted = [(g.seen.hits, g.seen.total) for g in goals(outcomes)]
    assert counted == [(1, 2), (1, 1), (1, 1), (0, 1), (1, 2), (1, 1)]
