"""What each stage decides. Pure and total: an event and the rules in, the one event that follows out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from rules.engines import EngineProfile
from rules.files import unusable
from rules.ladder import Exhausted, derived_seed, next_repair
from rules.regions import text_edit
from rules.routing import Rule, facts_of
from rules.ruleset import Ruleset
from rules.sanity import Finding, examine
from rules.tree import nearest
from rules.verdict import judge
from schemas import ids
from schemas.errors import Poison
from schemas.events import (
    AssetApproved,
    AssetHeld,
    AssetRejected,
    Defect,
    Edit,
    HoldChanged,
    HoldScope,
    ImageInspected,
    Job,
    Lane,
    Preset,
    PromptRefused,
    PromptSubmitted,
    RenderRequest,
    RenderRequested,
    ReplayRequested,
    ReviewRequested,
    Rung,
    Verdict,
)

SANITY: Final = "sanity"
VALIDATION: Final = "validation"
"""Stage names, which also go into the ids of what the stages write."""
REASONS_MAX: Final = 64


def on_prompt(event: PromptSubmitted, ruleset: Ruleset, at_ms: int) -> RenderRequested | PromptRefused:
    """Routes a prompt or refuses it. Raises Poison where the job's id does not follow from its key."""
    _check_id(event.job)
    return _start(event.event_id, event.job, ruleset, at_ms, lane=event.job.lane, engine=event.job.engine)


def on_replay(event: ReplayRequested, ruleset: Ruleset, at_ms: int) -> RenderRequested | PromptRefused:
    """Starts a job afresh as an operator asked: attempt 0 of the replay, with the same seed. Raises Poison."""
    _check_id(event.job)
    return _start(
        event.event_id,
        event.job,
        ruleset,
        at_ms,
        lane=event.lane or event.job.lane,
        engine=event.engine or event.job.engine,
        preset=event.preset,
        replay_id=event.replay_id,
    )


def on_rejected(event: AssetRejected, ruleset: Ruleset, at_ms: int) -> RenderRequested:
    """Takes the repair that validation proposed. The worker refuses it if its profile has changed since."""
    repair = event.repair
    request = replace(
        event.request,
        attempt=repair.attempt,
        rung=repair.rung,
        engine=repair.engine,
        sampling=repair.sampling,
        edit=repair.edit,
        rule=f"repair:{repair.rung.value}",
        ruleset_id=ruleset.id,
        cost_spent_usd=event.request.cost_spent_usd + event.rendering.cost_usd,
    )
    return RenderRequested(event_id=ids.event_id(event.event_id, SANITY), at_ms=at_ms, request=request)


def on_inspected(
    event: ImageInspected, ruleset: Ruleset, holds: Mapping[str, HoldChanged], at_ms: int
) -> AssetApproved | AssetRejected | ReviewRequested | AssetHeld:
    """Judges an attempt: approve or hold it, send it back with a repair, or ask a person."""
    judgement = judge(event.inspection, event.rendering, event.request, ruleset)
    event_id = ids.event_id(event.event_id, VALIDATION)
    request, rendering = event.request, event.rendering
    if judgement.verdict is Verdict.ACCEPT:
        hold = held_by(request, holds)
        if hold is not None:
            return AssetHeld(
                event_id=event_id, at_ms=at_ms, request=request, rendering=rendering, judgement=judgement, hold_id=hold
            )
        return AssetApproved(
            event_id=event_id,
            at_ms=at_ms,
            request=request,
            rendering=rendering,
            judgement=judgement,
            approved_by=VALIDATION,
        )
    if judgement.verdict is Verdict.REJECT:
        step = next_repair(
            request,
            rendering,
            judgement.defects,
            ruleset.ladder,
            modes=ruleset.failure_modes,
            engines=ruleset.engines,
            edit=_edit(event, judgement.defects, ruleset),
        )
        if not isinstance(step, Exhausted):
            return AssetRejected(
                event_id=event_id, at_ms=at_ms, request=request, rendering=rendering, judgement=judgement, repair=step
            )
        reasons = (*judgement.reasons[: REASONS_MAX - 1], f"No repair is left: {step.why}.")
        judgement = replace(judgement, verdict=Verdict.REVIEW, reasons=reasons)
    return ReviewRequested(event_id=event_id, at_ms=at_ms, request=request, rendering=rendering, judgement=judgement)


def _edit(event: ImageInspected, defects: Sequence[Defect], ruleset: Ruleset) -> Edit | None:
    region = ruleset.ladder.region
    if region is None:
        return None
    return text_edit(event.request, event.rendering, event.inspection, defects, region, ruleset.thresholds)


def _check_id(job: Job) -> None:
    wanted = ids.job_id(job.idempotency_key)
    if job.job_id != wanted:
        raise Poison(f"job_id={job.job_id}, but the idempotency key gives {wanted}; derive it by schemas.ids.job_id")


def _start(
    cause: str,
    job: Job,
    ruleset: Ruleset,
    at_ms: int,
    *,
    lane: Lane,
    engine: str | None,
    preset: Preset | None = None,
    replay_id: str | None = None,
) -> RenderRequested | PromptRefused:
    event_id = ids.event_id(cause, SANITY)
    finding = examine(job, ruleset, lane)
    rule = _rule(job, finding, lane, ruleset)
    request, reasons = _request(job, finding, rule, ruleset, lane=lane, engine=engine, preset=preset)
    if request is None:
        return PromptRefused(
            event_id=event_id,
            at_ms=at_ms,
            job=job,
            tags=finding.tags,
            reasons=reasons[:REASONS_MAX],
            ruleset_id=ruleset.id,
        )
    return RenderRequested(event_id=event_id, at_ms=at_ms, request=replace(request, replay_id=replay_id))


def _rule(job: Job, finding: Finding, lane: Lane, ruleset: Ruleset) -> Rule:
    return ruleset.routing.choose(
        facts_of(job, tags=finding.tags, risk=finding.risk, lane=lane, phrases=finding.text.phrases)
    )


def _request(
    job: Job,
    finding: Finding,
    rule: Rule,
    ruleset: Ruleset,
    *,
    lane: Lane,
    engine: str | None,
    preset: Preset | None,
) -> tuple[RenderRequest | None, tuple[str, ...]]:
    if finding.reasons or rule.engine is None:
        return None, finding.reasons or (f"The routing rule {rule.name!r} refuses prompts like this one.",)
    name = engine or rule.engine
    profile = ruleset.engines.get(name)
    if profile is None:
        return None, (f"There is no engine {name!r}; {nearest(name, ruleset.engines)}",)
    kind = preset or (rule.preset if engine is None else Preset.STANDARD)
    request = RenderRequest(
        job=job,
        attempt=0,
        rung=Rung.FIRST,
        engine=profile.id,
        lane=lane,
        prompt=finding.prompt,
        negative_prompt=_negative(job, rule, profile),
        sampling=profile.preset(kind).sampling(kind, derived_seed(job.seed, 0)),
        text=finding.text,
        tags=finding.tags,
        risk=finding.risk,
        rule=rule.name if engine is None else "engine asked for",
        ruleset_id=ruleset.id,
        cost_spent_usd=0,
    )
    refusal = unusable(job.files, profile, ruleset.engines) or profile.refuses(request.sampling, request)
    return (request, ()) if refusal is None else (None, (f"{refusal}.",))


def _negative(job: Job, rule: Rule, profile: EngineProfile) -> str:
    if not profile.negative_prompt:
        return job.negative_prompt
    return ", ".join(part for part in (job.negative_prompt, rule.add_negative) if part)[:20000]


def held_by(request: RenderRequest, holds: Mapping[str, HoldChanged]) -> str | None:
    """The first hold, by id, that takes hold of an attempt."""
    tags = {t.name for t in request.tags}
    for hold_id in sorted(holds):
        hold = holds[hold_id]
        caught = {
            HoldScope.REPLAY: request.replay_id == hold.value,
            HoldScope.CAMPAIGN: request.job.campaign == hold.value,
            HoldScope.ENGINE: request.engine == hold.value,
            HoldScope.TAG: hold.value in tags,
        }[hold.scope]
        if hold.active and caught:
            return hold.hold_id
    return None
