"""Defects of colour and likeness: off the brand, a cast, stepped gradients, clipped tones, a picture made twice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from rules import drift
from rules.brands import Brand
from rules.findings import CAST, DESIGN_TAGS, DRIFT, Numbers, defect
from schemas.events import Defect, Inspection, RenderRequest

BANDING: Final = "banding"
CLIPPING: Final = "clipping"
DUPLICATE: Final = "near-duplicate"
DETECTED: Final[Mapping[str, str]] = {
    BANDING: "tones",
    CLIPPING: "tones",
    DUPLICATE: "duplicate",
    drift.MODE: drift.CHECK,
}
"""Failure modes reported here, with the check that shows each; those of the palette stand with `findings`."""


def colour_defects(
    measured: Numbers,
    inspection: Inspection,
    request: RenderRequest,
    checks: Sequence[str],
    limits: Mapping[str, float],
    brand: Brand | None,
) -> list[Defect]:
    """All that is to be said of colours, and of the rest of the campaign. Only a design off its brand is certain."""
    defects: list[Defect] = []
    if "palette" in checks:
        defects += palette_defects(measured, request, limits, brand)
    if "tones" in checks:
        defects += tone_defects(measured, limits)
    if drift.CHECK in checks:
        defects += drift.drift_defects(measured, limits)
    if "duplicate" in checks:
        defects += duplicate_defects(inspection, limits)
    return defects


def palette_defects(
    measured: Numbers, request: RenderRequest, limits: Mapping[str, float], brand: Brand | None
) -> list[Defect]:
    """Colours against the brand: certain for designs.

    First where the brand's own colours are meant (its delta_e_pass and delta_e_review), then the whole picture (its
    delta_e_limit). A picture that only goes with a brand is shown to a person, and only where one hue lies over it as
    well: a red jacket in a green wood is no fault.
    """
    cast = measured.get("palette", "cast")
    if cast is None:
        return []
    distance = measured.get("palette", "delta_e00_mean")
    if brand is None or not brand.palette or distance is None:
        most = limits["palette.cast_max"]
        if cast <= most:
            return []
        return [
            defect(CAST, "palette", cast, most, f"one hue lies over the picture (chroma {cast:.0f})", certain=False)
        ]
    design = bool(DESIGN_TAGS & {t.name for t in request.tags})
    if distance <= brand.delta_e_limit:
        return _meant(measured, request, limits, brand, design=design)
    evidence = f"mean ΔE00 of {distance:.1f} to the palette of {brand.id}, at most {brand.delta_e_limit:g}"
    if design:
        return [defect(DRIFT, "palette", distance, brand.delta_e_limit, evidence)]
    most = limits["palette.branded_cast_max"]
    if cast <= most:
        return _meant(measured, request, limits, brand, design=design)
    evidence = f"one hue lies over the picture (chroma {cast:.0f}), with a {evidence}"
    return [defect(DRIFT, "palette", distance, brand.delta_e_limit, evidence, certain=False)]


def meant_distance(measured: Numbers, request: RenderRequest, limits: Mapping[str, float]) -> float | None:
    """ΔE00 to the brand's swatches where its own colours are meant; None where that says nothing of the picture."""
    share, p90 = measured.get("palette", "meant_share"), measured.get("palette", "meant_p90")
    if share is None or p90 is None:
        return None
    by_mask = measured.get("palette", "meant_by_mask") == 1
    design = bool(DESIGN_TAGS & {t.name for t in request.tags})
    return p90 if by_mask or (design and share >= limits["palette.meant_share_min"]) else None


def _meant(
    measured: Numbers, request: RenderRequest, limits: Mapping[str, float], brand: Brand, *, design: bool
) -> list[Defect]:
    p90 = meant_distance(measured, request, limits)
    if p90 is None or p90 <= brand.delta_e_pass:
        return []
    by_mask, share = measured.get("palette", "meant_by_mask") == 1, measured.get("palette", "meant_share") or 0.0
    where = "inside the colour mask" if by_mask else f"where its own colours are meant ({share:.0%} of the picture)"
    evidence = f"ΔE00 of {p90:.1f} to the swatches of {brand.id} {where}, at most {brand.delta_e_pass:g}"
    # Without a mask it is only likely that an area was meant to be the swatch: certain where nearly all of it is off.
    mean = p90 if by_mask else measured.get("palette", "meant_mean") or 0.0
    certain = design and min(p90, mean) > brand.delta_e_review
    return [defect(DRIFT, "palette", p90, brand.delta_e_pass, evidence, certain=certain)]


def tone_defects(measured: Numbers, limits: Mapping[str, float]) -> list[Defect]:
    """Gradients in steps, and tones that ran out of the scale. Never certain: print-like work means both."""
    defects: list[Defect] = []
    share, banding = measured.get("tones", "gradient_share"), measured.get("tones", "banding")
    most = limits["tones.banding_max"]
    if share is not None and banding is not None and share >= limits["tones.gradient_share_min"] and banding > most:
        evidence = f"{banding:.0%} of the gradients, which are {share:.0%} of the picture, fall into steps"
        defects.append(defect(BANDING, "tones", banding, most, evidence, certain=False))
    clipped = measured.get("tones", "clipped")
    if clipped is not None and clipped > (most := limits["tones.clipped_max"]):
        evidence = f"in {clipped:.0%} of the picture a channel ran out of the scale amid detail"
        defects.append(defect(CLIPPING, "tones", clipped, most, evidence, certain=False))
    return defects


def duplicate_defects(inspection: Inspection, limits: Mapping[str, float]) -> list[Defect]:
    """Another asset of the campaign that looks the same. Never certain: a person may want both."""
    near = inspection.neighbour
    if near is None or near.distance > (most := limits["duplicate.bits_max"]):
        return []
    evidence = f"{near.distance} of 256 bits from the asset {near.asset_sha256[:12]} of job {near.job_id}"
    return [defect(DUPLICATE, "duplicate", near.distance, most, evidence, certain=False)]
