"""When a stage decides by a new ruleset alone, and what `bench rules` takes for too late."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ops.bench.rules import APPLIED_S, LIMIT_S, RollbackFigures, applied_s

ACTIVATED_MS = 10_000
OF_SANITY = [("sanity", 9_900, "old", "a"), ("sanity", 10_400, "new", "b"), ("sanity", 11_000, "new", "c")]
FIGURES = RollbackFigures(
    machine="", load_before=0, load_after=0, rate=1, command_s=1, last_old_s=1.5, last_new_s=5,
    by_stage={"sanity": 1, "validation": 1.5}, applied_s={"sanity": 0.1, "validation": 1.9}, records=(1, 1), others=0,
    sent=1, lost=0, twice=0, limit_s=LIMIT_S, applied_limit_s=APPLIED_S,
)  # fmt: skip


def test_a_ruleset_is_applied_from_its_first_record_on_unless_the_old_one_decides_later() -> None:
    assert applied_s(OF_SANITY, ACTIVATED_MS, old="old", new="new") == {"sanity": 0.4}
    assert applied_s(OF_SANITY[1:], ACTIVATED_MS, old="old", new="new") == {"sanity": 0.4}
    late = [*OF_SANITY, ("sanity", 10_700, "old", "d"), ("validation", 12_500, "old", "a")]
    assert applied_s(late, ACTIVATED_MS, old="old", new="new") == {"sanity": 0.7}
    both = [*late, ("validation", 9_000, "new", "a"), ("validation", 12_100, "new", "b")]
    assert applied_s(both, ACTIVATED_MS, old="old", new="new") == {"sanity": 0.7, "validation": 2.5}


def test_what_it_decided_before_says_nothing_of_an_activation() -> None:
    before = [("sanity", 9_000, "new", "a"), ("sanity", 9_500, "old", "b")]
    assert applied_s(before, ACTIVATED_MS, old="old", new="new") == {}


@pytest.mark.parametrize(
    "late",
    [
        {"applied_s": {"sanity": 0.1, "validation": 2.0}},
        {"applied_s": {"sanity": 0.1}},
        {"last_old_s": 3.0},
        {"lost": 1},
        {"records": (1, 0)},
    ],
)
def test_a_stage_that_applies_it_late_or_never_is_a_finding(late: dict[str, object]) -> None:
    assert FIGURES.within_limits
    assert not replace(FIGURES, **late).within_limits  # pyright: ignore[reportArgumentType]
