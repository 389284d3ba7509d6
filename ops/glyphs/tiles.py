"""The letters that the glyph check is trained and tested on: drawn, cut and labelled from a seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from ops.glyphs.damage import DAMAGES
from ops.glyphs.words import LETTERS, SOUND, Type, draw
from schemas.events import Box
from workers.checks.glyph_cut import SMALLEST_PX, Cut

KINDS: Final = (SOUND, *DAMAGES)
UNSURE: Final = -1
"""Kind of a letter that a neighbour's damage may touch: it keeps the others company, and is not counted."""
NOWHERE: Final = Box(left=0, top=0, right=1, bottom=1)


@dataclass(frozen=True, slots=True)
class Tiles:
    """Letters by row: ink as (n, 32, 32) bytes; numbers of letter, kind, face and line; heights, pixels; joined."""

    ink: npt.NDArray[np.uint8]
    letters: npt.NDArray[np.int64]
    kinds: npt.NDArray[np.int64]
    faces: npt.NDArray[np.int64]
    lines: npt.NDArray[np.int64]
    heights: npt.NDArray[np.float32]
    joined: npt.NDArray[np.bool_]

    def cuts(self, asked: Sequence[str] | None = None) -> list[Cut]:
        """The letters as the check gets them, asked for as what they were drawn from, or as `asked` says."""
        letters = asked or [LETTERS[int(n)] for n in self.letters]
        return [
            Cut(
                place=0,
                letter=letter,
                tile=np.asarray(self.ink[n].astype(np.float32) / 255, np.float32),
                box=NOWHERE,
                height_px=float(self.heights[n]),
                joined=bool(self.joined[n]),
            )
            for n, letter in enumerate(letters)
        ]

    def part(self, lines: range) -> Tiles:
        """Those of some lines."""
        low, high = np.searchsorted(self.lines, (lines.start, lines.stop))
        own = slice(int(low), int(high))
        return Tiles(
            self.ink[own], self.letters[own], self.kinds[own], self.faces[own], self.lines[own], self.heights[own],
            self.joined[own],
        )  # fmt: skip


def collect(seed: int, part: int, types: Sequence[Type], words: range) -> Tiles:
    """The letters of lines by number, each of its own stream of chance, in faces that follow one another.

    Letters that the check would not judge, being too small or crowded, are left out.
    """
    ink: list[npt.NDArray[np.uint8]] = []
    rows: list[tuple[int, int, int, int]] = []
    facts: list[tuple[float, bool]] = []
    for n in words:
        rng = np.random.default_rng([seed, part, n])
        face = n % len(types)
        for cut, kind in draw(rng, types[face]).cuts():
            if cut.height_px < SMALLEST_PX or cut.crowded:
                continue
            ink.append(np.round(cut.tile * 255).astype(np.uint8))
            rows.append((LETTERS.index(cut.letter), KINDS.index(kind) if kind else UNSURE, face, n))
            facts.append((cut.height_px, cut.joined))
    numbers = np.array(rows, np.int64).reshape(-1, 4)
    heights, joined = np.array([h for h, _ in facts], np.float32), np.array([j for _, j in facts], np.bool_)
    return Tiles(np.stack(ink), numbers[:, 0], numbers[:, 1], numbers[:, 2], numbers[:, 3], heights, joined)
