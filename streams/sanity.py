"""The sanity stage: prompts, automatic repairs and operators' replays become attempts, or are refused."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import structlog

from broker import logs
from broker.broadcast import RolloutTable, RulesetTable, follow_rollouts, follow_rulesets
from broker.outbox_kafka import KafkaLog
from broker.outbox_port import Source
from broker.ruling import Ruling, Rulings
from broker.settings import Settings
from rules import decide
from schemas.catalogue import PROMPTS, PROMPTS_REFUSED, PROMPTS_SEEN, REPLAY, REPLAY_REQUESTS, render_topic
from schemas.codec import Codec
from schemas.errors import Poison
from schemas.events import (
    AssetRejected,
    Assignment,
    Event,
    PromptRefused,
    PromptSeen,
    PromptSubmitted,
    RenderRequested,
    ReplayRequested,
)
from schemas.registry import codec_for
from streams.runner import READY_S, Runner
from streams.seen import SeenKeys, digest, read_back
from streams.stage import Output, StageDecider, content_sha256, now_ms

NAME = "sanity"


class Sanity:
    """Decides with the rulesets in force; keeps the idempotency keys taken on each partition of `prompts`."""

    name = NAME
    inputs = (PROMPTS, REPLAY, REPLAY_REQUESTS)

    def __init__(
        self,
        ruling: Callable[[], Ruling],
        read_seen: Callable[[Source], Iterable[tuple[bytes | None, bytes | None]]],
        codec: Codec,
    ) -> None:
        self._ruling, self._read_seen, self._codec = ruling, read_seen, codec
        self._seen: dict[Source, SeenKeys] = {}

    def taken_over(self, source: Source) -> None:
        """Read back the keys that were taken on a partition of `prompts`."""
        if source.topic == PROMPTS:
            seen = read_back(self._read_seen(Source(PROMPTS_SEEN, source.partition)), self._codec)
            self._seen[source] = seen
            structlog.get_logger(__name__).info("keys read back", partition=source.partition, keys=len(seen))

    def batch(self, source: Source) -> SanityBatch:
        """Begin a batch with what is in force. Raises Transient where no ruleset is."""
        seen = self._seen[source] if source.topic == PROMPTS else SeenKeys()
        return SanityBatch(source, self._ruling(), seen)


class SanityBatch:
    """Decisions of one batch. Keys taken in it count for its own later events at once, for others once it counts."""

    def __init__(self, source: Source, ruling: Ruling, seen: SeenKeys) -> None:
        self._source, self._ruling, self._seen = source, ruling, seen
        self._taken: dict[str, bytes] = {}

    def handle(self, event: Event, at_ms: int) -> list[Output]:
        """The attempt or the refusal; nothing for a prompt whose key was taken before."""
        match event:
            case PromptSubmitted():
                return self._prompt(event, at_ms)
            case AssetRejected():
                return self._repair(event, at_ms)
            case ReplayRequested():
                return [_routed(decide.on_replay(event, self._ruling.active, at_ms))]
            case _:
                raise Poison(f"sanity does not take {type(event).__name__}")

    def written(self, outputs: Sequence[Output]) -> None:
        """Take the keys that go out with this batch."""
        for output in outputs:
            if isinstance(output.event, PromptSeen):
                self._taken[output.event.job_id] = digest(output.event.content_sha256)

    def kept(self) -> None:
        """Remember the keys that this batch took."""
        self._seen.add(self._taken)

    def _prompt(self, event: PromptSubmitted, at_ms: int) -> list[Output]:
        job, ruling = event.job, self._ruling
        assignment = ruling.assign(job.job_id)
        # First: it refuses a false job id.
        decided = _routed(decide.on_prompt(event, ruling.of(assignment), at_ms, assignment))
        content = content_sha256(job)
        former = self._taken.get(job.job_id) or self._seen.digest_of(job.job_id)
        if former is None:
            seen = PromptSeen(job_id=job.job_id, at_ms=at_ms, content_sha256=content)
            taken = Output(topic=PROMPTS_SEEN, key=job.job_id, event=seen, partition=self._source.partition)
            return [decided, taken, *self._twin(event, assignment, at_ms)]
        log = structlog.get_logger(__name__).bind(job_id=job.job_id, event_id=event.event_id)
        if former == digest(content):
            log.info("dropped a repeat", idempotency_key=job.idempotency_key)
        else:
            log.warning(
                "another prompt came under a key that is taken: the first stays",
                idempotency_key=job.idempotency_key,
                first_content=former.hex(),
                dropped_content=digest(content).hex(),
            )
        return []

    def _repair(self, event: AssetRejected, at_ms: int) -> list[Output]:
        assignment = event.request.assignment
        if assignment is not None and assignment.shadow:
            raise Poison("the twin of a paired job is never repaired")
        return [_routed(decide.on_rejected(event, self._ruling.of(assignment), at_ms))]

    def _twin(self, event: PromptSubmitted, assignment: Assignment | None, at_ms: int) -> list[Output]:
        """The same prompt through the other arm, for a job that was chosen; nothing where that arm refuses it."""
        shadow = self._ruling.twin(event.job.job_id, assignment)
        if shadow is None:
            return []
        decided = decide.on_paired(event, self._ruling.of(shadow), at_ms, shadow)
        return [_routed(decided)] if isinstance(decided, RenderRequested) else []


def _routed(decided: RenderRequested | PromptRefused) -> Output:
    match decided:
        case RenderRequested(request=request):
            topic = render_topic(request.engine, request.lane)
            return Output(topic=topic, key=request.job.job_id, event=decided)
        case PromptRefused(job=job):
            return Output(topic=PROMPTS_REFUSED, key=job.job_id, event=decided)


def main(settings: Settings) -> int:
    """Run the stage until SIGTERM; the exit code. Raises Transient where no ruleset can be had."""
    logs.set_up(settings, process=NAME)
    codec = codec_for(settings.schema_registry_url)
    log = KafkaLog(settings, NAME)
    with follow_rulesets(settings) as rulesets, follow_rollouts(settings) as rollouts:
        rulesets.wait_ready(READY_S)
        rollouts.wait_ready(READY_S)
        ruling = Rulings(rulesets=RulesetTable(rulesets), rollouts=RolloutTable(rollouts).current)
        stage = Sanity(ruling, log.read_back, codec)
        code = Runner(settings, NAME, stage.inputs, log, StageDecider(stage, codec, now_ms)).run()
    log.close()
    return code
