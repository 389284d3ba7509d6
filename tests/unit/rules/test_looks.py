"""The look of an accepted asset: what of its inspection those that come after it are compared with."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from rules.looks import look_of
from schemas import ids
from schemas.events import ImageInspected, Outcome
from tests.unit.rules.samples import inspection, job, rendering, routed

COLOUR: dict[str, Any] = {"palette__mean_l": 60.0, "palette__mean_a": 4.0, "palette__mean_b": -7.0}
HASH = "0f" * 32


def inspected(campaign: str = "winter", **values: Any) -> ImageInspected:
    seen = replace(inspection(**values), phash=HASH)
    request = routed(job(campaign=campaign))
    return ImageInspected(
        event_id=ids.event_id("look", "test"), at_ms=1, request=request, rendering=rendering(), inspection=seen
    )


def test_the_look_carries_colours_and_hash() -> None:
    look = look_of(inspected(**COLOUR, palette__delta_e00_mean=3.5), 9)
    assert look is not None
    assert (look.campaign, look.at_ms, look.phash) == ("winter", 9, HASH)
    assert (look.colour, look.palette_distance) == ((60.0, 4.0, -7.0), 3.5)
    asset = rendering().asset
    assert asset is not None
    assert look.asset_sha256 == asset.sha256


def test_what_was_not_measured_is_not_made_up() -> None:
    look = look_of(inspected(palette__mean_l=60.0), 9)
    assert look is not None
    assert (look.colour, look.palette_distance) == ((), None)


def test_without_a_campaign_or_a_picture_there_is_no_look() -> None:
    assert look_of(inspected(campaign=""), 9) is None
    lost = replace(inspected(), rendering=rendering(outcome=Outcome.FAILED, asset=None))
    assert look_of(lost, 9) is None
