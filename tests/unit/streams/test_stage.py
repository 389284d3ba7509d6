"""What the stages share: dead letters, keys taken, content hashes, outputs that do not fit."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from broker.outbox_port import Inbound, Outgoing, Source
from rules.ruleset import Ruleset
from schemas.catalogue import DEAD_LETTERS, PROMPTS, PROMPTS_SEEN
from schemas.codec import Codec, LockedIds
from schemas.errors import Transient
from schemas.events import DeadLetter, Event, PromptSeen
from streams.sanity import Sanity
from streams.seen import SeenKeys, digest, read_back
from streams.stage import StageDecider, content_sha256
from tests.unit.rules import samples

CODEC = Codec(LockedIds())
SOURCE = Source(PROMPTS, 2)
Records = Sequence[tuple[bytes | None, bytes | None]]


def decider(records: Records = ()) -> StageDecider:
    made = StageDecider(Sanity(samples.ruleset, lambda _s: records, CODEC), CODEC, lambda: 5_000)
    made.taken_over(SOURCE)
    return made


def inbound(offset: int, value: bytes | None) -> Inbound:
    return Inbound(source=SOURCE, offset=offset, timestamp_ms=9, key=b"k", value=value, headers=(("h", b"1"),))


def prompt(key: str, text: str = "a lighthouse at dawn") -> bytes:
    return CODEC.encode(samples.submitted(samples.job(prompt=text, key=key)))


def decoded(outgoing: Sequence[Outgoing]) -> list[Event]:
    return [CODEC.decode(o.value) for o in outgoing]


def test_a_repeat_inside_one_batch_is_dropped() -> None:
    decision = decider().decide(SOURCE, [inbound(0, prompt("a")), inbound(1, prompt("a")), inbound(2, prompt("b"))])
    seen = [o for o in decision.outgoing if o.topic == PROMPTS_SEEN]
    assert [o.partition for o in seen] == [SOURCE.partition] * 2
    assert len(decision.outgoing) == 4


def test_a_key_counts_only_once_its_batch_does() -> None:
    sanity = decider()
    first = sanity.decide(SOURCE, [inbound(0, prompt("a"))])
    again = sanity.decide(SOURCE, [inbound(0, prompt("a"))])  # the first was aborted
    assert first.outgoing == again.outgoing
    again.kept()
    assert sanity.decide(SOURCE, [inbound(1, prompt("a"))]).outgoing == ()


def test_keys_are_read_back() -> None:
    job = samples.job(key="a")
    seen = PromptSeen(job_id=job.job_id, at_ms=1, content_sha256=content_sha256(job))
    records = [(b"x", None), (b"y", b"garbage"), (b"z", prompt("other")), (job.job_id.encode(), CODEC.encode(seen))]
    assert decider(records).decide(SOURCE, [inbound(7, prompt("a"))]).outgoing == ()


def test_bad_bytes_become_a_dead_letter_with_where_and_why() -> None:
    (out,) = decider().decide(SOURCE, [inbound(3, b"bad")]).outgoing
    assert (out.topic, out.key) == (DEAD_LETTERS, b"prompts/2/3")
    (letter,) = decoded([out])
    assert isinstance(letter, DeadLetter)
    assert (letter.value, letter.key, letter.timestamp_ms, letter.at_ms) == (b"bad", b"k", 9, 5_000)
    assert [(h.name, h.value) for h in letter.headers] == [("h", b"1")]


def test_an_output_that_does_not_fit_is_a_dead_letter_and_takes_no_key() -> None:
    sanity = Sanity(samples.ruleset, lambda _s: (), CODEC)
    tight = StageDecider(sanity, CODEC, lambda: 5_000, max_output_bytes=100)
    tight.taken_over(SOURCE)
    decision = tight.decide(SOURCE, [inbound(0, prompt("a"))])
    decision.kept()
    (letter,) = decoded(decision.outgoing)
    assert isinstance(letter, DeadLetter)
    assert "at most 100 fit" in letter.error
    roomy = StageDecider(sanity, CODEC, lambda: 5_000)
    assert len(roomy.decide(SOURCE, [inbound(1, prompt("a"))]).outgoing) == 2


def test_without_a_ruleset_nothing_is_decided() -> None:
    def none_yet() -> Ruleset:
        raise Transient("no ruleset is active")

    waiting = StageDecider(Sanity(none_yet, lambda _s: (), CODEC), CODEC, lambda: 1)
    waiting.taken_over(SOURCE)
    with pytest.raises(Transient):
        waiting.decide(SOURCE, [inbound(0, prompt("a"))])


def test_the_content_hash_leaves_out_when_it_was_asked() -> None:
    first = samples.job(submitted_at_ms=1)
    assert content_sha256(first) == content_sha256(samples.job(submitted_at_ms=2))
    assert content_sha256(first) != content_sha256(samples.job(seed=8))


def test_the_oldest_keys_are_forgotten_first() -> None:
    jobs = [samples.job(key=str(n)).job_id for n in range(3)]
    seen = SeenKeys(max_keys=2)
    seen.add({jobs[0]: b"0", jobs[1]: b"1"})
    seen.add({jobs[0]: b"0"})
    seen.add({jobs[2]: b"2"})
    assert [seen.digest_of(j) for j in jobs] == [b"0", None, b"2"]
    assert len(seen) == 2


def test_a_digest_is_the_start_of_the_hash() -> None:
    assert digest("ab" * 32) == b"\xab" * 16
    assert len(read_back([], CODEC)) == 0
