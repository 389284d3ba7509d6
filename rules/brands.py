"""Brands: swatches, names, logo letters and words that a brand must not show."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from rules.tree import Node

HEX: Final = re.compile(r"#[0-9a-f]{6}")
NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")

DELTA_E_PASS: Final = 2.0
"""About what two careful prints of one colour differ by: seen beside each other, not apart."""
DELTA_E_REVIEW: Final = 5.0
"""Past this the colour is another one; ISO 12647-2 allows solids of a print run a ΔE of 5 to their proof."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Brand:
    """One brand.

    `palette` holds #rrggbb swatches; `delta_e_limit` is the largest ΔE00 (mean over the pixels, each to its
    nearest swatch) that still counts as on brand. Where the brand's own colours are meant, up to `delta_e_pass` passes
    and up to `delta_e_review` is shown to a person (ΔE00, the worst tenth of the area left out). `logo_names` are ways
    to ask for its logo, `logo_text` the letters that the logo itself shows. `refused_words` are names that its work
    must never show.
    """

    id: str
    name: str
    palette: tuple[str, ...]
    delta_e_limit: float
    delta_e_pass: float
    delta_e_review: float
    logo_names: tuple[str, ...]
    logo_text: tuple[str, ...]
    allowed_text: tuple[str, ...]
    own_names: tuple[str, ...]
    refused_words: tuple[str, ...]


def parse_brand(brand_id: str, root: Node) -> Brand:
    """One file of brands/. Raises BadConfig."""
    if not NAME.fullmatch(brand_id):
        raise root.bad(f"{brand_id!r} is no brand id", "name the file with small letters, digits and hyphens")
    f = root.fields(
        ["name", "palette", "delta_e_limit"],
        ["delta_e_pass", "delta_e_review", "logo_names", "logo_text", "allowed_text", "own_names", "refused_words"],
    )
    for swatch in f["palette"].items():
        if not HEX.fullmatch(swatch.text()):
            raise swatch.bad(f"{swatch.text()!r} is no colour", "write it as '#rrggbb' in small letters")

    def optional(key: str) -> tuple[str, ...]:
        return f[key].texts() if key in f else ()

    passes, reviews = (
        f[key].number(0, 100) if key in f else default
        for key, default in (("delta_e_pass", DELTA_E_PASS), ("delta_e_review", DELTA_E_REVIEW))
    )
    if passes > reviews:
        raise root.bad(f"delta_e_pass {passes:g} is above delta_e_review {reviews:g}", "swap them")
    return Brand(
        id=brand_id,
        name=f["name"].text(),
        palette=f["palette"].texts(),
        delta_e_limit=f["delta_e_limit"].number(1, 100),
        delta_e_pass=passes,
        delta_e_review=reviews,
        logo_names=optional("logo_names"),
        logo_text=optional("logo_text"),
        allowed_text=optional("allowed_text"),
        own_names=optional("own_names"),
        refused_words=optional("refused_words"),
    )


def parse_brands(files: Mapping[str, Node]) -> Mapping[str, Brand]:
    """All brand files by id."""
    return {brand_id: parse_brand(brand_id, files[brand_id]) for brand_id in sorted(files)}
