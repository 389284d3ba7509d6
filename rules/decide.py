"""What each stage decides. Pure and total: an event and the rules in, the one event that follows out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from rules.engines import EngineProfile
from rules.files import unusable
from rules.holds import keep, pass_on, shadow_hold
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
    Assignment,
    Defect,
    Edit,
    HoldChanged,
    ImageInspected,
    Job,
    Lane,
    Preset,
    PromptRefused,
    PromptSubmitted,
    RenderRequest,
    RenderRequested,
    ReplayCause,
    ReplayRequested,
    ReviewRequested,
    Rung,
    Verdict,
)

SANITY: Final = "sanity"
VALIDATION: Final = "validation"
"""Stage names, which also go into the ids of what the stages write."""
PAIR: Final = "pair"
"""Ends the replay id of the twin of a paired job."""
ASKED_FOR: Final = "engine asked for"
REASONS_MAX: Final = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """Where a job goes: the rule that chose, and the engine and its preset.

    named: What the attempt gives as its rule.
    profile: None where the job is refused, for `reasons`.
    """

    rule: Rule
    named: str
    preset: Preset
    profile: EngineProfile | None = None
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """A job and what goes before its own wishes."""

    job: Job
    lane: Lane
    engine: str | None
    preset: Preset | None = None


def on_prompt(
    event: PromptSubmitted, ruleset: Ruleset, at_ms: int, assignment: Assignment | None = None
) -> RenderRequested | PromptRefused:
    """Routes a prompt or refuses it. Raises Poison where the job's id does not follow from its key."""
    _check_id(event.job)
    asked = _Asked(job=event.job, lane=event.job.lane, engine=event.job.engine)
    return _start(ids.event_id(event.event_id, SANITY), asked, ruleset, at_ms, assignment=assignment)


def on_paired(
    event: PromptSubmitted, ruleset: Ruleset, at_ms: int, assignment: Assignment
) -> RenderRequested | PromptRefused:
    """The twin of a prompt in a roll-out's other arm: a run of its own with the same prompt and seed. Raises Poison."""
    _check_id(event.job)
    asked = _Asked(job=event.job, lane=event.job.lane, engine=event.job.engine)
    event_id = ids.event_id(event.event_id, SANITY, PAIR)
    replay_id = f"{assignment.rollout_id}.{PAIR}"
    return _start(event_id, asked, ruleset, at_ms, replay_id=replay_id, assignment=replace(assignment, shadow=True))


def on_replay(event: ReplayRequested, ruleset: Ruleset, at_ms: int) -> RenderRequested | PromptRefused:
    """Starts a job afresh as an operator asked: attempt 0 of the replay, with the same seed. Raises Poison.

    Replays take no part in roll-outs: what was chosen to be done again is no sample of the traffic.
    """
    _check_id(event.job)
    asked = _Asked(
        job=event.job,
        lane=event.lane or event.job.lane,
        engine=event.engine or event.job.engine,
        preset=event.preset,
    )
    return _start(
        ids.event_id(event.event_id, SANITY),
        asked,
        ruleset,
        at_ms,
        replay_id=event.replay_id,
        replayed=ReplayCause(origin=event.origin, count=event.count, who=event.who, why=event.why),
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
    """Judges an attempt: approve or hold it, send it back with a repair, or ask a person.

    The twin of a paired job ends here, whatever the verdict.
    """
    judgement = judge(event.inspection, event.rendering, event.request, ruleset)
    event_id = ids.event_id(event.event_id, VALIDATION)
    request, rendering = event.request, event.rendering
    if (shadow := shadow_hold(request)) is not None:
        return keep(event, judgement, event_id=event_id, at_ms=at_ms, hold_id=shadow)
    if judgement.verdict is Verdict.ACCEPT:
        return pass_on(event, judgement, holds, event_id=event_id, approved_by=VALIDATION, at_ms=at_ms)
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
    event_id: str,
    asked: _Asked,
    ruleset: Ruleset,
    at_ms: int,
    *,
    replay_id: str | None = None,
    replayed: ReplayCause | None = None,
    assignment: Assignment | None = None,
) -> RenderRequested | PromptRefused:
    job, lane = asked.job, asked.lane
    finding = examine(job, ruleset, lane)
    route = routed(job, finding, ruleset, lane=lane, engine=asked.engine, preset=asked.preset)
    if route.profile is None:
        return PromptRefused(
            event_id=event_id,
            at_ms=at_ms,
            job=job,
            tags=finding.tags,
            reasons=route.reasons[:REASONS_MAX],
            ruleset_id=ruleset.id,
            replay_id=replay_id,
        )
    profile, preset = route.profile, route.preset
    request = RenderRequest(
        job=job,
        attempt=0,
        replay_id=replay_id,
        rung=Rung.FIRST,
        engine=profile.id,
        lane=lane,
        prompt=finding.prompt,
        negative_prompt=_negative(job, route.rule, profile),
        sampling=profile.preset(preset).sampling(preset, derived_seed(job.seed, 0)),
        text=finding.text,
        tags=finding.tags,
        risk=finding.risk,
        rule=route.named,
        ruleset_id=ruleset.id,
        cost_spent_usd=0,
        assignment=assignment,
        replayed=replayed,
    )
    return RenderRequested(event_id=event_id, at_ms=at_ms, request=request)


def routed(
    job: Job,
    finding: Finding,
    ruleset: Ruleset,
    *,
    lane: Lane,
    engine: str | None = None,
    preset: Preset | None = None,
) -> Route:
    """Where the rules send a job of which sanity found this; `engine` and `preset` go before what they say."""
    facts = facts_of(job, tags=finding.names, risk=finding.risk, lane=lane, phrases=finding.text.phrases)
    rule = ruleset.routing.choose(facts)
    kind = preset or (rule.preset if engine is None else Preset.STANDARD)
    named = rule.name if engine is None else ASKED_FOR
    if finding.reasons or rule.engine is None:
        why = finding.reasons or (f"The routing rule {rule.name!r} refuses prompts like this one.",)
        return Route(rule=rule, named=named, preset=kind, reasons=why)
    name = engine or rule.engine
    profile = ruleset.engines.get(name)
    if profile is None:
        why = (f"There is no engine {name!r}; {nearest(name, ruleset.engines)}",)
        return Route(rule=rule, named=named, preset=kind, reasons=why)
    refusal = unusable(job.files, profile, ruleset.engines) or profile.refuses_job(
        profile.preset(kind), job, finding.text
    )
    if refusal is not None:
        return Route(rule=rule, named=named, preset=kind, reasons=(f"{refusal}.",))
    return Route(rule=rule, named=named, preset=kind, profile=profile)


def _negative(job: Job, rule: Rule, profile: EngineProfile) -> str:
    if not profile.negative_prompt:
        return job.negative_prompt
    return ", ".join(part for part in (job.negative_prompt, rule.add_negative) if part)[:20000]
