"""pipeline.yml: the five lines that say which parts a pipeline is made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from rules.engines import EngineProfile, TextSkill
from rules.tree import Node, nearest

PREFILTERS: Final = ("prompt-sanity-check",)
TEXT_VALIDATORS: Final[Mapping[str, str | None]] = {"ideogram-check": "ideogram-v1", "reading-check": None}
"""Validators, each with the engine that becomes the text specialist of the ladder. All of them read the picture
with the text readers and hold it against the text contract; `reading-check` goes from there straight to typeset."""
SCORERS: Final[Mapping[str, tuple[str, ...]]] = {
    "aesthetic-and-reading-score": ("aesthetic",),
    "reading-score": (),
}
"""What ranks accepted assets, each with the checks that do nothing else: such a check is in force exactly where the
scorer asks for it. What the check `text` read gives a score either way. Scores never reject."""
SCORING_CHECKS: Final = frozenset(c for checks in SCORERS.values() for c in checks)
COLOUR: Final = "color-normalize"
CREDENTIALS: Final = "content-credentials"
POSTPROCESSES: Final = (COLOUR, CREDENTIALS)
"""Finishing steps. Credentials sign the very bytes that are delivered, so nothing may come after them."""
STAGES: Final = ("prefilter", "primary_generator", "text_validator", "scorer", "postprocess")
"""The stages, in the order in which they must stand."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline:
    """The parts by name. `specialist` is the engine that the text validator hands wrong text to."""

    prefilter: str
    primary_generator: str
    text_validator: str
    specialist: str | None
    scorer: str
    postprocess: tuple[str, ...]


def parse_pipeline(root: Node, engines: Mapping[str, EngineProfile]) -> Pipeline:
    """The stages in order, each once (postprocess may come several times or not at all). Raises BadConfig."""
    found: dict[str, list[Node]] = {}
    last = 0
    for item in root.fields(["pipeline"])["pipeline"].items():
        table = item.table()
        if len(table) != 1:
            raise item.bad("want one stage and its part, as in `- prefilter: prompt-sanity-check`")
        ((stage, part),) = table.items()
        if stage not in STAGES:
            raise part.bad(f"there is no stage {stage!r}", nearest(stage, STAGES))
        if stage in found and stage != "postprocess":
            raise part.bad(f"the stage {stage} stands twice, first in line {found[stage][0].line}", "remove one")
        if STAGES.index(stage) < last:
            raise part.bad(f"{stage} comes too late", f"keep the order {', '.join(STAGES)}")
        last = STAGES.index(stage)
        found.setdefault(stage, []).append(part)
    missing = [s for s in STAGES[:-1] if s not in found]
    if missing:
        raise root.bad(f"the pipeline lacks {', '.join(missing)}", "add it; nothing is assumed in silence")
    validator = found["text_validator"][0]
    validator_name = validator.choice(TEXT_VALIDATORS, "text validator")
    specialist = TEXT_VALIDATORS[validator_name]
    if specialist is not None and (specialist not in engines or engines[specialist].text is TextSkill.NONE):
        raise validator.bad(
            f"{validator_name} hands wrong text to {specialist}, and no such engine can set text here",
            "add its profile to engines.yml",
        )
    postprocess: list[str] = []
    for part in found.get("postprocess", []):
        name = part.choice(POSTPROCESSES, "postprocess")
        if name in postprocess:
            raise part.bad(f"{name} stands twice", "remove one")
        if CREDENTIALS in postprocess:
            raise part.bad(f"{name} comes after {CREDENTIALS}, which sign what is delivered", f"put {name} before it")
        postprocess.append(name)
    return Pipeline(
        prefilter=found["prefilter"][0].choice(PREFILTERS, "prefilter"),
        primary_generator=found["primary_generator"][0].choice(engines, "engine"),
        text_validator=validator_name,
        specialist=specialist,
        scorer=found["scorer"][0].choice(SCORERS, "scorer"),
        postprocess=tuple(postprocess),
    )


def check_scorer(pipeline: Pipeline, root: Node, checks: Sequence[str]) -> None:
    """The checks that only rank are in force where the scorer asks for them, and nowhere else. Raises BadConfig."""
    node = next(table["scorer"] for i in root.table()["pipeline"].items() if "scorer" in (table := i.table()))
    wanted = SCORERS[pipeline.scorer]
    if missing := [c for c in wanted if c not in checks]:
        raise node.bad(
            f"{pipeline.scorer} ranks by the check {missing[0]!r}, which is not in force",
            "add it to the checks of verdict.yml and to a mode of failure-modes.yml, or choose another scorer",
        )
    if idle := [c for c in checks if c in SCORING_CHECKS and c not in wanted]:
        raise node.bad(
            f"the check {idle[0]!r} only ranks, and {pipeline.scorer} does not ask for it",
            "take it out of verdict.yml and failure-modes.yml, or choose a scorer that ranks by it",
        )
