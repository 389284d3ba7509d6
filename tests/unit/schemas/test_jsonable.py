"""Bytes are shown as text only where they are text."""

import json

import pytest

from schemas.events import DeadLetter, DeadLetterKind, Header, Origin
from schemas.ids import event_id
from schemas.jsonable import bytes_json, event_json
from tests.stories import accepted, job


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, None),
        (b"job-1", "job-1"),
        ("Größe".encode(), "Größe"),
        (b"\xff", {"base64": "/w=="}),
        (b"a\x00", {"base64": "YQA="}),
    ],
)
def test_bytes(value: bytes | None, shown: object):
    assert bytes_json(value) == shown


def test_every_field_of_an_event_is_there():
    letter = DeadLetter(
        event_id=event_id("x", "y"),
        at_ms=1,
        stage="inspect",
        kind=DeadLetterKind.POISON,
        error="no",
        origin=Origin(topic="t", partition=0, offset=1),
        timestamp_ms=1,
        key=None,
        value=b"\xff",
        headers=(Header(name="a", value=b"b"),),
    )
    shown = event_json(letter)
    assert shown["value"] == {"base64": "/w=="}
    assert shown["headers"] == [{"name": "a", "value": {"base64": "Yg=="}}]
    assert shown["origin"] == {"topic": "t", "partition": 0, "offset": 1}


def test_events_survive_json():
    for _, event in accepted(job("json")):
        assert json.loads(json.dumps(event_json(event))) == event_json(event)
