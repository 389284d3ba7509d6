"""Colour profiles: how far a picture would look from what its numbers say in sRGB."""

from __future__ import annotations

import io
from typing import Any, Final, cast

import numpy as np
from PIL import Image, ImageCms

from workers.checks.port import Pixels
from workers.colour import delta_e00, srgb_to_lab

SIDE: Final = 64
"""Cells along each side on which the difference is taken."""
BROKEN: Final = -1.0
"""What stands for the distance of a profile that cannot be used."""
_NOT_RGB: Final = frozenset({"1", "L", "LA", "I", "I;16", "CMYK", "YCCK", "LAB"})


def profile_distance(pixels: Pixels, profile: bytes, mode: str = "RGB") -> float | None:
    """Mean ΔE00 between pixels taken for sRGB and the same by their ICC profile, relative colorimetric.

    About 0 for sRGB under any name; BROKEN for bytes that are no profile; None for a profile of inks or of greys, in
    a file whose `mode` is that, for nothing says what its RGB would be without it.
    """
    small = Image.fromarray(pixels).resize((SIDE, SIDE), Image.Resampling.BOX)
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if cast("Any", source).profile.xcolor_space.strip() != "RGB" and mode in _NOT_RGB:
            return None
        srgb = ImageCms.ImageCmsProfile(cast("Any", ImageCms).createProfile("sRGB"))
        moved = cast(
            "Image.Image",
            ImageCms.profileToProfile(
                small, source, srgb, renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC, outputMode="RGB"
            ),
        )
    except (ImageCms.PyCMSError, OSError, ValueError):
        return BROKEN
    before, after = srgb_to_lab(np.asarray(small)), srgb_to_lab(np.asarray(moved))
    return float(delta_e00(before, after).mean())
