"""Precision, recall and Cohen's kappa with their intervals, of one table and of strata drawn at rates of their own."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from audit.labels import Agreed, Stratum
from ops.bench.intervals import wilson
from ops.labels import agreement
from ops.labels.agreement import Estimate, Part, Sampling, Table, kappa, precision, recall, whole

NOTHING = Estimate(value=None, low=None, high=None)


def test_a_table_calculated_by_hand():
    """Fleiss, Cohen and Everitt: p_o = 0.7, p_e = 0.5, variance (0.10972 + 0.10188 - 0.01) / (50 * 0.25) = 0.016128."""
    parts = whole(Table(both=20, found_only=5, said_only=10, neither=15))
    found = kappa(parts)
    assert found.value == pytest.approx(0.4)
    half = 1.959964 * 0.126996
    assert (found.low, found.high) == (pytest.approx(0.4 - half), pytest.approx(0.4 + half))
    plain = wilson(20, 25)
    sure = precision(parts)
    assert (sure.value, sure.low, sure.high) == (0.8, pytest.approx(plain.low), pytest.approx(plain.high))
    assert recall(parts).value == pytest.approx(2 / 3)


def test_the_interval_holds_what_chance_alone_spreads():
    """Of tables drawn from one truth, 95 % of the intervals hold its kappa."""
    truth = np.array([0.2, 0.1, 0.05, 0.65])
    rows, columns = (0.3, 0.7), (0.25, 0.75)
    chance = rows[0] * columns[0] + rows[1] * columns[1]
    true = (0.85 - chance) / (1 - chance)
    held = 0
    for draw in np.random.default_rng(1).multinomial(400, truth, size=1_000):
        both, found, said, neither = map(int, draw)
        held += holds(kappa(whole(Table(both=both, found_only=found, said_only=said, neither=neither))), true)
    assert 930 <= held <= 970


def holds(found: Estimate, true: float) -> bool:
    assert found.low is not None
    assert found.high is not None
    return found.low <= true <= found.high


PASSED, REJECTED = (0.0, 0.0, 0.1, 0.9), (0.8, 0.1, 0.02, 0.08)
"""Shares of both, found only, said only and neither in two strata."""
SIZES, DRAWN = (9_000, 1_000), (300, 200)


def test_strata_drawn_at_rates_of_their_own_give_the_rates_of_the_stream():
    """900 and 20 are missed, 800 found, 100 of these for nothing: what the sample shows alone is another recall."""
    rng = np.random.default_rng(7)
    draws = [rng.multinomial(n, shares, size=1_000) for n, shares in zip(DRAWN, (PASSED, REJECTED), strict=True)]
    seen, chance = (8_100 + 80 + 800) / 10_000, (900 * 1_720 + 9_100 * 8_280) / 10_000**2
    truths = (800 / 900, 800 / 1_720, (seen - chance) / (1 - chance))
    held, unweighted = [0, 0, 0], 0
    for one, two in zip(*draws, strict=True):
        parts = [
            Part(size=size, table=Table(both=b, found_only=f, said_only=s, neither=n))
            for size, (b, f, s, n) in zip(SIZES, (map(int, one), map(int, two)), strict=True)
        ]
        for place, (measure, true) in enumerate(zip((precision, recall, kappa), truths, strict=True)):
            held[place] += holds(measure(parts), true)
        unweighted += holds(recall(whole(parts[0].table + parts[1].table)), truths[1])
    assert all(count >= 920 for count in held)
    assert held[2] <= 970
    assert unweighted < 50


@pytest.mark.parametrize(
    ("table", "found"),
    [
        (Table(), NOTHING),
        (Table(neither=9), NOTHING),
        (Table(both=5, neither=5), Estimate(value=1.0, low=None, high=None)),
    ],
)
def test_where_nothing_can_be_said_nothing_is(table: Table, found: Estimate):
    assert kappa(whole(table)) == found
    assert (precision(whole(table)).value is None) is (table.both == 0)


def test_where_one_side_names_nothing_kappa_has_no_interval():
    found = kappa(whole(Table(said_only=6, neither=31)))
    assert found.value == pytest.approx(0)
    assert (found.low, found.high) == (None, None)


def row(mode: str | None, sampled: bool, assets: int, *three: int, stratum: Stratum = Stratum.PASSED) -> Agreed:
    both, found, said = three or (0, 0, 0)
    return Agreed(
        mode=mode, stratum=stratum, told=True, sampled=sampled, assets=assets,
        drawn=assets if sampled and mode is None else 0, both=both, found_only=found, said_only=said,
    )  # fmt: skip


def test_assets_that_a_mode_was_not_named_of_count_as_neither():
    rows = [row(None, False, 10), row(None, True, 5), row("a", False, 3, 1, 1, 1), row("a", True, 1, 0, 0, 1)]
    assert agreement.tables(rows, sampled_only=False) == {
        "a": {"passed": Table(both=1, found_only=1, said_only=2, neither=11)}
    }
    facts = agreement.facts([*rows, row("b", True, 1, 0, 1, 0)])
    assert [(f["mode"], f["assets"], f["neither"]) for f in facts] == [
        ("a", "anyone", 11), ("b", "anyone", 14), ("a", "stream", 4), ("b", "stream", 4),
    ]  # fmt: skip
    assert facts[1]["recall"] is None
    assert facts[1]["precision"]["value"] == 0
    assert next(iter(agreement.cells(facts)))[:6] == ("a", "anyone", "1", "1", "2", "11")


def test_of_a_stratum_that_nobody_looked_at_the_stream_says_nothing():
    untold = replace(row(None, False, 7, stratum=Stratum.REVIEW), told=False, drawn=7)
    rows = [row(None, True, 5), row("a", True, 1, 0, 0, 1), untold]
    one, stream = agreement.facts(rows)
    assert (one["recall"]["value"], stream["recall"], stream["unseen"]) == (0, None, ["review"])
    assert agreement.sampling(rows) == {
        "passed": Sampling(judged=5, drawn=5, looked_at=5), "review": Sampling(judged=7, drawn=7, looked_at=0),
    }  # fmt: skip
