"""Whole stories of jobs as the records that the stages would write, with their topics: for audit, tail and reports."""

from __future__ import annotations

import hashlib

from schemas import ids
from schemas.catalogue import (
    DESIGN_QUEUE,
    IMAGES_GENERATED,
    IMAGES_INSPECTED,
    PROMPTS,
    PROMPTS_REFUSED,
    PROMPTS_SEEN,
    REPLAY,
    REVIEW,
    TOUCH_UPS,
    render_topic,
)
from schemas.events import (
    Asset,
    AssetApproved,
    AssetRejected,
    Defect,
    Event,
    ImageGenerated,
    ImageInspected,
    Inspection,
    Job,
    Judgement,
    Lane,
    Measurement,
    Outcome,
    Phrase,
    PhraseSource,
    Preset,
    PromptRefused,
    PromptSeen,
    PromptSubmitted,
    Rendering,
    RenderRequest,
    RenderRequested,
    Repair,
    ReviewRequested,
    Risk,
    Rung,
    Sampling,
    Tag,
    TextContract,
    TextRead,
    TouchUpReported,
    Verdict,
    Word,
)

START_MS = 1_750_000_000_000
RULESET = hashlib.sha256(b"ruleset").hexdigest()
STEP_MS = 100

Said = tuple[str, Event]
"""A topic and a record on it."""


def job(key: str, *, campaign: str = "", prompt: str = 'A poster that says "OPEN LATE"') -> Job:
    return Job(
        job_id=ids.job_id(key),
        idempotency_key=key,
        prompt=prompt,
        campaign=campaign,
        lane=Lane.CRITICAL,
        seed=7,
        required_text=("OPEN LATE",),
        submitted_at_ms=START_MS,
    )


def request(of: Job, attempt: int = 0, *, engine: str = "simulator", replay_id: str | None = None) -> RenderRequest:
    return RenderRequest(
        job=of,
        attempt=attempt,
        replay_id=replay_id,
        rung=Rung.FIRST if attempt == 0 else Rung.SAFER_SAMPLING,
        engine=engine,
        lane=of.lane,
        prompt=of.prompt,
        sampling=Sampling(
            preset=Preset.STANDARD,
            scheduler="FlowMatchEulerDiscreteScheduler",
            steps=28,
            guidance=3.5,
            seed=7 + attempt,
        ),
        text=TextContract(
            phrases=(Phrase(text="OPEN LATE", source=PhraseSource.QUOTED, case_sensitive=True, strict=False),),
            other_text_allowed=False,
        ),
        tags=(Tag(name="text", start=19, end=28, evidence="OPEN LATE"),),
        risk=Risk.MEDIUM,
        rule="text-to-specialist",
        ruleset_id=RULESET,
        cost_spent_usd=0.04 * attempt,
    )


def rendering(of: RenderRequest) -> Rendering:
    sha256 = hashlib.sha256(f"{of.job.job_id}/{of.replay_id}/{of.attempt}".encode()).hexdigest()
    return Rendering(
        outcome=Outcome.RENDERED,
        asset=Asset(sha256=sha256, media_type="image/png", size_bytes=1000, width=1024, height=1024),
        manifest_sha256=hashlib.sha256(sha256.encode()).hexdigest(),
        backend="simulator",
        model_digest="sha256:5170",
        device="cpu",
        engine_ms=36_000,
        batch_size=1,
        cost_usd=0.04,
    )


def inspection() -> Inspection:
    return Inspection(
        measurements=(
            Measurement(check="text", name="character_error_rate", value=0.25),
            Measurement(check="palette", name="delta_e00_p95", value=3.5),
        ),
        reads=(
            TextRead(
                reader="rapidocr",
                elapsed_ms=80,
                words=(Word(text="OPEN LATE", confidence=0.98, box=(0, 0, 9, 0, 9, 3, 0, 3)),),
            ),
        ),
        errors=(),
        elapsed_ms=95,
    )


def judgement(verdict: Verdict) -> Judgement:
    wrong = Defect(
        mode="wrong-text",
        check="text",
        value=0.25,
        threshold=0.0,
        evidence='"OPEN LATE" reads "OPEN LATF"',
        certain=True,
    )
    return Judgement(
        verdict=verdict,
        defects=() if verdict is Verdict.ACCEPT else (wrong,),
        scores={"text": 1.0 if verdict is Verdict.ACCEPT else 0.75},
        reasons=("every check passed",) if verdict is Verdict.ACCEPT else ("the text is wrong",),
        ruleset_id=RULESET,
    )


def _attempt(of: RenderRequest, cause: str, at_ms: int) -> tuple[list[Said], str]:
    ids_ = [ids.event_id(cause, stage, str(of.attempt)) for stage in ("sanity", "render", "inspect")]
    done = rendering(of)
    said: list[Said] = [
        (render_topic(of.engine, of.lane), RenderRequested(event_id=ids_[0], at_ms=at_ms, request=of)),
        (IMAGES_GENERATED, ImageGenerated(event_id=ids_[1], at_ms=at_ms + STEP_MS, request=of, rendering=done)),
        (
            IMAGES_INSPECTED,
            ImageInspected(
                event_id=ids_[2], at_ms=at_ms + 2 * STEP_MS, request=of, rendering=done, inspection=inspection()
            ),
        ),
    ]
    return said, ids_[2]


def submitted(of: Job) -> Said:
    return PROMPTS, PromptSubmitted(event_id=ids.event_id(of.job_id, "test"), job=of)


def accepted(of: Job, *, rejects: int = 0, engine: str = "simulator", touch_up_minutes: float = 0) -> list[Said]:
    """A job that is accepted after so many rejected attempts: 4 records and 4 for each reject; one more for a touch-up.

    Each attempt takes 400 ms, so it ends 400 * (rejects + 1) ms after its submission.
    """
    said: list[Said] = [
        submitted(of),
        (PROMPTS_SEEN, PromptSeen(job_id=of.job_id, at_ms=START_MS, content_sha256=RULESET)),
    ]
    for attempt in range(rejects + 1):
        asked = request(of, attempt, engine=engine)
        at_ms = START_MS + STEP_MS + attempt * 4 * STEP_MS
        records, cause = _attempt(asked, of.job_id, at_ms)
        said += records
        event_id, at_ms = ids.event_id(cause, "validation"), at_ms + 3 * STEP_MS
        if attempt < rejects:
            repair = Repair(
                rung=Rung.SAFER_SAMPLING,
                attempt=attempt + 1,
                engine=engine,
                sampling=asked.sampling,
                reason="the text is wrong",
            )
            said.append(
                (
                    REPLAY,
                    AssetRejected(
                        event_id=event_id,
                        at_ms=at_ms,
                        request=asked,
                        rendering=rendering(asked),
                        judgement=judgement(Verdict.REJECT),
                        repair=repair,
                    ),
                )
            )
        else:
            said.append(
                (
                    DESIGN_QUEUE,
                    AssetApproved(
                        event_id=event_id,
                        at_ms=at_ms,
                        request=asked,
                        rendering=rendering(asked),
                        judgement=judgement(Verdict.ACCEPT),
                        approved_by="validation",
                    ),
                )
            )
            if touch_up_minutes:
                said.append((TOUCH_UPS, touch_up(asked, touch_up_minutes)))
    return said


def touch_up(of: RenderRequest, minutes: float) -> TouchUpReported:
    asset = rendering(of).asset
    assert asset is not None
    return TouchUpReported(
        event_id=ids.event_id(of.job.job_id, "touch-up"),
        at_ms=START_MS + 60_000,
        job_id=of.job.job_id,
        asset_sha256=asset.sha256,
        minutes=minutes,
        defect="wrong-text",
        who="Ada",
    )


def reviewed(of: Job, *, then_approved: bool = False) -> list[Said]:
    """A job that a human must decide on, after one attempt; and what the human decided a minute later."""
    asked = request(of)
    records, cause = _attempt(asked, of.job_id, START_MS + STEP_MS)
    event_id = ids.event_id(cause, "validation")
    review = ReviewRequested(
        event_id=event_id,
        at_ms=START_MS + 4 * STEP_MS,
        request=asked,
        rendering=rendering(asked),
        judgement=judgement(Verdict.REVIEW),
    )
    said = [submitted(of), *records, (REVIEW, review)]
    if then_approved:
        approved = AssetApproved(
            event_id=ids.event_id(event_id, "reviewer"),
            at_ms=START_MS + 60_000,
            request=asked,
            rendering=rendering(asked),
            judgement=judgement(Verdict.ACCEPT),
            approved_by="Ada",
        )
        said.append((DESIGN_QUEUE, approved))
    return said


def refused(of: Job) -> list[Said]:
    """A job whose prompt sanity would not have."""
    no = PromptRefused(
        event_id=ids.event_id(of.job_id, "sanity"),
        at_ms=START_MS + STEP_MS,
        job=of,
        tags=(Tag(name="unsafe", start=0, end=1, evidence="A"),),
        reasons=("the prompt asks for what is not allowed",),
        ruleset_id=RULESET,
    )
    return [submitted(of), (PROMPTS_REFUSED, no)]


def replayed(of: Job, replay_id: str) -> list[Said]:
    """An attempt that a replay asked for, from its render request to its approval."""
    asked = request(of, replay_id=replay_id)
    records, cause = _attempt(asked, ids.event_id(of.job_id, "ops", replay_id), START_MS + 120_000)
    approved = AssetApproved(
        event_id=ids.event_id(cause, "validation"),
        at_ms=START_MS + 121_000,
        request=asked,
        rendering=rendering(asked),
        judgement=judgement(Verdict.ACCEPT),
        approved_by="validation",
    )
    return [*records, (DESIGN_QUEUE, approved)]
