"""The ruleset: everything in config/ that decides, checked as a whole, with an id that names its content."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, cast

from rules import colour, composition, findings, glyphs, logo, people, text_verdict
from rules.brands import Brand, parse_brands
from rules.engine_profiles import parse_engines
from rules.engines import EngineProfile
from rules.ladder import Ladder, parse_ladder
from rules.lexicon import Lexicon, parse_lexicon
from rules.modes import FailureMode, check_catalogue, parse_modes
from rules.pipeline import Pipeline, check_scorer, parse_pipeline
from rules.routing import Routing, parse_routing
from rules.thresholds import Thresholds, parse_thresholds
from rules.tree import Node, nearest, read_plain, read_yaml
from schemas.errors import BadConfig, Poison

FILES: Final = (
    "pipeline.yml",
    "failure-modes.yml",
    "routing.yml",
    "engines.yml",
    "verdict.yml",
    "ladder.yml",
    "sanity.yml",
)
"""The files of config/ that a ruleset is made of, beside brands/*.yml."""
BRANDS: Final = "brands/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruleset:
    """All rules in force. `id` is the sha256 (hex) of `document`, which is canonical JSON of the files."""

    id: str
    document: str
    pipeline: Pipeline
    failure_modes: Mapping[str, FailureMode]
    routing: Routing
    engines: Mapping[str, EngineProfile]
    thresholds: Thresholds
    ladder: Ladder
    brands: Mapping[str, Brand]
    lexicon: Lexicon

    @property
    def checks(self) -> tuple[str, ...]:
        """Checks that inspection makes on the asset, in order."""
        return self.thresholds.image_checks

    @property
    def readers(self) -> tuple[str, ...]:
        """Text readers in the order in which they look."""
        return self.thresholds.readers

    @property
    def postprocess(self) -> tuple[str, ...]:
        """Finishing steps in order."""
        return self.pipeline.postprocess

    def palette(self, brand: str) -> tuple[str, ...]:
        """Swatches of a brand as #rrggbb; empty where there is no such brand."""
        found = self.brands.get(brand)
        return found.palette if found else ()


def load_ruleset(files: Mapping[str, str]) -> Ruleset:
    """The ruleset in the files of config/: relative path with slashes to text. Other files are refused.

    Raises BadConfig with file, line and the nearest right name.
    """
    for path in files:
        if path not in FILES and not _is_brand(path):
            raise BadConfig("is no file of a ruleset", file=path, mend=nearest(path, [*FILES, "brands/NAME.yml"]))
    for path in FILES:
        if path not in files:
            raise BadConfig("is missing", file=path, mend="restore it from version control")
    return _build({path: read_yaml(path, text) for path, text in sorted(files.items())})


def from_document(document: str) -> Ruleset:
    """The ruleset behind its canonical JSON. Raises Poison where it is none, BadConfig where its rules are wrong."""
    try:
        raw = json.loads(document)
    except (ValueError, RecursionError) as e:
        raise Poison(f"the ruleset document is not JSON: {e}") from None
    if not isinstance(raw, dict):
        raise Poison("the ruleset document is not a JSON object")
    trees = cast("dict[str, object]", raw)
    if any(path not in trees for path in FILES):
        raise Poison(f"the ruleset document does not hold {', '.join(FILES)}")
    ruleset = _build({path: read_plain(path, value) for path, value in sorted(trees.items())})
    if ruleset.document != document:
        raise Poison("the ruleset document is not in canonical form, so its id does not name it")
    return ruleset


def _is_brand(path: str) -> bool:
    return path.startswith(BRANDS) and path.endswith(".yml") and path.count("/") == 1


def _build(nodes: Mapping[str, Node]) -> Ruleset:
    document = json.dumps(
        {path: node.plain() for path, node in nodes.items()},
        ensure_ascii=False,
        sort_keys=True,
        separators=(",", ":"),
        allow_nan=False,
    )
    engines = parse_engines(nodes["engines.yml"])
    pipeline = parse_pipeline(nodes["pipeline.yml"], engines)
    lexicon = parse_lexicon(nodes["sanity.yml"])
    brands = parse_brands(
        {path.removeprefix(BRANDS).removesuffix(".yml"): n for path, n in nodes.items() if _is_brand(path)}
    )
    modes = parse_modes(nodes["failure-modes.yml"])
    names, tags = frozenset(brands), lexicon.tag_names
    thresholds = parse_thresholds(
        nodes["verdict.yml"], tags=tags, brands=names, modes=frozenset(modes), engines=frozenset(engines)
    )
    check_scorer(pipeline, nodes["pipeline.yml"], thresholds.checks)
    ladder = parse_ladder(
        nodes["ladder.yml"], modes=frozenset(modes), engines=frozenset(engines), specialist=pipeline.specialist
    )
    routing = parse_routing(
        nodes["routing.yml"],
        engines=engines,
        primary=pipeline.primary_generator,
        specialist=pipeline.specialist,
        tags=tags,
        brands=names,
    )
    check_catalogue(
        modes,
        nodes["failure-modes.yml"],
        checks=thresholds.checks,
        rules=[r.name for r in routing.rules],
        repairs=ladder.repairs,
        detected={
            **findings.DETECTED,
            **colour.DETECTED,
            **text_verdict.DETECTED,
            **composition.DETECTED,
            **logo.DETECTED,
            **glyphs.DETECTED,
            **people.DETECTED,
        },
    )
    return Ruleset(
        id=hashlib.sha256(document.encode()).hexdigest(),
        document=document,
        pipeline=pipeline,
        failure_modes=modes,
        routing=routing,
        engines=engines,
        thresholds=thresholds,
        ladder=ladder,
        brands=brands,
        lexicon=lexicon,
    )
