"""The control chart of a campaign's colours: it sees jumps, creeping and disorder, and leaves natural spread alone."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest

from rules.drift import Chart, chart, drift_defects, scores
from rules.findings import Numbers
from schemas.events import Defect, Measurement
from tests.unit.rules.samples import ruleset

LIMITS = ruleset().thresholds.limits
COUNT_MIN = int(LIMITS["drift.count_min"])


def judged(seen: Chart, spread: float | None = 10.0) -> list[Defect]:
    numbers = {"count": seen.count, "mean": seen.mean, "sigma": seen.sigma, "value": seen.value, "ewma": seen.ewma}
    if spread is not None:
        numbers["spread"] = spread
    return drift_defects(
        Numbers(Measurement(check="drift", name=k, value=float(v)) for k, v in numbers.items()), LIMITS
    )


def flagged(distances: Sequence[float]) -> list[int]:
    """Which assets of a campaign go to a person; those do not count for the ones after them."""
    accepted: list[float] = []
    out: list[int] = []
    for i, value in enumerate(distances):
        if accepted and judged(chart(accepted, value)):
            out.append(i)
        else:
            accepted.append(value)
    return out


def natural(rng: np.random.Generator, count: int, middle: float = 4.0, sigma: float = 0.48) -> list[float]:
    """Distances spread as those of drawn campaigns: sigma of ln(1 + ΔE00) was 0.42 and 0.52."""
    return [float(v) for v in np.expm1(rng.normal(math.log1p(middle), sigma, count)).clip(0)]


def test_the_chart_by_hand() -> None:
    e = math.e
    seen = chart([e - 1, e**2 - 1, e - 1], e**3 - 1)
    assert (seen.count, seen.value) == (3, pytest.approx(3))
    assert seen.mean == pytest.approx(4 / 3)
    assert seen.sigma == pytest.approx(1 / 1.128)
    # From 4/3 by a fifth of the way towards 1, 2, 1 and 3.
    assert seen.ewma == pytest.approx(1.66453, abs=1e-5)
    single, moving = scores(seen, 0.2, 5)
    assert single == pytest.approx((3 - 4 / 3) / (1 / 1.128 * math.sqrt(4 / 3)))
    assert moving == pytest.approx((1.66453 - 4 / 3) / (1 / 1.128 * math.sqrt(0.2 / 1.8 * (1 - 0.8**8))), abs=1e-3)


def test_one_asset_before_has_no_sigma() -> None:
    assert chart([3.0], 3.0).sigma == 0


def test_only_the_last_fifty_count() -> None:
    assert chart([99.0] * 30 + [3.0] * 50, 3.0) == chart([3.0] * 50, 3.0)


def test_a_jump_is_shown_to_a_person() -> None:
    (found,) = judged(chart([3.0] * 20, 14.0))
    assert (found.mode, found.check, found.certain) == ("campaign-drift", "drift", False)
    assert "lie at ΔE00 14.0" in found.evidence
    assert "about ΔE00 3.0" in found.evidence


def test_nothing_is_said_before_there_are_enough() -> None:
    assert judged(chart([3.0] * (COUNT_MIN - 1), 40.0)) == []
    assert judged(chart([3.0] * COUNT_MIN, 40.0)) != []


def test_nearer_to_the_brand_is_no_fault() -> None:
    assert judged(chart([9.0] * 20, 0.0)) == []


def test_colours_that_creep_are_seen_though_no_asset_jumps() -> None:
    rising = [3.0] * 20 + [4.0, 4.4, 4.8, 5.2, 5.6, 6.0]
    assert len(flagged(rising)) >= 1
    (found,) = judged(chart([*[3.0] * 20, 5.2, 5.2, 5.2, 5.2], 5.2))
    assert "creep away" in found.evidence


@pytest.mark.parametrize("value", [2.9, 6.0])
def test_a_campaign_that_jumps_about_from_the_first_asset_is_seen_by_its_spread(value: float) -> None:
    found = judged(chart([2.0, 8.0] * 6, value), spread=45.0)
    assert bool(found) is (value > 4)
    assert all("jump about: ΔE00 45" in d.evidence for d in found)


def test_what_was_not_measured_says_nothing() -> None:
    assert drift_defects(Numbers(()), LIMITS) == []
    assert judged(chart([3.0] * 20, 3.0), spread=None) == []


def test_false_alarms_of_a_steady_campaign_are_rare() -> None:
    """200 campaigns of 60 with natural spread, sigma as measured: stated in docs and in the report."""
    alarms = sum(len(flagged(natural(np.random.default_rng(seed), 60))) for seed in range(200))
    assert alarms / (200 * (60 - COUNT_MIN)) <= 0.01


def test_a_wildly_inconsistent_campaign_is_flagged() -> None:
    """The story that began it: from one asset to the next, colours had nothing to do with each other."""
    caught = 0
    for seed in range(100):
        rng = np.random.default_rng([seed, 1])
        steady, wild = natural(rng, 20, sigma=0.3), natural(rng, 20, middle=18.0, sigma=0.5)
        caught += bool(flagged([*steady, *wild]))
    assert caught >= 99
