"""Colours that are meant to be the brand's: where they stand, and how far they are from its swatches.

They are meant to be its inside the job's colour mask, where it has one. Without, an even area counts whose colour
lies within CAPTURE of a swatch: an area of another colour altogether was chosen, one that is nearly right went wrong.
Of the even areas round one swatch the nearest stands for all, and so it does for a row of areas each LINK from the
next: where the swatch itself is there, the others are its tints, or the steps of a gradient that leads away from it.

Measured on the 58 designs of the demo's two brands, drawn: all stay at 1.6 or under (without LINK four with a wide
gradient came to 8.5); drawn from nearer, so that a gradient may begin outside of the picture, 53 of 58 do, the others
lie at 2.1 to 4.4. With all colours moved by 4, 8, 16 and 38 in a* and b*, 27, 28, 20 and 8 of 29 lie above 2. What
is far off is not captured; the distance of the whole picture tells it: with that, 27, 28, 23 and 28 of 29 are seen.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from workers.checks.pixels import channels, flat, luma
from workers.checks.port import Pixels
from workers.colour import Floats, delta_e00, srgb_to_lab

CAPTURE: Final = 10.0
"""ΔE00 within which an even area is taken for a swatch; with 6 only 3 of the 30 designs under a cast were above 5."""
PLATEAU_SHARE: Final = 0.02
"""Least share of the picture that makes an even area: steps of a gradient are smaller."""
EVEN_STD: Final = 3.0
"""Levels of luma by which an even area deviates at most: a gradient fills its bins with 3.4. With 2 the shaded areas
of drawn designs were lost, and the tints that were left stood for them."""
LINK: Final = 5.0
"""ΔE00 between two even areas that are parts of one gradient, or one colour and its tint."""
PLATEAUS: Final = 16
"""Even areas looked at, the largest first."""
SIDE: Final = 512
"""Every n-th pixel is looked at, so that the longer side has at most these."""
PERCENTILE: Final = 0.9
_SHIFT: Final = 2
"""Channels are counted in bins of four levels; an even area spans its bin and the ones around, as JPEG leaves it."""
_SPAN: Final = 256 >> _SHIFT
_AROUND: Final = 27


@dataclass(frozen=True, slots=True, kw_only=True)
class OnBrand:
    """ΔE00 to the nearest swatch where the brand's colours are meant; `share` of the picture that is."""

    share: float
    mean: float
    p90: float


def in_mask(pixels: Pixels, open_share: Floats, swatches: Floats) -> OnBrand | None:
    """Of the pixels that a mask (0..1, shape of the picture) leaves open by half; None where it leaves none."""
    step = _step(pixels)
    chosen = open_share[::step, ::step] >= 0.5
    if not chosen.any():
        return None
    colours, counts = np.unique(pixels[::step, ::step][chosen] >> 1, axis=0, return_counts=True)
    lab = srgb_to_lab((colours << 1).astype(np.uint8))
    return _weighed(_nearest(lab, swatches), counts / counts.sum(), float(chosen.mean()))


def on_plateaus(pixels: Pixels, swatches: Floats) -> OnBrand | None:
    """Of the even areas that are taken for a swatch; None where there are none."""
    step = _step(pixels)
    lab, shares = plateaus(np.ascontiguousarray(pixels[::step, ::step]))
    if not len(shares):
        return None
    each = delta_e00(lab[:, None], swatches[None])
    owner, distance = each.argmin(axis=1), each.min(axis=1)
    meant = distance <= CAPTURE
    if not meant.any():
        return None
    one = (owner[:, None] == owner[None]) | (delta_e00(lab[:, None], lab[None]) <= LINK)
    family = _joined(one[meant][:, meant])
    best = np.array([distance[meant][family == k].min() for k in np.unique(family)])
    area = np.array([shares[meant][family == k].sum() for k in np.unique(family)])
    return _weighed(best, area / area.sum(), float(area.sum()))


def _joined(pairs: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """Numbers of the groups that pairs make, shape (n,); `pairs` is symmetric, and true on its diagonal."""
    group = np.arange(len(pairs))
    for _ in range(len(pairs)):
        group = np.where(pairs, group[None], len(pairs)).min(axis=1)
    return group


def plateaus(pixels: Pixels) -> tuple[Floats, Floats]:
    """CIELAB of the even areas, shape (n, 3), and the share of the picture of each, shape (n,)."""
    if min(pixels.shape[:2]) < 2:
        return np.empty((0, 3)), np.empty(0)
    even = flat(luma(pixels))
    planes = [c[:-1, :-1][even] for c in channels(pixels)]
    colours = np.stack(planes, axis=1)
    red, green, blue = ((p >> _SHIFT).astype(np.int32) for p in planes)
    code = (red * _SPAN + green) * _SPAN + blue
    counts = np.bincount(code, minlength=_SPAN**3).reshape(_SPAN, _SPAN, _SPAN)
    untold, seen = counts.copy(), np.zeros(counts.shape, dtype=np.bool_)
    least = PLATEAU_SHARE * even.size
    peaks = np.flatnonzero(counts.ravel() * _AROUND >= least)
    lab: list[Floats] = []
    shares: list[float] = []
    # The largest first.
    for peak in map(int, peaks[np.argsort(-counts.ravel()[peaks], kind="stable")]):
        at = (peak // _SPAN**2, peak // _SPAN % _SPAN, peak % _SPAN)
        if len(lab) == PLATEAUS or seen[at]:
            continue
        around = tuple(slice(max(0, i - 1), i + 2) for i in at)
        # Counted anew in full: what an area before this one left over would look even in any gradient.
        total = int(counts[around].sum())
        if total >= least:
            inside = np.zeros(counts.shape, dtype=np.bool_)
            inside[around] = counts[around] > 0
            own = colours[inside.ravel()[code]]
            if float(luma(own[None]).std()) <= EVEN_STD:
                # The median of each channel: a shift of the whole area shows in full, its edges do not.
                lab.append(srgb_to_lab(np.median(own, axis=0) / 255.0))
                # Neighbouring areas share bins; each pixel is told once.
                shares.append(int(untold[around].sum()) / even.size)
                untold[around] = 0
        seen[around] = True
    return np.array(lab).reshape(-1, 3), np.array(shares)


def _step(pixels: Pixels) -> int:
    return -(-max(pixels.shape[:2]) // SIDE)


def _nearest(lab: Floats, swatches: Floats) -> Floats:
    return delta_e00(lab[:, None], swatches[None]).min(axis=1)


def _weighed(distance: Floats, weights: Floats, share: float) -> OnBrand:
    order = np.argsort(distance)
    at = min(int(np.searchsorted(np.cumsum(weights[order]), PERCENTILE - 1e-9)), len(order) - 1)
    return OnBrand(share=share, mean=float(distance @ weights), p90=float(distance[order][at]))
