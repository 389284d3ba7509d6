"""verdict.yml: which checks are in force, what their numbers may be, and what a person must see."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from rules.acceptance import Acceptance, parse_acceptance
from rules.audits import Audits, parse_audits
from rules.conditions import Condition, Test, parse_condition, ready
from rules.tree import Node

IMAGE_CHECKS: Final = (
    "bytes",
    "latents",
    "blank",
    "noise",
    "size",
    "text",
    "palette",
    "tones",
    "drift",
    "duplicate",
    "composition",
    "logo",
    "glyphs",
    "people",
    "aesthetic",
)
"""Checks that the inspection offers: they measure the asset."""
RULE_CHECKS: Final = ("prompt-sanity", "outcome")
"""Checks made here, on words and numbers: sanity of the prompt, the renderer's own report, doubt that is left."""
READERS: Final = (
    "rapidocr",
    "rapidocr@640",
    "rapidocr@curve",
    "rapidocr@turned",
    "rapidocr@padded",
    "rapidocr@contrast",
    "rapidocr@tiles",
    "easyocr",
    "vision",
)
REVIEW_CHECKS: Final = ("people", "logo", "prompt-sanity")
"""Checks that review rules speak for."""
LIMITS: Final[Mapping[str, tuple[float, float]]] = {
    "text.trusted_confidence": (0, 1),
    "text.readable_confidence": (0, 1),
    "text.similar": (0, 1),
    "text.garbled_confidence": (0, 1),
    "text.logo_part": (0, 1),
    "text.letter_confidence": (0, 1),
    "text.letter_readable": (0, 1),
    "text.figure_confidence": (0, 1),
    "text.split_em": (0, 10),
    "text.split_heights": (-1, 10),
    "text.joined_em": (-1, 1),
    "text.likelihood_review": (-100, 0),
    "text.look_alike_figure": (-100, 100),
    "text.look_alike_letter": (-100, 100),
    "text.look_alike_small": (-100, 100),
    "text.agreeing_looks": (2, 10),
    "text.stray_max_characters": (0, 20),
    "text.stray_max_height_share": (0, 1),
    "blank.luma_std_min": (0, 128),
    "bytes.trailing_bytes_max": (0, 1_000_000),
    "bytes.transparent_share_max": (0, 1),
    "bytes.inks_max": (0, 1),
    "bytes.profile_delta_e00_max": (0, 100),
    "noise.calm_share_max": (0, 1),
    "noise.block_correlation_min": (-1, 1),
    "noise.wave_share_min": (0, 1),
    "noise.luma_deviation_max": (0, 255),
    "noise.corner_share_max": (0, 1),
    "latents.std_min": (0, 1000),
    "latents.std_max": (0, 1000),
    "latents.absmax_max": (0, 10000),
    "palette.cast_max": (0, 100),
    "palette.branded_cast_max": (0, 100),
    "palette.meant_share_min": (0, 1),
    "tones.gradient_share_min": (0, 1),
    "tones.banding_max": (0, 1),
    "tones.clipped_max": (0, 1),
    "drift.count_min": (2, 50),
    "drift.sigma_min": (0.01, 5),
    "drift.sigma_max": (0.01, 5),
    "drift.score_max": (0, 100),
    "drift.ewma_max": (0, 100),
    "drift.spread_max": (0, 100),
    "duplicate.bits_max": (0, 256),
    "glyphs.health_min": (0, 1),
    "glyphs.odd_max": (0, 1),
    "glyphs.apart_min": (0, 30),
    "glyphs.typical_min": (0, 1),
    "glyphs.twin_max": (-10, 10),
    "composition.edge_width_max": (1, 100),
    "composition.lightness_range_min": (0, 1),
    "composition.text_confidence_min": (0, 1),
    "composition.text_slack": (0, 0.4),
    "composition.margin_share_min": (0, 0.2),
    "composition.overlap_max": (0, 1),
    "composition.face_score_min": (0, 1),
    "people.face_score_min": (0, 1),
    "logo.score_min": (0, 1),
    "logo.distortion_max": (0, 1),
    "logo.rotation_max_degrees": (0, 180),
    "logo.delta_e00_max": (0, 100),
    "logo.difference_max": (0, 1),
    "logo.clear_space_min": (0, 1),
    "logo.mark_score_min": (0, 1),
}
"""Every threshold, as section.name, with the bounds of what makes sense."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewRule:
    """Work that a person must see however well it measures."""

    check: str
    mode: str
    when: Condition
    reason: str
    test: Test = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Make the condition ready for testing."""
        object.__setattr__(self, "test", ready(self.when))


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """What validation judges by. `limits` is keyed as in LIMITS."""

    checks: tuple[str, ...]
    readers: tuple[str, ...]
    limits: Mapping[str, float]
    reviews: tuple[ReviewRule, ...]
    warn: frozenset[str]
    """Failure modes that are told and change no verdict, as long as they are not certain."""
    acceptance: Acceptance
    audits: Audits

    def __getitem__(self, name: str) -> float:
        return self.limits[name]

    @property
    def image_checks(self) -> tuple[str, ...]:
        """The checks in force that measure the asset."""
        return tuple(c for c in self.checks if c in IMAGE_CHECKS)


def parse_thresholds(
    root: Node, *, tags: frozenset[str], brands: frozenset[str], modes: frozenset[str], engines: frozenset[str]
) -> Thresholds:
    """verdict.yml. Raises BadConfig; a threshold that is left out is an error, never a default."""
    wanted: dict[str, list[str]] = {}
    for key in LIMITS:
        section, name = key.split(".")
        wanted.setdefault(section, []).append(name)
    f = root.fields(["checks", "readers", "review_when", "warn", "audits", "uncalibrated", "calibrated", *wanted])
    limits: dict[str, float] = {}
    for section, names in wanted.items():
        values = f[section].fields(names)
        for name in names:
            limits[f"{section}.{name}"] = values[name].number(*LIMITS[f"{section}.{name}"])
    for low, high in (
        ("text.readable_confidence", "text.trusted_confidence"),
        ("latents.std_min", "latents.std_max"),
        ("drift.sigma_min", "drift.sigma_max"),
    ):
        if limits[low] > limits[high]:
            raise f[low.split(".")[0]].bad(f"{low} is above {high}", "swap them")
    checks = f["checks"].choices([*IMAGE_CHECKS, *RULE_CHECKS], "check")
    readers = f["readers"].choices(READERS, "text reader")
    if "text" in checks and not readers:
        raise f["readers"].bad("the check text reads with nothing", f"name one of {', '.join(READERS)}")
    return Thresholds(
        checks=checks,
        readers=readers,
        limits=limits,
        reviews=tuple(_review(n, checks, tags, brands, modes) for n in f["review_when"].items()),
        warn=frozenset(f["warn"].choices(sorted(modes), "failure mode")),
        acceptance=parse_acceptance(f["uncalibrated"], f["calibrated"], modes=modes, engines=engines),
        audits=parse_audits(f["audits"]),
    )


def _review(
    node: Node, checks: tuple[str, ...], tags: frozenset[str], brands: frozenset[str], modes: frozenset[str]
) -> ReviewRule:
    f = node.fields(["check", "mode", "when", "reason"])
    return ReviewRule(
        check=f["check"].choice([c for c in REVIEW_CHECKS if c in checks], "review check"),
        mode=f["mode"].choice(modes, "failure mode"),
        when=parse_condition(f["when"], tags, brands),
        reason=f["reason"].text(),
    )
