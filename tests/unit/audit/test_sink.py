"""Which topics are read, whose record it is, and which order its records have."""

from typing import get_args

import pytest

from audit.project import RANK
from audit.sink import carries, read
from audit.source import Fetched, wanted_topic
from rules.lifecycle import NEXT, JobEvent
from schemas.catalogue import PROMPTS, topics_for
from schemas.codec import Codec, LockedIds
from schemas.events import HoldChanged, HoldScope, PromptSubmitted
from schemas.ids import event_id
from tests.stories import accepted, job, refused

CODEC = Codec(LockedIds())


def test_every_topic_of_the_catalogue_is_read_whatever_the_engine():
    topics = topics_for(["sd3.5-large", "made-up-tomorrow"])
    assert [t.name for t in topics if not wanted_topic(t.name)] == ["progress", "looks"]  # not for the record


@pytest.mark.parametrize(
    "name", ["promptsx", "my-prompts", "render.x.later", "render..critical", "render.X.critical", "_x"]
)
def test_other_topics_are_not(name: str):
    assert not wanted_topic(name)


def test_every_event_of_the_lifecycle_has_a_rank_that_grows_along_the_table():
    assert set(RANK) == set(get_args(JobEvent))
    for (state, event), after in NEXT.items():
        for (before, earlier), to in NEXT.items():
            # A rejection leads to the next attempt, whose ranks begin anew.
            if to == state and not (before == after or state == "rejected"):
                assert RANK[earlier] < RANK[event], f"{earlier.__name__} comes before {event.__name__}"


def fetched(value: bytes | None, key: bytes | None = None) -> Fetched:
    return Fetched(topic="t", partition=0, offset=0, timestamp_ms=0, key=key, value=value, headers=())


def test_every_record_of_a_job_is_known_as_its_own():
    one = job("whose", campaign="c")
    for _, event in [*accepted(one, touch_up_minutes=3), *refused(one)]:
        assert read(fetched(CODEC.encode(event)), CODEC).job_id == one.job_id


def test_a_key_tells_the_job_of_a_record_that_cannot_be_decoded():
    one = job("whose").job_id
    assert read(fetched(b"?", one.encode()), CODEC).job_id == one
    assert read(fetched(b"?", b"\xff"), CODEC).job_id is None
    assert read(fetched(None), CODEC).event is None


def test_a_hold_is_of_no_job():
    hold = HoldChanged(
        event_id=event_id("h", "ops"),
        at_ms=0,
        hold_id="h",
        scope=HoldScope.TAG,
        value="x",
        active=True,
        who="a",
        why="",
    )
    assert read(fetched(CODEC.encode(hold), b"h"), CODEC).job_id is None


def test_projections_believe_a_record_only_where_the_catalogue_has_it():
    prompt = PromptSubmitted(event_id=event_id("x", "y"), job=job("x"))
    assert carries(PROMPTS, prompt)
    assert not carries("design-queue", prompt)
    assert not carries("render.simulator.critical", prompt)
