"""Pairs are counted by verdict and by measure, and tested exactly."""

from __future__ import annotations

from math import comb

import pytest

from rules.comparison import MEASURES, Change, Ending, Side, Tally, change, holm, measured, signs

BY_NAME = {m.name: m for m in MEASURES}


def binomial(better: int, worse: int) -> float:
    """The two-sided p-value, summed in whole numbers."""
    n = better + worse
    return min(1.0, 2 * sum(comb(n, k) for k in range(min(better, worse) + 1)) / 2**n)


@pytest.mark.parametrize(
    ("before", "after", "want"),
    [
        (Ending.REJECT, Ending.ACCEPT, Change.BETTER),
        (Ending.REVIEW, Ending.ACCEPT, Change.BETTER),
        (Ending.ACCEPT, Ending.REVIEW, Change.WORSE),
        (Ending.REVIEW, Ending.REFUSED, Change.WORSE),
        (Ending.REFUSED, Ending.REJECT, Change.SAME),
        (Ending.ACCEPT, Ending.ACCEPT, Change.SAME),
        (None, Ending.ACCEPT, None),
        (Ending.ACCEPT, None, None),
    ],
)
def test_a_verdict_is_better_or_worse(before: Ending | None, after: Ending | None, want: Change | None):
    assert change(Side(ending=before), Side(ending=after)) is want


@pytest.mark.parametrize(
    ("name", "before", "after", "want"),
    [
        ("text_score", 0.9, 1.0, Change.BETTER),
        ("text_score", 1.0, 0.9, Change.WORSE),
        ("text_score", 1.0, 1.0, Change.SAME),
        ("delta_e00", 3.0, 3.9, Change.SAME),
        ("delta_e00", 3.0, 4.5, Change.WORSE),
        ("delta_e00", 6.0, 2.0, Change.BETTER),
        ("cost_usd", 0.04, 0.08, Change.WORSE),
        ("engine_ms", 1000.0, 1040.0, Change.SAME),
        ("end_to_end_ms", 1000.0, 900.0, Change.BETTER),
    ],
)
def test_a_number_counts_where_it_differs_enough(name: str, before: float, after: float, want: Change):
    assert measured(BY_NAME[name], before, after) is want


@pytest.mark.parametrize(("better", "worse"), [(1, 0), (5, 0), (0, 6), (12, 3), (7, 7), (40, 21), (600, 500)])
def test_the_test_is_exact(better: int, worse: int):
    assert signs(better, worse, 9).p_value == pytest.approx(binomial(better, worse))


def test_its_interval_is_that_of_clopper_and_pearson():
    none = signs(0, 0, 4)
    assert (none.p_value, none.better_low, none.better_high, none.pairs) == (1.0, 0.0, 1.0, 4)
    # Their table for 8 of 10: 0.4439 to 0.9748.
    some = signs(8, 2, 0)
    assert (some.better_low, some.better_high) == (pytest.approx(0.4439, abs=1e-4), pytest.approx(0.9748, abs=1e-4))
    all_ = signs(5, 0, 0)
    assert (all_.better_low, all_.better_high) == (pytest.approx(0.025 ** (1 / 5)), 1.0)


def test_asking_five_times_raises_p_values_after_holm():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx((0.03, 0.06, 0.06, 0.02))
    assert holm([0.9, 0.8]) == (1.0, 1.0)
    assert holm([]) == ()


def test_a_tally_sums_up_what_it_was_given():
    tally = Tally()
    bad = Side(ending=Ending.REJECT, text_score=0.5, delta_e00=2.0, cost_usd=0.08, engine_ms=100, end_to_end_ms=900)
    good = Side(ending=Ending.ACCEPT, text_score=1.0, delta_e00=2.5, cost_usd=0.04, engine_ms=100, end_to_end_ms=400)
    assert [tally.add(bad, good) for _ in range(6)] == [Change.BETTER] * 6
    assert tally.add(good, bad) is Change.WORSE
    assert tally.add(Side(ending=Ending.ACCEPT), good) is Change.SAME
    assert tally.add(bad, Side(ending=None)) is None
    found = tally.summary()
    assert (found.waiting, found.accepted_before, found.accepted_after) == (1, 2, 7)
    assert (found.verdict.better, found.verdict.worse, found.verdict.same) == (6, 1, 1)
    assert found.verdict.p_value == pytest.approx(binomial(6, 1))
    of = {m.name: m for m in found.measures}
    text = of["text_score"]
    assert (text.signs.better, text.signs.worse, text.signs.same, text.signs.pairs) == (6, 1, 0, 7)
    assert (text.mean_before, text.mean_after) == (pytest.approx(4 / 7), pytest.approx(6.5 / 7))
    # Three measures are equally sure; the first of five such is raised five times.
    assert text.signs.p_value == pytest.approx(5 * binomial(6, 1))
    assert of["delta_e00"].signs.p_value == 1.0


def test_nothing_compared_is_nothing_found():
    found = Tally().summary()
    assert (found.verdict.pairs, found.verdict.p_value, found.measures[0].mean_before) == (0, 1.0, None)
