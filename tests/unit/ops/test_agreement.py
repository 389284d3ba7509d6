"""Cohen's kappa and its interval at the edges, and the tables that it is made of."""

from __future__ import annotations

import pytest

from audit.labels import Agreed
from ops import agreement
from ops.agreement import Kappa, Table, kappa

NOTHING = Kappa(value=None, low=None, high=None)


def test_a_table_calculated_by_hand():
    """Fleiss, Cohen and Everitt: p_o = 0.7, p_e = 0.5, variance (0.10972 + 0.10188 - 0.01) / (50 * 0.25) = 0.016128."""
    found = kappa(Table(both=20, found_only=5, said_only=10, neither=15))
    assert found.value == pytest.approx(0.4)
    half = 1.959964 * 0.126996
    assert (found.low, found.high) == (pytest.approx(0.4 - half), pytest.approx(0.4 + half))


def test_the_interval_holds_what_chance_alone_spreads():
    """Of tables drawn from one truth, 95 % of the intervals hold its kappa."""
    import numpy as np

    truth = np.array([0.2, 0.1, 0.05, 0.65])
    rows, columns = (0.3, 0.7), (0.25, 0.75)
    chance = rows[0] * columns[0] + rows[1] * columns[1]
    true = (0.85 - chance) / (1 - chance)
    held = 0
    for draw in np.random.default_rng(1).multinomial(400, truth, size=1_000):
        both, found, said, neither = map(int, draw)
        k = kappa(Table(both=both, found_only=found, said_only=said, neither=neither))
        assert k.low is not None
        assert k.high is not None
        held += k.low <= true <= k.high
    assert 930 <= held <= 970


@pytest.mark.parametrize(
    ("table", "found"),
    [
        (Table(both=0, found_only=0, said_only=0, neither=0), NOTHING),
        (Table(both=0, found_only=0, said_only=0, neither=9), NOTHING),
        (Table(both=5, found_only=0, said_only=0, neither=5), Kappa(value=1.0, low=None, high=None)),
    ],
)
def test_where_nothing_can_be_said_nothing_is(table: Table, found: Kappa):
    assert kappa(table) == found


def test_assets_that_a_mode_was_not_named_of_count_as_neither():
    def row(mode: str | None, audit: bool, assets: int, *three: int) -> Agreed:
        both, found, said = three or (0, 0, 0)
        return Agreed(mode=mode, audit=audit, assets=assets, both=both, found_only=found, said_only=said)

    rows = [row(None, False, 10), row(None, True, 5), row("a", False, 3, 1, 1, 1), row("a", True, 1, 0, 0, 1)]
    assert agreement.tables(rows, audited_only=False) == {"a": Table(both=1, found_only=1, said_only=2, neither=11)}
    facts = agreement.facts([*rows, row("b", True, 1, 0, 1, 0)])
    assert [(f["mode"], f["assets"], f["neither"]) for f in facts] == [
        ("a", "anyone", 11), ("b", "anyone", 14), ("a", "audit", 4), ("b", "audit", 4),
    ]  # fmt: skip
    assert facts[1]["recall"] is None
    assert facts[1]["precision"]["value"] == 0
    assert next(iter(agreement.cells(facts)))[:6] == ("a", "anyone", "1", "1", "2", "11")
