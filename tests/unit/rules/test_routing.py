"""Conditions, the search for facts a rule can fire on, and which rule takes which work."""

from __future__ import annotations

from typing import Any

import pytest

from rules.conditions import All, Always, AnyOf, Bounded, Condition, Facts, HasTag, IsOneOf, Not, holds
from rules.reach import OTHER, shadow, witness
from schemas.events import FileRef, FileRole, Job, Lane, Preset
from tests.unit.rules.samples import LOGO, job, refused, routed, ruleset

TAG, OTHER_TAG = HasTag("people"), HasTag("text")
CRITICAL = IsOneOf("lane", ("critical",))


def facts(*tags: str, lane: str = "critical", pixels: float = 1e6) -> Facts:
    return Facts(tags=frozenset(tags), texts={"lane": lane}, numbers={"pixels": pixels})


@pytest.mark.parametrize(
    ("condition", "truth"),
    [
        (Always(), True),
        (TAG, True),
        (OTHER_TAG, False),
        (Not(OTHER_TAG), True),
        (All((TAG, CRITICAL)), True),
        (All((TAG, OTHER_TAG)), False),
        (AnyOf((OTHER_TAG, CRITICAL)), True),
        (AnyOf((OTHER_TAG, IsOneOf("lane", ("exploratory",)))), False),
        (Bounded("pixels", "gt", 1e6), False),
        (Bounded("pixels", "ge", 1e6), True),
        (Bounded("pixels", "lt", 1e6), False),
        (Bounded("pixels", "le", 1e6), True),
        (Bounded("pixels", "equals", 1e6), True),
    ],
)
def test_conditions(condition: Condition, truth: bool):
    assert holds(condition, facts("people")) is truth


@pytest.mark.parametrize(
    ("wanted", "earlier", "reachable"),
    [
        (TAG, [], True),
        (TAG, [TAG], False),
        (TAG, [AnyOf((TAG, OTHER_TAG))], False),
        (AnyOf((TAG, OTHER_TAG)), [TAG], True),
        (TAG, [All((TAG, CRITICAL)), All((TAG, Not(CRITICAL)))], False),
        (Always(), [IsOneOf("lane", ("critical",)), IsOneOf("lane", ("exploratory",))], False),
        (Always(), [IsOneOf("brand", ("a",))], True),
        (Bounded("phrases", "gt", 2), [Bounded("phrases", "ge", 3)], False),
        (Bounded("phrases", "ge", 2), [Bounded("phrases", "gt", 2)], True),
        (Bounded("aspect", "gt", 1.5), [Bounded("aspect", "gt", 1.4)], False),
        (Bounded("aspect", "gt", 1.4), [Bounded("aspect", "gt", 1.5)], True),
        (Bounded("phrases", "gt", 64), [], False),
        (All((TAG, Not(TAG))), [], False),
    ],
)
def test_reach(wanted: Condition, earlier: list[Condition], reachable: bool):
    found = witness(wanted, earlier)
    assert (found is not None) is reachable
    if found is not None:
        assert holds(wanted, found)
        assert not any(holds(e, found) for e in earlier)


def test_a_name_that_no_rule_mentions_is_tried():
    found = witness(Not(IsOneOf("brand", ("a",))), [])
    assert found is not None
    assert found.texts["brand"] == OTHER


def test_who_hides_a_rule_is_named_alone_or_together():
    rules: dict[str, Condition] = {"a": TAG, "b": All((TAG, CRITICAL)), "c": Always(), "d": OTHER_TAG}
    assert shadow(rules, "a") == ()
    assert shadow(rules, "b") == ("a",)
    assert shadow(rules, "d") == ("c",)
    split: dict[str, Condition] = {"x": OTHER_TAG, "a": CRITICAL, "b": Not(CRITICAL), "c": TAG}
    assert shadow(split, "c") == ("a", "b")


CRIT = Lane.CRITICAL


@pytest.mark.parametrize(
    ("wanted", "engine", "rule"),
    [
        (job("a lighthouse"), "sd3.5-large", "otherwise"),
        (job("a lighthouse, linocut"), "sd3.5-flash", "sketches"),
        (job("a lighthouse, linocut", lane=CRIT), "sd3.5-large", "otherwise"),
        (job("a lighthouse, linocut, with typography"), "sd3.5-large", "otherwise"),
        (job("a poster “OPEN”, linocut"), "ideogram-v1", "lettering"),
        (job("a poster “OPEN”", lane=CRIT), "ideogram-v1", "lettering"),
        (job("a menu “OPEN”", lane=CRIT), "typeset", "critical-layout"),
        (job("a poster “30% OFF”", lane=CRIT), "typeset", "critical-layout"),
        (job("a poster “30% OFF”"), "ideogram-v1", "lettering"),
        (job("a poster “" + "word " * 10 + "”"), "typeset", "long-copy"),
        (job("“a” “b” “c” “d” “e”"), "typeset", "long-copy"),
        (job("a cup", files=(LOGO,), brand="northwind-coffee"), "typeset", "supplied-logo"),
        (job("a woman at a window"), "sd3.5-large", "people-in-view"),
        (job("a cup", brand="northwind-coffee"), "sd3.5-large", "branded-pictures"),
        (job("a cup", engine="simulator"), "simulator", "engine asked for"),
    ],
)
def test_who_takes_what(wanted: Job, engine: str, rule: str):
    request = routed(wanted)
    assert (request.engine, request.rule) == (engine, rule)
    assert request.sampling == ruleset().engines[engine].standard.sampling(Preset.STANDARD, 7)


def test_no_fast_variant_is_ever_given_lettering():
    for engine in ("sd3.5-flash", "sd3.5-large-turbo", "sd3.5-medium"):
        (reason,) = refused(job("a poster “OPEN”", engine=engine))
        assert "cannot set text" in reason


@pytest.mark.parametrize(
    ("fields", "needle"),
    [
        ({"engine": "sd3.5-larg"}, "There is no engine 'sd3.5-larg'; did you mean 'sd3.5-large'?"),
        ({"engine": "sd3.5-large", "width": 1000}, "ask for 992 x 1024"),
        ({"width": 8192, "height": 8192}, "up to 1638400 pixels"),
        ({"engine": "ideogram-v1", "required_text": ("x" * 61,)}, "up to 60 characters, the longest here has 61"),
        ({"engine": "ideogram-v1", "files": (LOGO,)}, "cannot use 'logo.png' as logo"),
    ],
)
def test_an_engine_that_cannot_do_it_is_a_refusal_with_the_reason(fields: dict[str, Any], needle: str):
    assert any(needle in r for r in refused(job("a cup", **fields)))


def test_a_file_that_no_engine_uses_is_not_left_out_in_silence():
    mask = FileRef(role=FileRole.MASK, name="mask.png", sha256="d" * 64, media_type="image/png", size_bytes=1)
    assert "cannot use 'mask.png' as mask" in refused(job("a cup", files=(mask,)))[0]


def test_lettering_is_kept_out_by_a_negative_prompt_where_the_engine_takes_one():
    assert routed(job("a cup", negative_prompt="steam")).negative_prompt.startswith("steam, text, letters")
    assert routed(job("a cup, linocut", negative_prompt="steam")).negative_prompt == "steam"
