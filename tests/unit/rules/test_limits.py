"""Bars and guards: how they are written, and when they stop something."""

import pytest

from rules.limits import BARS, GUARDS, Limit, missed, parse_limit, tripped
from schemas.errors import BadConfig


def test_limits_are_written_as_people_do():
    assert parse_limit("artifact-rate<=2%", BARS, option="--bar") == Limit(
        metric="artifact-rate", at_least=False, bound=0.02
    )
    assert str(parse_limit(" text-score >= 0.95", BARS, option="--bar")) == "text-score>=95%"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("artifact-rate", "is no limit"),
        ("artefact-rate<=2%", "did you mean 'artifact-rate'"),
        ("recall-rate<=2%", "there is no"),
        ("accept-rate>=900%", "above 100 %"),
    ],
)
def test_what_is_no_limit_is_said_with_its_mend(text: str, why: str):
    with pytest.raises(BadConfig, match=why):
        parse_limit(text, BARS, option="--bar")


def test_a_bar_without_a_figure_is_missed_and_a_guard_without_one_is_silent():
    bars = (parse_limit("artifact-rate<=2%", BARS, option="--bar"), parse_limit("accept-rate>=90%", BARS, option="-"))
    assert missed(bars, {"artifact-rate": 0.02, "accept-rate": 0.9}) == ()
    assert missed(bars, {"artifact-rate": 0.021}) == (
        "artifact-rate<=2% is asked, and it is 2.1%",
        "accept-rate>=90% is asked, and it is not known",
    )
    guard = (parse_limit("touch-up-rate<=5%", GUARDS, option="--guard"),)
    assert tripped(guard, {"touch-up-rate": None}) == ()
    assert tripped(guard, {"touch-up-rate": 0.05}) == ()
    assert tripped(guard, {"touch-up-rate": 0.06}) == ("touch-up-rate<=5% is asked, and it is 6%",)
