"""An ink that can be read on the very pixels under each line, or a scrim that is as transparent as suffices.

Contrast is (L1 + 0.05) / (L2 + 0.05) of the relative luminances, the lighter first. Source: WCAG 2.1, "contrast
ratio" and "relative luminance"; the 4.5 of success criterion 1.4.3 (AA).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image

from workers import colour
from workers.engines.palette import BLACK, READABLE, RGB, WHITE, Palette
from workers.engines.placement import Box

Floats = npt.NDArray[np.float64]

WORST: Final = 5.0
"""Percentile of the pixels under a line that must have READABLE: the mean hides the corner where a word vanishes.
Half of the worst decile, so that the decile holds whichever pixels the letters leave to be seen."""
SPECKS: Final = 1.0
"""Percentile that must still have FAINT, so that no letter drowns in a small highlight."""
FAINT: Final = 3.0
"""WCAG 2.1, success criterion 1.4.3, for large text."""
MOST_SAMPLES: Final = 5_000
"""Pixels under one line that are looked at, evenly spread over it: enough for a percentile."""
_STRENGTHS: Final = tuple(n / 20 for n in range(1, 21))
_FOREIGN: Final = 25.0
"""Levels that black and white must leave more of the picture before they are taken for the brand's own pair."""
_MASK_SIDE: Final = 1024
"""Longest side of a scrim's mask before it is enlarged: it is soft, and memory stays bounded."""
_SAMPLED: Final = 1.01
_SPARE: Final = 1.03
"""How much more than READABLE is asked for: for what lies between the samples, and under a scrim that rounds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """The pixels under the lines of a block, one array (count, 3) of bytes for each."""

    lines: tuple[npt.NDArray[np.uint8], ...]

    def readable(self, ink: RGB, least: float = READABLE) -> bool:
        """Whether an ink has the contrast on all but WORST of every line's pixels, and FAINT on all but SPECKS."""
        return all(worst(ink, pixels) >= least and worst(ink, pixels, SPECKS) >= FAINT for pixels in self.lines)

    def under(self, panel: RGB, strength: float) -> Ground:
        """The pixels as they would be with a scrim of a colour and opacity 0..1 over them."""
        return Ground(lines=tuple(blended(pixels, panel, strength) for pixels in self.lines))

    def hidden(self, panel: RGB, strength: float) -> float:
        """How much a scrim changes what is seen: mean difference of its pixels, levels of 255."""
        whole = np.concatenate(self.lines)
        return float(np.abs(whole - np.array(panel, dtype=np.float64)).mean() * strength)


def ground(image: Image.Image, boxes: Sequence[Box]) -> Ground:
    """What lies under boxes of a picture now; what reaches over the border is left out."""
    out: list[npt.NDArray[np.uint8]] = []
    for left, top, right, bottom in boxes:
        box = (max(0, left), max(0, top), min(image.width, right), min(image.height, bottom))
        if box[0] < box[2] and box[1] < box[3]:
            pixels = np.asarray(image.crop(box), dtype=np.uint8)
            step = math.ceil(math.sqrt(pixels.size / 3 / MOST_SAMPLES))
            out.append(pixels[::step, ::step].reshape(-1, 3))
    return Ground(lines=tuple(out))


def worst(ink: RGB, pixels: npt.NDArray[np.uint8], percentile: float = WORST) -> float:
    """Contrast of an ink with pixels (count, 3) that all but a percentile of them exceed."""
    return float(np.percentile(colour.contrast(pixels, np.array(ink, dtype=np.uint8)), percentile))


def blended(pixels: npt.NDArray[np.uint8], panel: RGB, strength: float) -> npt.NDArray[np.uint8]:
    """Pixels under a colour of an opacity 0..1, rounded to bytes."""
    return np.rint(pixels * (1 - strength) + np.array(panel) * strength).astype(np.uint8)


def inks(palette: Palette, over: Ground) -> tuple[RGB, ...]:
    """Inks in the order they are tried: the brand's ink and paper, the better first, its accents, black and white."""
    pair = sorted((palette.ink, palette.paper), key=lambda i: -min((worst(i, p) for p in over.lines), default=21.0))
    return tuple(dict.fromkeys((*pair, *palette.accents, *sorted((BLACK, WHITE), key=lambda i: _off(i, over)))))


def _off(ink: RGB, over: Ground) -> float:
    return -min((worst(ink, p) for p in over.lines), default=21.0)


def legible(image: Image.Image, boxes: Sequence[Box], palette: Palette) -> tuple[RGB, tuple[RGB, float] | None]:
    """An ink for lines in these boxes, and the scrim (colour, opacity 0..1) that it needs, None for none.

    The brand's colours come first, black and white last; where none can be read, the pair of text and scrim that
    changes the picture least, the brand's own unless black and white leave much more of it. Dark over a night sky
    is hardly seen, however opaque it must be to dim the moon.
    """
    over = ground(image, boxes)
    order = inks(palette, over)
    for ink in order:
        if over.readable(ink, READABLE * _SAMPLED):
            return ink, None
    found: list[tuple[float, int, float]] = []
    for n, (ink, panel) in enumerate(_pairs(palette)):
        strength = next((t for t in _STRENGTHS if over.under(panel, t).readable(ink, READABLE * _SPARE)), 1.0)
        found.append((over.hidden(panel, strength) + (_FOREIGN if n > 1 else 0.0), n, strength))
    _, n, strength = min(found)
    ink, panel = _pairs(palette)[n]
    return ink, (panel, strength)


def _pairs(palette: Palette) -> tuple[tuple[RGB, RGB], ...]:
    """Text and scrim, the brand's own first."""
    return (palette.ink, palette.paper), (palette.paper, palette.ink), (BLACK, WHITE), (WHITE, BLACK)


def scrim(image: Image.Image, box: Box, panel: RGB, strength: float) -> None:
    """Lay a soft scrim of a colour over a picture: `strength` 0..1 in the box, fading to nothing round it.

    A box across most of the width gets a band from border to border, faded above and below, as a page is laid out;
    a narrower one a soft patch.
    """
    small = min(1.0, _MASK_SIDE / max(image.size))
    width, height = (max(1, round(side * small)) for side in image.size)
    left, top, right, bottom = (v * small for v in box)
    reach = 0.16 * min(width, height)
    x, y = np.arange(width, dtype=np.float64) + 0.5, np.arange(height, dtype=np.float64) + 0.5
    # One pixel more than the box: enlarging the mask blurs its edge.
    off_x = np.maximum(0.0, np.maximum(left - 1 - x, x - right - 1))
    off_y = np.maximum(0.0, np.maximum(top - 1 - y, y - bottom - 1))
    if box[2] - box[0] > 0.55 * image.width:
        off_x = np.zeros_like(off_x)
    if top < reach:
        off_y[y < top] = 0.0
    if bottom > height - reach:
        off_y[y > bottom] = 0.0
    fade = np.clip(1.0 - np.hypot(off_x[None, :], off_y[:, None]) / reach, 0.0, 1.0)
    alpha = np.ceil(255 * strength * fade * fade * (3.0 - 2.0 * fade))
    mask = Image.fromarray(alpha.astype(np.uint8)).resize(image.size, Image.Resampling.BILINEAR)
    image.paste(panel, (0, 0), mask)
