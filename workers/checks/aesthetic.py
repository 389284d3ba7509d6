"""The aesthetic score: colour, contrast, sharpness and exposure as one number that ranks and never rejects.

It says nothing about taste. Of pictures that passed every other check it puts lively, crisp ones before dull, blurred
or burnt-out ones, so that whoever looks at a queue begins with the better ones. The parts are known statistics:

- colourfulness: M3 of Hasler and Süsstrunk, Measuring colourfulness in natural images, 2003: the joint deviation of
  the opponent planes R-G and (R+G)/2-B plus 0.3 of the length of their mean. Their viewers called 15 slightly, 33
  moderately, 59 quite and 109 extremely colourful.
- contrast: RMS contrast after Peli, Contrast in complex images, 1990: the deviation of luma where full scale is 1.
- sharpness: variance of the Laplacian after Pech-Pacheco and others, Diatom autofocusing in brightfield microscopy,
  2000, in levels squared.
- clipped_share: pixels that are pure black or pure white, in which there is nothing left to see.

Each part is brought to 0..1, and the score is their weighted mean. Where a part is full, and the weights, are ours:
30 drawn posters of the tests scored 0.61 to 0.96, and the same ones blurred, greyed or washed out score lower.
"""

from __future__ import annotations

import math
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from schemas.events import Measurement
from workers.checks.pixels import CV, channels, luma
from workers.checks.port import NOTHING, Decoded, Findings, Pixels, Subject

SIDE: Final = 512
"""Larger pictures are averaged down by a whole factor first: sharpness then means what is seen at that size."""
FULL_COLOURFULNESS: Final = 59.0
"""Quite colourful, by Hasler and Süsstrunk; more is no better."""
FULL_CONTRAST: Final = 0.25
"""Deviation of an even spread over full scale is 0.29; more means that black and white are all there is."""
FULL_SHARPNESS: Final = 1_000.0
"""Variance of the Laplacian, levels squared; taken as a logarithm, for it spans five powers of ten."""
FREE_CLIPPED_SHARE: Final = 0.5
"""A white page is a design: only what is clipped beyond half of the picture costs."""
WEIGHTS: Final = {"colourfulness": 0.25, "contrast": 0.25, "sharpness": 0.35, "exposure": 0.15}
"""They add up to 1. Sharpness counts most: it is the part that no wish of a prompt explains away as easily."""

Plane = npt.NDArray[np.float32]
"""One plane, shape (height, width), levels 0 to 255."""


class AestheticScorer(Protocol):
    """Gives a picture one number; `tests/contract/test_aesthetic_scorers.py` runs on each scorer."""

    @property
    def name(self) -> str:
        """The model or the formula, in small letters; part of a measurement's name."""
        ...

    def score(self, pixels: Pixels) -> float:
        """How the picture ranks, 0 to 1; the same pixels give the same number."""
        ...


class Statistics:
    """The score of this module: no model, and no weights to fetch."""

    name = "statistics"

    def score(self, pixels: Pixels) -> float:
        """The weighted mean of the parts."""
        return score(**parts_of(pixels))


class AestheticCheck:
    """How a picture ranks among those that are right."""

    name = "aesthetic"

    def __init__(self, scorer: AestheticScorer | None = None) -> None:
        self._scorer = scorer or Statistics()

    def measure(self, subject: Subject) -> Findings:
        """Score 0 to 1, colourfulness in levels, contrast 0 to 0.5, sharpness in levels squared, clipped_share.

        The score comes a second time under its scorer's name, so that two rankings are never taken for one.
        """
        if not isinstance(subject.image, Decoded):
            return NOTHING
        pixels = subject.image.pixels
        parts = parts_of(pixels)
        value = score(**parts) if isinstance(self._scorer, Statistics) else self._scorer.score(pixels)
        numbers = {"score": value, f"score_{self._scorer.name}": value, **parts}
        return Findings(measurements=tuple(Measurement(check=self.name, name=n, value=v) for n, v in numbers.items()))


def parts_of(pixels: Pixels) -> dict[str, float]:
    """The parts of the score, each in its own unit."""
    small = reduced(pixels)
    plane = luma(small)
    return {
        "colourfulness": colourfulness(small),
        "contrast": contrast(plane),
        "sharpness": sharpness(plane),
        "clipped_share": clipped_share(small),
    }


def reduced(pixels: Pixels) -> Pixels:
    """The picture with its longer side at most 512 pixels, each the mean of a square of the original."""
    factor = -(-max(pixels.shape[:2]) // SIDE)
    if factor == 1:
        return pixels
    size = (-(-pixels.shape[1] // factor), -(-pixels.shape[0] // factor))
    return np.asarray(CV.resize(pixels, size, interpolation=CV.INTER_AREA), dtype=np.uint8)


def colourfulness(pixels: Pixels) -> float:
    """M3 of Hasler and Süsstrunk on sRGB levels; 0 for grey, near 109 for the most colourful photographs."""
    red, green, blue = (c.astype(np.float32) for c in channels(pixels))
    opponents = (CV.meanStdDev(plane) for plane in (red - green, (red + green) / 2 - blue))
    (rg_mean, rg_std), (yb_mean, yb_std) = ((float(m[0, 0]), float(s[0, 0])) for m, s in opponents)
    return math.hypot(rg_std, yb_std) + 0.3 * math.hypot(rg_mean, yb_mean)


def contrast(plane: Plane) -> float:
    """RMS contrast: the deviation of luma as a share of full scale, 0 to 0.5."""
    return float(plane.std()) / 255


def sharpness(plane: Plane) -> float:
    """Variance of the four-neighbour Laplacian, levels squared; 0 for a plane with no inner pixel."""
    if min(plane.shape) < 3:
        return 0.0
    _, deviation = CV.meanStdDev(np.ascontiguousarray(CV.Laplacian(plane, CV.CV_32F, ksize=1)[1:-1, 1:-1]))
    return float(deviation[0, 0]) ** 2


def clipped_share(pixels: Pixels) -> float:
    """Share of pixels whose channels are all 0 or all 255, 0 to 1."""
    planes = channels(pixels)
    darkest, lightest = np.maximum.reduce(planes), np.minimum.reduce(planes)
    return np.count_nonzero((darkest == 0) | (lightest == 255)) / darkest.size


def score(*, colourfulness: float, contrast: float, sharpness: float, clipped_share: float) -> float:
    """The weighted mean of the parts, each brought to 0..1 first; 0 to 1."""
    worth = {
        "colourfulness": min(1.0, colourfulness / FULL_COLOURFULNESS),
        "contrast": min(1.0, contrast / FULL_CONTRAST),
        "sharpness": min(1.0, math.log1p(sharpness) / math.log1p(FULL_SHARPNESS)),
        "exposure": 1 - max(0.0, clipped_share - FREE_CLIPPED_SHARE) / (1 - FREE_CLIPPED_SHARE),
    }
    return min(1.0, max(0.0, sum(WEIGHTS[name] * value for name, value in worth.items())))
