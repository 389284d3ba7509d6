"""What a recorded event says of its job, for `--where`; and which records have a job that can be replayed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from rules.decide import routed
from rules.ruleset import Ruleset
from rules.sanity import examine
from rules.verdict import judge
from rules.where import Facts
from schemas import ids
from schemas.events import (
    AssetRejected,
    Event,
    ImageGenerated,
    ImageInspected,
    Job,
    Judgement,
    PromptSubmitted,
    Rendering,
    RenderRequest,
    RenderRequested,
    ReplayRequested,
)

FIRST_COUNTS: Final = frozenset({"prompts"})
"""Topics where the first record of a job is the one that counts: sanity keeps the first prompt under a key and drops
what comes after it. Elsewhere the latest one does."""
REFUSED: Final = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """A job as a record holds it, and what the record says of it. `count` is its replays up to then."""

    job: Job
    facts: Facts
    count: int = 0


def recorded(event: Event, ruleset: Ruleset, stage: str = "") -> Recorded | None:
    """The job in a record with its facts; None for a record of none, and for the twin of a paired job.

    A prompt has no tags yet and measurements have no verdict: the ruleset gives what it says of them today. `stage` is
    the one that gave the record up, where it comes out of a dead letter.
    """
    record = type(event).__name__
    match event:
        case PromptSubmitted(job=job) | ReplayRequested(job=job):
            if job.job_id != ids.job_id(job.idempotency_key):
                return None
            facts = {**_job_facts(job, record, stage), **_routed_facts(job, ruleset)}
            return Recorded(job=job, facts=facts, count=event.count if isinstance(event, ReplayRequested) else 0)
        case RenderRequested(request=request):
            facts = _request_facts(request)
        case ImageGenerated(request=request):
            facts = {**_request_facts(request), **_rendering_facts(event.rendering)}
        case ImageInspected(request=request):
            judgement = judge(event.inspection, event.rendering, request, ruleset)
            facts = {**_request_facts(request), **_rendering_facts(event.rendering), **_judged_facts(judgement)}
        case AssetRejected(request=request):
            facts = {**_request_facts(request), **_rendering_facts(event.rendering), **_judged_facts(event.judgement)}
        case _:
            return None
    if request.assignment is not None and request.assignment.shadow:
        return None
    whole = {**_job_facts(request.job, record, stage), **facts}
    count = 0 if request.replayed is None else request.replayed.count
    return Recorded(job=request.job, facts=whole, count=count)


def _job_facts(job: Job, record: str, stage: str) -> Facts:
    return {
        "job": frozenset({job.job_id}),
        "lane": frozenset({job.lane.value}),
        "campaign": frozenset({job.campaign}),
        "brand": frozenset({job.brand}),
        "record": frozenset({record}),
        "stage": frozenset({stage}),
    }


def _routed_facts(job: Job, ruleset: Ruleset) -> Facts:
    finding = examine(job, ruleset)
    route = routed(job, finding, ruleset, lane=job.lane, engine=job.engine)
    return {
        "tag": finding.names,
        "risk": frozenset({finding.risk.value}),
        "engine": frozenset({REFUSED if route.profile is None else route.profile.id}),
        "rule": frozenset({route.named}),
    }


def _request_facts(request: RenderRequest) -> Facts:
    return {
        "tag": frozenset(t.name for t in request.tags),
        "risk": frozenset({request.risk.value}),
        "engine": frozenset({request.engine}),
        "rule": frozenset({request.rule}),
        "lane": frozenset({request.lane.value}),
        "attempt": frozenset({str(request.attempt)}),
        "ruleset": frozenset({request.ruleset_id}),
    }


def _rendering_facts(rendering: Rendering) -> Facts:
    failure = rendering.failure
    return {
        "outcome": frozenset({rendering.outcome.value}),
        "failure": frozenset({failure.kind.value} if failure else ()),
    }


def _judged_facts(judgement: Judgement) -> Facts:
    return {
        "verdict": frozenset({judgement.verdict.value}),
        "defect": frozenset(d.mode for d in judgement.defects),
    }
