"""What topic `rulesets` says: which ruleset a prefix means, and which one to go back to."""

from __future__ import annotations

import pytest

from ops.rulesets.topic import (
    ACTIVATED_KEY,
    ACTIVATIONS_KEPT,
    Published,
    activation_records,
    parsed,
)
from schemas import ids
from schemas.errors import BadConfig
from schemas.events import RulesetActivated, RulesetPublished
from tests.unit.rules import samples

A, B, C = "aaaaaa1" + "0" * 57, "aaaaaa2" + "0" * 57, "c" * 64


def published(ruleset_id: str, document: str = "{}") -> RulesetPublished:
    return RulesetPublished(
        event_id=ids.event_id(ruleset_id, "test"), at_ms=1, ruleset_id=ruleset_id, document=document, who="test"
    )


def topic(*order: str) -> Published:
    """A, B and C are published; these were active one after the other."""
    steps = tuple(
        RulesetActivated(event_id=ids.event_id(r, "test", str(n)), at_ms=n, ruleset_id=r, who="test")
        for n, r in enumerate(order)
    )
    return Published(
        rulesets={r: published(r) for r in (A, B, C)}, active=steps[-1] if steps else None, activations=steps
    )


def test_a_beginning_of_six_digits_that_only_one_has_names_it() -> None:
    assert topic().find("cccccc").ruleset_id == C
    assert topic().find(" AAAAAA2").ruleset_id == B
    assert topic(A, C).find("active").ruleset_id == C


@pytest.mark.parametrize(
    ("prefix", "said"),
    [
        ("aaaaaa", "2 rulesets begin with 'aaaaaa'; say which: aaaaaa100000, aaaaaa200000"),
        ("ccc", "too short to name a ruleset; give 6 digits or more"),
        ("aaaaaa3", "no ruleset 'aaaaaa3' was published; did you mean 'aaaaaa"),
        ("active", "no ruleset is active"),
    ],
)
def test_what_names_none_or_several_is_refused_with_the_nearest(prefix: str, said: str) -> None:
    with pytest.raises(BadConfig, match=said):
        topic().find(prefix)


@pytest.mark.parametrize(
    ("order", "former"),
    [
        ([], None),
        ([A], None),
        ([A, A], None),
        ([A, B], A),
        ([A, B, C], B),
        ([A, B, C, B], A),
        ([A, B, C, B, A], None),
        ([A, B, A, C], A),
    ],
)
def test_the_way_back_leads_further_back_each_time(order: list[str], former: str | None) -> None:
    assert topic(*order).former() == former


def test_an_activation_stands_under_its_own_key_too_and_the_oldest_go() -> None:
    now = topic(*([A, B] * (ACTIVATIONS_KEPT // 2)))
    new = RulesetActivated(event_id=ids.event_id(C, "test"), at_ms=9, ruleset_id=C, who="test")
    records = activation_records(now, new)
    assert records[0] == (ACTIVATED_KEY + now.activations[0].event_id, None)
    assert [(k, e) for k, e in records if e is None] == records[:1]
    assert records[-2:] == [(ACTIVATED_KEY + new.event_id, new), ("active", new)]
    assert activation_records(topic(), new) == records[-2:]


def test_a_document_that_is_another_ruleset_or_none_is_refused() -> None:
    ruleset = samples.ruleset()
    assert parsed(published(ruleset.id, ruleset.document)) == ruleset
    with pytest.raises(BadConfig, match="cannot be used"):
        parsed(published(A, "{"))
    with pytest.raises(BadConfig, match="holds the document of"):
        parsed(published(A, ruleset.document))
