"""The life of a job: states, the table of what leads where, and what ends it."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final, TypeAlias

from schemas.events import (
    AssetApproved,
    AssetHeld,
    AssetRecalled,
    AssetRejected,
    ImageGenerated,
    ImageInspected,
    PromptRefused,
    PromptSubmitted,
    RenderRequested,
    ReplayRequested,
    ReviewRequested,
)

JobEvent: TypeAlias = (
    PromptSubmitted
    | PromptRefused
    | RenderRequested
    | ImageGenerated
    | ImageInspected
    | AssetApproved
    | AssetRejected
    | AssetHeld
    | ReviewRequested
    | ReplayRequested
    | AssetRecalled
)


class State(StrEnum):
    """Where a run of a job stands."""

    NEW = "new"
    SUBMITTED = "submitted"
    ROUTED = "routed"
    RENDERED = "rendered"
    INSPECTED = "inspected"
    REJECTED = "rejected"
    REFUSED = "refused"
    APPROVED = "approved"
    REVIEW = "review"
    HELD = "held"
    RECALLED = "recalled"


NEXT: Final[Mapping[tuple[State, type[JobEvent]], State]] = {
    (State.NEW, PromptSubmitted): State.SUBMITTED,
    (State.NEW, ReplayRequested): State.SUBMITTED,
    (State.SUBMITTED, PromptRefused): State.REFUSED,
    (State.SUBMITTED, RenderRequested): State.ROUTED,
    (State.ROUTED, ImageGenerated): State.RENDERED,
    (State.RENDERED, ImageInspected): State.INSPECTED,
    (State.INSPECTED, AssetApproved): State.APPROVED,
    (State.INSPECTED, AssetHeld): State.HELD,
    (State.INSPECTED, ReviewRequested): State.REVIEW,
    (State.INSPECTED, AssetRejected): State.REJECTED,
    (State.REJECTED, RenderRequested): State.ROUTED,
    (State.HELD, AssetApproved): State.APPROVED,
    (State.REVIEW, AssetApproved): State.APPROVED,
    (State.REVIEW, AssetHeld): State.HELD,
    (State.REVIEW, AssetRejected): State.REJECTED,
    (State.APPROVED, AssetRecalled): State.RECALLED,
}
"""What may follow what. The last five are a person's doing: a release, what came of a review, and a recall."""
STATE_AFTER: Final[Mapping[type[JobEvent], State]] = {event: state for (_, event), state in NEXT.items()}
"""The state after an event, whatever was before: each event leads to one state only."""
TERMINAL: Final = frozenset({State.REFUSED, State.APPROVED, State.REVIEW, State.HELD, State.RECALLED})
"""States in which the pipeline itself does nothing more."""


def follow(state: State, event: JobEvent) -> State | None:
    """The state after an event, or None where the event cannot come here."""
    return NEXT.get((state, type(event)))
