"""What differs between two rulesets, as a person would say it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from rules.differences import Difference, differences
from rules.ruleset import load_ruleset
from tests.unit.rules import samples


def found(old: Any, new: Any) -> list[tuple[str, str | None, str | None]]:
    """Differences of two documents of one file (None: no such file)."""
    documents = [json.dumps({} if v is None else {"a.yml": v}) for v in (old, new)]
    former, later = (replace(samples.ruleset(), document=d) for d in documents)
    assert all(d.file == "a.yml" for d in differences(former, later))
    return [(d.path, d.former, d.new) for d in differences(former, later)]


def test_a_changed_threshold_of_the_real_rules() -> None:
    later = load_ruleset(samples.changed("verdict.yml", "cast_max: 45", "cast_max: 44"))
    (only,) = differences(samples.ruleset(), later)
    assert (only.file, only.former, only.new) == ("verdict.yml", "45", "44")
    assert only.path.endswith("cast_max")
    assert isinstance(only, Difference)
    assert differences(later, later) == ()


def test_keys_that_come_and_go_and_change() -> None:
    assert found({"a": 1, "b": {"c": True}}, {"b": {"c": False, "d": None, "e": "x"}}) == [
        ("a", "1", None),
        ("b.c", "true", "false"),
        ("b.e", None, "x"),
    ]
    assert found(None, {"a": 1}) == [("", None, '{"a": 1}')]
    assert found([1], "one") == [("", "[1]", "one")]


def test_entries_with_names_are_told_apart_by_them() -> None:
    old = {"rules": [{"name": "a", "engine": "x"}, {"name": "b", "engine": "y"}]}
    new = {"rules": [{"name": "b", "engine": "y"}, {"name": "a", "engine": "z"}, {"name": "c"}]}
    assert found(old, new) == [
        ("rules[a].engine", "x", "z"),
        ("rules[c]", None, '{"name": "c"}'),
        ("rules (order)", "a, b", "b, a"),
    ]
    assert found(old, {"rules": old["rules"][:1]}) == [("rules[b]", '{"engine": "y", "name": "b"}', None)]


def test_lists_of_words_show_what_came_and_went() -> None:
    assert found({"w": ["a", "b"]}, {"w": ["b", "c", None]}) == [("w", "a", "c")]
    assert found({"w": ["a"]}, {"w": ["a", "b"]}) == [("w", None, "b")]
    assert found({"w": ["a", "b"]}, {"w": ["b", "a"]}) == [("w (order)", "a, b", "b, a")]


def test_other_lists_go_by_number() -> None:
    assert found([[1], [2]], [[1], [3], [4]]) == [("[1]", "2", "3"), ("[2]", None, "[4]")]
    assert found([{"name": "a"}, {"name": "a"}], [{"name": "a"}]) == [("[1]", '{"name": "a"}', None)]
