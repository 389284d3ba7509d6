"""The postprocess step `color-normalize`: takes a cast off a picture by a small, bounded move towards the brand."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter, UnidentifiedImageError

from workers import colour

Floats = npt.NDArray[np.float64]

MOST_PIXELS: Final = 64_000_000
"""Pictures above this pass through unchanged: as large as 8192 x 7812."""
MOST_SHIFT: Final = np.array([6.0, 9.0, 9.0])
"""Largest move of L*, a* and b*. A designer's eye takes about ΔE 10 for the same colour under another light; a
stronger cast is a defect that inspection has to see, not one that finishing should hide."""
WORTH: Final = 0.25
"""Least gain in mean ΔE00 for which the pixels are touched at all."""
_SAMPLE: Final = 64
"""The distance is taken on this many cells along each side."""
_GRID: Final = 17
"""Steps of the colour table along each channel; between them it is linear."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """Bytes after the step, and what it did.

    `before` and `after` are the mean ΔE00 of the picture's cells to their nearest swatch, None where nothing was
    measured; `shift` is the move in L*, a*, b*; `note` says in words why the bytes are as they are.
    """

    data: bytes
    changed: bool
    before: float | None
    after: float | None
    shift: tuple[float, float, float]
    note: str


def color_normalize(data: bytes, palette: Sequence[str]) -> Finished:
    """Move the picture towards the palette (#rrggbb swatches); the result is a PNG in sRGB.

    Bytes that do not decode, a picture that is already near, and an empty palette pass through untouched: a
    finishing step hides no defect. The same arguments give the same bytes.
    """
    if not palette:
        return _untouched(data, "the brand has no swatches")
    image = _decode(data)
    if isinstance(image, str):
        return _untouched(data, image)
    swatches = colour.srgb_to_lab(np.array([colour.hex_to_rgb(s) for s in palette], dtype=np.uint8))
    sample = np.asarray(image.resize((_SAMPLE, _SAMPLE), Image.Resampling.BOX), dtype=np.uint8)
    cells = colour.srgb_to_lab(sample).reshape(-1, 3)
    if float(cells.std(axis=0).max()) < 1.0:
        return _untouched(data, "the picture is one flat colour")
    before = distance(cells, swatches)
    shift = best_shift(cells, swatches)
    after = distance(cells + shift, swatches)
    if before - after < WORTH:
        return Finished(
            data=data, changed=False, before=before, after=before, shift=(0.0, 0.0, 0.0), note="as near as a move gets"
        )
    out = io.BytesIO()
    moved = image.filter(_table(shift))
    moved.save(out, "PNG", compress_level=1)
    seen = np.asarray(moved.resize((_SAMPLE, _SAMPLE), Image.Resampling.BOX), dtype=np.uint8)
    return Finished(
        data=out.getvalue(),
        changed=True,
        before=before,
        after=distance(colour.srgb_to_lab(seen).reshape(-1, 3), swatches),
        shift=(float(shift[0]), float(shift[1]), float(shift[2])),
        note="moved towards the palette",
    )


def distance(cells: Floats, swatches: Floats) -> float:
    """Mean ΔE00 of colours, shape (n, 3), each to the nearest of the swatches, shape (m, 3)."""
    return float(colour.delta_e00(cells[:, None], swatches[None]).min(axis=1).mean())


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


def _table(shift: Floats) -> ImageFilter.Color3DLUT:
    """The move as a table of colours. Black and white stay: the move fades out over the outer tenth of L*."""
    steps = np.linspace(0.0, 1.0, _GRID)
    blue, green, red = np.meshgrid(steps, steps, steps, indexing="ij")
    lab = colour.srgb_to_lab(np.stack([red, green, blue], axis=-1))
    lightness = lab[..., 0]
    ends = np.clip(np.minimum(lightness, 100.0 - lightness) / 10.0, 0.0, 1.0)
    moved = colour.lab_to_srgb(lab + shift * ends[..., None]) / 255.0
    return ImageFilter.Color3DLUT(_GRID, [float(v) for v in moved.ravel()])


def _decode(data: bytes) -> Image.Image | str:
    """The picture in RGB, or why it is left alone."""
    try:
        with Image.open(io.BytesIO(data)) as opened:
            if opened.width * opened.height > MOST_PIXELS:
                return f"the picture has more than {MOST_PIXELS} pixels"
            opened.load()
            if opened.mode not in {"RGB", "L"}:
                return f"the picture is in mode {opened.mode}, and only RGB is moved"
            return opened.convert("RGB")
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError) as e:
        return f"the bytes do not decode: {str(e)[:200]}"


def _untouched(data: bytes, note: str) -> Finished:
    return Finished(data=data, changed=False, before=None, after=None, shift=(0.0, 0.0, 0.0), note=note)
