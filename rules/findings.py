"""Defects in numbers: each measurement against its threshold. Flat designs must pass; broken pictures must not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from rules.ladder import Ladder
from schemas.events import Defect, FileRole, Measurement, Rendering, RenderRequest

CORRUPT: Final = "corrupt-bytes"
BLANK: Final = "blank-frame"
NOISE: Final = "latent-noise"
LATENTS: Final = "broken-latents"
SIZE: Final = "wrong-size"
FORM: Final = "file-form"
DRIFT: Final = "colour-drift"
CAST: Final = "colour-cast"
CUT: Final = "prompt-cut-off"
DETECTED: Final[Mapping[str, str]] = {
    CORRUPT: "bytes",
    BLANK: "blank",
    NOISE: "noise",
    LATENTS: "latents",
    SIZE: "size",
    FORM: "bytes",
    DRIFT: "palette",
    CAST: "palette",
    CUT: "outcome",
}
"""Failure modes reported here, with the check that shows each: a catalogue must name both."""
FLAT_TAG: Final = "flat"
"""Given by sanity to prompts for flat, minimal or single-coloured work."""
BLACK_LEVEL: Final = 8
"""Mean luma under which an empty frame is black: what NaN latents decode to, with coding noise."""
DESIGN_TAGS: Final = frozenset({"text", "layout", "logo", "brand-logo", "file-logo"})
"""Work whose colours are the brand's to the last area. A photograph only has to go with them."""


class Numbers:
    """The measurements by check and name."""

    def __init__(self, measurements: Iterable[Measurement]) -> None:
        self._values = {(m.check, m.name): m.value for m in measurements}

    def get(self, check: str, name: str) -> float | None:
        """One number, or None where it was not measured."""
        return self._values.get((check, name))

    def most(self, check: str, name: str, beside: str) -> float | None:
        """The larger of two numbers, the first alone where only that was measured; None without the first."""
        first, second = self.get(check, name), self.get(check, beside)
        return first if first is None or second is None else max(first, second)


Found = tuple[list[Defect], list[str]]
"""Defects, and the checks in force that gave no number."""


def failure_defects(rendering: Rendering, ladder: Ladder) -> list[Defect]:
    """A render that gave no asset, by its kind."""
    failure = rendering.failure
    if failure is None:
        evidence, mode = "the renderer gave neither an asset nor a reason", CORRUPT
    else:
        evidence, mode = f"{failure.kind.value}: {failure.message}", ladder.failures[failure.kind]
    return [defect(mode, "outcome", 0, 1, evidence)]


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
            defects.append(defect(CUT, "outcome", cut.tokens, cut.limit, evidence, certain=False))
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
            evidence = f"the file cannot be decoded to its last pixel{_why_broken(measured)}"
            defects.append(defect(CORRUPT, "bytes", decodes, 1, evidence))
        elif matches is not None and matches < 1:
            defects.append(defect(CORRUPT, "bytes", matches, 1, "the file is not of the type that was declared"))
        else:
            defects += _form(measured, limits)
    whole = not any(d.certain for d in defects)
    if "size" in checks and whole:
        defects += _size(measured, request, missing)
    if "latents" in checks and rendering.latents is not None:
        defects += _latents(measured, limits, missing)
    return defects, missing


def _why_broken(measured: Numbers) -> str:
    """What the decoder found, in words; nothing where it only failed."""
    size, frames = measured.get("bytes", "size_bytes"), measured.get("bytes", "frames")
    if size == 0:
        return ": it is empty"
    if measured.get("bytes", "known") == 0:
        return ": it is no picture of a kind that is read (PNG, JPEG, WebP, GIF, BMP, TIFF)"
    if measured.get("bytes", "ends") == 0:
        return ": it is cut off before its end"
    if frames is not None:
        return f": it is an animation of {frames:.0f} frames, and one picture is wanted"
    if measured.get("bytes", "too_large") is not None:
        return ": it is larger than any job may ask for, and was not unpacked"
    return ""


def _form(measured: Numbers, limits: Mapping[str, float]) -> list[Defect]:
    """What makes one file look different in two programs, and what it carries beside its picture. Never certain."""

    def over(name: str, limit: str, evidence: str) -> list[Defect]:
        value = measured.get("bytes", name)
        if value is None or value <= (most := limits[limit]):
            return []
        return [defect(FORM, "bytes", value, most, evidence.format(value), certain=False)]

    shift = measured.get("bytes", "profile_delta_e00")
    broken = shift is not None and shift < 0
    return [
        *over("trailing_bytes", "bytes.trailing_bytes_max", "{:.0f} bytes of something else lie behind the picture"),
        *over("transparent_share", "bytes.transparent_share_max", "{:.2%} of the picture is see-through"),
        *over("inks", "bytes.inks_max", "it is stored in inks (CMYK), whose colours each program guesses"),
        *([defect(FORM, "bytes", -1, 0, "its colour profile is broken", certain=False)] if broken else []),
        *over("profile_delta_e00", "bytes.profile_delta_e00_max", "its profile shifts its colours by ΔE00 {:.1f}"),
    ]


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
    return [defect(SIZE, "size", width * height, wanted[0] * wanted[1], evidence)]


def _latents(measured: Numbers, limits: Mapping[str, float], missing: list[str]) -> list[Defect]:
    finite, std, peak = (measured.get("latents", n) for n in ("finite", "std", "absmax"))
    if finite is None or std is None or peak is None:
        missing.append("latents")
        return []
    if finite < 1:
        return [defect(LATENTS, "latents", finite, 1, "the final latents hold NaN or infinity")]
    low, high, most = limits["latents.std_min"], limits["latents.std_max"], limits["latents.absmax_max"]
    if not low <= std <= high:
        evidence = f"the final latents deviate by {std:.3g}, {low:g} to {high:g} is sound"
        return [defect(LATENTS, "latents", std, low if std < low else high, evidence)]
    if peak > most:
        return [
            defect(LATENTS, "latents", peak, most, f"the final latents peak at {peak:.3g}, at most {most:g} is sound")
        ]
    return []


def asks_for_flat(request: RenderRequest) -> bool:
    """Whether the prompt or a layout file asks for flat areas, so that hardly anything to see may be what is wanted."""
    return FLAT_TAG in {t.name for t in request.tags} or any(f.role is FileRole.LAYOUT for f in request.job.files)


def pixel_defects(
    measured: Numbers, request: RenderRequest, checks: Sequence[str], limits: Mapping[str, float]
) -> Found:
    """Empty frames and noise. One even colour is empty; a mark on it, however small, is a design.

    Where a flat design is asked for, what looks empty or like noise is shown to a person in place of a new render.
    An empty frame that lacks wanted text or is black, as NaN decodes to, and grain are never a design.
    """
    defects: list[Defect] = []
    missing: list[str] = []
    flat = asks_for_flat(request)
    if "blank" in checks:
        # Green on a pink as light as it is has one luma, and is plain to see.
        std, least = measured.most("blank", "luma_std", "channel_std"), limits["blank.luma_std_min"]
        if std is None:
            missing.append("blank")
        elif std < least:
            mean = measured.get("blank", "luma_mean")
            shade = (
                ""
                if mean is None
                else ", black"
                if mean < BLACK_LEVEL
                else ", white"
                if mean > 247
                else f", level {mean:.0f}"
            )
            certain = not flat or bool(request.text.phrases) or mean is None or mean < BLACK_LEVEL
            evidence = f"the frame is empty: one even colour{shade}"
            defects.append(defect(BLANK, "blank", std, least, evidence, certain=certain))
    if "noise" in checks:
        defects += _noise(measured, limits, missing, flat=flat)
    return defects, missing


def _noise(measured: Numbers, limits: Mapping[str, float], missing: list[str], *, flat: bool) -> list[Defect]:
    correlation, grain = measured.get("noise", "block_correlation"), measured.get("noise", "luma_deviation")
    corners, calm = measured.get("noise", "corner_share"), measured.get("noise", "calm_share")
    if correlation is None or grain is None or corners is None:
        missing.append("noise")
        return []
    # Designs and photographs have calm areas, noise has none.
    lively = calm is None or calm <= limits["noise.calm_share_max"]
    waves = measured.get("noise", "wave_share")
    regular = waves is not None and waves >= limits["noise.wave_share_min"]
    if lively and not regular and correlation < (least := limits["noise.block_correlation_min"]):
        evidence = f"neighbouring areas have nothing to do with each other (correlation {correlation:.2f})"
        return [defect(NOISE, "noise", correlation, least, evidence, certain=not flat)]
    if grain > (most := limits["noise.luma_deviation_max"]):
        return [defect(NOISE, "noise", grain, most, f"grain of {grain:.0f} levels from pixel to pixel")]
    if lively and not flat and corners > (most := limits["noise.corner_share_max"]):
        evidence = f"{corners:.0%} of the pixels are clipped to pure colours"
        return [defect(NOISE, "noise", corners, most, evidence, certain=False)]
    return []


def defect(mode: str, check: str, value: float, threshold: float, evidence: str, *, certain: bool = True) -> Defect:
    """A defect, its evidence cut to what a record takes."""
    return Defect(mode=mode, check=check, value=value, threshold=threshold, evidence=evidence[:2000], certain=certain)
