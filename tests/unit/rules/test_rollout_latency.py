"""Bounds on a p95: what they are on known values, and that they hold at every look of most runs."""

from __future__ import annotations

import math
import random

import pytest

from rules.latency import BINS, Latencies
from rules.sequential import evidence


def seen(*values: float) -> Latencies:
    out = Latencies()
    for value in values:
        out.see(value)
    return out


def test_nothing_seen_bounds_nothing():
    assert (seen().p95(), seen().lower(0.05), seen().upper(0.05)) == (0, 0, math.inf)


def test_the_p95_is_to_the_bin():
    assert seen(*range(1, 101)).p95() == pytest.approx(95, rel=0.02)
    assert seen(0.0).p95() == pytest.approx(1, rel=0.02)
    assert seen(*[1e12] * 10).p95() > 5 * 3_600_000


def test_bounds_close_round_the_p95():
    values = seen(*range(1, 1001), *range(1, 1001), *range(1, 1001))
    assert 900 < values.lower(0.05) < 950 < values.upper(0.05) < 990


def test_the_last_bin_has_no_upper_end():
    assert seen(*[1e12] * 1000).upper(0.05) == math.inf
    assert len(seen(*[1e12] * 1000).dump()) == 1
    assert int(next(iter(seen(1e300).dump()))) == BINS - 1


def test_a_histogram_goes_on_after_a_restart():
    values, again = seen(5, 5, 700), Latencies()
    again.load(values.dump())
    assert (again.count, again.dump(), again.p95()) == (3, values.dump(), values.p95())


def test_evidence_is_a_mean_likelihood_ratio():
    assert evidence(0, 0, 0.05, (0.1, 0.2)) == pytest.approx(0)
    exact = (2**3 * (0.9 / 0.95) ** 4 + 4**3 * (0.8 / 0.95) ** 4) / 2
    assert evidence(3, 7, 0.05, (0.1, 0.2)) == pytest.approx(math.log(exact))


def test_bounds_hold_at_all_looks_at_once():
    """Exponential latencies with a p95 of 3,000 ms; both sides at 10 %, so 20 % of 60 runs may break one of them."""
    rng, broken, naive = random.Random(11), 0, 0
    scale, runs = 3000 / math.log(20), 60
    for _ in range(runs):
        values, beyond, wrong, jumped = Latencies(), 0, False, False
        for number in range(1, 601):
            value = rng.expovariate(1 / scale)
            beyond += value > 3000
            values.see(value)
            if number % 8 == 0:
                wrong |= values.lower(0.1) > 3000 or values.upper(0.1) < 3000
                # A mutant: the bounds for one look, at 10 % each by the normal approximation.
                jumped |= abs(beyond - 0.05 * number) > 1.2816 * (0.05 * 0.95 * number) ** 0.5
        broken, naive = broken + wrong, naive + jumped
    assert broken <= 0.2 * runs
    assert naive > 0.5 * runs
