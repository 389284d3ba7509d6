"""Rows of what operators do: recalls, holds, steps of recoveries, and which ruleset decides."""

from __future__ import annotations

from collections.abc import Mapping

from audit.rows import OWN_RUN, OperationRow, RecallRow
from schemas.events import AssetRecalled, HoldChanged, RecoveryChanged, RulesetActivated


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


def operation_of(event: HoldChanged | RecoveryChanged | RulesetActivated) -> OperationRow:
    """The row of an operation: about whom, which step, and with which figures."""
    why = ""
    numbers: Mapping[str, float] = {}
    match event:
        case HoldChanged():
            kind, subject, why = "hold", event.hold_id, event.why
            step = f"{'holds' if event.active else 'lets go'} {event.scope.value} {event.value}"
        case RecoveryChanged():
            kind, subject, step = "recovery", event.recovery_id, event.step.value
            why, numbers = event.why, event.numbers
        case RulesetActivated():
            kind, subject, step = "ruleset", event.ruleset_id, "activated"
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
