"""The promise of roll-outs: fair games, by their exact expectation, and no more false alarms than alpha by simulation.

Beside each of them stands a mutant that must fail it.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.calibration import lower_tail
from rules.sequential import PAIR_STAKES, OneArm, Pairs, TwoArms, Wealth, sign_test

SHARES = st.floats(0, 1)
ALPHA = 0.05
RUNS = 160
SURE = 1e-4
"""Chance of a simulation that keeps alpha exactly to be called broken; the seeds are fixed all the same."""


class Untied(TwoArms):
    """A mutant: what is staked on the candidate is not tied to what is staked against the stable arm."""

    def _bets(self, rate: float, allowed: float, weight: float) -> list[tuple[float, float]]:
        return [(bet, against / 3) for bet, against in super()._bets(rate, allowed, weight)]


def gain(game: TwoArms, rate: float, sizes: tuple[int, int], truth: tuple[float, float]) -> float:
    """The largest expected factor of a block of so many stable and candidate verdicts."""
    (stable, tried), (theta_s, theta_c) = sizes, truth
    allowed = min(game.ratio * rate + game.margin, 1.0)
    return max(
        (1 + bet * (theta_c - allowed)) ** tried * (1 - against * (theta_s - rate)) ** stable
        for bet, against in game._bets(rate, allowed, game.ratio * tried / stable)
    )


@given(
    st.floats(0.0005, 0.9995),
    st.floats(0, 0.3),
    st.floats(1, 3),
    st.tuples(st.integers(1, 120), st.integers(1, 120)),
    SHARES,
    SHARES,
)
def test_a_block_gains_nothing_where_the_candidate_is_as_good_as_allowed(
    rate: float, margin: float, ratio: float, sizes: tuple[int, int], stable: float, part: float
):
    """Whatever was thought of the stable rate before, and whatever it is now."""
    game = TwoArms(ratio=ratio, margin=margin, stages=5)
    candidate = min(1.0, ratio * stable + margin) * part
    assert gain(game, rate, sizes, (stable, candidate)) <= 1 + 1e-9


def test_a_game_that_is_not_tied_is_found_unfair():
    assert gain(Untied(ratio=1, margin=0, stages=5), 0.1, (2, 2), (0.2, 0.2)) > 1.05


@given(st.floats(0, 1), SHARES)
def test_a_hard_limit_gains_nothing_within_the_limit(limit: float, part: float):
    game = OneArm(limit=limit, stages=3)
    share = limit * part
    means = [share * bad + (1 - share) * good for bad, good in zip(game._bad, game._good, strict=True)]
    assert max(means) <= 1 + 1e-9


@given(st.floats(0, 0.3), st.floats(1, 3), st.lists(st.floats(0.001, 1), min_size=4, max_size=4))
def test_pairs_gain_nothing_where_the_candidate_is_as_good_as_allowed(margin: float, ratio: float, odds: list[float]):
    chances = {cell: weight / sum(odds) for cell, weight in zip(product((0, 1), (0, 1)), odds, strict=True)}
    expected = sum(p * (c - ratio * s - margin) for (c, s), p in chances.items())
    for stake in PAIR_STAKES:
        factors = [1 + stake * (c - ratio * s - margin) / (ratio + margin) for c, s in chances]
        assert min(factors) > 0
        mean = sum(f * p for f, p in zip(factors, chances.values(), strict=True))
        assert (mean <= 1 + 1e-12) == (expected <= 1e-12)


@given(st.integers(1, 8), st.integers(0, 60), st.integers(1, 5))
def test_no_wealth_is_made_by_staking(stages: int, rounds: int, bets: int):
    wealth = Wealth(bets, stages)
    for stage in range(stages):
        if stage:
            wealth.next_stage()
        for _ in range(rounds):
            wealth.settle([1.0] * bets)
            assert wealth.value == pytest.approx(1)
    assert min(wealth.dump()) >= 0


def test_wealth_is_never_lost_for_harm_that_comes_late():
    """After ten thousand sound verdicts at each of four stages there is something left to bet."""
    wealth = Wealth(1, 5)
    for _ in range(4):
        for _ in range(10_000):
            wealth.settle([0.9])
        wealth.next_stage()
    assert 0.03 < wealth.value < 1
    for _ in range(10):
        wealth.settle([2.0])
    assert wealth.value >= 1 / ALPHA


def test_wealth_ends_where_a_float_holds_it():
    wealth = Wealth(2, 1)
    for _ in range(2000):
        wealth.settle([50.0, 1e-9])
    assert 1 / ALPHA < wealth.value <= 1e12


def test_the_sign_test_is_exact():
    assert sign_test(0, 0) == sign_test(3, 3) == sign_test(3, 4) == 1
    assert sign_test(0, 6) == sign_test(6, 0) == pytest.approx(2 / 64)
    assert sign_test(2, 10) == pytest.approx(2 * (1 + 12 + 66) / 2**12)


Look = Callable[[bool, bool], bool]


def bets(margin: float = 0.0, ratio: float = 1.0) -> Look:
    game = TwoArms(ratio=ratio, margin=margin, stages=5)

    def look(candidate: bool, bad: bool) -> bool:
        game.see(candidate=candidate, bad=bad)
        return game.wealth.value >= 1 / ALPHA

    return look


def peeking() -> Look:
    """A mutant: the z-test of two proportions at alpha, one-sided, after every verdict."""
    jobs, wrong = [0, 0], [0, 0]

    def look(candidate: bool, bad: bool) -> bool:
        jobs[candidate] += 1
        wrong[candidate] += bad
        rate = sum(wrong) / sum(jobs)
        if min(jobs) < 20 or not 0 < rate < 1:
            return False
        error = (rate * (1 - rate) * (1 / jobs[0] + 1 / jobs[1])) ** 0.5
        return (wrong[1] / jobs[1] - wrong[0] / jobs[0]) / error > 1.645

    return look


def taken_back(make: Callable[[], Look], share: float, stable: float, candidate: float, verdicts: int) -> int:
    rng, count = random.Random(20), 0
    for _ in range(RUNS):
        look = make()
        for _ in range(verdicts):
            tried = rng.random() < share
            if look(tried, rng.random() < (candidate if tried else stable)):
                count += 1
                break
    return count


def more_than_alpha(count: int) -> bool:
    return count > 0 and 1 - lower_tail(count - 1, RUNS, ALPHA) < SURE


@pytest.mark.parametrize(("share", "verdicts"), [(0.5, 400), (0.1, 600)])
def test_sound_roll_outs_are_taken_back_no_more_often_than_alpha(share: float, verdicts: int):
    assert not more_than_alpha(taken_back(bets, share, 0.1, 0.1, verdicts))


def test_looking_often_at_a_test_for_one_look_is_found_out():
    assert more_than_alpha(taken_back(peeking, 0.5, 0.1, 0.1, 400))


def test_just_what_is_allowed_is_taken_back_no_more_often_than_alpha():
    assert not more_than_alpha(taken_back(lambda: bets(margin=0.02), 0.5, 0.1, 0.12, 300))
    assert not more_than_alpha(taken_back(lambda: bets(ratio=1.5), 0.5, 0.1, 0.15, 300))
    assert more_than_alpha(taken_back(bets, 0.5, 0.1, 0.2, 300))  # and what is not allowed, is


def drifting(make: Callable[[], Look]) -> int:
    """The stream becomes harder while the candidate's share grows; there is no difference."""
    rng, count = random.Random(21), 0
    for _ in range(RUNS):
        look = make()
        stages = [(0.05, 0.05, 600), (0.25, 0.15, 300), (0.5, 0.3, 200)]
        verdicts = ((share, rate) for share, rate, jobs in stages for _ in range(jobs))
        count += any(look(rng.random() < share, rng.random() < rate) for share, rate in verdicts)
    return count


def test_a_stream_that_drifts_raises_no_alarm():
    assert not more_than_alpha(drifting(bets))
    assert drifting(peeking) > RUNS / 2  # pooled counts compare a hard time with an easy one


@pytest.mark.parametrize(("harmful", "most"), [(0.5, 0.05), (0.9, 1.0)])
def test_hard_limits_and_pairs_keep_alpha_too(harmful: float, most: float):
    rng, alarms, pairs = random.Random(22), 0, 0
    for _ in range(RUNS):
        alone, sign = OneArm(limit=0.01, stages=5), Pairs(ratio=1, margin=0, stages=5)
        alarm = pair = False
        for _ in range(200):
            alone.see(bad=rng.random() < 0.02 * harmful)
            alarm |= alone.wealth.value >= 1 / ALPHA
            worse = rng.random() < harmful
            differ = rng.random() < 0.3
            sign.see(candidate_bad=differ and worse, stable_bad=differ and not worse)
            pair |= sign.wealth.value >= 1 / ALPHA
        alarms, pairs = alarms + alarm, pairs + pair
    assert more_than_alpha(pairs) == (harmful > 0.5)
    assert not (harmful == 0.5 and more_than_alpha(alarms))
    assert pairs <= RUNS * most + 3 * (RUNS * ALPHA) ** 0.5
