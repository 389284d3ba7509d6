"""The stages sanity and validation as real processes on a broker of their own."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from broker.admin import ensure_topics
from broker.embedded.kafka import EmbeddedKafka
from broker.settings import Settings
from ops.rulesets.publish import publish
from rules.decide import on_inspected
from rules.ruleset import load_ruleset
from schemas import ids
from schemas.catalogue import (
    DEAD_LETTERS,
    DESIGN_QUEUE,
    HELD,
    HOLDS,
    IMAGES_INSPECTED,
    PROMPTS,
    PROMPTS_REFUSED,
    PROMPTS_SEEN,
    REPLAY,
    REPLAY_REQUESTS,
    REVIEW,
    topics_for,
)
from schemas.codec import Codec, LockedIds
from schemas.events import (
    AssetApproved,
    AssetHeld,
    AssetRejected,
    DeadLetter,
    DeadLetterKind,
    Event,
    HoldChanged,
    HoldScope,
    ImageInspected,
    Job,
    Preset,
    PromptRefused,
    PromptSeen,
    RenderRequested,
    ReplayRequested,
)
from tests.integration.streams_support import Follower, StageProcess, send
from tests.unit.rules import samples
from tests.waiting import until

CODEC = Codec(LockedIds())
WITHIN_S = 120.0
KEPT_MS = 2_000
"""How long after a change on its topic a running stage may still decide without it."""
RENDER = [t.name for t in topics_for(samples.ruleset().engines) if t.name.startswith("render.")]
ATTEMPTS = (*RENDER, PROMPTS_REFUSED)


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    folder = tmp_path_factory.mktemp("streams")
    with EmbeddedKafka(folder) as broker:
        made = Settings.model_validate({"kafka_bootstrap": broker.bootstrap, "state_dir": folder})
        ensure_topics(made, samples.ruleset().engines)
        publish(made, samples.ruleset(), who="test", at_ms=1, activate=True)
        yield made


def _stage(settings: Settings, name: str, folder: Path) -> Iterator[StageProcess]:
    given = {"kafka_bootstrap": settings.kafka_bootstrap, "state_dir": str(settings.state_dir)}
    stage = StageProcess(
        "tests.integration.stage_process", json.dumps({"stage": name, "settings": given}), folder / f"{name}.log"
    )
    stage.start()
    yield stage
    until("the stage has started", lambda: stage.said('"event": "started"'), WITHIN_S)
    assert stage.stop() == 0


@pytest.fixture(scope="module")
def sanity(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StageProcess]:
    yield from _stage(settings, "sanity", tmp_path_factory.mktemp("sanity"))


@pytest.fixture(scope="module")
def validation(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StageProcess]:
    yield from _stage(settings, "validation", tmp_path_factory.mktemp("validation"))


class Reading:
    """Follows what the stages write, and holds, decoded."""

    def __init__(self, settings: Settings) -> None:
        written = (PROMPTS_SEEN, DEAD_LETTERS, DESIGN_QUEUE, REPLAY, REVIEW, HELD, HOLDS)
        partitions = {t.name: t.partitions for t in topics_for(samples.ruleset().engines)}
        self._follower = Follower(settings, {t: partitions[t] for t in (*ATTEMPTS, *written)})
        self._decoded: list[tuple[str, str, Event]] = []

    def look(self) -> list[tuple[str, str, Event]]:
        """Topic, key and event of everything so far."""
        messages = self._follower.look()
        for m in messages[len(self._decoded) :]:
            self._decoded.append((m.topic() or "", (m.key() or b"").decode(), CODEC.decode(m.value())))
        return self._decoded

    def of(self, job_id: str, topics: Iterable[str]) -> list[Event]:
        """What was written about a job on some topics."""
        return [e for t, k, e in self.look() if k == job_id and t in topics]

    def dead(self, origin_topic: str, value: bytes | None) -> DeadLetter | None:
        """The dead letter of a record."""
        letters = [e for t, _, e in self.look() if t == DEAD_LETTERS and isinstance(e, DeadLetter)]
        return next((e for e in letters if e.origin.topic == origin_topic and e.value == value), None)

    def newest_ms(self, topic: str, event: Event) -> int | None:
        """The time of the newest record of a topic, where it is this event."""
        self.look()
        newest = self._follower.of(topic)[-1:]
        return next((m.timestamp()[1] for m in newest if CODEC.decode(m.value()) == event), None)

    def to_the_end(self) -> None:
        """Read on until every end was seen."""
        self._follower.to_the_end()
        self.look()

    def close(self) -> None:
        """Let go."""
        self._follower.close()


@pytest.fixture
def reading(settings: Settings) -> Iterator[Reading]:
    made = Reading(settings)
    yield made
    made.close()


def _submit(settings: Settings, jobs: Iterable[Job]) -> None:
    send(settings, PROMPTS, [(j.job_id, CODEC.encode(samples.submitted(j))) for j in jobs])


def _send(settings: Settings, topic: str, key: str, event: Event) -> None:
    send(settings, topic, [(key, CODEC.encode(event))])


def test_a_prompt_is_routed_or_refused(settings: Settings, sanity: StageProcess, reading: Reading) -> None:
    good, empty = samples.job(key="routed"), samples.job(prompt="", key="refused")
    _submit(settings, [good, empty])
    (attempt,) = until("it is routed", lambda: reading.of(good.job_id, ATTEMPTS), WITHIN_S)
    assert isinstance(attempt, RenderRequested)
    assert attempt.request.ruleset_id == samples.ruleset().id
    (no,) = until("it is refused", lambda: reading.of(empty.job_id, ATTEMPTS), WITHIN_S)
    assert isinstance(no, PromptRefused)
    assert no.reasons


def test_one_key_gives_one_job_and_the_first_content_wins(
    settings: Settings, sanity: StageProcess, reading: Reading
) -> None:
    first = samples.job(prompt="a red kite", key="twice")
    clash = samples.job(prompt="a blue kite", key="twice")
    later = samples.job(key="after-twice")
    _submit(settings, [first, first])
    until("the first is routed", lambda: reading.of(first.job_id, ATTEMPTS), WITHIN_S)
    _submit(settings, [clash, later])
    until("the clash is told", lambda: sanity.said("another prompt came under a key that is taken"), WITHIN_S)
    until("the next is routed", lambda: reading.of(later.job_id, ATTEMPTS), WITHIN_S)
    reading.to_the_end()
    (attempt,) = reading.of(first.job_id, ATTEMPTS)
    assert isinstance(attempt, RenderRequested)
    assert attempt.request.job.prompt == "a red kite"
    (seen,) = reading.of(first.job_id, [PROMPTS_SEEN])
    assert isinstance(seen, PromptSeen)
    told = [json.loads(line) for line in sanity.log.read_text().splitlines() if "under a key that is taken" in line]
    assert told[-1]["job_id"] == first.job_id
    assert told[-1]["first_content"] == seen.content_sha256[:32] != told[-1]["dropped_content"]


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (b"\x00not avro", DeadLetterKind.UNDECODABLE),
        (None, DeadLetterKind.UNDECODABLE),
        (CODEC.encode(PromptSeen(job_id=ids.job_id("x"), at_ms=1, content_sha256="a" * 64)), DeadLetterKind.POISON),
        (CODEC.encode(samples.submitted(samples.job(key="whole"))) + b"x", DeadLetterKind.UNDECODABLE),
    ],
)
def test_a_record_that_cannot_be_used_is_a_dead_letter_and_the_stream_lives_on(
    settings: Settings, sanity: StageProcess, reading: Reading, value: bytes | None, kind: DeadLetterKind
) -> None:
    send(settings, PROMPTS, [("bad", value)])
    letter = until("the dead letter is there", lambda: reading.dead(PROMPTS, value), WITHIN_S)
    assert (letter.kind, letter.stage, letter.key) == (kind, "sanity", b"bad")
    assert letter.timestamp_ms > 0
    job = samples.job(key=f"after-{kind}-{len(value or b'')}")
    _submit(settings, [job])
    until("the next is routed", lambda: reading.of(job.job_id, ATTEMPTS), WITHIN_S)


def test_repairs_and_replays_become_attempts(settings: Settings, sanity: StageProcess, reading: Reading) -> None:
    request = samples.routed(samples.job(key="repaired"))
    inspected = ImageInspected(
        event_id=ids.event_id("repaired", "test"),
        at_ms=1,
        request=request,
        rendering=samples.rendering(),
        inspection=samples.inspection(blank__luma_std=0.0),
    )
    rejected = on_inspected(inspected, samples.ruleset(), {}, 2)
    assert isinstance(rejected, AssetRejected)
    _send(settings, REPLAY, request.job.job_id, rejected)
    (attempt,) = until("the repair is there", lambda: reading.of(request.job.job_id, RENDER), WITHIN_S)
    assert isinstance(attempt, RenderRequested)
    assert (attempt.request.attempt, attempt.request.rung) == (1, rejected.repair.rung)
    job = samples.job(key="replayed")
    wanted = ReplayRequested(
        event_id=ids.event_id("replayed", "test"),
        at_ms=1,
        job=job,
        replay_id="r1",
        preset=Preset.SAFE,
        who="test",
        why="test",
    )
    _send(settings, REPLAY_REQUESTS, job.job_id, wanted)
    (again,) = until("the replay is there", lambda: reading.of(job.job_id, RENDER), WITHIN_S)
    assert isinstance(again, RenderRequested)
    assert again.request.replay_id == "r1"


def test_a_killed_sanity_process_decides_every_prompt_once(
    settings: Settings, sanity: StageProcess, reading: Reading
) -> None:
    jobs = [samples.job(key=f"load-{n}") for n in range(1_500)]
    mine = {j.job_id for j in jobs}

    def through() -> int:
        return sum(k in mine and t in ATTEMPTS for t, k, _ in reading.look())

    _submit(settings, jobs[:1_000])
    until("the work is under way", lambda: through() > 10, WITHIN_S)
    sanity.kill()
    sanity.start()
    _submit(settings, jobs)  # the client, too, does not know what arrived
    before = through()
    until("it goes on", lambda: through() > before or through() >= len(jobs), WITHIN_S)
    sanity.kill()
    sanity.start()
    until("all is through", lambda: through() >= len(jobs), WITHIN_S)
    last = samples.job(key="after-load")
    _submit(settings, [jobs[0], last])
    until("the last is through", lambda: reading.of(last.job_id, ATTEMPTS), WITHIN_S)
    reading.to_the_end()
    found = Counter(k for t, k, _ in reading.look() if k in mine and t in ATTEMPTS)
    assert set(found) == mine
    assert set(found.values()) == {1}
    assert Counter(k for t, k, _ in reading.look() if k in mine and t == PROMPTS_SEEN) == found


def _inspected(key: str, **values: Any) -> ImageInspected:
    request = samples.routed(samples.job(key=key, campaign=values.pop("campaign", "")))
    return ImageInspected(
        event_id=ids.event_id(key, "test"),
        at_ms=1,
        request=request,
        rendering=samples.rendering(),
        inspection=samples.inspection(**values),
    )


def test_validation_judges_dead_letters_and_goes_on(
    settings: Settings, validation: StageProcess, reading: Reading
) -> None:
    send(settings, IMAGES_INSPECTED, [("bad", b"garbage")])
    sound, spoilt = _inspected("sound"), _inspected("spoilt", blank__luma_std=0.0)
    for event in (sound, spoilt):
        _send(settings, IMAGES_INSPECTED, event.request.job.job_id, event)
    ends = (DESIGN_QUEUE, REPLAY, REVIEW, HELD)
    until("the sound one is judged", lambda: reading.of(sound.request.job.job_id, ends), WITHIN_S)
    until("the spoilt one is judged", lambda: reading.of(spoilt.request.job.job_id, ends), WITHIN_S)
    letter = until("the garbage is a dead letter", lambda: reading.dead(IMAGES_INSPECTED, b"garbage"), WITHIN_S)
    assert letter.stage == "validation"
    reading.to_the_end()
    assert [t for t, k, _ in reading.look() if k == sound.request.job.job_id and t in ends] == [DESIGN_QUEUE]
    assert [t for t, k, _ in reading.look() if k == spoilt.request.job.job_id and t in ends] == [REPLAY]


def test_a_hold_holds_amid_work_within_two_seconds_until_it_is_released(
    settings: Settings, validation: StageProcess, reading: Reading
) -> None:
    numbers = count()

    def judged() -> AssetApproved | AssetHeld:
        """What becomes of an asset that comes now."""
        event = _inspected(f"winter-{next(numbers)}", campaign="winter")
        job_id = event.request.job.job_id
        _send(settings, IMAGES_INSPECTED, job_id, event)
        (end,) = until("it is judged", lambda: reading.of(job_id, (DESIGN_QUEUE, HELD)), WITHIN_S)
        assert isinstance(end, AssetApproved | AssetHeld)
        return end

    def change(*, active: bool) -> list[AssetApproved | AssetHeld]:
        """Change the hold while assets come; what became of those that were judged more than `KEPT_MS` later."""
        changed = HoldChanged(
            event_id=ids.event_id("hold", "test", str(active)),
            at_ms=1,
            hold_id="h1",
            scope=HoldScope.CAMPAIGN,
            value="winter",
            active=active,
            who="test",
            why="test",
        )
        _send(settings, HOLDS, "h1", changed)
        changed_ms = until("the hold is on its topic", lambda: reading.newest_ms(HOLDS, changed))
        late: list[AssetApproved | AssetHeld] = []
        while len(late) < 3:
            late += [e for e in (judged(),) if e.at_ms > changed_ms + KEPT_MS]
        return late

    assert isinstance(judged(), AssetApproved)
    for end in change(active=True):
        assert isinstance(end, AssetHeld)
        assert end.hold_id == "h1"
    assert {type(end) for end in change(active=False)} == {AssetApproved}


def test_a_new_ruleset_decides_without_a_restart(settings: Settings, sanity: StageProcess, reading: Reading) -> None:
    changed = load_ruleset(samples.changed("verdict.yml", "cast_max: 45", "cast_max: 44"))
    publish(settings, changed, who="test", at_ms=2, activate=True)
    numbers = iter(range(1_000))

    def decided_by_it() -> bool:
        job = samples.job(key=f"live-{next(numbers)}")
        _submit(settings, [job])
        (attempt,) = until("it is routed", lambda: reading.of(job.job_id, RENDER), WITHIN_S)
        assert isinstance(attempt, RenderRequested)
        return attempt.request.ruleset_id == changed.id

    try:
        until("the new ruleset decides", decided_by_it, WITHIN_S)
    finally:
        publish(settings, samples.ruleset(), who="test", at_ms=3, activate=True)
