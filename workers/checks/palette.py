"""Colour against the brand: how far the picture's main colours lie from the swatches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from schemas.errors import Poison
from schemas.events import FileRole, Measurement
from workers.checks.port import NOTHING, Decoded, Findings, Pixels, Subject
from workers.checks.swatches import in_mask, on_plateaus
from workers.colour import Floats, delta_e00, hex_to_rgb, srgb_to_lab
from workers.finish.colour_mask import colour_mask

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
        """Numbers: cast; mean_l, mean_a and mean_b; where the brand has swatches delta_e00_mean and delta_e00_p90.

        Those two are of the whole picture by area. Where some of it is meant to be the brand's (see `swatches`),
        meant_share, meant_mean and meant_p90 are of that, and meant_by_mask is 1 where the job's colour mask says so.
        Raises Poison where a swatch is no #rrggbb, and where the colour mask is no picture or is not there.
        """
        if not isinstance(subject.image, Decoded):
            return NOTHING
        lab = srgb_to_lab(_sampled(subject.image.pixels)).reshape(-1, 3)
        found = [Measurement(check=self.name, name="cast", value=cast_of(lab))]
        for name, value in zip(("mean_l", "mean_a", "mean_b"), lab.mean(axis=0), strict=True):
            found.append(Measurement(check=self.name, name=name, value=float(value)))
        if subject.palette:
            swatches = swatches_of(subject.palette)
            distance, shares = _distances(lab, swatches)
            worst = np.argsort(distance)
            p90 = distance[worst][np.searchsorted(np.cumsum(shares[worst]), PERCENTILE - 1e-9)]
            found.append(Measurement(check=self.name, name="delta_e00_mean", value=float(distance @ shares)))
            found.append(Measurement(check=self.name, name="delta_e00_p90", value=float(p90)))
            found += self._meant(subject, subject.image.pixels, swatches)
        return Findings(measurements=tuple(found))

    def _meant(self, subject: Subject, pixels: Pixels, swatches: Floats) -> list[Measurement]:
        masks: list[tuple[str, bytes]] = []
        for file in subject.request.job.files:
            if file.role is FileRole.COLOUR_MASK:
                if file.sha256 not in subject.files:
                    raise Poison(f"the colour mask {file.name!r} could not be fetched")
                masks.append((file.name, subject.files[file.sha256]))
        mask = colour_mask((pixels.shape[1], pixels.shape[0]), (), masks)
        if mask is None:
            meant = on_plateaus(pixels, swatches)
        else:
            meant = in_mask(pixels, np.asarray(mask.image, dtype=np.float64) / 255.0, swatches)
        if meant is None:
            return []
        numbers = {
            "meant_share": meant.share,
            "meant_mean": meant.mean,
            "meant_p90": meant.p90,
            "meant_by_mask": float(mask is not None),
        }
        return [Measurement(check=self.name, name=name, value=value) for name, value in numbers.items()]


def swatches_of(palette: Sequence[str]) -> Floats:
    """CIELAB of #rrggbb swatches, shape (n, 3). Raises Poison where one is not."""
    return srgb_to_lab(np.array([hex_to_rgb(s) for s in palette], dtype=np.uint8))


def colour_of(pixels: Pixels) -> Floats:
    """Mean colour of a picture in CIELAB, shape (3,)."""
    return srgb_to_lab(_sampled(pixels)).reshape(-1, 3).mean(axis=0)


def palette_distance(pixels: Pixels, palette: Sequence[str]) -> float:
    """Mean CIEDE2000 of the main colours to the nearest swatch, by area: `delta_e00_mean`. Raises Poison."""
    distance, shares = _distances(srgb_to_lab(_sampled(pixels)).reshape(-1, 3), swatches_of(palette))
    return float(distance @ shares)


def _distances(lab: Floats, swatches: Floats) -> tuple[Floats, Floats]:
    colours, shares = main_colours(lab)
    return delta_e00(colours[:, None], swatches[None]).min(axis=1), shares


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
        # Nearest is where |c|² - 2 x·c is least; |x|² is the same for all.
        now = ((centres**2).sum(axis=1) - 2 * lab @ centres.T).argmin(axis=1)
        if (now == owner).all():
            break
        owner = now
        counts = np.bincount(owner, minlength=len(centres))
        sums = np.array([np.bincount(owner, weights=plane, minlength=len(centres)) for plane in lab.T]).T
        centres = np.where(counts[:, None] > 0, sums / np.maximum(counts, 1)[:, None], centres)
    shares = np.bincount(owner, minlength=len(centres)) / len(lab)
    return centres, shares
