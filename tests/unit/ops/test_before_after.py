"""The mission's figures are counted as their names say."""

from __future__ import annotations

import math

import pytest

from ops.demo.before_after import Outcome, caught, figures, mission_table, quantile


def outcome(**changes: object) -> Outcome:
    base: dict[str, object] = {
        "delivered": True, "reviewed": False, "refused": False, "attempts": 1, "injected": (),
        "text_score": None, "latency_ms": 1000.0, "engine_ms": 3600.0,
    }  # fmt: skip
    return Outcome(**{**base, **changes})  # pyright: ignore[reportArgumentType]  # a test builds cases by name


def test_each_figure_counts_what_it_names() -> None:
    got = figures(
        [
            outcome(text_score=1.0),
            outcome(text_score=0.5, injected=("wrong-text",), latency_ms=9000),
            outcome(attempts=3, latency_ms=4000),
            outcome(delivered=False, reviewed=True),
            outcome(delivered=False, refused=True, engine_ms=0.0),
        ]
    )
    assert (got.jobs, got.delivered, got.damaged, got.repaired, got.reviewed, got.refused) == (5, 3, 1, 1, 1, 1)
    assert got.artifact_rate == pytest.approx(1 / 3)
    assert got.p95_latency_s == 9.0
    assert got.text_score == 0.75
    assert got.images_per_engine_hour == pytest.approx(2 / (4 * 3600 / 3_600_000))
    assert got.touch_hours == pytest.approx((25 + 2) / 60)


def test_nothing_delivered_gives_no_rate() -> None:
    got = figures([outcome(delivered=False, reviewed=True)])
    assert math.isnan(got.artifact_rate)
    assert math.isnan(got.p95_latency_s)


@pytest.mark.parametrize(("q", "want"), [(0.5, 2), (0.95, 4), (0.25, 1), (0.0, 1)])
def test_quantiles_are_nearest_rank(q: float, want: float) -> None:
    assert quantile([3, 1, 4, 2], q) == want


def test_defects_are_counted_in_both_runs() -> None:
    plain = [outcome(injected=("a",)), outcome(injected=("a", "b")), outcome(delivered=False, injected=("a",))]
    assert caught(plain, [outcome(injected=("b",))]) == {"a": (2, 0), "b": (1, 1)}


def test_the_table_says_what_was_injected_and_assumed() -> None:
    table = mission_table(figures([outcome(injected=("a",))]), figures([outcome()]), {"wrong-text": 0.08})
    text = " ".join(table.notes)
    assert "wrong-text 8.0%" in text
    assert "injected" in text
    assert "25 minutes" in text
    assert ("Artifact rate", "100.0%", "0.0%") in table.rows
