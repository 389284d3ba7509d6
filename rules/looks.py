"""How an accepted asset looks, for those of its campaign that come after it."""

from __future__ import annotations

from typing import Final

from schemas import ids
from schemas.events import AssetLook, ImageInspected

STAGE: Final = "look"
"""Goes into the id of the record beside the event that caused it."""


def look_of(event: ImageInspected, at_ms: int) -> AssetLook | None:
    """The look of an asset that passed; None for one without a campaign or without a picture."""
    asset, job = event.rendering.asset, event.request.job
    if asset is None or not job.campaign:
        return None
    measured = {m.name: m.value for m in event.inspection.measurements if m.check == "palette"}
    colour = tuple(measured[n] for n in ("mean_l", "mean_a", "mean_b") if n in measured)
    return AssetLook(
        event_id=ids.event_id(event.event_id, STAGE),
        at_ms=at_ms,
        job_id=job.job_id,
        campaign=job.campaign,
        engine=event.request.engine,
        asset_sha256=asset.sha256,
        phash=event.inspection.phash,
        palette_distance=measured.get("delta_e00_mean"),
        colour=colour if len(colour) == 3 else (),
    )
