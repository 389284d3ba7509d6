"""Lays a word that was read out straight and tells its ink from its ground, for the letters to be cut from it.

The ground is a surface of colour fitted to the word's border, so the ink may be light on dark, dark on light, over a
gradient, or nothing but edges (neon tubes, embossing). Italics are set upright, or no column would part them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from schemas.events import Word
from workers.checks.port import Pixels

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]

STRIP: Final = 56
"""Height of a straightened word box, pixels; the margin comes on top."""
MARGIN: Final = 0.14
"""Room round a word box, in its height: readers' boxes cut off ends."""
LONGEST: Final = 48
"""Words longer than this many of their heights are too small to judge, or no words."""
TALL: Final = 1.5
"""Boxes this much taller than wide hold upright columns: which way their letters run is not known."""
ONE_WAY: Final = 0.55
"""How much the colours of the ink must agree for it to be taken as one colour; embossing has two."""
LEANS: Final = (-0.3, -0.2, -0.12, 0.1, 0.16, 0.22, 0.28, 0.35, 0.44)
"""Slants that are tried, pixels to the right for each pixel up: italics lean by 0.14 to 0.3, a lens leans both ways."""
UPRIGHT: Final = 1.05
"""How much more the columns must differ from one another for a word to be taken as slanted."""
LETTERS_TO_LEAN: Final = 4
"""Words of fewer letters do not show whether they are slanted: a V, an A, a 7."""


@dataclass(frozen=True, slots=True)
class Strip:
    """A word upright: its ink, 0 to 1, shape (height, width); the way back to the picture; strip pixels to a pixel.

    `middle` is the middle row of the word box, about which it was set upright by `lean`.
    """

    ink: Floats
    back: Doubles
    scale: float
    lean: float

    @property
    def pad(self) -> float:
        """Margin on every side, pixels."""
        return STRIP * MARGIN


def strip_of(pixels: Pixels, word: Word) -> Strip | None:
    """The ink of a word; None where its box is too flat, too long, upright, or outside of the picture."""
    quad = np.array(word.box, np.float32).reshape(4, 2)
    width = float(np.linalg.norm(quad[1] - quad[0]) + np.linalg.norm(quad[2] - quad[3])) / 2
    height = float(np.linalg.norm(quad[3] - quad[0]) + np.linalg.norm(quad[2] - quad[1])) / 2
    if height < 4 or width < 2 or width > LONGEST * height or (height > TALL * width and len(word.text) > 1):
        return None
    right, bottom = pixels.shape[1], pixels.shape[0]
    if (quad.max(axis=0) <= 0).any() or (quad.min(axis=0) >= (right, bottom)).any():
        return None
    strip, back, scale = _straightened(pixels, quad, width, height)
    ink = ink_of(strip)
    lean = lean_of(ink) if len(word.text) - word.text.count(" ") >= LETTERS_TO_LEAN else 0.0
    if lean:
        upright = _leant(ink.shape[0], lean)
        ink = _sheared(ink, upright)
        back = back @ np.linalg.inv(np.vstack([upright, [0, 0, 1]]))
    return Strip(ink, back, scale, lean)


def _straightened(pixels: Pixels, quad: Floats, width: float, height: float) -> tuple[Floats, Doubles, float]:
    """The word upright with its margin, the way back to the picture, and strip pixels for each picture pixel."""
    scale = STRIP / height
    pad = STRIP * MARGIN
    size = (round(width * scale + 2 * pad), round(STRIP + 2 * pad))
    inner = np.array(
        [[pad, pad], [size[0] - pad, pad], [size[0] - pad, size[1] - pad], [pad, size[1] - pad]], np.float32
    )
    back = np.asarray(cv2.getPerspectiveTransform(inner, quad), np.float64)
    reach = int(height * MARGIN * 2) + 2
    left, top = (max(0, int(v) - reach) for v in quad.min(axis=0))
    right, bottom = (int(v) + reach for v in quad.max(axis=0))
    part = pixels[top:bottom, left:right]
    shrink = np.eye(3)
    if scale < 0.6 and min(part.shape[:2]) > 2:
        # Averaged down first: the warp looks at four pixels only, and large letters would fray.
        small = (max(1, round(part.shape[1] * scale)), max(1, round(part.shape[0] * scale)))
        shrink = np.diag([small[0] / part.shape[1], small[1] / part.shape[0], 1.0])
        part = np.asarray(cv2.resize(part, small, interpolation=cv2.INTER_AREA), np.uint8)
    shift = np.array([[1, 0, -left], [0, 1, -top], [0, 0, 1]], np.float64)
    there = shrink @ shift @ back
    strip = cv2.warpPerspective(
        np.ascontiguousarray(part),
        there,
        size,
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return np.asarray(strip, np.float32), back, scale


def ink_of(strip: Floats) -> Floats:
    """How much each pixel of a word, shape (height, width, 3), differs from its ground: 0 to 1.

    Where the ink has one colour, only what lies towards that colour counts, so that shadows and halos fall away.
    """
    along, down = _ground(strip)
    away = strip - along[None]
    away -= down[:, None]
    far = np.asarray(np.sqrt(np.einsum("ijk,ijk->ij", away, away)), np.float32)
    full = _strongest(far)
    strong = far >= 0.6 * full
    if full < 1 or not strong.any():
        return np.zeros(far.shape, np.float32)
    mean: Floats = np.asarray(away[strong], np.float32).mean(axis=0)
    length = float(np.linalg.norm(mean))
    if length > ONE_WAY * float(far[strong].mean()):
        far = np.asarray(away @ (mean / length), np.float32)
        full = _strongest(far)
    edge = far[_border(far.shape[0])]
    low = min(float(np.percentile(np.abs(edge), 60)) * 1.5, 0.3 * full)
    return np.asarray(np.clip((far - low) / max(1.0, 0.92 * full - low), 0, 1), np.float32)


def _strongest(far: Floats) -> float:
    """What 3 in 100 pixels lie above; every second row and column tells it."""
    return float(np.percentile(far[::2, ::2], 97))


def _border(height: int) -> npt.NDArray[np.intp]:
    """Rows above and below the letters."""
    rows = max(2, round(height * 0.1))
    return np.r_[0:rows, height - rows : height]


def _ground(strip: Floats) -> tuple[Floats, Floats]:
    """Colour of the ground, a surface over the border's pixels, quadratic along the word: by column, and by row."""
    height, width = strip.shape[:2]
    rows = _border(height)
    step = max(1, width // 96)
    cols: npt.NDArray[np.intp] = np.arange(0, width, step, dtype=np.intp)
    below: Doubles = np.repeat(rows / height - 0.5, len(cols))
    x: Doubles = np.tile(cols / width - 0.5, len(rows))
    terms = np.stack([np.ones(len(x)), x, below, x**2], axis=1)
    seen = strip[rows][:, cols].reshape(-1, 3).astype(np.float64)
    middle = np.median(seen, axis=0)
    off = np.abs(seen - middle).sum(axis=1)
    fit = np.zeros((4, 3))
    for _ in range(3):
        # What lies off is a descender or a neighbour's ink, not ground.
        keep = off <= np.partition(off, round(0.7 * (len(off) - 1)))[round(0.7 * (len(off) - 1))]
        known = terms[keep]
        fit = np.linalg.solve(known.T @ known + _STEADY, known.T @ seen[keep])
        off = np.abs(seen - terms @ fit).sum(axis=1)
    across: Doubles = np.arange(width, dtype=np.float64) / width - 0.5
    rise: Doubles = np.arange(height, dtype=np.float64) / height - 0.5
    along = fit[0] + np.outer(across, fit[1]) + np.outer(across**2, fit[3])
    return along.astype(np.float32), np.outer(rise, fit[2]).astype(np.float32)


_STEADY: Final = np.diag([1e-6, 1e-3, 1e-3, 1e-3])
"""Keeps the surface flat where too few pixels say otherwise."""


def lean_of(ink: Floats) -> float:
    """The slant of a word: that at which the ink of its columns differs most, where it differs clearly more; else 0."""
    small = np.asarray(cv2.resize(ink, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA), np.float32)

    def spread(lean: float) -> float:
        columns = _sheared(small, _leant(small.shape[0], lean)).sum(axis=0)
        return float((columns * columns).sum())

    flat = spread(0.0)
    best, most = 0.0, UPRIGHT * flat
    for lean in LEANS:
        if (now := spread(lean)) > most:
            best, most = lean, now
    return best


def _leant(height: int, lean: float) -> Doubles:
    """What sets a word of a height upright: what is above its middle goes left, what is below goes right; (2, 3)."""
    return np.array([[1, lean, -lean * height / 2], [0, 1, 0]], np.float64)


def _sheared(ink: Floats, move: Doubles) -> Floats:
    return np.asarray(cv2.warpAffine(ink, move, (ink.shape[1], ink.shape[0])), np.float32)
