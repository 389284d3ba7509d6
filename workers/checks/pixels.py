"""Checks on the pixels: empty frames, and the noise that broken latents decode to.

A flat design, stars on black or a logo on white, must not look broken. So the rules hear the numbers about noise
only for pictures that have no calm areas: designs and photographs have some, noise has none.

Measured on drawn posters of every kind, flat designs (logo, page of text, codes, stars, confetti, boards)
and noise of every grain from one pixel to blobs of 32, saturated or not, alone and over a poster:
block_correlation stays under 0.2 for noise and above 0.4 for posters and 1/f textures; luma_deviation is
above 25 for white noise alone and under 10 for posters. Noise laid over a poster by a fifth is not seen.
"""

from __future__ import annotations

from typing import Any, Final, cast

import cv2
import numpy as np
import numpy.typing as npt

from schemas.events import Measurement
from workers.checks.port import NOTHING, Decoded, Findings, Pixels, Subject

CV: Final = cast("Any", cv2)
"""Its stubs do not know the kinds of numbers in an array."""

Plane = npt.NDArray[np.float32]
"""One plane, shape (height, width), levels 0 to 255."""

Plane8 = npt.NDArray[np.uint8]
"""One channel, shape (height, width)."""

LUMA: Final = (0.2126, 0.7152, 0.0722)
"""Rec. 709 weights, on gamma-coded values: a statistic, not a photometric luminance."""
BLOCKS: Final = 24
"""Blocks along the longer side for the correlation: coarser than the 8-pixel grid of a VAE."""
FLAT_LEVELS: Final = 2.0
"""A pixel is flat where it differs from its right and lower neighbours by at most this many levels."""
CALM_BLOCK: Final = 16
"""Side of the blocks that are called calm or not, pixels."""
CALM_STD: Final = 6.0
"""A block is calm where its luma deviates by at most this many levels: grain of a flat area, after JPEG too."""
CORNER_LEVELS: Final = 12
"""How near to 0 or 255 every channel must be to stand at a corner of the RGB cube."""
WAVE_SIDE: Final = 512
"""Waves are looked for in the middle of a picture, this many pixels wide and high: 4 ms."""
WAVES: Final = 4
"""A check across and down is a wave each way and one of twice their pitch each."""
LINES: Final = 256
"""Grain is taken of about as many rows, evenly spread, each beside its neighbours: their median moves by no more than
a hundredth of a level."""
SIDE: Final = 1024
"""Pixel statistics look at every n-th pixel of larger pictures; noise stays noise when thinned."""


class BlankCheck:
    """Whether there is anything to see."""

    name = "blank"

    def measure(self, subject: Subject) -> Findings:
        """luma_mean and luma_std in levels 0 to 255, and flat_share of pixels like their neighbours.

        channel_std is the deviation of red, green or blue, the largest, at a quarter of the size: there colours of one
        luma are apart, and coding noise, which is coarser in colour, is not.
        """
        if not isinstance(subject.image, Decoded):
            return NOTHING
        pixels = thinned(subject.image.pixels)
        plane = luma(pixels)
        mean, deviation = CV.meanStdDev(plane)
        size = (max(1, plane.shape[1] // 4), max(1, plane.shape[0] // 4))
        _, deviations = CV.meanStdDev(CV.resize(pixels, size, interpolation=CV.INTER_AREA))
        return Findings(
            measurements=(
                Measurement(check=self.name, name="luma_mean", value=float(mean[0, 0])),
                Measurement(check=self.name, name="luma_std", value=float(deviation[0, 0])),
                Measurement(check=self.name, name="channel_std", value=float(deviations.max())),
                Measurement(check=self.name, name="flat_share", value=flat_share(plane)),
            )
        )


class NoiseCheck:
    """Whether the picture is what noise decodes to."""

    name = "noise"

    def measure(self, subject: Subject) -> Findings:
        """Numbers: block_correlation, corner_share, calm_share and wave_share 0 to 1, luma_deviation in levels."""
        if not isinstance(subject.image, Decoded):
            return NOTHING
        pixels = thinned(subject.image.pixels)
        plane = luma(pixels)
        return Findings(
            measurements=(
                Measurement(check=self.name, name="block_correlation", value=block_correlation(plane)),
                Measurement(check=self.name, name="corner_share", value=corner_share(pixels)),
                Measurement(check=self.name, name="luma_deviation", value=luma_deviation(plane)),
                Measurement(check=self.name, name="calm_share", value=calm_share(plane)),
                Measurement(check=self.name, name="wave_share", value=wave_share(plane)),
            )
        )


def thinned(pixels: Pixels) -> Pixels:
    """Every n-th pixel, so that the long side is at most 1024: keeps the levels, where scaling would smooth."""
    step = -(-max(pixels.shape[:2]) // SIDE)
    return np.ascontiguousarray(pixels[::step, ::step])


def luma(pixels: Pixels) -> Plane:
    """Rec. 709 luma in levels 0 to 255."""
    red, green, blue = channels(pixels)
    both = CV.addWeighted(red, LUMA[0], green, LUMA[1], 0, dtype=CV.CV_32F)
    return np.asarray(CV.scaleAdd(blue.astype(np.float32), LUMA[2], both), dtype=np.float32)


def channels(pixels: Pixels) -> tuple[Plane8, Plane8, Plane8]:
    """Red, green and blue, each by itself in memory: work along three of them takes a tenth of the time."""
    red, green, blue = CV.split(np.ascontiguousarray(pixels))
    return red, green, blue


def flat(plane: Plane) -> npt.NDArray[np.bool_]:
    """Where a pixel equals its right and lower neighbours within two levels; one row and one column fewer."""
    across, down = CV.absdiff(plane[:-1, 1:], plane[:-1, :-1]), CV.absdiff(plane[1:, :-1], plane[:-1, :-1])
    return np.asarray(np.maximum(across, down) <= FLAT_LEVELS)


def flat_share(plane: Plane) -> float:
    """Share of pixels that equal their right and lower neighbours within two levels; 1 for a single pixel."""
    return 1.0 if min(plane.shape) < 2 else float(flat(plane).mean())


def calm_share(plane: Plane) -> float:
    """Share of 16-pixel blocks with hardly any detail; 1 for a plane smaller than a block."""
    rows, columns = plane.shape[0] // CALM_BLOCK, plane.shape[1] // CALM_BLOCK
    if rows < 1 or columns < 1:
        return 1.0
    # About the middle of the picture, so that squares keep their digits.
    cut = plane[: rows * CALM_BLOCK, : columns * CALM_BLOCK] - np.float32(plane.mean())
    mean, squares = (CV.resize(p, (columns, rows), interpolation=CV.INTER_AREA) for p in (cut, cut * cut))
    return float((squares - mean * mean <= CALM_STD**2).mean())


def wave_share(plane: Plane) -> float:
    """Share of the variance in the middle of a plane that its WAVES strongest waves hold; 0 where there is none.

    High for a regular pattern, checks or stripes, however fine: under 0.001 for white noise, 0.03 for grain of 16.
    """
    rows, columns = (max(0, (side - WAVE_SIDE) // 2) for side in plane.shape)
    cut = plane[rows : rows + WAVE_SIDE, columns : columns + WAVE_SIDE]
    energy = np.abs(np.fft.rfft2(cut - cut.mean())).ravel() ** 2
    whole = float(energy.sum())
    strongest = np.partition(energy, max(0, energy.size - WAVES))[-WAVES:]
    return float(strongest.sum()) / whole if whole > 0 else 0.0


def block_correlation(plane: Plane) -> float:
    """How strongly the mean luma of each coarse block goes with its right and lower neighbour's: Pearson's |r|.

    Near 0 for noise of any grain finer than a block, high for pictures, and for boards, where it is negative.
    1 for a plane with no variance: an empty frame is not noise, and the blank check sees it.
    """
    size = max(1, max(plane.shape) // BLOCKS)
    rows, columns = plane.shape[0] // size, plane.shape[1] // size
    if rows < 2 or columns < 2:
        return 1.0
    cut = plane[: rows * size, : columns * size]
    blocks = np.asarray(CV.resize(cut, (columns, rows), interpolation=CV.INTER_AREA), dtype=np.float64)
    first = np.concatenate([blocks[:, :-1].ravel(), blocks[:-1].ravel()])
    second = np.concatenate([blocks[:, 1:].ravel(), blocks[1:].ravel()])
    if first.std() < 1e-3 or second.std() < 1e-3:
        return 1.0
    return float(abs(np.corrcoef(first, second)[0, 1]))


def corner_share(pixels: Pixels) -> float:
    """Share of pixels at one of the six coloured corners of the RGB cube; black and white do not count."""
    ends = np.zeros(256, dtype=np.uint8)
    ends[: CORNER_LEVELS + 1], ends[-CORNER_LEVELS - 1 :] = 1, 2
    planes = channels(CV.LUT(pixels, ends))
    coloured = (np.minimum.reduce(planes) > 0) & (np.bitwise_or.reduce(planes) == 3)
    return np.count_nonzero(coloured) / coloured.size


def luma_deviation(plane: Plane) -> float:
    """Median absolute difference of luma from the mean of its four neighbours, in levels: grain.

    The median, so that edges of letters and boards, however many, count for nothing beside flat areas.
    """
    if min(plane.shape) < 3:
        return 0.0
    step = max(1, (plane.shape[0] - 2) // LINES)
    above, own, below = plane[:-2:step], plane[1:-1:step], plane[2::step]
    around = (above[:, 1:-1] + below[:, 1:-1] + own[:, :-2] + own[:, 2:]) / 4
    return float(np.median(np.abs(own[:, 1:-1] - around)))
