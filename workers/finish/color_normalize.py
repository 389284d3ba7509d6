"""The postprocess step `color-normalize`: takes a cast off a picture by a small, bounded move towards the brand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

from workers import colour

Floats = npt.NDArray[np.float64]

MOST_SHIFT: Final = np.array([6.0, 9.0, 9.0])
"""Largest move of L*, a* and b*. A designer's eye takes about ΔE 10 for the same colour under another light; a
stronger cast is a defect that inspection has to see, not one that finishing should hide."""
WORTH: Final = 0.25
"""Least gain in mean ΔE00 of what may move, for which the pixels are touched at all."""
_SAMPLE: Final = 64
"""The distance is taken on this many cells along each side."""
_GRID: Final = 17
"""Steps of the colour table along each channel; between them it is linear."""
_OPEN: Final = 0.5
"""A cell counts as one that may move where the mask leaves at least this share of it open."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Distance:
    """Mean ΔE00 of a picture's cells to their nearest swatch: of all, and of those that may move."""

    whole: float
    moved: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Normalised:
    """The picture after the step, and what it did.

    `before` and `after` are None where nothing was measured; `share` is the part of the cells that may move, 0 to 1;
    `shift` is the move in L*, a*, b*; `note` says in words why the picture is as it is.
    """

    image: Image.Image
    changed: bool
    before: Distance | None
    after: Distance | None
    share: float
    shift: tuple[float, float, float]
    note: str

    def facts(self) -> Mapping[str, str]:
        """For the manifest; numbers stand alone, so that a program can take them."""
        found = {"color-normalize": self.note}
        if self.before is not None and self.after is not None:
            found |= {
                "color-normalize.delta_e00_before": f"{self.before.whole:.3f}",
                "color-normalize.delta_e00_after": f"{self.after.whole:.3f}",
                "color-normalize.moved_delta_e00_before": f"{self.before.moved:.3f}",
                "color-normalize.moved_delta_e00_after": f"{self.after.moved:.3f}",
                "color-normalize.moved_share": f"{self.share:.3f}",
                "color-normalize.shift_lab": " ".join(f"{v:.3f}" for v in self.shift),
            }
        return found


def color_normalize(image: Image.Image, palette: Sequence[str], mask: Image.Image | None = None) -> Normalised:
    """Move an RGB picture (sRGB) towards the palette (#rrggbb swatches), where the mask (mode L, same size) is open.

    A picture that is already near, one flat colour, and an empty palette leave it as it is: a finishing step hides
    no defect. The same arguments give the same pixels.
    """
    if not palette:
        return _untouched(image, "the brand has no swatches")
    swatches = colour.srgb_to_lab(np.array([colour.hex_to_rgb(s) for s in palette], dtype=np.uint8))
    cells = _cells(image)
    free = _open_cells(mask)
    share = float(free.mean())
    if not free.any():
        return _untouched(image, "the mask leaves nothing to move")
    if float(cells[free].std(axis=0).max()) < 1.0:
        return _untouched(image, "the picture is one flat colour")
    before = _distance(cells, free, swatches)
    shift = best_shift(cells[free], swatches)
    if before.moved - distance(cells[free] + shift, swatches) < WORTH:
        note, none = "as near as a move gets", (0.0, 0.0, 0.0)
        return Normalised(image=image, changed=False, before=before, after=before, share=share, shift=none, note=note)
    moved = image.filter(_table(shift))
    if mask is not None:
        moved = Image.composite(moved, image, mask)
    return Normalised(
        image=moved,
        changed=True,
        before=before,
        after=_distance(_cells(moved), free, swatches),
        share=share,
        shift=(float(shift[0]), float(shift[1]), float(shift[2])),
        note="moved towards the palette",
    )


def distance(cells: Floats, swatches: Floats) -> float:
    """Mean ΔE00 of colours, shape (n, 3), each to the nearest of the swatches, shape (m, 3)."""
    return float(_nearest(cells, swatches).mean())


def best_shift(cells: Floats, swatches: Floats) -> Floats:
    """The bounded move in L*, a*, b* after which the cells lie nearest to the swatches.

    As in iterative closest points (Besl and McKay, 1992): match each cell to its nearest swatch, move by the
    median of the differences, again. The median keeps a few vivid objects from pulling the whole picture.
    """
    shift: Floats = np.zeros(3)
    best, best_distance = shift, distance(cells, swatches)
    for _ in range(6):
        moved = cells + shift
        nearest = colour.delta_e00(moved[:, None], swatches[None]).argmin(axis=1)
        shift = np.clip(shift + np.median(swatches[nearest] - moved, axis=0), -MOST_SHIFT, MOST_SHIFT)
        for share in (1.0, 0.5):
            tried = distance(cells + shift * share, swatches)
            if tried < best_distance:
                best, best_distance = shift * share, tried
    return best


def _nearest(cells: Floats, swatches: Floats) -> Floats:
    return colour.delta_e00(cells[:, None], swatches[None]).min(axis=1)


def _distance(cells: Floats, free: npt.NDArray[np.bool_], swatches: Floats) -> Distance:
    each = _nearest(cells, swatches)
    return Distance(whole=float(each.mean()), moved=float(each[free].mean()))


def _cells(image: Image.Image) -> Floats:
    """CIELAB of the picture's cells, shape (n, 3)."""
    sample = np.asarray(image.resize((_SAMPLE, _SAMPLE), Image.Resampling.BOX), dtype=np.uint8)
    return colour.srgb_to_lab(sample).reshape(-1, 3)


def _open_cells(mask: Image.Image | None) -> npt.NDArray[np.bool_]:
    if mask is None:
        return np.ones(_SAMPLE * _SAMPLE, dtype=np.bool_)
    shares = np.asarray(mask.resize((_SAMPLE, _SAMPLE), Image.Resampling.BOX), dtype=np.float64) / 255
    return (shares >= _OPEN).ravel()


def _table(shift: Floats) -> ImageFilter.Color3DLUT:
    """The move as a table of colours. Black and white stay: the move fades out over the outer tenth of L*."""
    steps = np.linspace(0.0, 1.0, _GRID)
    blue, green, red = np.meshgrid(steps, steps, steps, indexing="ij")
    lab = colour.srgb_to_lab(np.stack([red, green, blue], axis=-1))
    lightness = lab[..., 0]
    ends = np.clip(np.minimum(lightness, 100.0 - lightness) / 10.0, 0.0, 1.0)
    moved = colour.lab_to_srgb(lab + shift * ends[..., None]) / 255.0
    return ImageFilter.Color3DLUT(_GRID, [float(v) for v in moved.ravel()])


def _untouched(image: Image.Image, note: str) -> Normalised:
    return Normalised(image=image, changed=False, before=None, after=None, share=0.0, shift=(0.0, 0.0, 0.0), note=note)
