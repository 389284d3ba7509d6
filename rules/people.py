"""People in a picture: who looks at hands, faces and bodies before they pass. Nothing here rejects.

No detector that ships with this project tells a sound hand from a broken one (docs/people.md). So critical work with
people passes by the opinion of a vision-language model that a team chose and configured, or by a person.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from rules.findings import Found, Numbers
from schemas.events import Defect, Inspection, Lane, Opinion, RegionKind, RenderRequest, TextRead

CHECK: Final = "people"
ANATOMY: Final = "anatomy"
DETECTED: Final[Mapping[str, str]] = {ANATOMY: CHECK}
"""The failure mode reported here, with the check that shows it."""
TAGS: Final = frozenset({"people", "hands"})
"""Tags of prompts that ask for people or parts of them."""
SPEAKS_TO_MODELS: Final = frozenset(
    {"ai", "anatomically", "assistant", "disregard", "ignore", "inspector", "instruction", "instructions", "json"}
    | {"prompt", "unsure", "verdict"}
)
"""Words with which writing in a picture may speak to the model that judges it. Advertising has little use for them,
and a poster that does is seen by a person."""


def people_defects(
    measured: Numbers, inspection: Inspection, request: RenderRequest, limits: Mapping[str, float]
) -> Found:
    """What a person should look at; the check is missing where faces were not looked for.

    An opinion that does not pass asks for review in every lane. In the critical one, work with people (by its prompt's
    tags, or by a face that was found) also does unless there is an opinion, and all of them pass.
    """
    missing = [CHECK] if measured.get(CHECK, "faces") is None else []
    opinions = [o for o in inspection.opinions if o.check == CHECK]
    failing = [_doubted(o) for o in opinions if not o.passes]
    ground = _ground(inspection, request, limits["people.face_score_min"])
    if failing or ground is None or request.lane is not Lane.CRITICAL:
        return failing, missing
    if not opinions:
        return [_defect(0, f"critical work, {ground}, and nothing here judges hands, faces and bodies")], missing
    if (word := _speaks(inspection.reads)) is not None:
        says = f"{ground}, and writing in it ({word!r}) may speak to the model that passed it"
        return [_defect(1, f"critical work, {says}")], missing
    return [], missing


def _ground(inspection: Inspection, request: RenderRequest, least: float) -> str | None:
    """Why the picture counts as one of people, or None."""
    asked = sorted(TAGS & {t.name for t in request.tags})
    if asked:
        return f"the prompt asks for {' and '.join(asked)}"
    sure = [r.score for r in inspection.regions if r.kind in {RegionKind.FACE, RegionKind.BODY} and r.score >= least]
    return f"a face was found (score {max(sure):.2f})" if sure else None


def _doubted(opinion: Opinion) -> Defect:
    return _defect(0, f"{opinion.model} does not pass its people: {opinion.why}")


def _speaks(reads: Sequence[TextRead]) -> str | None:
    """The first word, in the order of the alphabet, with which the picture may speak to a model."""
    seen = {w for read in reads for word in read.words for w in re.findall(r"[a-z]+", word.text.casefold())}
    return min(SPEAKS_TO_MODELS & seen, default=None)


def _defect(value: float, evidence: str) -> Defect:
    return Defect(mode=ANATOMY, check=CHECK, value=value, threshold=1, evidence=evidence[:2000], certain=False)
