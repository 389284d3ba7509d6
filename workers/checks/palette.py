"""Colour against the brand: how far the picture's main colours lie from the swatches."""

from __future__ import annotations

from typing import Final

import numpy as np

from schemas.events import Measurement
from workers.checks.port import NOTHING, Decoded, Findings, Pixels, Subject
from workers.colour import Floats, delta_e00, hex_to_rgb, srgb_to_lab

COLOURS: Final = 6
"""Main colours taken from a picture: with six, distance to the palette told pictures apart best."""
GRID: Final = 96
"""Pixels of a side at most that are clustered: every n-th one, so that no new colours are mixed."""
ROUNDS: Final = 20
"""Rounds of k-means at most; it stops where nothing moves."""
PERCENTILE: Final = 0.9
"""The worse tenth of the area counts as the picture's distance: one stray corner does not."""


class PaletteCheck:
    """CIEDE2000 from the main colours to the brand's swatches, and the colour cast."""

    name = "palette"

    def measure(self, subject: Subject) -> Findings:
        """Numbers: delta_e00_mean and delta_e00_p90 by area where the brand has swatches, and cast.

        Raises Poison where a swatch is no #rrggbb.
        """
        if not isinstance(subject.image, Decoded):
            return NOTHING
        lab = srgb_to_lab(_sampled(subject.image.pixels)).reshape(-1, 3)
        found = [Measurement(check=self.name, name="cast", value=cast_of(lab))]
        if subject.palette:
            swatches = srgb_to_lab(np.array([hex_to_rgb(s) for s in subject.palette], dtype=np.uint8))
            colours, shares = main_colours(lab)
            distance = delta_e00(colours[:, None], swatches[None]).min(axis=1)
            worst = np.argsort(distance)
            p90 = distance[worst][np.searchsorted(np.cumsum(shares[worst]), PERCENTILE - 1e-9)]
            found.append(Measurement(check=self.name, name="delta_e00_mean", value=float(distance @ shares)))
            found.append(Measurement(check=self.name, name="delta_e00_p90", value=float(p90)))
        return Findings(measurements=tuple(found))


def _sampled(pixels: Pixels) -> Pixels:
    step = -(-max(pixels.shape[:2]) // GRID)
    return np.ascontiguousarray(pixels[::step, ::step])


def cast_of(lab: Floats) -> float:
    """Chroma of the mean colour, shape of `lab` (n, 3): 0 is neutral. A hint only: art may mean its cast."""
    return float(np.hypot(lab[:, 1].mean(), lab[:, 2].mean()))


def main_colours(lab: Floats) -> tuple[Floats, Floats]:
    """Up to six k-means colours of `lab`, shape (n, 3), and the share of area of each; no randomness.

    It starts from the mean and adds the pixel farthest from all starts, so small strong accents get one.
    """
    starts = [lab.mean(axis=0)]
    nearest = np.full(len(lab), np.inf)
    for _ in range(COLOURS):
        nearest = np.minimum(nearest, ((lab - starts[-1]) ** 2).sum(axis=1))
        if nearest.max() < 1.0:
            break
        starts.append(lab[int(nearest.argmax())])
    centres = np.array(starts[1:] or starts)
    owner = np.full(len(lab), -1)
    for _ in range(ROUNDS):
        now = ((lab[:, None] - centres[None]) ** 2).sum(axis=2).argmin(axis=1)
        if (now == owner).all():
            break
        owner = now
        centres = np.array([lab[owner == k].mean(axis=0) if (owner == k).any() else c for k, c in enumerate(centres)])
    shares = np.bincount(owner, minlength=len(centres)) / len(lab)
    return centres, shares
