"""The bank of renderings that letters are compared with: each letter in the most different of the faces trained on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from ops.glyph_words import LETTERS, Type, rendered
from workers.checks.glyph_cut import Floats, tile_of
from workers.checks.glyph_net import BANKED, Bank, filled

MOST: Final = 20
"""Renderings of one letter: of 33 faces those that differ most from one another."""
LEVELS: Final = 15
"""Shades in a rendering: the file is a third of what 255 take."""


def build(types: Sequence[Type]) -> Bank:
    """Renders every letter in every face that has it, and keeps the most different."""
    families = sorted({t.family for t in types})
    letters: list[str] = []
    numbers: list[int] = []
    ink: list[Floats] = []
    aspects: list[float] = []
    for letter in LETTERS:
        drawn = [(t, r) for t in types if (r := rendered(t, letter)) is not None]
        parts = [filled(tile_of(np.asarray(r.astype(np.float32) / 255, np.float32))) for _, r in drawn]
        for at in _different(np.stack([np.append(p.ink.ravel(), 12 * p.aspect) for p in parts])):
            letters.append(letter)
            numbers.append(families.index(drawn[at][0].family))
            ink.append((np.round(parts[at].ink * LEVELS) / LEVELS).astype(np.float32))
            aspects.append(parts[at].aspect)
    return Bank(
        letters=letters,
        families=np.array(numbers, np.int64),
        ink=np.stack(ink).reshape(-1, BANKED, BANKED),
        aspects=np.array(aspects, np.float32),
    )


def _different(rows: Floats) -> list[int]:
    """The row nearest to all others, then always the one farthest from those that were taken."""
    apart = np.linalg.norm(rows[:, None] - rows[None], axis=2)
    taken = [int(apart.sum(axis=1).argmin())]
    while len(taken) < min(MOST, len(rows)):
        taken.append(int(apart[:, taken].min(axis=1).argmax()))
    return taken
