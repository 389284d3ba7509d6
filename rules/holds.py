"""Holds: the one door to the design queue. Whatever passes, by whomever's word, passes here, or is kept back here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, TypeAlias

from schemas import ids
from schemas.errors import Poison
from schemas.events import (
    AssetApproved,
    AssetHeld,
    HoldChanged,
    HoldScope,
    ImageInspected,
    Judgement,
    RenderRequest,
    ReviewRequested,
    Verdict,
)

SHADOW: Final = "shadow:"
"""Begins the hold id under which twins end; no hold has it, so nothing lets them go."""
RELEASE: Final = "release"
HOLD_ID_MAX: Final = 100

Attempt: TypeAlias = ImageInspected | ReviewRequested | AssetHeld
"""What an approval may come from: measurements that passed, a person's word in review, or a release."""


def shadow_hold(request: RenderRequest) -> str | None:
    """The hold of a paired job's twin, which nothing releases; None for every other attempt."""
    if request.assignment is None or not request.assignment.shadow:
        return None
    return f"{SHADOW}{request.assignment.rollout_id}"[:HOLD_ID_MAX]


def held_by(request: RenderRequest, holds: Mapping[str, HoldChanged]) -> str | None:
    """What keeps an attempt back: its being a twin, or the first active hold, by id, that covers it."""
    if (shadow := shadow_hold(request)) is not None:
        return shadow
    return next((holds[h].hold_id for h in sorted(holds) if holds[h].active and covers(holds[h], request)), None)


def covers(hold: HoldChanged, request: RenderRequest) -> bool:
    """Whether an attempt is of what a hold names, active or not."""
    return {
        HoldScope.REPLAY: request.replay_id == hold.value,
        HoldScope.CAMPAIGN: request.job.campaign == hold.value,
        HoldScope.ENGINE: request.engine == hold.value,
        HoldScope.TAG: hold.value in {t.name for t in request.tags},
    }[hold.scope]


def pass_on(
    event: Attempt,
    judgement: Judgement,
    holds: Mapping[str, HoldChanged],
    *,
    event_id: str,
    approved_by: str,
    at_ms: int,
) -> AssetApproved | AssetHeld:
    """Delivers an accepted asset, or keeps it where a hold covers it. No approval is made anywhere else.

    Raises Poison where the judgement is no accept: a person who approves says so in it.
    """
    if judgement.verdict is not Verdict.ACCEPT:
        raise Poison(f"a verdict of {judgement.verdict.value} opens no way to the design queue")
    hold_id = held_by(event.request, holds)
    if hold_id is not None:
        return keep(event, judgement, event_id=event_id, at_ms=at_ms, hold_id=hold_id)
    return AssetApproved(
        event_id=event_id,
        at_ms=at_ms,
        request=event.request,
        rendering=event.rendering,
        judgement=judgement,
        approved_by=approved_by,
    )


def keep(event: Attempt, judgement: Judgement, *, event_id: str, at_ms: int, hold_id: str) -> AssetHeld:
    """The asset under a hold."""
    return AssetHeld(
        event_id=event_id,
        at_ms=at_ms,
        request=event.request,
        rendering=event.rendering,
        judgement=judgement,
        hold_id=hold_id,
    )


def let_go(
    event: AssetHeld, hold: HoldChanged, holds: Mapping[str, HoldChanged], *, who: str, at_ms: int
) -> AssetApproved | AssetHeld | None:
    """What the release of a hold makes of a held asset: its delivery, or the other hold that keeps it.

    None where it is not this hold's to release: another kept it and this one does not cover it, or it is a twin.
    """
    mine = event.hold_id == hold.hold_id or covers(hold, event.request)
    if shadow_hold(event.request) is not None or not mine:
        return None
    others = {k: h for k, h in holds.items() if k != hold.hold_id}
    return pass_on(
        event,
        event.judgement,
        others,
        event_id=approval_id(event),
        approved_by=f"{RELEASE} by {who}",
        at_ms=at_ms,
    )


def approval_id(event: AssetHeld) -> str:
    """Id of the approval that a held asset becomes: the same in every run of a release, and in every hold's."""
    return ids.event_id(event.event_id, RELEASE)
