"""Composition: how sharp the edges are, how far the tones reach, and where the main subject stands.

The subject is found by colour contrast: each pixel's Mahalanobis distance from the colours along the picture's border,
after the boundary prior of Wei and others, Geodesic saliency using background priors, 2012, as Zhang and others use it
beside the minimum barrier distance, Minimum barrier salient object detection at 80 FPS, 2015. To it comes the spectral
residual of Hou and Zhang, Saliency detection: a spectral residual approach, 2007, which finds what is unusual where the
border is busy. Lettering that was read is no subject, so its boxes count nothing. Both are relative: the most unusual
speck of an empty ground has the full map. So a subject must also stand off its border by a distance of its own.

What the numbers mean for a picture is for the rules to say; boxes of text, faces and logos are compared there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from schemas.events import Box, Measurement, Region, RegionKind, TextRead
from workers.checks.aesthetic import reduced
from workers.checks.pixels import CV, luma
from workers.checks.port import NOTHING, Decoded, Findings, Pixels, Subject
from workers.colour import encoded, luminance, srgb_to_lab

Plane = npt.NDArray[np.float32]
"""One plane, shape (height, width)."""

MAP_SIDE: Final = 96
"""Longer side of the saliency map, pixels: subjects are looked for, not details."""
RESIDUAL_SIDE: Final = 64
"""Side of the square that the spectral residual is taken of, as in the paper."""
BORDER: Final = 0.06
"""Width of the border that counts as background, as a share of the shorter side."""
SUBJECT_SHARE: Final = 0.5
"""A pixel belongs to the subject from this share of the map's strongest value on."""
STANDING: Final = (1.0, 2.5)
"""Deviations of the border's colours at which a subject counts nothing and in full: on the corpus' tune split even and
textured grounds whose lettering was read came to 0.6 at most (56 of 60; script and rings, partly read, to 1.5), rules
and panels of layouts to 1.3, drawn scenes, shapes and photo-like grounds to 2.5 and more (39 of 40)."""
TAILS: Final = (0.001, 0.999)
"""Darkest and lightest parts: a thousandth of the picture each, so that small print on a page has its range."""
AXES: Final = ((1.0, 0.0), (0.0, 1.0), (0.5**0.5, 0.5**0.5), (0.5**0.5, -(0.5**0.5)))
"""Directions in the plane of a* and b* that colours are laid along."""
EDGE_REACH_PX: Final = 4
"""Half the window, pixels, in which an edge has its rise; wider edges are soft by any measure."""
STRONGEST: Final = 0.002
"""Share of the pixels, those with the steepest slopes, whose edges are measured: a picture is as sharp as the
sharpest thing in it, for what lies behind may be out of focus."""
LEAST_RISE: Final = 12.0
"""Levels that an edge must rise to be measured; less is grain."""
FEWEST: Final = 16
"""Pixels that are measured at least, however small the picture."""
FLANK: Final = 0.5
"""Share of the steepest slope (that of the last of FEWEST, so that no lone pixel decides) below which a pixel lies
beside the sharpest edges, or on softer ones: most of the steepest thousandths do where little is drawn."""


class CompositionCheck:
    """What a picture's frame holds."""

    name = "composition"

    def measure(self, subject: Subject) -> Findings:
        """Numbers and the main subject's box.

        edge_width_px at a longer side of 512; lightness_range (CIE L* over 100), colour_range (a*b* over 200),
        subject_x, subject_y and subject_share as shares, 0 to 1. Where nothing stands out the subject is the whole
        picture, and there is no box.
        """
        if not isinstance(subject.image, Decoded):
            return NOTHING
        pixels = subject.image.pixels
        small = reduced(pixels)
        plane = luma(small)
        saliency, standing = saliency_map(small, subject.reads, pixels.shape[1] / small.shape[1])
        main = placed(saliency, standing)
        left, top, right, bottom = main.box
        numbers = {
            "edge_width_px": edge_width(plane),
            "lightness_range": lightness_range(small),
            "colour_range": colour_range(small),
            "subject_x": main.x,
            "subject_y": main.y,
            "subject_share": (right - left) * (bottom - top),
        }
        height, width = pixels.shape[:2]
        box = Box(
            left=int(left * width), top=int(top * height), right=round(right * width), bottom=round(bottom * height)
        )
        seen = Region(kind=RegionKind.SUBJECT, check=self.name, box=box, score=main.score)
        return Findings(
            measurements=tuple(Measurement(check=self.name, name=n, value=v) for n, v in numbers.items()),
            regions=(seen,) if main.score > 0 else (),
        )


def lightness_range(pixels: Pixels) -> float:
    """CIE lightness L* from the darkest to the lightest thousandth of the picture, 0 to 1.

    Not of the coded values: faint lettering on black that is as readable as on white spans a tenth as many of those.
    """
    light = np.quantile(luminance(pixels), TAILS)
    dark, bright = srgb_to_lab(encoded(np.repeat(light[:, None], 3, axis=1)))[:, 0]
    return float(bright - dark) / 100


def colour_range(pixels: Pixels) -> float:
    """How far the colours reach in a* and b*, from one rare thousandth to the other, along the widest of AXES.

    Over 200, from -100 to 100: a green sun on pink of its own lightness is plain to see, and spans 0.5. What is washed
    out to a tenth of its range keeps 0.12 at most (140 pictures of the corpus' tune split, washed to four shades).
    """
    lab = CV.cvtColor(pixels[::2, ::2].astype(np.float32) / 255, CV.COLOR_RGB2LAB)
    reach = 0.0
    for across, along in AXES:
        low, high = np.quantile(lab[:, :, 1] * across + lab[:, :, 2] * along, TAILS)
        reach = max(reach, float(high - low))
    return reach / 200


def edge_width(plane: Plane) -> float:
    """Width of the sharpest edges, pixels: their rise over their slope, the median of the steepest in the picture.

    1 is as sharp as pixels can be, a Gaussian blur of deviation s gives about 2.5 s. 0 where there is no edge: an
    even picture is not blurred, and the blank check sees it.
    """
    if min(plane.shape) < 2 * EDGE_REACH_PX:
        return 0.0
    across, down = (CV.Sobel(plane, CV.CV_32F, *d, ksize=1) / 2 for d in ((1, 0), (0, 1)))
    slope = np.hypot(across, down)
    count = max(FEWEST, int(STRONGEST * slope.size))
    ranked = np.partition(slope, (-count, -FEWEST), axis=None)
    steepest = np.flatnonzero(slope >= max(ranked[-count], FLANK * ranked[-FEWEST]))
    window = np.ones((2 * EDGE_REACH_PX + 1,) * 2, dtype=np.uint8)
    rise = (CV.dilate(plane, window) - CV.erode(plane, window)).ravel()[steepest]
    clear = rise >= LEAST_RISE
    if not clear.any():
        return 0.0
    return float(np.median(rise[clear] / np.maximum(slope.ravel()[steepest][clear], 1e-3)))


def saliency_map(pixels: Pixels, reads: Sequence[TextRead], scale: float) -> tuple[Plane, Plane]:
    """How much each place draws the eye, 0 to 1, and how far it stands off the border, in deviations of its colours.

    Both have a longer side of 96; `scale` is pixels of the reads' boxes per pixel.
    """
    factor = MAP_SIDE / max(pixels.shape[:2])
    size = (max(8, round(pixels.shape[1] * factor)), max(8, round(pixels.shape[0] * factor)))
    small = CV.resize(pixels, size, interpolation=CV.INTER_AREA)
    lab = CV.cvtColor(small.astype(np.float32) / 255, CV.COLOR_RGB2LAB)
    off = _from_border(lab)
    out = _stretched(off) * (0.5 + 0.5 * _stretched(_residual(lab, size)))
    shown = np.ones(out.shape, dtype=np.float32)
    for read in reads:
        for word in read.words:
            corners: Plane = np.array(word.box, dtype=np.float32).reshape(-1, 2) * (factor / scale)
            CV.fillPoly(shown, [np.rint(corners).astype(np.int32)], (0.0,))
    # A pixel more: lettering is soft at its rims.
    shown = CV.erode(shown, np.ones((3, 3), dtype=np.uint8))
    blurred, standing = (CV.GaussianBlur(p * shown, (0, 0), MAP_SIDE / 32) for p in (out, off))
    return _stretched(np.asarray(blurred, dtype=np.float32)), np.asarray(standing, dtype=np.float32)


@dataclass(frozen=True, slots=True)
class Placed:
    """The main subject: its centre, and left, top, right, bottom, all as shares of the sides.

    score: Share of all that is salient that lies in the box, less where it hardly stands off its border. 0: nothing
    stands out, and the box is the whole picture.
    """

    x: float = 0.5
    y: float = 0.5
    box: tuple[float, float, float, float] = (0.0, 0.0, 1.0, 1.0)
    score: float = 0.0


def placed(saliency: Plane, standing: Plane) -> Placed:
    """Where the main subject is by both maps of `saliency_map`."""
    height, width = saliency.shape
    strong = (saliency >= SUBJECT_SHARE).astype(np.uint8)
    count, found, stats, _ = CV.connectedComponentsWithStats(strong)
    if count < 2:
        return Placed()
    labels = np.asarray(found, dtype=np.int32)
    mass = np.bincount(labels.ravel(), weights=saliency.ravel(), minlength=count)
    main = 1 + int(mass[1:].argmax())
    rows, columns = np.nonzero(labels == main)
    weights = saliency[rows, columns]
    x = float(np.average(columns + 0.5, weights=weights)) / width
    y = float(np.average(rows + 0.5, weights=weights)) / height
    left, top, wide, high = (int(v) for v in stats[main][:4])
    off = float(standing[rows, columns].max())
    sure = min(1.0, max(0.0, (off - STANDING[0]) / (STANDING[1] - STANDING[0])))
    inside = float(saliency[top : top + high, left : left + wide].sum() / saliency.sum())
    if sure <= 0:
        return Placed()
    box = (left / width, top / height, (left + wide) / width, (top + high) / height)
    return Placed(x, y, box, min(1.0, inside * sure))


def _from_border(lab: Plane) -> Plane:
    """Mahalanobis distance of each pixel from the nearest of the four sides' colours."""
    height, width = lab.shape[:2]
    reach = max(1, round(BORDER * min(height, width)))
    distances: list[Plane] = []
    for side in (lab[:reach], lab[-reach:], lab[:, :reach], lab[:, -reach:]):
        colours = side.reshape(-1, 3)
        spread = np.cov(colours, rowvar=False) + 25.0 * np.eye(3)  # five levels of L*a*b* are no difference
        off = lab - colours.mean(axis=0)
        distances.append(np.sqrt(np.einsum("hwi,ij,hwj->hw", off, np.linalg.inv(spread), off)).astype(np.float32))
    # Of the four sides the one farthest off is left out: a subject may reach over one of them.
    every = np.array(distances)
    return (every.sum(axis=0) - every.max(axis=0)) / 3


def _residual(lab: Plane, size: tuple[int, int]) -> Plane:
    """Spectral residual of the three planes, each by its deviation."""
    square = CV.resize(lab, (RESIDUAL_SIDE, RESIDUAL_SIDE), interpolation=CV.INTER_AREA)
    out = np.zeros((RESIDUAL_SIDE, RESIDUAL_SIDE), dtype=np.float32)
    for i in range(3):
        spectrum = np.fft.fft2(square[:, :, i])
        log = np.log(np.abs(spectrum) + 1e-6).astype(np.float32)
        residual = log - CV.blur(log, (3, 3))
        back = np.fft.ifft2(np.exp(residual + 1j * np.angle(spectrum)))
        out += float(square[:, :, i].std()) * (np.abs(back) ** 2).astype(np.float32)
    out = CV.GaussianBlur(out, (0, 0), 2.5)
    return np.asarray(CV.resize(out, size, interpolation=CV.INTER_LINEAR), dtype=np.float32)


def _stretched(plane: Plane) -> Plane:
    """Brought to 0..1 between its least and its 99th percentile; all 0 for an even plane."""
    low, high = float(plane.min()), float(np.quantile(plane, 0.99))
    if high - low < 1e-6:
        return np.zeros_like(plane)
    return np.clip((plane - low) / (high - low), 0, 1).astype(np.float32)
