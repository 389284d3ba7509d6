"""Dead letters keep the record whole, and say so where they cannot."""

from __future__ import annotations

from broker.deadletter import MAX_KEPT_BYTES, dead_letter
from schemas.codec import Codec, LockedIds
from schemas.errors import Poison, Undecodable
from schemas.events import DeadLetter, DeadLetterKind, Header, Origin

WHERE = Origin(topic="prompts", partition=1, offset=42)


def letter(value: bytes | None, error: Poison, headers: tuple[tuple[str, bytes | None], ...] = ()) -> DeadLetter:
    return dead_letter("sanity", WHERE, key=b"k", value=value, headers=headers, timestamp_ms=5, error=error, at_ms=6)


def test_bytes_key_and_headers_are_kept() -> None:
    made = letter(b"\xff\x00", Undecodable("no magic"), (("trace", b"1"), ("none", None)))
    assert made.kind is DeadLetterKind.UNDECODABLE
    assert (made.key, made.value) == (b"k", b"\xff\x00")
    assert made.headers == (Header(name="trace", value=b"1"), Header(name="none", value=None))
    assert made.origin == WHERE
    codec = Codec(LockedIds())
    assert codec.decode(codec.encode(made)) == made


def test_the_same_record_gives_the_same_id_and_another_stage_another() -> None:
    first, again = letter(b"a", Poison("x")), letter(b"a", Poison("y"))
    assert first.event_id == again.event_id
    other = dead_letter("audit", WHERE, key=None, value=b"a", timestamp_ms=5, error=Poison("x"), at_ms=6)
    assert other.event_id != first.event_id


def test_a_value_too_large_to_keep_leaves_its_origin() -> None:
    made = letter(b"x" * (MAX_KEPT_BYTES + 1), Poison("x"))
    assert (made.kind, made.value, made.key) == (DeadLetterKind.TOO_LARGE, None, b"k")


def test_headers_too_large_to_keep_are_left_out_and_it_says_so() -> None:
    made = letter(b"a", Poison("x"), (("h", b"x" * MAX_KEPT_BYTES),))
    assert (made.kind, made.value, made.headers) == (DeadLetterKind.TOO_LARGE, b"a", ())


def test_a_long_error_is_cut() -> None:
    assert len(letter(b"a", Poison("x" * 9000)).error) == 4000
