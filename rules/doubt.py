"""How doubtful a sound-looking asset still is, 0 to 1 for each failure mode: it ranks, and labels say what it is worth.

A doubt is no probability. `presscheck calibrate` learns from labels how much of it may pass, so all that matters is
that worse evidence gives more. Where nothing was measured that could tell, there is no doubt of that mode at all.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Final

from rules import findings
from rules.colour import DUPLICATE, meant_distance
from rules.composition import CHECK as COMPOSITION
from rules.composition import DULL, FRAMING, framing_doubt
from rules.findings import Numbers
from rules.folding import Fold, fold, weight
from rules.glyphs import MALFORMED
from rules.logo import DAMAGE
from rules.people import ANATOMY
from rules.ruleset import Ruleset
from rules.text_verdict import EXTRA, MISSING, WRONG
from rules.units import SAME_PLACE, overlap
from schemas.events import Asset, Inspection, RegionKind, RenderRequest, TextRead, Word

UNLIKE: Final = 0.5
"""Weight of a reading that does not show a phrase, beside one that does: one look may simply be too coarse."""
PASSED: Final = 0.1
"""What is left of a doubt about people after a vision-language model saw nothing wrong."""
PLACES: Final = 4
"""Decimal places that are kept: finer ones would differ between machines."""


def doubts(inspection: Inspection, request: RenderRequest, asset: Asset, ruleset: Ruleset) -> dict[str, float]:
    """The doubt of each failure mode of the catalogue for which something was measured."""
    found = {
        **_text(inspection, request, asset, ruleset),
        **_numbers(inspection, request, asset, ruleset),
        MALFORMED: _letters(inspection, ruleset),
        ANATOMY: _people(inspection),
        DAMAGE: max(
            (max(1 - m.score, m.difference or 0.0, m.distortion or 0.0) for m in inspection.logos), default=None
        ),
    }
    return {
        mode: round(min(1.0, max(0.0, doubt)), PLACES)
        for mode, doubt in found.items()
        if doubt is not None and mode in ruleset.failure_modes
    }


def _text(inspection: Inspection, request: RenderRequest, asset: Asset, ruleset: Ruleset) -> dict[str, float | None]:
    reads = inspection.reads
    if not reads:
        return {}
    phrases = [p.text for p in request.text.phrases]
    found: dict[str, float | None] = {EXTRA: None, WRONG: None, MISSING: None}
    if not request.text.other_text_allowed:
        known = [fold(text, Fold.LOOK) for text in (*phrases, *request.text.allowed_extra)]
        # What stands where another look read a part of what is wanted is that, misread.
        settled = [w for read in reads for w in read.words if any(_of(w, text) for text in known)]
        found[EXTRA] = max(_stray(read, known, settled, asset, ruleset) for read in reads)
    for number, phrase in enumerate(phrases):
        shown = [_shown(phrase, read) for read in reads]
        likely = [x.log_ratio for x in inspection.likelihoods if x.phrase == number]
        thin = 1 - max(trust for trust, _ in shown)
        unlike = UNLIKE * sum(trust == 0 for trust, _ in shown) / len(shown)
        # Another text that the recogniser finds more likely than the wanted one.
        rival = UNLIKE * (1 - math.exp(min([0.0, *likely])))
        absent = sum(share < UNLIKE for _, share in shown) / len(shown)
        found[WRONG] = max(found[WRONG] or 0.0, 1 - (1 - thin) * (1 - unlike) * (1 - rival))
        found[MISSING] = max(found[MISSING] or 0.0, absent)
    return found


def _shown(phrase: str, read: TextRead) -> tuple[float, float]:
    """How sure a reading is of a phrase, 0 where it does not show all of its letters; and the share it shows."""
    wanted = fold(phrase, Fold.LOOK)
    own = [w for w in read.words if _of(w, wanted)]
    letters = sum(min(len(fold(w.text, Fold.LOOK)), len(wanted)) for w in own)
    share = min(1.0, letters / len(wanted)) if wanted else 1.0
    return (min((_trust(w) for w in own), default=0.0) if share >= 1 else 0.0), share


def _of(word: Word, wanted: str) -> bool:
    text = fold(word.text, Fold.LOOK)
    return bool(text) and (text in wanted or (bool(wanted) and wanted in text))


def _trust(word: Word) -> float:
    """The weakest that is known of a word: its own confidence or that in one of its letters."""
    return min([word.confidence, *word.confidences])


def _stray(read: TextRead, known: Sequence[str], settled: Sequence[Word], asset: Asset, ruleset: Ruleset) -> float:
    """How much the least expected text of a reading looks like lettering: legible, long enough, large enough."""
    limits = ruleset.thresholds.limits
    letters, height = limits["text.stray_max_characters"] + 1, limits["text.stray_max_height_share"] * asset.height

    def one(word: Word) -> float:
        tall = max(word.box[1::2]) - min(word.box[1::2])
        return word.confidence * min(1.0, weight(word.text) / letters) * (min(1.0, tall / height) if height else 1.0)

    left = (w for w in read.words if not any(_of(w, text) for text in known))
    return max((one(w) for w in left if all(overlap(w, s) < SAME_PLACE for s in settled)), default=0.0)


def _letters(inspection: Inspection, ruleset: Ruleset) -> float | None:
    """Of the letter that is least like what was read: how unhealthy, or how near to being told for its look-alike."""
    most = ruleset.thresholds.limits["glyphs.twin_max"]
    return _most(max(1 - g.health, _over(max(0.0, g.twin_excess), most) or 0.0) for g in inspection.glyphs)


def _people(inspection: Inspection) -> float | None:
    """As sure as a check is that there is somebody, less where a model looked at them and passed them."""
    seen = [r.score for r in inspection.regions if r.kind in {RegionKind.FACE, RegionKind.BODY}]
    if not seen:
        return None
    passes = [o.passes for o in inspection.opinions if o.check == "people"]
    return max(seen) * (PASSED if passes and all(passes) else 1.0)


def _numbers(inspection: Inspection, request: RenderRequest, asset: Asset, ruleset: Ruleset) -> dict[str, float | None]:
    """How near measurements came to the thresholds that would have made a defect of them.

    A design on its brand's colours is at 0.32 at most (58 drawn ones), one that would go to a person at 0.4 and more.
    Of drawn pictures of one campaign the two most alike differ by 50 bits, a doubt of 0.48.
    """
    measured, near = Numbers(inspection.measurements), inspection.neighbour
    limits, brand = ruleset.thresholds.limits, ruleset.brands.get(request.job.brand)
    score = measured.get("aesthetic", "score")
    calm = (measured.get("noise", "calm_share") or 0.0) > limits["noise.calm_share_max"]
    return {
        findings.BLANK: _over(limits["blank.luma_std_min"], measured.most("blank", "luma_std", "channel_std")),
        findings.NOISE: _most(
            [
                None
                if calm
                else _over(limits["noise.block_correlation_min"], measured.get("noise", "block_correlation")),
                _over(measured.get("noise", "luma_deviation"), limits["noise.luma_deviation_max"]),
            ]
        ),
        findings.LATENTS: _most(
            [
                _over(limits["latents.std_min"], measured.get("latents", "std")),
                _over(measured.get("latents", "std"), limits["latents.std_max"]),
                _over(measured.get("latents", "absmax"), limits["latents.absmax_max"]),
            ]
        ),
        findings.DRIFT: _most(
            [
                _over(measured.get("palette", "delta_e00_mean"), brand.delta_e_limit if brand else None),
                _over(meant_distance(measured, request, limits), brand.delta_e_review if brand else None),
            ]
        ),
        DUPLICATE: None if near is None else _over(limits["duplicate.bits_max"], max(near.distance, 1)),
        FRAMING: framing_doubt(inspection, request, (asset.width, asset.height), limits),
        findings.CAST: _over(measured.get("palette", "cast"), limits["palette.cast_max"]),
        DULL: _most(
            [
                None if score is None else 1 - score,
                _over(measured.get(COMPOSITION, "edge_width_px"), limits["composition.edge_width_max"]),
                _over(
                    limits["composition.lightness_range_min"],
                    measured.most(COMPOSITION, "lightness_range", "colour_range"),
                ),
            ]
        ),
    }


def _over(value: float | None, limit: float | None) -> float | None:
    """One number over another: 1 at the threshold, less on the sound side of it."""
    if value is None or limit is None:
        return None
    return value / limit if limit > 0 else 1.0


def _most(values: Iterable[float | None]) -> float | None:
    return max((v for v in values if v is not None), default=None)
