"""A logo against what stands in its place: colours, what is drawn otherwise, and the room about it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final, cast

import cv2
import numpy as np
import numpy.typing as npt

from workers.checks.logo_file import LogoFile, Mask
from workers.checks.logo_search import Affine, Plane, Scene, edges, shrunk
from workers.checks.palette import main_colours
from workers.colour import Floats, delta_e00, srgb_to_lab

CV: Final = cast("Any", cv2)
"""Its stubs know neither the kinds of numbers in an array nor that a mask may be None."""

Truth = npt.NDArray[np.bool_]

SIDE: Final = 144.0
"""Root of the area, pixels, of the frame that both are compared in; a smaller logo is not enlarged."""
LEAST_SIDE: Final = 24
MARGIN: Final = 0.6
"""Room about the logo that is looked at, as a share of its shorter side."""
SOLID: Final = 200
"""Alpha from which a pixel shows the logo's own colour."""
OTHERWISE: Final = 20.0
"""Distance in L*a*b* from which a pixel is drawn otherwise: twice what resampling and JPEG leave at an edge."""
MERGED: Final = 0.35
"""Two of its colours are no longer told apart where their distance fell to this share."""
SMALL: Final = 0.01
"""Colours with less of the area are not looked at."""
BUSY_LEVELS: Final = 0.35
"""Edge, 0 to 1 as `edges` has it, from which a pixel of the margin is not calm."""
BUSY_SHARE: Final = 0.04
"""Share of a ring about the logo that may be so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """How a found logo differs; each as in LogoMatch."""

    delta_e00: float
    difference: float
    clear_space: float


def distortion(affine: Affine) -> float:
    """The affine map's larger singular value over its smaller, less 1.

    A turn and a change of size leave it 0, a side doubled gives 1, and a skew by k about k for small k.
    """
    large, small = (float(v) for v in np.linalg.svd(affine[:, :2], compute_uv=False))
    return large / max(small, 1e-9) - 1


def rotation_degrees(affine: Affine) -> float:
    """The turn in the affine map, clockwise: that of the nearest rotation."""
    a = affine
    return math.degrees(math.atan2(float(a[1, 0] - a[0, 1]), float(a[0, 0] + a[1, 1])))


def scale_of(affine: Affine) -> float:
    """Its change of size: the root of its change of area."""
    return math.sqrt(abs(float(np.linalg.det(affine[:, :2]))))


def compare(logo: LogoFile, scene: Scene, affine: Affine) -> Compared:
    """Both in one frame, upright and as large as the logo is in the picture, at most 144 pixels a side."""
    longer = max(logo.size)
    size = scale_of(affine) * longer
    side = min(logo.side_of(SIDE), max(LEAST_SIDE, size))
    small = logo.resized(side / longer)
    picture, factor = shrunk(scene.pixels, min(1.0, side / size))
    pad = max(4, round(MARGIN * min(small.size)))
    back = affine * factor
    back[:, :2] *= longer / max(small.size)
    back[:, 2] -= back[:, :2] @ np.array([pad, pad])
    frame = (small.size[0] + 2 * pad, small.size[1] + 2 * pad)
    how = CV.INTER_LINEAR | CV.WARP_INVERSE_MAP
    seen = np.asarray(CV.warpAffine(picture, back, frame, flags=how, borderMode=CV.BORDER_REPLICATE), dtype=np.uint8)
    there = np.full(picture.shape[:2], 255, dtype=np.uint8)
    inside = np.asarray(CV.warpAffine(there, back, frame, flags=how), dtype=np.uint8) > 128
    core = np.s_[pad:-pad, pad:-pad]
    delta, difference = _colours(small, srgb_to_lab(seen), pad)
    return Compared(
        delta_e00=delta,
        difference=difference,
        clear_space=_clear_space(edges(seen), inside, core, small, pad),
    )


def _colours(logo: LogoFile, seen: Floats, pad: int) -> tuple[float, float]:
    """Mean ΔE00 of its main colours, and the share of its area that is drawn otherwise.

    Each main colour of the file is taken to have become the median of what stands in its place, so that another colour
    is a difference of colour and none of drawing. Every pixel then is compared with what it should have become, in the
    best of the nine places about it. Two colours that became one are a drawing lost.
    """
    solid = _solid(logo.mask)
    own = srgb_to_lab(logo.pixels)
    colours, shares = main_colours(own[solid])
    owner = np.sqrt(((own[:, :, None] - colours[None, None]) ** 2).sum(axis=3)).argmin(axis=2)
    core = seen[pad:-pad, pad:-pad]
    became = np.array(
        [
            np.median(core[solid & (owner == k)], axis=0) if (solid & (owner == k)).any() else c
            for k, c in enumerate(colours)
        ]
    )
    delta = float(delta_e00(colours, became) @ shares)
    wanted = own - colours[owner] + became[owner]
    off = np.full(solid.shape, np.inf)
    height, width = solid.shape
    for dy in (-1, 0, 1):
        for dx in (-1, 0, 1):
            moved = seen[pad + dy : pad + dy + height, pad + dx : pad + dx + width]
            off = np.minimum(off, np.sqrt(((moved - wanted) ** 2).sum(axis=2)))
    otherwise = (off > OTHERWISE) & solid
    for k in range(len(colours)):
        for other in range(len(colours)):
            if SMALL < shares[k] <= shares[other] and k != other:
                before = float(np.linalg.norm(colours[k] - colours[other]))
                after = float(np.linalg.norm(became[k] - became[other]))
                if before > OTHERWISE and after < MERGED * before:
                    otherwise |= solid & (owner == k)
    return delta, float(otherwise.sum() / max(1, solid.sum()))


def _solid(mask: Mask) -> Truth:
    """Pixels of the logo's own colour, off its outline where enough remain."""
    solid = (mask >= SOLID).astype(np.uint8)
    inner = CV.erode(solid, np.ones((3, 3), dtype=np.uint8), borderValue=1)
    kept = inner if inner.sum() >= 0.3 * solid.sum() and inner.any() else solid
    return np.asarray(kept > 0) if kept.any() else np.ones(mask.shape, dtype=np.bool_)


def _clear_space(busy: Plane, inside: Truth, core: tuple[slice, slice], logo: LogoFile, pad: int) -> float:
    """The widest calm margin over the shorter side, at most 0.6: ring after ring outwards, until one is busy."""
    away = np.ones(busy.shape, dtype=np.uint8)
    away[core] = 0
    distance = CV.distanceTransform(away, CV.DIST_C, 3)
    spoilt = (busy > BUSY_LEVELS) | ~inside
    for ring in range(3, pad + 1):  # nearer, its own outline counts
        at = np.asarray(distance == ring)
        if at.any() and float(spoilt[at].mean()) > BUSY_SHARE:
            return max(0, ring - 2) / min(logo.size)
    return pad / min(logo.size)
