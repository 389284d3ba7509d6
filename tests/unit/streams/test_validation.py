"""Validation writes how an accepted asset looks beside where it goes, in the same batch."""

from __future__ import annotations

from typing import Any

import pytest

from broker.ruling import Ruling
from schemas import ids
from schemas.catalogue import DESIGN_QUEUE, HELD, LOOKS, REPLAY
from schemas.events import AssetLook, HoldChanged, HoldScope, ImageInspected
from streams.stage import Output
from streams.validation import ValidationBatch
from tests.unit.rules import samples

HOLD = HoldChanged(
    event_id=ids.event_id("h", "test"), at_ms=1, hold_id="h", scope=HoldScope.CAMPAIGN, value="winter", active=True,
    who="test", why="test",
)  # fmt: skip


def written(campaign: str, holds: dict[str, HoldChanged] | None = None, **values: Any) -> list[Output]:
    event = ImageInspected(
        event_id=ids.event_id("v", "test"),
        at_ms=1,
        request=samples.routed(samples.job(campaign=campaign)),
        rendering=samples.rendering(),
        inspection=samples.inspection(**values),
    )
    return ValidationBatch(Ruling(active=samples.ruleset()), holds or {}).handle(event, 5)


def test_an_accepted_asset_of_a_campaign_leaves_its_look() -> None:
    first, second = written("winter")
    assert (first.topic, second.topic) == (DESIGN_QUEUE, LOOKS)
    assert isinstance(second.event, AssetLook)
    assert (second.key, second.event.job_id) == (first.key, first.key)


def test_a_held_asset_passed_too() -> None:
    assert [o.topic for o in written("winter", {"h": HOLD})] == [HELD, LOOKS]


@pytest.mark.parametrize(("campaign", "std", "topic"), [("", 60.0, DESIGN_QUEUE), ("winter", 0.0, REPLAY)])
def test_nothing_else_leaves_one(campaign: str, std: float, topic: str) -> None:
    assert [o.topic for o in written(campaign, blank__luma_std=std)] == [topic]
