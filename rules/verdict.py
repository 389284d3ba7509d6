"""The verdict: measurements against the rules in force. Accept, reject with a repair to come, or review."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from rules.colour import colour_defects
from rules.composition import composition_defects, composition_score
from rules.conditions import Facts
from rules.findings import Numbers, cut_defects, failure_defects, file_defects, pixel_defects
from rules.glyphs import glyph_defects
from rules.logo import logo_defects, whole_logos
from rules.people import people_defects
from rules.routing import facts_of
from rules.ruleset import Ruleset
from rules.settling import settle
from rules.text_verdict import judge_text
from schemas.events import (
    Asset,
    Defect,
    Inspection,
    Judgement,
    Letter,
    Outcome,
    Rendering,
    RenderRequest,
    Verdict,
)

DEFECTS_MAX: Final = 256
REASONS_MAX: Final = 64


def judge(inspection: Inspection, rendering: Rendering, request: RenderRequest, ruleset: Ruleset) -> Judgement:
    """The verdict on one attempt, with what doubt keeps from being accepted and the draw of the random audit."""
    return settle(checked(inspection, rendering, request, ruleset), inspection, rendering, request, ruleset)


def checked(inspection: Inspection, rendering: Rendering, request: RenderRequest, ruleset: Ruleset) -> Judgement:
    """The verdict of the checks alone.

    A certain defect rejects. Doubt, a check that could not measure, a number that is missing, or work that a
    person must see asks for review. Only what every check in force has seen and passed is accepted. What
    spoils the whole picture (broken bytes, an empty frame, noise) is judged first: its text says nothing.
    """
    if rendering.outcome is Outcome.FAILED or rendering.asset is None:
        return _judgement(failure_defects(rendering, ruleset.ladder), [], {}, ruleset)
    measured = Numbers(inspection.measurements)
    checks, limits = ruleset.thresholds.image_checks, ruleset.thresholds.limits
    reasons = [f"The check {e.check} could not measure: {e.message}"[:500] for e in inspection.errors]
    spoilt, missing = file_defects(measured, rendering, request, checks, limits)
    if not any(d.check == "bytes" and d.certain for d in spoilt):
        found, more = pixel_defects(measured, request, checks, limits)
        spoilt += found
        missing += more
    if any(d.certain for d in spoilt):
        return _judgement(spoilt, reasons, {}, ruleset)
    looks, more, scores = _looks(measured, inspection, rendering.asset, request, ruleset)
    missing += more
    failed = {e.check for e in inspection.errors}
    reasons += [f"The check {name} gave no number to judge by." for name in missing if name not in failed]
    cut, notes = cut_defects(rendering, _limits(request, ruleset))
    brand = ruleset.brands.get(request.job.brand)
    defects = spoilt + cut + colour_defects(measured, inspection, request, checks, limits, brand) + looks
    letters: tuple[Letter, ...] = ()
    if "text" in checks:
        logos = whole_logos(inspection, limits) if "logo" in checks else ()
        given = (inspection.reads, request, ruleset.thresholds, rendering.asset.height, inspection.likelihoods)
        text = judge_text(*given, logos=logos)
        defects += text.defects
        defects += glyph_defects(inspection, request.text, checks, limits)
        reasons += text.doubts
        scores["text"] = text.score
        letters = text.letters
    defects += _for_a_person(request, ruleset)
    warn = [d for d in defects if not d.certain and d.mode in ruleset.thresholds.warn]
    notes += [f"A warning, {d.mode}: {d.evidence}"[:1000] for d in warn]
    return _judgement([d for d in defects if d not in warn], reasons, scores, ruleset, notes, letters)


def _limits(request: RenderRequest, ruleset: Ruleset) -> Mapping[str, int]:
    """Tokens that the text encoders take; of typeset, those of the engine that paints under it."""
    profile = ruleset.engines.get(request.engine)
    if profile is not None and profile.art is not None:
        profile = ruleset.engines.get(profile.art)
    return {} if profile is None else profile.prompt_limits


def _looks(
    measured: Numbers, inspection: Inspection, asset: Asset, request: RenderRequest, ruleset: Ruleset
) -> tuple[list[Defect], list[str], dict[str, float]]:
    """Composition, logos and people: defects, checks that gave no number, and the scores that rank."""
    checks, limits = ruleset.thresholds.image_checks, ruleset.thresholds.limits
    defects: list[Defect] = []
    missing: list[str] = []
    ranks = {"aesthetic": measured.get("aesthetic", "score") if "aesthetic" in checks else None}
    if "composition" in checks:
        given = (measured, inspection, request, (asset.width, asset.height), limits)
        defects, missing = composition_defects(*given)
        ranks["composition"] = composition_score(*given)
    if "logo" in checks:
        found, more = logo_defects(inspection, request, limits)
        defects += found
        missing += more
    if "people" in checks:
        found, more = people_defects(measured, inspection, request, limits)
        defects += found
        missing += more
    return defects, missing, {name: min(1.0, max(0.0, v)) for name, v in ranks.items() if v is not None}


def _for_a_person(request: RenderRequest, ruleset: Ruleset) -> list[Defect]:
    facts = request_facts(request)
    return [
        Defect(mode=r.mode, check=r.check, value=1, threshold=0, evidence=r.reason, certain=False)
        for r in ruleset.thresholds.reviews
        if r.test(facts)
    ]


def request_facts(request: RenderRequest) -> Facts:
    """What review rules look at."""
    tags = frozenset(t.name for t in request.tags)
    return facts_of(request.job, tags=tags, risk=request.risk, lane=request.lane, phrases=request.text.phrases)


def _judgement(
    defects: Sequence[Defect],
    reasons: Sequence[str],
    scores: dict[str, float],
    ruleset: Ruleset,
    notes: Sequence[str] = (),
    letters: tuple[Letter, ...] = (),
) -> Judgement:
    """`reasons` ask for review; `notes` are told, and change nothing."""
    certain = [d for d in defects if d.certain]
    verdict = Verdict.REJECT if certain else Verdict.REVIEW if defects or reasons else Verdict.ACCEPT
    told = [f"{d.mode}: {d.evidence}"[:1000] for d in (certain or defects)]
    said = [*([*told, *reasons] or ["Every check in force passed."]), *notes]
    return Judgement(
        verdict=verdict,
        defects=tuple(defects)[:DEFECTS_MAX],
        scores=scores,
        reasons=tuple(dict.fromkeys(said))[:REASONS_MAX],
        letters=letters,
        ruleset_id=ruleset.id,
    )
