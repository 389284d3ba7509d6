"""A perceptual hash of a picture: 256 bits that stay when it is saved again, resized or lit a little differently.

The method is that of Zauner, Implementation and Benchmarking of Perceptual Image Hash Functions (2010), with 256 bits
in place of 64: luma on 64 x 64 cells, its two-dimensional DCT-II, and for each of the 16 x 16 lowest frequencies
whether it lies above their median. The constant term is left out of the median, for it is the mean brightness.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from PIL import Image

from workers.checks.pixels import Plane, luma
from workers.checks.port import Pixels

CELLS: Final = 64
"""Cells along each side, whatever the picture's shape: a crop is another picture, a stretch is not."""
LOW: Final = 16
"""Frequencies kept along each side."""


def phash(pixels: Pixels) -> str:
    """The hash of RGB pixels in hex: 64 digits, the lowest frequencies first, row by row."""
    small = Image.fromarray(pixels).resize((CELLS, CELLS), Image.Resampling.BOX)
    low = (_DCT @ luma(np.asarray(small)).astype(np.float64) @ _DCT.T)[:LOW, :LOW].ravel()
    # Rounded, so that a flat plane's zeros do not turn into bits by the last digit of the arithmetic.
    low = np.round(low, 3)
    return np.packbits(low > np.median(low[1:])).tobytes().hex()


def distance(one: str, two: str) -> int:
    """Bits of 256 in which two hashes differ."""
    return (int(one, 16) ^ int(two, 16)).bit_count()


def _dct() -> Plane:
    """The orthonormal DCT-II as a matrix, shape (64, 64)."""
    n = np.arange(CELLS)
    rows = np.cos(np.pi * (2 * n[None] + 1) * n[:, None] / (2 * CELLS)) * np.sqrt(2 / CELLS)
    rows[0] /= np.sqrt(2)
    return rows


_DCT: Final = _dct()
