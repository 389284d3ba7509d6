"""Defects in numbers: each measurement against its threshold. Flat designs must pass; broken pictures must not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Protocol

from rules.brands import Brand
from rules.ladder import Ladder
from schemas.events import Defect, Rendering, RenderRequest

CORRUPT: Final = "corrupt-bytes"
BLANK: Final = "blank-frame"
NOISE: Final = "latent-noise"
LATENTS: Final = "broken-latents"
SIZE: Final = "wrong-size"
DRIFT: Final = "colour-drift"
CAST: Final = "colour-cast"
CUT: Final = "prompt-cut-off"
DETECTED: Final[Mapping[str, str]] = {
    CORRUPT: "bytes",
    BLANK: "blank",
    NOISE: "noise",
    LATENTS: "latents",
    SIZE: "size",
    DRIFT: "palette",
    CAST: "palette",
    CUT: "outcome",
}
"""Failure modes reported here, with the check that shows each: a catalogue must name both."""
DESIGN_TAGS: Final = frozenset({"text", "layout", "logo", "brand-logo", "file-logo"})
"""Work whose colours are the brand's to the last area. A photograph only has to go with them."""


class Numbers(Protocol):
    """Measurements by check and name."""

    def get(self, check: str, name: str) -> float | None:
        """One number, or None where it was not measured."""
        ...


Found = tuple[list[Defect], list[str]]
"""Defects, and the checks in force that gave no number."""


def failure_defects(rendering: Rendering, ladder: Ladder) -> list[Defect]:
    """A render that gave no asset, by its kind."""
    failure = rendering.failure
    if failure is None:
        evidence, mode = "the renderer gave neither an asset nor a reason", CORRUPT
    else:
        evidence, mode = f"{failure.kind.value}: {failure.message}", ladder.failures[failure.kind]
    return [_defect(mode, "outcome", 0, 1, evidence)]


def cut_defects(rendering: Rendering, limits: Mapping[str, int]) -> Found:
    """What of the prompt was never seen: the defects, and what is only worth a note.

    `limits` are the tokens that each text encoder of the engine takes. Words that the encoder with the most room lost
    went nowhere, so a person must look; what only the smaller ones lost, that one still saw. An engine whose limits
    nobody knows is taken to have had no other.
    """
    most = max(limits.values(), default=0)
    defects: list[Defect] = []
    notes: list[str] = []
    for cut in rendering.cut:
        if cut.limit >= most:
            evidence = f"{cut.encoder} took {cut.limit} of {cut.tokens} tokens and never saw {cut.lost!r}"
            defects.append(_defect(CUT, "outcome", cut.tokens, cut.limit, evidence, certain=False))
        else:
            notes.append(f"{cut.encoder} took {cut.limit} of {cut.tokens} tokens of the prompt; a larger encoder more.")
    return defects, notes


def file_defects(
    measured: Numbers,
    rendering: Rendering,
    request: RenderRequest,
    checks: Sequence[str],
    limits: Mapping[str, float],
) -> Found:
    """Bytes, size and latents."""
    defects: list[Defect] = []
    missing: list[str] = []
    if "bytes" in checks:
        decodes, matches = measured.get("bytes", "decodes"), measured.get("bytes", "format_matches")
        if decodes is None:
            missing.append("bytes")
        elif decodes < 1:
            defects.append(_defect(CORRUPT, "bytes", decodes, 1, "the file cannot be decoded to its last pixel"))
        elif matches is not None and matches < 1:
            defects.append(_defect(CORRUPT, "bytes", matches, 1, "the file is not of the type that was declared"))
    whole = not defects
    if "size" in checks and whole:
        defects += _size(measured, request, missing)
    if "latents" in checks and rendering.latents is not None:
        defects += _latents(measured, limits, missing)
    return defects, missing


def _size(measured: Numbers, request: RenderRequest, missing: list[str]) -> list[Defect]:
    width, height = measured.get("size", "width_px"), measured.get("size", "height_px")
    if width is None or height is None:
        missing.append("size")
        return []
    job = request.job
    wanted = (job.width * job.upscale, job.height * job.upscale)
    if (width, height) == wanted:
        return []
    evidence = f"{width:g} x {height:g} pixels, {wanted[0]} x {wanted[1]} were asked for"
    return [_defect(SIZE, "size", width * height, wanted[0] * wanted[1], evidence)]


def _latents(measured: Numbers, limits: Mapping[str, float], missing: list[str]) -> list[Defect]:
    finite, std, peak = (measured.get("latents", n) for n in ("finite", "std", "absmax"))
    if finite is None or std is None or peak is None:
        missing.append("latents")
        return []
    if finite < 1:
        return [_defect(LATENTS, "latents", finite, 1, "the final latents hold NaN or infinity")]
    low, high, most = limits["latents.std_min"], limits["latents.std_max"], limits["latents.absmax_max"]
    if not low <= std <= high:
        evidence = f"the final latents deviate by {std:.3g}, {low:g} to {high:g} is sound"
        return [_defect(LATENTS, "latents", std, low if std < low else high, evidence)]
    if peak > most:
        return [
            _defect(LATENTS, "latents", peak, most, f"the final latents peak at {peak:.3g}, at most {most:g} is sound")
        ]
    return []


def pixel_defects(measured: Numbers, checks: Sequence[str], limits: Mapping[str, float]) -> Found:
    """Empty frames and noise. One even colour is empty; a mark on it, however small, is a design."""
    defects: list[Defect] = []
    missing: list[str] = []
    if "blank" in checks:
        std, least = measured.get("blank", "luma_std"), limits["blank.luma_std_min"]
        if std is None:
            missing.append("blank")
        elif std < least:
            mean = measured.get("blank", "luma_mean")
            shade = (
                "" if mean is None else ", black" if mean < 8 else ", white" if mean > 247 else f", level {mean:.0f}"
            )
            defects.append(_defect(BLANK, "blank", std, least, f"the frame is empty: one even colour{shade}"))
    if "noise" in checks:
        correlation, grain = measured.get("noise", "block_correlation"), measured.get("noise", "luma_deviation")
        corners = measured.get("noise", "corner_share")
        least, most = limits["noise.block_correlation_min"], limits["noise.luma_deviation_max"]
        if correlation is None or grain is None or corners is None:
            missing.append("noise")
        elif correlation < least:
            evidence = f"neighbouring areas have nothing to do with each other (correlation {correlation:.2f})"
            defects.append(_defect(NOISE, "noise", correlation, least, evidence))
        elif grain > most:
            defects.append(_defect(NOISE, "noise", grain, most, f"grain of {grain:.0f} levels from pixel to pixel"))
        elif corners > (share := limits["noise.corner_share_max"]):
            evidence = f"{corners:.0%} of the pixels are clipped to pure colours"
            defects.append(_defect(NOISE, "noise", corners, share, evidence, certain=False))
    return defects, missing


def palette_defects(
    measured: Numbers,
    request: RenderRequest,
    checks: Sequence[str],
    limits: Mapping[str, float],
    brand: Brand | None,
) -> list[Defect]:
    """Colours against the brand: certain for designs.

    A picture that only goes with a brand is shown to a person, and only where one hue lies over it as well: a
    red jacket in a green wood is no fault.
    """
    distance, cast = measured.get("palette", "delta_e00_mean"), measured.get("palette", "cast")
    if "palette" not in checks or cast is None:
        return []
    if brand is None or not brand.palette or distance is None:
        most = limits["palette.cast_max"]
        if cast <= most:
            return []
        return [
            _defect(CAST, "palette", cast, most, f"one hue lies over the picture (chroma {cast:.0f})", certain=False)
        ]
    if distance <= brand.delta_e_limit:
        return []
    evidence = f"mean ΔE00 of {distance:.1f} to the palette of {brand.id}, at most {brand.delta_e_limit:g}"
    if DESIGN_TAGS & {t.name for t in request.tags}:
        return [_defect(DRIFT, "palette", distance, brand.delta_e_limit, evidence)]
    most = limits["palette.branded_cast_max"]
    if cast <= most:
        return []
    evidence = f"one hue lies over the picture (chroma {cast:.0f}), with a {evidence}"
    return [_defect(CAST, "palette", cast, most, evidence, certain=False)]


def _defect(mode: str, check: str, value: float, threshold: float, evidence: str, *, certain: bool = True) -> Defect:
    return Defect(mode=mode, check=check, value=value, threshold=threshold, evidence=evidence[:2000], certain=certain)
