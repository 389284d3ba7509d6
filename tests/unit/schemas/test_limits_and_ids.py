"""Bounds refuse what is outside them, in words; ids are the same on every machine."""

from __future__ import annotations

import math

import pytest

from schemas import ids
from schemas.errors import BadConfig, Fatal, Poison, PresscheckError, Transient, Undecodable
from schemas.limits import matches, sized, within


@pytest.mark.parametrize("value", [1, 2.5, 10, 10**400])
def test_numbers_inside_pass(value: float):
    within("x", min(value, 10), 1, 10)


@pytest.mark.parametrize(
    ("value", "low", "high", "why"),
    [
        (0, 1, 10, "x=0, want 1..10"),
        (11, 1, 10, "x=11, want 1..10"),
        (-1, 0, None, "x=-1, want 0.."),
        (1, None, 0, "x=1, want ..0"),
        (math.nan, None, None, "x=nan, want .."),
        (math.inf, 0, None, "x=inf, want 0.."),
    ],
)
def test_numbers_outside_are_poison(value: float, low: float | None, high: float | None, why: str):
    with pytest.raises(Poison) as said:
        within("x", value, low, high)
    assert str(said.value) == why


def test_lengths_and_forms():
    sized("x", "ab", 1, 2)
    sized("x", "ab", None, None)
    matches("x", "ab", "[a-b]+")
    for value, low, high, why in [("", 1, None, "want 1.."), ("abc", None, 2, "want 0..2")]:
        with pytest.raises(Poison, match=f"x has length {len(value)}, {why}"):
            sized("x", value, low, high)
    with pytest.raises(Poison, match="x='ab\\\\n', want the form"):
        matches("x", "ab\n", "[a-b]+")


def test_ids_never_change():
    assert ids.job_id("order-1") == "db9b6abd-d7c5-5fc1-abd1-56a88a8e9103"
    assert ids.event_id("a", "sanity") == "187720c1-b63f-5b25-b6af-39313a58f980"
    assert len({ids.event_id("a", "sanity"), ids.event_id("a", "render"), ids.event_id("a", "sanity", "2")}) == 3


def test_the_error_tree():
    assert issubclass(Undecodable, Poison)
    assert issubclass(BadConfig, Fatal)
    assert all(issubclass(e, PresscheckError) for e in (Transient, Poison, Fatal))


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (BadConfig("no such engine"), "no such engine"),
        (BadConfig("no such engine", file="routing.yml"), "routing.yml: no such engine"),
        (BadConfig("no such engine", file="routing.yml", line=3), "routing.yml:3: no such engine"),
        (BadConfig("no such engine", mend="did you mean typeset?"), "no such engine; did you mean typeset?"),
    ],
)
def test_a_bad_config_says_where_and_what_to_do(error: BadConfig, text: str):
    assert str(error) == text
