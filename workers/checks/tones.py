"""Banding and clipping: gradients that fall into steps, and tones that ran out of the scale.

Measured on drawn grey gradients, straight and round, of a twentieth of a level to two levels a pixel: banding is 0 as
they are, dithered (from 64 down to 12 levels too) and with grain, under 0.01 as JPEG of quality 85 and 95; 0.8 to 1
where they were reduced to 64 to 12 levels with steps of at least 8 pixels. JPEG of quality 60 and WebP of 80 make bands
of their own, up to 0.65 and 0.5. Of 58 drawn designs and pictures those with gradients on a tenth of the picture came
to 0.19. Blind: gradients whose channels step at different places, coloured ones, which measure 0 to 0.4.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from schemas.events import Measurement
from workers.checks.pixels import Plane, channels, luma
from workers.checks.port import NOTHING, Decoded, Findings, Pixels, Subject

LINES: Final = 192
"""Rows and columns looked at, evenly spread: a band crosses many of them."""
CLIPPED_LINES: Final = 512
"""Rows looked at for clipping, evenly spread."""
RUN: Final = 8
"""Least length of a plateau, pixels at full size: shorter ones melt together in the eye."""
STEP: Final = (2.0, 24.0)
"""Levels by which a false contour jumps. Steps of one level are what eight bits are; larger ones are edges."""
STEPS: Final = 3
"""Steps the same way, one after the other, that make a staircase."""
WHITE, BLACK = 254, 1


class TonesCheck:
    """Whether gradients are smooth, and how much of the picture stands at the ends of the scale."""

    name = "tones"

    def measure(self, subject: Subject) -> Findings:
        """Numbers, all 0 to 1: gradient_share of the picture, banding as the share of it that is stepped, clipped.

        `clipped` is the share of pixels at the very end of a channel that other pixels nearby only approach: plain
        white paper is none.
        """
        if not isinstance(subject.image, Decoded):
            return NOTHING
        pixels = subject.image.pixels
        gradient, banded = gradients(luma(pixels))
        numbers = {
            "gradient_share": gradient,
            "banding": banded / gradient if gradient > 0 else 0.0,
            "clipped": clipped_share(pixels),
        }
        return Findings(
            measurements=tuple(Measurement(check=self.name, name=name, value=value) for name, value in numbers.items())
        )


def gradients(plane: Plane) -> tuple[float, float]:
    """Share of a luma plane that lies in gradients, and in stepped ones: the larger of along rows and columns."""
    found = [_along(plane[_chosen(plane.shape[0])]), _along(np.ascontiguousarray(plane[:, _chosen(plane.shape[1])].T))]
    return max(found, key=lambda f: (f[1], f[0]))


def clipped_share(pixels: Pixels) -> float:
    """Share of pixels with a channel at its end, in places that are not plain: their other channels still vary."""
    if min(pixels.shape[:2]) < 2:
        return 0.0
    planes = channels(pixels[:: max(1, pixels.shape[0] // CLIPPED_LINES)])
    least, most = np.minimum.reduce(planes), np.maximum.reduce(planes)
    whole = (least >= WHITE) | (most <= BLACK)
    ended = ((most >= WHITE) | (least <= BLACK)) & ~whole
    # A plain area of pure red stands at the end too, and was meant.
    moving = np.bitwise_or.reduce([c[:, 1:] ^ c[:, :-1] for c in planes]) > 0
    return np.count_nonzero(ended[:, :-1] & moving) / moving.size


def _chosen(count: int) -> slice:
    return slice(None, None, max(1, count // LINES))


def _along(lines: Plane) -> tuple[float, float]:
    """Shares of gradient and of stepped gradient along the second axis."""
    if lines.shape[1] < 2:
        return 0.0, 0.0
    # A line ends with a jump, so that its last plateau is not joined to the next line's first.
    step = np.full(lines.shape, 1e4, dtype=np.float32)
    np.subtract(lines[:, 1:], lines[:, :-1], out=step[:, :-1])
    step = step.ravel()
    at = np.flatnonzero(np.abs(step) > 0.25)
    size = step[at]
    length = np.diff(at, prepend=-1)
    after = np.append(length[1:], 0)
    small = np.abs(size) <= STEP[1]
    sign = np.sign(size)
    # Staircases: steps the same way in a row, each no more than a small one.
    same = small[1:] & small[:-1] & (sign[1:] == sign[:-1])
    run = _runs(same) >= STEPS - 1
    member = np.zeros(len(at), dtype=np.bool_)
    member[1:] |= run
    member[:-1] |= run
    area = np.where(member, length, 0)
    stepped = member & (np.abs(size) >= STEP[0]) & (length >= RUN) & (after >= RUN)
    return float(area.sum() / step.size), float(length[stepped].sum() / step.size)


def _runs(flags: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """For each true flag how many stand together, 0 for false ones."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    size = edges[1::2] - edges[::2]
    out = np.zeros(len(flags), dtype=np.int64)
    out[flags] = np.repeat(size, size)
    return out
