"""What the stages share: dead letters, keys taken, content hashes, outputs that do not fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from broker.outbox_port import Inbound, Outgoing, Source
from broker.ruling import Ruling
from rules.decide import on_inspected, on_prompt
from rules.ruleset import Ruleset, load_ruleset
from schemas import ids
from schemas.catalogue import DEAD_LETTERS, HELD, PROMPTS, PROMPTS_SEEN
from schemas.codec import Codec, LockedIds
from schemas.errors import Poison, Transient
from schemas.events import (
    Arm,
    AssetHeld,
    AssetRejected,
    Assignment,
    DeadLetter,
    Event,
    ImageInspected,
    PromptRefused,
    PromptSeen,
    RenderRequested,
    RolloutChanged,
    RolloutState,
)
from streams.sanity import Sanity, SanityBatch
from streams.seen import SeenKeys, digest, read_back
from streams.stage import StageDecider, content_sha256
from streams.validation import ValidationBatch
from tests.unit.rules import samples

CODEC = Codec(LockedIds())
RULING = Ruling(active=samples.ruleset())
SOURCE = Source(PROMPTS, 2)
Records = Sequence[tuple[bytes | None, bytes | None]]


def decider(records: Records = ()) -> StageDecider:
    made = StageDecider(Sanity(lambda: RULING, lambda _s: records, CODEC), CODEC, lambda: 5_000)
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
    sanity = Sanity(lambda: RULING, lambda _s: (), CODEC)
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
    def none_yet() -> Ruling:
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


CANDIDATE = load_ruleset(samples.changed("verdict.yml", "cast_max: 45", "cast_max: 44"))


def during(state: RolloutState) -> Ruling:
    """What is in force while a roll-out of the candidate is in a state."""
    rollout = RolloutChanged(
        event_id=ids.event_id("r", "test"),
        at_ms=1,
        rollout_id="r",
        state=state,
        stable_ruleset_id=samples.ruleset().id,
        candidate_ruleset_id=CANDIDATE.id,
        percent=50,
        stages=(50, 100),
        paired_share=1.0,
        reason="test",
        who="test",
    )
    return Ruling(active=samples.ruleset(), rollouts={"r": rollout}, named=lambda _: CANDIDATE)


@pytest.mark.parametrize(
    ("state", "deciding"),
    [
        (RolloutState.RUNNING, CANDIDATE),
        (RolloutState.PAUSED, CANDIDATE),
        (RolloutState.ABORTED, samples.ruleset()),
        (RolloutState.ROLLED_BACK, samples.ruleset()),
    ],
)
def test_a_job_of_the_candidate_is_judged_and_repaired_by_it_until_the_roll_out_ends(
    state: RolloutState, deciding: Ruleset
) -> None:
    arm = Assignment(rollout_id="r", arm=Arm.CANDIDATE)
    first = on_prompt(samples.submitted(samples.job()), CANDIDATE, 1, arm)
    assert isinstance(first, RenderRequested)
    blank = ImageInspected(
        event_id=ids.event_id("i", "test"),
        at_ms=1,
        request=first.request,
        rendering=samples.rendering(),
        inspection=samples.inspection(blank__luma_std=0.0),
    )
    (rejected,) = (o.event for o in ValidationBatch(during(state), {}).handle(blank, 2))
    assert isinstance(rejected, AssetRejected)
    assert rejected.judgement.ruleset_id == deciding.id
    (repair,) = (o.event for o in SanityBatch(SOURCE, during(state), SeenKeys()).handle(rejected, 3))
    assert isinstance(repair, RenderRequested)
    assert (repair.request.ruleset_id, repair.request.assignment) == (deciding.id, arm)


def test_a_paired_job_has_a_twin_in_the_other_arm_that_ends_at_its_first_verdict() -> None:
    ruling = during(RolloutState.RUNNING)
    sanity = SanityBatch(SOURCE, ruling, SeenKeys())
    event = samples.submitted(samples.job())
    own, _seen, twin = (o.event for o in sanity.handle(event, 5))
    assert isinstance(own, RenderRequested)
    assert isinstance(twin, RenderRequested)
    assert own.request.assignment is not None
    assert twin.request.assignment is not None
    assert (own.request.assignment.shadow, twin.request.assignment.shadow) == (False, True)
    assert {own.request.ruleset_id, twin.request.ruleset_id} == {samples.ruleset().id, CANDIDATE.id}
    assert twin.request.sampling == own.request.sampling
    assert (own.request.replay_id, twin.request.replay_id) == (None, "r.pair")
    assert own.event_id != twin.event_id
    refusing = samples.submitted(samples.job(prompt=" ", key="empty"))
    assert [type(o.event) for o in sanity.handle(refusing, 5)] == [PromptRefused, PromptSeen]

    sound = ImageInspected(
        event_id=ids.event_id("i", "test"),
        at_ms=1,
        request=twin.request,
        rendering=samples.rendering(),
        inspection=samples.inspection(),
    )
    for seen in (samples.inspection(), samples.inspection(blank__luma_std=0.0)):
        inspected = replace(sound, inspection=seen)
        (out,) = ValidationBatch(ruling, {}).handle(inspected, 6)
        assert isinstance(out.event, AssetHeld)
        assert (out.topic, out.event.hold_id) == (HELD, "shadow:r")
        assert out.event.judgement.ruleset_id == twin.request.ruleset_id
    blank = replace(sound, request=own.request, inspection=samples.inspection(blank__luma_std=0.0))
    rejected = on_inspected(blank, samples.ruleset(), {}, 7)
    assert isinstance(rejected, AssetRejected)
    with pytest.raises(Poison, match="never repaired"):
        sanity.handle(replace(rejected, request=twin.request), 8)
