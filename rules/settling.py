"""The last word of a verdict: what doubt keeps from being accepted, and whether a person is to label the asset."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from rules.doubt import doubts
from rules.ruleset import Ruleset
from schemas.events import Defect, Inspection, Judgement, Rendering, RenderRequest, Verdict

CHECK: Final = "doubt"
"""The check that a defect of doubt names: only assets that passed all others have one."""
SCORE: Final = "doubt."
"""Beginning of the names under which doubts stand among the scores of a judgement."""


def settle(
    judgement: Judgement, inspection: Inspection, rendering: Rendering, request: RenderRequest, ruleset: Ruleset
) -> Judgement:
    """The judgement with the draw of the audit, and where the checks accept, with its doubts.

    An accept may become a review; no other verdict changes.
    """
    asset = rendering.asset
    if asset is None:
        return judgement
    candidate, settled = judgement.verdict is Verdict.ACCEPT, judgement
    if candidate:
        found = doubts(inspection, request, asset, ruleset)
        settled = replace(judgement, scores={**judgement.scores, **{f"{SCORE}{m}": v for m, v in found.items()}})
        settled = _doubted(settled, found, request, ruleset)
    chosen = ruleset.thresholds.audits.choose(request.job.job_id, asset.sha256, judgement.verdict, candidate=candidate)
    return replace(settled, audit=chosen)


def _doubted(judgement: Judgement, found: dict[str, float], request: RenderRequest, ruleset: Ruleset) -> Judgement:
    defects: list[Defect] = []
    for mode, doubt in found.items():
        limit = ruleset.thresholds.acceptance.below(request.lane, request.engine, mode)
        if limit is not None and doubt >= limit[0]:
            bound = f"a doubt of {doubt:.2f}, accepted is below {limit[0]:.2f} ({limit[1]})"
            evidence = f"no check found it and it cannot be ruled out, {bound}"
            defects.append(
                Defect(mode=mode, check=CHECK, value=doubt, threshold=limit[0], evidence=evidence, certain=False)
            )
    if not defects:
        return judgement
    return replace(
        judgement,
        verdict=Verdict.REVIEW,
        defects=tuple(defects),
        reasons=tuple(f"{d.mode}: {d.evidence}" for d in defects),
    )
