"""What the projections say of a dead letter, with no I/O: of which job its record was, and of which run."""

from __future__ import annotations

from audit.rows import OWN_RUN, DeadLetterRow
from schemas.events import (
    AssetRejected,
    DeadLetter,
    Event,
    ImageGenerated,
    ImageInspected,
    PromptSubmitted,
    RenderRequested,
    ReplayRequested,
)


def dead_letter_row(event: DeadLetter, job_id: str | None, given_up: Event | None) -> DeadLetterRow:
    """The row of a letter. `job_id` is the ledger's, `given_up` the record in it, None where it cannot be read."""
    return DeadLetterRow(
        event_id=event.event_id,
        stage=event.stage,
        kind=event.kind.value,
        error=event.error,
        origin_topic=event.origin.topic,
        origin_partition=event.origin.partition,
        origin_offset=event.origin.offset,
        job_id=job_id,
        replay_id=_run(given_up),
        at_ms=event.at_ms,
    )


def _run(event: Event | None) -> str | None:
    """The id of the run that a record of a job belongs to, OWN_RUN for the job's own; None where there is none."""
    match event:
        case PromptSubmitted():
            return OWN_RUN
        case ReplayRequested():
            return event.replay_id
        case RenderRequested() | ImageGenerated() | ImageInspected() | AssetRejected():
            return event.request.replay_id or OWN_RUN
        case _:
            return None
