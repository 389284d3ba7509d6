"""The whole story of one job, from its prompt to its verdict, out of the ledger's own bytes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, assert_never

import psycopg

from audit import ledger
from audit.chain import Link
from audit.project import RANK
from audit.rows import OWN_RUN
from rules.lifecycle import STATE_AFTER, JobEvent, State, follow
from schemas.codec import Codec
from schemas.errors import Poison
from schemas.events import (
    AssetApproved,
    AssetHeld,
    AssetLabelled,
    AssetRecalled,
    AssetRejected,
    DeadLetter,
    Event,
    ImageGenerated,
    ImageInspected,
    Judgement,
    Origin,
    PromptRefused,
    PromptSeen,
    PromptSubmitted,
    Rendering,
    RenderRequest,
    RenderRequested,
    ReplayRequested,
    ReviewRequested,
    TouchUpReported,
)
from schemas.jsonable import event_json

MAX_STEPS: Final = 10_000
"""Records of one job that a story tells; a job has a dozen, unless somebody floods its key."""

Facts = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One record of a job: where it lies, its row's hash, and the facts that matter. `event` is None where undecodable.

    `attempt` is None for records that are about no attempt (prompt, touch-up, dead letter). `forbidden` says where
    the lifecycle does not let this record follow what came before it in its run; empty where it may.
    """

    topic: str
    partition: int
    generation: int
    offset: int
    timestamp_ms: int
    record: str | None
    replay_id: str
    attempt: int | None
    row_sha256: str
    facts: Facts
    event: Event | None
    forbidden: str = ""

    def plain(self) -> dict[str, Any]:
        """The step as JSON takes it, with the whole event."""
        return {
            "topic": self.topic,
            "partition": self.partition,
            "generation": self.generation,
            "offset": self.offset,
            "timestamp_ms": self.timestamp_ms,
            "record": self.record,
            "replay_id": self.replay_id or None,
            "attempt": self.attempt,
            "row_sha256": self.row_sha256,
            "facts": dict(self.facts),
            "forbidden": self.forbidden or None,
            "event": None if self.event is None else event_json(self.event),
        }


def _place(origin: Origin) -> str:
    return f"{origin.topic}/{origin.partition}@{origin.offset}"


def _request_facts(request: RenderRequest) -> dict[str, Any]:
    s = request.sampling
    return {
        "engine": request.engine,
        "lane": request.lane.value,
        "rung": request.rung.value,
        "rule": request.rule,
        "risk": request.risk.value,
        "tags": [t.name for t in request.tags],
        "text": [p.text for p in request.text.phrases],
        "scheduler": s.scheduler,
        "steps": s.steps,
        "guidance": s.guidance,
        "seed": s.seed,
        "preset": s.preset.value,
        "ruleset_id": request.ruleset_id,
    }


def _rendering_facts(rendering: Rendering) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "outcome": rendering.outcome.value,
        "backend": rendering.backend,
        "model_digest": rendering.model_digest,
        "device": rendering.device,
        "engine_ms": rendering.engine_ms,
        "batch_size": rendering.batch_size,
        "cost_usd": rendering.cost_usd,
        "manifest_sha256": rendering.manifest_sha256,
    }
    if rendering.asset is not None:
        facts["asset_sha256"] = rendering.asset.sha256
    if rendering.failure is not None:
        facts["failure"] = f"{rendering.failure.kind.value}: {rendering.failure.message}"
    return facts


def _judgement_facts(judgement: Judgement) -> dict[str, Any]:
    return {
        "verdict": judgement.verdict.value,
        "defects": [
            f"{d.mode} ({d.check} {d.value:g}, allowed {d.threshold:g}): {d.evidence}" for d in judgement.defects
        ],
        "scores": dict(judgement.scores),
        "reasons": list(judgement.reasons),
        "audit": judgement.audit or None,
        "ruleset_id": judgement.ruleset_id,
    }


def _verdict_facts(event: AssetApproved | AssetHeld | AssetRejected | ReviewRequested) -> dict[str, Any]:
    facts = _judgement_facts(event.judgement)
    match event:
        case AssetApproved():
            facts["approved_by"] = event.approved_by
        case AssetHeld():
            facts["hold_id"] = event.hold_id
        case AssetRejected(repair=r):
            facts["repair"] = f"attempt {r.attempt}, {r.rung.value} on {r.engine}: {r.reason}"
        case ReviewRequested():
            pass
        case _:
            assert_never(event)
    return facts


def _word_facts(event: TouchUpReported | AssetLabelled | AssetRecalled) -> Facts:
    """What a person says of an asset."""
    match event:
        case TouchUpReported():
            return {
                "minutes": event.minutes,
                "defect": event.defect,
                "who": event.who,
                "asset_sha256": event.asset_sha256,
            }
        case AssetLabelled():
            return {
                "source": event.source.value,
                "defects": list(event.defects) or "sound",
                "who": event.who,
                "why": event.why,
                "asset_sha256": event.asset_sha256,
            }
        case AssetRecalled():
            return {
                "defects": list(event.defects),
                "asset_sha256": event.asset_sha256,
                "ruleset_id": event.ruleset_id,
                "recovery_id": event.recovery_id,
                "who": event.who,
                "why": event.why,
            }


def facts_of(event: Event) -> Facts:
    """What a reader of the story wants to know of a record."""
    match event:
        case PromptSubmitted(job=job):
            return {
                "prompt": job.prompt, "required_text": list(job.required_text), "campaign": job.campaign,
                "brand": job.brand, "lane": job.lane.value, "engine": job.engine, "seed": job.seed,
                "idempotency_key": job.idempotency_key,
            }  # fmt: skip
        case PromptRefused():
            return {"reasons": list(event.reasons), "ruleset_id": event.ruleset_id}
        case PromptSeen():
            return {"content_sha256": event.content_sha256}
        case ReplayRequested():
            return {
                "replay_id": event.replay_id, "engine": event.engine, "preset": event.preset.value,
                "who": event.who, "why": event.why, "count": event.count,
                "origin": None if event.origin is None else _place(event.origin),
            }  # fmt: skip
        case RenderRequested():
            return _request_facts(event.request)
        case ImageGenerated():
            return _rendering_facts(event.rendering)
        case AssetApproved() | AssetHeld() | AssetRejected() | ReviewRequested():
            return _verdict_facts(event)
        case ImageInspected(inspection=seen):
            return {
                "measured": {f"{m.check}.{m.name}": m.value for m in seen.measurements},
                "read": {r.reader: [w.text for w in r.words] for r in seen.reads},
                "errors": [f"{e.check}: {e.message}" for e in seen.errors],
                "inspect_ms": seen.elapsed_ms,
            }
        case DeadLetter(origin=origin):
            return {"stage": event.stage, "kind": event.kind.value, "error": event.error, "origin": _place(origin)}
        case TouchUpReported() | AssetLabelled() | AssetRecalled():
            return _word_facts(event)
        case _:
            return {}


def _step(link: Link, codec: Codec) -> Step:
    entry = link.entry
    try:
        event: Event | None = codec.decode(entry.value)
        facts = facts_of(event)
    except Poison as e:
        event, facts = None, {"undecodable": str(e)}
    request: RenderRequest | None = getattr(event, "request", None)
    replay_id = getattr(event if request is None else request, "replay_id", None)
    return Step(
        topic=entry.topic,
        partition=entry.partition,
        generation=entry.generation,
        offset=entry.offset,
        timestamp_ms=entry.timestamp_ms,
        record=entry.record,
        replay_id=replay_id or OWN_RUN,
        attempt=None if request is None else request.attempt,
        row_sha256=link.hash.hex(),
        facts=facts,
        event=event,
    )


def _order(step: Step) -> tuple[int, int, int]:
    rank = -1 if step.event is None else RANK.get(type(step.event), -1)
    return (step.timestamp_ms, -1 if step.attempt is None else step.attempt, rank)


def _checked(steps: Iterable[Step]) -> Iterator[Step]:
    """The steps, each held against the lifecycle by what came before it in its run."""
    states: dict[str, State] = {}
    for step in steps:
        if not isinstance(step.event, JobEvent):
            yield step
            continue
        before = states.get(step.replay_id, State.NEW)
        after = follow(before, step.event)
        states[step.replay_id] = after or STATE_AFTER[type(step.event)]
        yield step if after else replace(step, forbidden=f"{step.record} cannot come where a run is {before.value}")


def trace(conn: psycopg.Connection, job_id: str, codec: Codec) -> tuple[Step, ...]:
    """Every record about a job in the order in which they came to be, at most 10,000; empty for an unknown job.

    A record that the lifecycle forbids where it stands says so in `forbidden`. The order is that of the records'
    timestamps, so machines whose clocks differ by more than a stage takes can make a sound story look forbidden.
    """
    steps = sorted((_step(link, codec) for link in ledger.job_rows(conn, job_id, MAX_STEPS)), key=_order)
    return tuple(_checked(steps))
