"""Finds upright faces seen from the front: a boosted cascade of local binary patterns, in plain NumPy.

The cascade is OpenCV's `lbpcascade_frontalface` (Apache-2.0), kept as `weights/frontal_face.json`: 20 stages of 139
stumps on windows of 24 × 24 pixels. Patterns are those of Ojala, Pietikäinen and Mäenpää, Multiresolution gray-scale
and rotation invariant texture classification with local binary patterns, 2002; over blocks as in Zhang and others,
Face detection based on multi-block LBP representation, 2007. It knows nothing of profiles, of faces that lean by more
than some 15 degrees, of most drawn ones, and of whether a face is well made.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from PIL import Image

from workers.checks.pixels import luma
from workers.checks.port import Pixels

LOOK_SIDE: Final = 320
"""Long side at which faces are looked for, pixels: the smallest face found is 7.5 % of it."""
SCALE_STEP: Final = 1.2
"""From one size of window to the next."""
SAME_FACE: Final = 0.4
"""Overlap (intersection over union) from which two windows mean one face."""
HALF_SURE: Final = 4.0
"""Windows that agree on a face of which the score is 0.5. A face answers from many windows, chance from a few."""
MOST_FACES: Final = 64
MOST_WINDOWS: Final = 800
"""Windows of one picture that are grouped; a picture with more is texture, and those of the first sizes are kept."""
WEIGHTS: Final = Path(__file__).parent / "weights" / "frontal_face.json"

Index = npt.NDArray[np.int64]
Sums = npt.NDArray[np.int32]
"""Integral image, shape (height + 1, width + 1)."""
_CLOCKWISE: Final = ((0, 0), (0, 1), (0, 2), (1, 2), (2, 2), (2, 1), (2, 0), (1, 0))
"""Blocks about the middle one, as row and column, from the highest bit of a pattern to the lowest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Face:
    """One face: left, top, right and bottom in pixels of the picture given, and a score of 0 to 1 that ranks."""

    box: tuple[float, float, float, float]
    score: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Stump:
    """One pattern: `block` is left, top, width and height of its first block; `votes` has one vote for each pattern."""

    block: tuple[int, int, int, int]
    votes: npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A window whose votes stay under the threshold is no face."""

    threshold: float
    stumps: tuple[Stump, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cascade:
    """The stages, in order, for windows of `side` pixels."""

    side: int
    stages: tuple[Stage, ...]


def faces_in(pixels: Pixels) -> tuple[Face, ...]:
    """Faces, the surest first."""
    cascade = _cascade()
    height, width = pixels.shape[:2]
    first = min(1.0, LOOK_SIDE / max(height, width))
    if min(height, width) * first < cascade.side:
        return ()
    grey = Image.fromarray(np.clip(luma(pixels), 0, 255).astype(np.uint8))
    levels: list[_Level] = []
    row, scale = 0, first
    while min(height, width) * scale >= cascade.side:
        size = (max(cascade.side, round(width * scale)), max(cascade.side, round(height * scale)))
        levels.append(_Level(grey.resize(size, Image.Resampling.BILINEAR, reducing_gap=2), row, width / size[0]))
        row += size[1] + 1
        scale /= SCALE_STEP
    return tuple(sorted(_grouped(_windows(levels, cascade), (width, height)), key=lambda f: -f.score)[:MOST_FACES])


class _Level:
    """One size of the picture: its integral image, the row where that stands among all, and pixels for each of its."""

    def __init__(self, art: Image.Image, row: int, scale: float) -> None:
        self.sums = np.pad(np.asarray(art, dtype=np.int32).cumsum(0).cumsum(1), ((1, 0), (1, 0)))
        self.row, self.scale = row, scale


def _windows(levels: Sequence[_Level], cascade: Cascade) -> npt.NDArray[np.float64]:
    """Left, top, right and bottom of every window that passes all stages, in pixels of the picture.

    All sizes lie below each other in one integral image, so that each stage is one sweep.
    """
    stride = max(level.sums.shape[1] for level in levels)
    whole = np.zeros((sum(len(level.sums) for level in levels), stride), dtype=np.int32)
    origins: list[Index] = []
    for level in levels:
        height, width = level.sums.shape
        whole[level.row : level.row + height, :width] = level.sums
        top, left = (a.ravel() for a in np.mgrid[0 : height - cascade.side, 0 : width - cascade.side])
        origins.append((top + level.row) * stride + left)
    # Nearly every window is asked by the first stage: there whole levels are compared, without looking places up.
    first, *others = cascade.stages
    passed = np.concatenate([_votes_of_all(level.sums, cascade.side, first) for level in levels])
    origin = np.concatenate(origins)[passed >= first.threshold]
    flat = whole.ravel()
    for stage in others:
        votes = np.zeros(len(origin))
        for stump in stage.stumps:
            votes += stump.votes[_patterns(_corners_at(flat, origin, stride, stump.block))]
        origin = origin[votes >= stage.threshold]
    top, left = np.divmod(origin, stride)
    number = np.searchsorted([level.row for level in levels], top, side="right") - 1
    top -= np.array([level.row for level in levels])[number]
    corners = np.stack([left, top, left + cascade.side, top + cascade.side], axis=1)
    return (corners * np.array([level.scale for level in levels])[number, None])[:MOST_WINDOWS]


_STEPS: Final = tuple((row, column) for row in range(4) for column in range(4))
Corners = Mapping[tuple[int, int], Sums]
"""The integral image at the corners of all nine blocks, by row and column of the corner; all of one shape."""


def _votes_of_all(sums: Sums, side: int, stage: Stage) -> npt.NDArray[np.float64]:
    """Of every window of a level, row by row."""
    height, width = sums.shape[0] - side, sums.shape[1] - side
    votes = np.zeros((height, width))
    for stump in stage.stumps:
        x, y, w, h = stump.block
        corners = {(r, c): sums[y + r * h :, x + c * w :][:height, :width] for r, c in _STEPS}
        votes += stump.votes[_patterns(corners)]
    return votes.ravel()


def _corners_at(flat: Sums, origin: Index, stride: int, block: tuple[int, int, int, int]) -> Corners:
    """Of the windows at these places."""
    x, y, width, height = block
    return {(r, c): flat[origin + ((y + r * height) * stride + x + c * width)] for r, c in _STEPS}


def _patterns(corner: Corners) -> npt.NDArray[np.uint8]:
    """For every window which of the eight blocks about the middle one are at least as bright, as 8 bits."""
    rows = {(r, c): corner[r + 1, c] - corner[r, c] for r in range(3) for c in range(4)}
    middle = rows[1, 2] - rows[1, 1]
    out = np.zeros(middle.shape, dtype=np.uint8)
    for bit, (r, c) in enumerate(_CLOCKWISE):
        out |= (rows[r, c + 1] - rows[r, c] >= middle).view(np.uint8) << np.uint8(7 - bit)
    return out


def _grouped(windows: npt.NDArray[np.float64], size: tuple[int, int]) -> Sequence[Face]:
    """Windows that overlap as one face at their mean; the more of them, the surer. What touches a face is none."""
    out: list[Face] = []
    overlaps = _overlaps(windows)
    left = np.ones(len(windows), dtype=bool)
    while left.any():
        same = (overlaps >= SAME_FACE) & left
        best = int(np.where(left, same.sum(1), 0).argmax())
        mine = windows[same[best]]
        x0, y0, x1, y1 = (float(v) for v in mine.mean(0))
        box = (max(0.0, x0), max(0.0, y0), min(float(size[0]), x1), min(float(size[1]), y1))
        out.append(Face(box=box, score=len(mine) / (len(mine) + HALF_SURE)))
        left &= overlaps[best] == 0
    return out


def _overlaps(windows: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Intersection over union of each window with each."""
    one, other = windows[:, None], windows[None]
    shared = np.clip(np.minimum(one[..., 2:], other[..., 2:]) - np.maximum(one[..., :2], other[..., :2]), 0, None)
    area = (windows[:, 2:] - windows[:, :2]).prod(1)
    inside = shared.prod(2)
    return inside / (area[:, None] + area[None] - inside)


@cache
def _cascade() -> Cascade:
    data: dict[str, Any] = json.loads(WEIGHTS.read_text(encoding="utf-8"))
    return Cascade(side=data["side"], stages=tuple(_stage(s) for s in data["stages"]))


def _stage(data: dict[str, Any]) -> Stage:
    stumps = tuple(Stump(block=tuple(s["block"]), votes=_votes(s)) for s in data["stumps"])
    return Stage(threshold=data["threshold"], stumps=stumps)


def _votes(stump: dict[str, Any]) -> npt.NDArray[np.float64]:
    subset: list[int] = stump["subset"]
    inside = [bool(subset[pattern >> 5] >> (pattern & 31) & 1) for pattern in range(256)]
    return np.array([stump["in"] if hit else stump["out"] for hit in inside], dtype=np.float64)
