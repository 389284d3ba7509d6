"""Finds where text or a logo may lie: the calm of each cell of a picture, and the calmest box among candidates."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image

from workers import colour

CELL: Final = 8
"""Edge of the cells, pixels, in which calm is measured in a picture of MEASURED pixels or fewer."""
MEASURED: Final = 1536
"""Longest side, pixels, at which calm is measured; the cells of a larger picture are larger."""
QUIET: Final = 24.0
"""Unrest (0..255) from which a cell is not calm: a gradient stays under 8, an object's outline is above 40."""
_SALIENT: Final = 40.0
"""Weight of what stands out by its colour, next to unrest."""
_LOUD: Final = 60.0
"""What a cell that is not calm costs beside its unrest: an edge under a word is worse than grain under all."""
_LEVELS: Final = 20.0
"""ΔE76 from the picture's mean colour at which a cell begins to stand out; 60 stands out wholly."""

FLOATING: Final = 1.5
"""Cost of text that stands at neither the upper nor the lower margin."""

Floats = npt.NDArray[np.float64]
Box = tuple[int, int, int, int]
"""Left, top, right, bottom; pixels, right and bottom exclusive."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Calm:
    """How busy each cell of a picture is.

    cell: Edge of a cell, pixels.
    unrest: Largest difference of a colour channel within and to the next cells, 0..255; shape (rows, columns).
    cost: Unrest, more where the cell is not calm, plus how far it stands out by its colour.
    """

    cell: float
    unrest: Floats
    cost: Floats

    def mean(self, box: Box) -> float:
        """Mean cost of a box; 0 outside the picture."""
        part = self.cost[self.cells(box)]
        return float(part.mean()) if part.size else 0.0

    def is_calm(self, box: Box) -> bool:
        """Whether nothing of note lies in a box: no cell with an edge that the eye stops at."""
        part = self.unrest[self.cells(box)]
        return part.size == 0 or float(part.max()) < QUIET

    def cells(self, box: Box) -> tuple[slice, slice]:
        """Rows and columns of the cells that a box touches."""
        left, top, right, bottom = box
        return (
            slice(max(0, int(top / self.cell)), max(0, math.ceil(bottom / self.cell))),
            slice(max(0, int(left / self.cell)), max(0, math.ceil(right / self.cell))),
        )


def overlap(one: Box, two: Box) -> bool:
    """Whether two boxes share a pixel."""
    return one[0] < two[2] and two[0] < one[2] and one[1] < two[3] and two[1] < one[3]


def measure(image: Image.Image) -> Calm:
    """The calm of a picture. Takes some 20 ms at 1024 x 1024."""
    shrink = min(1.0, MEASURED / max(image.size))
    cell = CELL / shrink
    columns, rows = (max(1, int(side / cell)) for side in image.size)
    small = image.convert("RGB").resize((columns * 2, rows * 2), Image.Resampling.BOX)
    pixels = np.asarray(small, dtype=np.float64)
    down = np.abs(np.diff(pixels, axis=0, append=pixels[-1:])).max(axis=2)
    right = np.abs(np.diff(pixels, axis=1, append=pixels[:, -1:])).max(axis=2)
    unrest = (down + right).reshape(rows, 2, columns, 2).sum(axis=(1, 3))
    cost = unrest + _LOUD * (unrest >= QUIET) + _SALIENT * _salience(small, (rows, columns))
    return Calm(cell=cell, unrest=unrest, cost=cost)


def _salience(small: Image.Image, shape: tuple[int, int]) -> Floats:
    """How far each cell stands out by its colour, 0..1.

    Source: Achanta, Hemami, Estrada and Süsstrunk, Frequency-tuned salient region detection (CVPR 2009): distance
    of a pixel's CIELAB colour to the picture's mean.
    """
    lab = colour.srgb_to_lab(np.asarray(small.resize((shape[1], shape[0]), Image.Resampling.BOX), dtype=np.uint8))
    away = np.linalg.norm(lab - lab.mean(axis=(0, 1)), axis=2)
    return np.clip((away - _LEVELS) / 40.0, 0.0, 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spot:
    """A box, and what it costs to put something there; infinite where it lies on a box taken."""

    box: Box
    cost: float


def calmest(
    calm: Calm,
    size: tuple[float, float],
    picture: tuple[int, int],
    *,
    edge: float,
    taken: Sequence[Box] = (),
    floating: float = FLOATING,
) -> Spot:
    """The calmest box of a size (pixels) in a picture's size, `edge` pixels or more from the border, off what is taken.

    It stands at the left margin, in the middle or at the right one; where two are as calm the higher wins, and one
    at the upper or lower margin wins over one off it that costs less by no more than `floating`.
    """
    wide, high = round(size[0]), round(size[1])
    total = np.zeros((calm.cost.shape[0] + 1, calm.cost.shape[1] + 1), dtype=np.float64)
    total[1:, 1:] = calm.cost.cumsum(axis=0).cumsum(axis=1)
    last_x, last_y = picture[0] - wide, picture[1] - high
    margin_x, margin_y = min(edge, max(0, last_x) / 2), min(edge, max(0, last_y) / 2)
    tops = _steps(margin_y, last_y - margin_y, calm.cell)
    best: Spot | None = None
    for top in tops:
        for left in sorted({round(margin_x), last_x // 2, round(last_x - margin_x)}):
            box = (left, top, left + wide, top + high)
            if any(overlap(box, other) for other in taken):
                cost = math.inf
            else:
                rows, columns = calm.cells(box)
                low, right = min(rows.stop, calm.cost.shape[0]), min(columns.stop, calm.cost.shape[1])
                first, begin = min(rows.start, low), min(columns.start, right)
                sum_ = total[low, right] - total[first, right] - total[low, begin] + total[first, begin]
                area = max(1, (low - first) * (right - begin))
                cost = float(sum_) / area + 1.2 * top / picture[1]
                # What lines up with the border looks placed.
                cost += floating if tops[0] < top < tops[-1] else 0.0
            if best is None or cost < best.cost:
                best = Spot(box=box, cost=cost)
    return best or Spot(box=(0, 0, wide, high), cost=math.inf)


def _steps(first: float, last: float, step: float) -> list[int]:
    """Places from the first to the last, both included."""
    if last <= first:
        return [round(first)]
    return sorted({*(round(v) for v in np.arange(first, last, step)), round(last)})
