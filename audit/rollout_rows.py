"""What the projections of roll-outs say of an event, with no I/O."""

from __future__ import annotations

from audit.rows import FirstVerdictRow, RolloutStepRow
from rules.decide import VALIDATION
from rules.rollout import position_of
from schemas.events import AssetApproved, AssetHeld, AssetRejected, ReviewRequested, RolloutChanged


def first_verdict(event: AssetApproved | AssetHeld | AssetRejected | ReviewRequested) -> FirstVerdictRow | None:
    """Of a job's own run in a roll-out, or of its shadow, by validation; None of all else.

    What becomes of repairs, of replays and before people is no sample of an arm.
    """
    request, assignment = event.request, event.request.assignment
    if assignment is None or request.attempt or bool(request.replay_id) is not assignment.shadow:
        return None
    if isinstance(event, AssetApproved) and event.approved_by != VALIDATION:
        return None
    certain = {d.mode for d in event.judgement.defects if d.certain}
    return FirstVerdictRow(
        rollout_id=assignment.rollout_id,
        job_id=request.job.job_id,
        shadow=assignment.shadow,
        arm=assignment.arm.value,
        artifact=bool(certain),
        modes=tuple(sorted(certain)),
        latency_ms=None if assignment.shadow else float(max(0, event.at_ms - request.job.submitted_at_ms)),
        event_id=event.event_id,
    )


def rollout_step(event: RolloutChanged) -> RolloutStepRow:
    """A step as it was written."""
    return RolloutStepRow(
        event_id=event.event_id,
        rollout_id=event.rollout_id,
        state=event.state.value,
        stage=event.stage,
        percent=event.percent,
        position=position_of(event),
        numbers=event.numbers,
        reason=event.reason,
        who=event.who,
        at_ms=event.at_ms,
    )
