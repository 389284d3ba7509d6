"""`--where`: what it means, and what it refuses with the place and the mend."""

from __future__ import annotations

import pytest

from rules.where import EVERYTHING, FIELDS, MAX_CHARS, Facts, holds, parse_where, written
from schemas.errors import BadConfig
from tests.unit.rules import samples

RULES = samples.ruleset()
RECORD: Facts = {
    "tag": frozenset({"text", "layout"}),
    "verdict": frozenset({"reject"}),
    "engine": frozenset({"sd3.5-large"}),
    "campaign": frozenset({"Spring (26)"}),
    "attempt": frozenset({"1"}),
    "job": frozenset({"0a1b2c3d-0000-5000-8000-000000000000"}),
    "defect": frozenset({"wrong-text"}),
}


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("", True),
        ("tag=layout and verdict=rejected", True),
        ("TAG=layout AND verdict=reject", True),
        ("tag=layout and verdict=accepted", False),
        ("tag!=layout", False),
        ("tag!=people", True),
        ("not tag=people and mode=wrong-text", True),
        ("verdict=accept or tag=text and attempt=1", True),
        ("(verdict=accept or tag=text) and attempt=0", False),
        ("not (verdict=accept or tag=people)", True),
        ("not not engine=sd3.5-large", True),
        ("campaign='Spring (26)'", True),
        ('campaign="Spring"', False),
        ("job=0a1b2c3d", True),
        ("job!=0a1b2c3d", False),
        ("failure=timeout", False),
        ("failure!=timeout", True),
        ("engine='gone-engine'", False),
    ],
)
def test_a_condition_holds_for_what_it_says(text: str, meant: bool) -> None:
    where = parse_where(text, "replay", RULES)
    assert holds(where, RECORD) is meant
    again = parse_where(written(where), "replay", RULES)
    assert written(again) == written(where)
    assert holds(again, RECORD) is meant


def test_nothing_said_means_everything() -> None:
    assert parse_where("  ", "prompts", RULES) == EVERYTHING
    assert written(EVERYTHING) == ""
    assert holds(EVERYTHING, {})


def test_a_value_with_an_apostrophe_stays_itself() -> None:
    where = parse_where('campaign="Ann\'s"', "prompts", RULES)
    assert written(where) == 'campaign="Ann\'s"'
    assert holds(parse_where(written(where), "prompts", RULES), {"campaign": frozenset({"Ann's"})})


@pytest.mark.parametrize(
    ("text", "topic", "place", "said"),
    [
        ("tag=layuot", "replay", 5, "did you mean 'layout'?; in quotes it is taken as it is: tag='layuot'"),
        ("tga=layout", "replay", 1, "there is no field 'tga'; did you mean 'tag'?"),
        ("verdict=reject", "prompts", 1, "records of prompts say no verdict"),
        ("defect=wrong-text", "images.generated", 1, "records of images.generated say no defect"),
        ("tag=text and", "replay", 13, "want a field here"),
        ("tag text", "replay", 5, "want = or != after tag"),
        ("tag=", "replay", 5, "want a value of tag"),
        ("tag=(", "replay", 5, "want a value of tag"),
        ("(tag=text", "replay", 10, "the bracket at position 1 is not closed"),
        ("tag=text)", "replay", 9, "did not expect ')'"),
        ("tag=text tag=layout", "replay", 10, "join conditions by and, or"),
        ("campaign='a", "replay", 10, "this quotation mark is not closed"),
        ("tag=text ! x", "replay", 10, "did not expect '!'"),
        ("attempt=first", "replay", 9, "no number of an attempt"),
        ("ruleset=abc", "replay", 9, "give at least its first 6 digits"),
        ("job=not-hex-at-all", "replay", 5, "is no job id"),
        ("=text", "replay", 1, "want a field here"),
        ("not " * 30 + "tag=text", "replay", 85, "nests deeper"),
    ],
)
def test_what_is_wrong_is_said_with_its_place_and_mend(text: str, topic: str, place: int, said: str) -> None:
    with pytest.raises(BadConfig) as found:
        parse_where(text, topic, RULES)
    assert f"--where, position {place}: " in str(found.value)
    assert said in str(found.value)


def test_it_has_a_length() -> None:
    with pytest.raises(BadConfig, match="write it in 2000"):
        parse_where("tag=text or " * MAX_CHARS, "replay", RULES)


def test_every_topic_can_be_asked_for_jobs() -> None:
    for topic in FIELDS:
        assert holds(parse_where("lane=critical", topic, RULES), {"lane": frozenset({"critical"})})
