"""Rows of what operators do: recalls, holds, recoveries, replays, roll-outs, shares, and which ruleset decides."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from audit.rows import OWN_RUN, OperationRow, RecallRow
from rules.replay_plan import plan_of
from schemas.events import (
    AssetRecalled,
    HoldChanged,
    RecoveryChanged,
    ReplayChanged,
    ReplayState,
    RolloutChanged,
    RulesetActivated,
    ShareChanged,
)

Operation: TypeAlias = HoldChanged | RecoveryChanged | ReplayChanged | RolloutChanged | RulesetActivated | ShareChanged


def recall_of(event: AssetRecalled) -> RecallRow:
    """The row of a recall."""
    return RecallRow(
        event_id=event.event_id,
        job_id=event.job_id,
        replay_id=event.replay_id or OWN_RUN,
        approval_id=event.approval_id,
        asset_sha256=event.asset_sha256,
        defects=event.defects,
        ruleset_id=event.ruleset_id,
        recovery_id=event.recovery_id,
        who=event.who,
        why=event.why,
        at_ms=event.at_ms,
    )


def operation_of(event: Operation) -> OperationRow | None:
    """The row of an operation: about whom, which step, and with which figures. None for a replay that goes on."""
    why = ""
    numbers: Mapping[str, float] = {}
    match event:
        case HoldChanged():
            kind, subject, why = "hold", event.hold_id, event.why
            step = f"{'holds' if event.active else 'lets go'} {event.scope.value} {event.value}"
        case RecoveryChanged():
            kind, subject, step = "recovery", event.recovery_id, event.step.value
            why, numbers = event.why, event.numbers
        case ReplayChanged():
            if event.state is ReplayState.RUNNING and not _begins(event):
                return None
            kind, subject, why = "replay", event.replay_id, event.why
            step = "begun" if event.state is ReplayState.RUNNING else event.state.value
            numbers = {"sent": float(event.sent), "skipped": float(event.skipped)}
        case RolloutChanged():
            kind, subject, why = "rollout", event.rollout_id, event.reason
            step, numbers = f"{event.state.value} at {event.percent} %", event.numbers
        case RulesetActivated():
            kind, subject, step = "ruleset", event.ruleset_id, "activated"
        case ShareChanged():
            kind, subject, why = "share", event.share_id, event.why
            step = f"{'shared' if event.active else 'revoked'}: {event.title}"
            numbers = {"jobs": float(len(event.job_ids)), "bytes": float(event.size_bytes)}
    return OperationRow(
        event_id=event.event_id,
        kind=kind,
        subject=subject,
        step=step,
        numbers=numbers,
        who=event.who,
        why=why,
        at_ms=event.at_ms,
    )


def _begins(event: ReplayChanged) -> bool:
    """Whether a replay stands where its plan begins. It writes a record with every transaction."""
    if event.sent or event.skipped:
        return False
    starts = {s.partition: s.start for s in plan_of(event.plan).spans}
    return all(starts.get(p.partition) == p.next_offset for p in event.positions)
