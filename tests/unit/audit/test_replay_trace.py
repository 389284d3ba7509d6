"""What the story of a job tells of its replays."""

from __future__ import annotations

from dataclasses import replace

from audit.trace import facts_of
from schemas.events import Origin, Preset, ReplayRequested
from schemas.ids import event_id
from tests.stories import START_MS, job


def test_a_replay_tells_of_what_why_and_how_often():
    asked = ReplayRequested(
        event_id=event_id("x", "test"), at_ms=START_MS, job=job("j"), replay_id="r1", engine="typeset",
        preset=Preset.SAFE, who="ann", why="wrong font", origin=Origin(topic="prompts", partition=2, offset=7), count=2,
    )  # fmt: skip
    assert facts_of(asked) == {
        "replay_id": "r1", "engine": "typeset", "preset": "safe", "who": "ann", "why": "wrong font", "count": 2,
        "origin": "prompts/2@7",
    }  # fmt: skip
    assert facts_of(replace(asked, origin=None))["origin"] is None
