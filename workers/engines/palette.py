"""Picks what a drawing needs from a brand's swatches: paper, ink and accents that can be read on each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from workers import colour

RGB = tuple[int, int, int]
BLACK: Final[RGB] = (0, 0, 0)
WHITE: Final[RGB] = (255, 255, 255)

READABLE: Final = 4.5
"""Least contrast of text to its ground: WCAG 2.2, success criterion 1.4.3 (AA, text of any size)."""

_HOUSE: Final[tuple[tuple[str, ...], ...]] = (
    ("#1d2a3a", "#f4efe6", "#d9653b", "#7fa3a8", "#e8c07d"),
    ("#23302a", "#f2f0e4", "#b5542f", "#8aa17f", "#e3b75c"),
    ("#2b2338", "#f6eee8", "#c9506a", "#8d86b5", "#f0b48a"),
    ("#152c36", "#f1f1ec", "#e0a030", "#4d8b94", "#c75b45"),
    ("#2a2420", "#f5ece0", "#a8642f", "#6d8a8c", "#d9a05b"),
)
"""Used where a brand gives no swatches: dark, light, then accents."""
_PAPER: Final[RGB] = (250, 247, 241)
_INK: Final[RGB] = (22, 22, 26)


@dataclass(frozen=True, slots=True, kw_only=True)
class Palette:
    """Colours of one drawing, sRGB bytes. `paper` and `ink` differ by at least READABLE."""

    paper: RGB
    ink: RGB
    accents: tuple[RGB, ...]

    def accent(self, index: int) -> RGB:
        """An accent; the index goes round."""
        return self.accents[index % len(self.accents)]

    def inks(self) -> tuple[RGB, ...]:
        """Colours that text may have, the liked ones first."""
        return (self.ink, self.paper, *self.accents)


def mix(one: RGB, two: RGB, share: float) -> RGB:
    """Between two colours: 0 gives the first, 1 the second (in sRGB values, as print tints are picked)."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(one, two, strict=True))
    return red, green, blue


def ratio(one: RGB, two: RGB) -> float:
    """WCAG contrast of two colours, 1..21."""
    return float(colour.contrast(np.array(one, dtype=np.uint8), np.array(two, dtype=np.uint8)))


def lightness(value: RGB) -> float:
    """CIE L* of a colour, 0..100."""
    return float(colour.srgb_to_lab(np.array(value, dtype=np.uint8))[0])


def from_swatches(swatches: Sequence[str], seed: int) -> Palette:
    """The palette of a brand, or one of the house's by seed where it has no swatches.

    Raises Poison where a swatch is not #rrggbb.
    """
    chosen = [colour.hex_to_rgb(s) for s in (swatches or _HOUSE[seed % len(_HOUSE)])]
    by_light = sorted(dict.fromkeys(chosen), key=lightness)
    ink, paper = by_light[0], by_light[-1]
    if ratio(ink, paper) < READABLE:
        # A brand of one lightness: keep its colours as accents and take a neutral where it has none.
        if ratio(ink, _PAPER) >= READABLE:
            paper = _PAPER
        elif ratio(_INK, paper) >= READABLE:
            ink = _INK
        else:
            ink, paper = _INK, _PAPER
    accents = tuple(c for c in dict.fromkeys(chosen) if c not in {ink, paper})
    return Palette(paper=paper, ink=ink, accents=accents or (mix(ink, paper, 0.45), mix(ink, paper, 0.7)))
