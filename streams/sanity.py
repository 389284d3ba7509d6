"""The sanity stage: prompts, automatic repairs and operators' replays become attempts, or are refused."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import structlog

from broker import logs
from broker.broadcast import RulesetTable, follow_rulesets
from broker.outbox_kafka import KafkaLog
from broker.outbox_port import Source
from broker.settings import Settings
from rules import decide
from rules.ruleset import Ruleset
from schemas.catalogue import PROMPTS, PROMPTS_REFUSED, PROMPTS_SEEN, REPLAY, REPLAY_REQUESTS, render_topic
from schemas.codec import Codec
from schemas.errors import Poison
from schemas.events import (
    AssetRejected,
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
    """Decides with the ruleset in force; keeps the idempotency keys taken on each partition of `prompts`."""

    name = NAME
    inputs = (PROMPTS, REPLAY, REPLAY_REQUESTS)

    def __init__(
        self,
        ruleset: Callable[[], Ruleset],
        read_seen: Callable[[Source], Iterable[tuple[bytes | None, bytes | None]]],
        codec: Codec,
    ) -> None:
        self._ruleset, self._read_seen, self._codec = ruleset, read_seen, codec
        self._seen: dict[Source, SeenKeys] = {}

    def taken_over(self, source: Source) -> None:
        """Read back the keys that were taken on a partition of `prompts`."""
        if source.topic == PROMPTS:
            seen = read_back(self._read_seen(Source(PROMPTS_SEEN, source.partition)), self._codec)
            self._seen[source] = seen
            structlog.get_logger(__name__).info("keys read back", partition=source.partition, keys=len(seen))

    def batch(self, source: Source) -> SanityBatch:
        """Begin a batch with the ruleset in force. Raises Transient where there is none."""
        seen = self._seen[source] if source.topic == PROMPTS else SeenKeys()
        return SanityBatch(source, self._ruleset(), seen)


class SanityBatch:
    """Decisions of one batch. Keys taken in it count for its own later events at once, for others once it counts."""

    def __init__(self, source: Source, ruleset: Ruleset, seen: SeenKeys) -> None:
        self._source, self._ruleset, self._seen = source, ruleset, seen
        self._taken: dict[str, bytes] = {}

    def handle(self, event: Event, at_ms: int) -> list[Output]:
        """The attempt or the refusal; nothing for a prompt whose key was taken before."""
        match event:
            case PromptSubmitted():
                return self._prompt(event, at_ms)
            case AssetRejected():
                return [_routed(decide.on_rejected(event, self._ruleset, at_ms))]
            case ReplayRequested():
                return [_routed(decide.on_replay(event, self._ruleset, at_ms))]
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
        job = event.job
        decided = _routed(decide.on_prompt(event, self._ruleset, at_ms))  # first: it refuses a false job id
        content = content_sha256(job)
        former = self._taken.get(job.job_id) or self._seen.digest_of(job.job_id)
        if former is None:
            seen = PromptSeen(job_id=job.job_id, at_ms=at_ms, content_sha256=content)
            return [decided, Output(topic=PROMPTS_SEEN, key=job.job_id, event=seen, partition=self._source.partition)]
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
    with follow_rulesets(settings) as following:
        following.wait_ready(READY_S)
        stage = Sanity(RulesetTable(following).current, log.read_back, codec)
        code = Runner(settings, NAME, stage.inputs, log, StageDecider(stage, codec, now_ms)).run()
    log.close()
    return code
