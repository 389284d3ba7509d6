"""Dead letters keep the record whole, and say so where they cannot."""

from __future__ import annotations

from audit.project import Projected
from broker.deadletter import MAX_KEPT_BYTES, address, dead_letter
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


def test_two_runs_of_a_job_that_one_stage_gives_up_leave_a_letter_each() -> None:
    """An original and its replay have one key, and may wait side by side: what tells them apart is where they lay."""
    places = [Origin(topic="images.generated", partition=1, offset=offset) for offset in (42, 43)]
    job = b"4f0c1f6e-0000-5000-8000-000000000001"
    made = [
        dead_letter("inspect", at, key=job, value=b"a", timestamp_ms=5, error=Poison("x"), at_ms=6) for at in places
    ]
    assert len({m.event_id for m in made}) == len({address(m.origin) for m in made}) == 2
    rows = Projected()
    for letter_ in made:
        rows.take(letter_, job.decode())
    assert [(r.job_id, r.origin_offset) for r in rows.dead_letters.values()] == [(job.decode(), 42), (job.decode(), 43)]


def test_a_value_too_large_to_keep_leaves_its_origin() -> None:
    made = letter(b"x" * (MAX_KEPT_BYTES + 1), Poison("x"))
    assert (made.kind, made.value, made.key) == (DeadLetterKind.TOO_LARGE, None, b"k")


def test_headers_too_large_to_keep_are_left_out_and_it_says_so() -> None:
    made = letter(b"a", Poison("x"), (("h", b"x" * MAX_KEPT_BYTES),))
    assert (made.kind, made.value, made.headers) == (DeadLetterKind.TOO_LARGE, b"a", ())


def test_a_long_error_is_cut() -> None:
    assert len(letter(b"a", Poison("x" * 9000)).error) == 4000
