"""A logo file as it is compared: what can be seen of it, its mask, and its main colours."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

import cv2
import numpy as np
import numpy.typing as npt

from schemas.errors import Poison
from schemas.events import FileRef
from workers.checks.port import Pixels
from workers.engines.logos import BadFile, open_picture

CV: Final = cast("Any", cv2)
"""Its stubs know neither the kinds of numbers in an array nor that a mask may be None."""

Colours = npt.NDArray[np.float32]
Mask = npt.NDArray[np.uint8]
"""Alpha, shape (height, width), 0 to 255."""

SIDE: Final = 384
"""Longer side, pixels, that larger files are brought to: more is not seen of a logo on a poster."""
GROUND_LEVELS: Final = 10
"""An opaque file whose border deviates by no more has a ground of one colour, which is no part of the mark."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogoFile:
    """A logo. `scale` is its size here over its size in the file; `opaque` says that it came without transparency."""

    pixels: Pixels
    mask: Mask
    scale: float
    opaque: bool

    @property
    def size(self) -> tuple[int, int]:
        """Width and height, pixels."""
        return self.mask.shape[1], self.mask.shape[0]

    def side_of(self, side: float) -> float:
        """The longer side that gives it the area of a square of this side."""
        return side * max(self.size) / math.sqrt(self.size[0] * self.size[1])

    def resized(self, factor: float) -> LogoFile:
        """The same, smaller or larger."""
        width, height = (max(4, round(v * factor)) for v in self.size)
        how = CV.INTER_AREA if factor < 1 else CV.INTER_LINEAR
        # Colours by their alpha: what is behind transparent pixels must not seep in.
        alpha = self.mask.astype(np.float32)
        held: Colours = CV.resize(self.pixels * alpha[:, :, None], (width, height), interpolation=how)
        mask: Colours = CV.resize(alpha, (width, height), interpolation=how)
        return LogoFile(
            pixels=np.round(held / np.maximum(mask, 1)[:, :, None]).clip(0, 255).astype(np.uint8),
            mask=np.round(mask).astype(np.uint8),
            scale=self.scale * width / self.size[0],
            opaque=self.opaque,
        )

    def over(self, level: int) -> Pixels:
        """Laid over a grey, RGB."""
        alpha = self.mask[:, :, None].astype(np.float32) / 255
        return np.round(self.pixels * alpha + level * (1 - alpha)).astype(np.uint8)


def open_logo(ref: FileRef, files: Mapping[str, bytes]) -> LogoFile:
    """The logo behind a reference. Raises Poison where it could not be fetched or is no picture that can be used."""
    if ref.sha256 not in files:
        raise Poison(f"the logo {ref.name!r} ({ref.sha256[:12]}…) could not be fetched")
    try:
        image = np.asarray(open_picture(ref, files).convert("RGBA"), dtype=np.uint8)
    except BadFile as e:
        raise Poison(str(e)) from e
    pixels, mask = np.ascontiguousarray(image[:, :, :3]), np.ascontiguousarray(image[:, :, 3])
    opaque = bool(mask.min() == 255)
    if opaque:
        mask = _keyed(pixels)
    rows, columns = np.flatnonzero(image[:, :, 3].any(axis=1)), np.flatnonzero(image[:, :, 3].any(axis=0))
    if not len(rows) or min(image.shape[:2]) < 2:
        raise Poison(f"the logo {ref.name!r} shows nothing")
    seen = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    whole = LogoFile(pixels=pixels[seen], mask=mask[seen], scale=1.0, opaque=opaque)
    longer = max(whole.size)
    return whole if longer <= SIDE else whole.resized(SIDE / longer)


def _keyed(pixels: Pixels) -> Mask:
    """The mask of an opaque file: all but the ground, where that is of one colour and reaches the border."""
    border = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]]).astype(np.float32)
    ground = np.median(border, axis=0)
    if float(np.abs(border - ground).mean()) > GROUND_LEVELS:
        return np.full(pixels.shape[:2], 255, dtype=np.uint8)
    like = (np.abs(pixels - ground).max(axis=2) <= 3 * GROUND_LEVELS).astype(np.uint8)
    _, labels = CV.connectedComponents(like)
    outer = set(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]]).tolist()) - {0}
    mask = np.where(np.isin(labels, list(outer)), 0, 255).astype(np.uint8)
    return mask if mask.any() else np.full(mask.shape, 255, dtype=np.uint8)
