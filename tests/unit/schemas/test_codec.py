"""The wire format's edges: each thing that a value may be instead of a record of ours."""

from __future__ import annotations

import dataclasses

import pytest

from schemas import avro_files as files
from schemas import golden_messages as golden
from schemas.codec import HEADER, MAX_RECORD_BYTES, Codec, LockedIds, build, event_class, plain
from schemas.errors import Poison, Undecodable
from schemas.events import DeadLetter, PromptSubmitted
from schemas.jsonable import bytes_json, event_json

PROMPT = golden.read(files.current("PromptSubmitted"), "full").wire
CODEC = Codec(LockedIds())


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (None, "the value is null"),
        (b"", "starts with nothing"),
        (b"\x00\x00\x00", "starts with 000000"),
        (b'{"prompt": "a poster"}', "want 00 and a four-byte schema id"),
        (HEADER.pack(0, 99_999) + b"\x00", "schema id 99999 is not known"),
        (PROMPT[:-1], r"do not hold a PromptSubmitted\.v2"),
        (PROMPT + b"\x00", "1 bytes are left"),
        (bytes(MAX_RECORD_BYTES + 1), "at most 8388608 are decoded"),
    ],
)
def test_what_is_no_record_says_why(data: bytes | None, why: str):
    with pytest.raises(Undecodable, match=why):
        CODEC.decode(data)


def test_a_record_out_of_bounds_is_poison_and_says_the_field():
    event = CODEC.decode(PROMPT)
    assert isinstance(event, PromptSubmitted)
    narrow = dataclasses.replace(event.job, width=64)
    with pytest.raises(Poison, match=r"Job\.width=63, want 64\.\.8192"):
        dataclasses.replace(narrow, width=63)
    # The same from the wire: 64 and 63 are one byte apart in Avro's zigzag form.
    wire = CODEC.encode(dataclasses.replace(event, job=dataclasses.replace(narrow, height=4096)))
    with pytest.raises(Poison, match=r"Job\.width=63"):
        CODEC.decode(wire.replace(b"\x80\x01\x80\x40", b"\x7e\x80\x40"))


def test_half_a_surrogate_pair_cannot_be_written():
    event = CODEC.decode(PROMPT)
    assert isinstance(event, PromptSubmitted)
    odd = dataclasses.replace(event, job=dataclasses.replace(event.job, prompt="\ud83d"))
    with pytest.raises(Poison, match="UTF-8 cannot carry: surrogates not allowed at 0"):
        CODEC.encode(odd)


@pytest.mark.parametrize("change", [{"job": None}, {"job": 3}, {"event_id": 7}])
def test_a_mapping_of_another_shape_is_poison(change: dict[str, object]):
    tree = plain(CODEC.decode(PROMPT)) | change
    with pytest.raises(Poison, match="this is no"):
        build(PromptSubmitted, tree)


def test_a_mapping_that_lacks_a_field_or_a_symbol_is_poison():
    tree = plain(CODEC.decode(PROMPT))
    with pytest.raises(Poison, match=r"this is no PromptSubmitted: KeyError\('event_id'\)"):
        build(PromptSubmitted, {k: v for k, v in tree.items() if k != "event_id"})
    tree["job"]["lane"] = "overnight"
    with pytest.raises(Poison, match=r"this is no Job: .*overnight"):
        build(PromptSubmitted, tree)


def test_json_carries_bytes_in_base64():
    event = CODEC.decode(golden.read(files.current("DeadLetter"), "full").wire)
    assert isinstance(event, DeadLetter)
    assert event.value == bytes.fromhex("00336699ccff")
    assert event_json(event)["value"] == {"base64": "ADNmmcz/"}


def test_a_name_that_is_no_record_is_poison():
    with pytest.raises(Poison, match="no record 'Invoice'"):
        event_class("Invoice")


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, None),
        (b"job-1", "job-1"),
        ("春".encode(), "春"),
        (b"\x1b[2J", {"base64": "G1sySg=="}),
        (b"\xff", {"base64": "/w=="}),
    ],
)
def test_keys_are_shown_as_text_only_where_a_terminal_may_see_them(value: bytes | None, shown: object):
    assert bytes_json(value) == shown
