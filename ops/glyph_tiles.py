"""The letters that the glyph check is trained and tested on: drawn, cut and labelled from a seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from ops.glyph_damage import DAMAGES
from ops.glyph_words import LETTERS, SOUND, Type, draw
from workers.checks.glyph_cut import SMALLEST_PX

KINDS: Final = (SOUND, *DAMAGES)


@dataclass(frozen=True, slots=True)
class Tiles:
    """Letters by row: ink as (n, 32, 32) bytes, and the numbers of letter, kind and face."""

    ink: npt.NDArray[np.uint8]
    letters: npt.NDArray[np.int64]
    kinds: npt.NDArray[np.int64]
    faces: npt.NDArray[np.int64]


def collect(seed: int, part: int, types: Sequence[Type], words: range) -> Tiles:
    """The letters of words by number, each of its own stream of chance, in faces that follow one another.

    Letters that the check would not judge, being too small, are left out.
    """
    ink: list[npt.NDArray[np.uint8]] = []
    rows: list[tuple[int, int, int]] = []
    for n in words:
        rng = np.random.default_rng([seed, part, n])
        face = n % len(types)
        for cut, kind in draw(rng, types[face]).cuts():
            if cut.height_px < SMALLEST_PX:
                continue
            ink.append(np.round(cut.tile * 255).astype(np.uint8))
            rows.append((LETTERS.index(cut.letter), KINDS.index(kind), face))
    numbers = np.array(rows, np.int64).reshape(-1, 3)
    return Tiles(np.stack(ink), numbers[:, 0], numbers[:, 1], numbers[:, 2])
