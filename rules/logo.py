"""Logos: a supplied one against what is in the picture, and marks that nobody asked for.

Nothing here rejects. A logo file is pasted in by typeset, so what differs is either our own measuring or something that
another seed does not mend; a person sees it, with the numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from rules.findings import Found
from schemas.events import Box, Defect, FileRole, Inspection, LogoMatch, RegionKind, RenderRequest

CHECK: Final = "logo"
DAMAGE: Final = "logo-damage"
UNASKED: Final = "unasked-mark"
DETECTED: Final[Mapping[str, str]] = {DAMAGE: CHECK, UNASKED: CHECK}
"""Failure modes reported here, with the check that shows each."""
ASKED: Final = frozenset({"logo", "brand-logo"})
"""Tags of prompts that ask for a mark in words: where no file came with them, one is no surprise."""


def logo_defects(inspection: Inspection, request: RenderRequest, limits: Mapping[str, float]) -> Found:
    """What a person should look at; the check is missing where a supplied file was not looked for."""
    wanted = [f for f in request.job.files if f.role is FileRole.LOGO]
    matches = {m.file_sha256: m for m in inspection.logos}
    defects: list[Defect] = []
    for file in wanted:
        if (match := matches.get(file.sha256)) is not None:
            defects += _damage(match, file.name, limits)
    if wanted or not ASKED & {t.name for t in request.tags}:
        least = limits["logo.mark_score_min"]
        defects += [
            _defect(UNASKED, r.score, least, f"what looks like a mark stands {_place(r.box)}, and nobody asked for one")
            for r in inspection.regions
            if r.kind is RegionKind.MARK and r.score >= least
        ]
    return defects, [CHECK] if any(f.sha256 not in matches for f in wanted) else []


def whole_logos(inspection: Inspection, limits: Mapping[str, float]) -> list[tuple[float, ...]]:
    """Corners of supplied logos that are in the picture as their files have them: lettering in there is their own."""
    return [
        m.box
        for m in inspection.logos
        if m.found
        and m.score >= limits["logo.score_min"]
        and (m.distortion or 0.0) <= limits["logo.distortion_max"]
        and (m.difference or 0.0) <= limits["logo.difference_max"]
    ]


def _damage(match: LogoMatch, name: str, limits: Mapping[str, float]) -> list[Defect]:
    if not match.found:
        return [_defect(DAMAGE, match.score, limits["logo.score_min"], f"the logo {name!r} was not found")]
    out: list[Defect] = []
    if match.score < (least := limits["logo.score_min"]):
        evidence = f"the logo {name!r} agrees with its file by {match.score:.0%}, {least:.0%} is the least"
        out.append(_defect(DAMAGE, match.score, least, evidence))
    turned = None if match.rotation_degrees is None else abs(match.rotation_degrees)
    for value, key, says in (
        (match.distortion, "distortion_max", "is stretched or skewed by {:.0%}, at most {:.0%}"),
        (turned, "rotation_max_degrees", "is turned by {:.0f} degrees, at most {:g}"),
        (match.delta_e00, "delta_e00_max", "is off its colours by a mean ΔE00 of {:.1f}, at most {:g}"),
        (match.difference, "difference_max", "is drawn otherwise in {:.0%} of its area, at most {:.0%}"),
    ):
        most = limits[f"logo.{key}"]
        if value is not None and value > most:
            out.append(_defect(DAMAGE, value, most, f"the logo {name!r} {says.format(value, most)}"))
    least = limits["logo.clear_space_min"]
    if match.clear_space is not None and match.clear_space < least:
        free = f"has {match.clear_space:.1%} of its shorter side free about it, at least {least:.0%}"
        evidence = f"the logo {name!r} {free}"
        out.append(_defect(DAMAGE, match.clear_space, least, evidence))
    return out


def _place(box: Box) -> str:
    return f"at {box.left}, {box.top} to {box.right}, {box.bottom}"


def _defect(mode: str, value: float, threshold: float, evidence: str) -> Defect:
    return Defect(mode=mode, check=CHECK, value=value, threshold=threshold, evidence=evidence[:2000], certain=False)
