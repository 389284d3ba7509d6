"""A rendered picture as finishing works on it: decoded as inspection decodes it, then brought to sRGB."""

from __future__ import annotations

import functools
import io
from dataclasses import dataclass
from typing import Any, Final, cast

from PIL import Image, ImageCms, ImageOps

from workers.checks.decode import decode
from workers.checks.port import Broken

_DATE: Final = slice(24, 36)
"""Where an ICC profile says when it was made (ICC.1:2022, 7.2.8)."""
_FIXED_DATE: Final = bytes.fromhex("07e500010001000000000000")
"""1 January 2021: a profile made today would make other bytes of the same picture tomorrow."""
_CONVERTED_MODES: Final = ("RGB", "L", "CMYK")


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A picture that decoded whole.

    image: RGB in sRGB, upright, alpha laid over white.
    media_type: What the bytes are.
    as_stored: Whether the bytes hold exactly these pixels.
    converted: Whether its colours were converted.
    profile: What came of the colour profile, in words.
    """

    image: Image.Image
    media_type: str
    as_stored: bool
    converted: bool
    profile: str


def open_picture(data: bytes) -> Picture | Broken:
    """The picture, or why the bytes are none: whatever inspection would call broken is broken here too."""
    seen = decode(data)
    if isinstance(seen, Broken):
        return seen
    image: Image.Image | None = None
    note = "no profile: taken for sRGB"
    if seen.profile is not None:
        image, note = _converted(data, seen.profile)
    return Picture(
        image=Image.fromarray(seen.pixels) if image is None else image,
        media_type=seen.media_type,
        as_stored=seen.as_stored and seen.profile is None,
        converted=image is not None,
        profile=note,
    )


@functools.cache
def srgb_profile() -> bytes:
    """An ICC profile of sRGB, the same bytes every time."""
    made = bytearray(ImageCms.ImageCmsProfile(cast("Any", ImageCms).createProfile("sRGB")).tobytes())
    made[_DATE] = _FIXED_DATE
    return bytes(made)


def _converted(data: bytes, profile: bytes) -> tuple[Image.Image | None, str]:
    """The picture in sRGB and what was done; None where its numbers are taken for sRGB as they are.

    Relative colorimetric with black point compensation: white stays white, and shadows are not cut off.
    """
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        # Pillow ends the description with a line break, and littleCMS may end it with zeros.
        name = ImageCms.getProfileDescription(source).strip("\0\r\n ")[:80] or "a profile without a name"
        if name.startswith("sRGB"):
            return None, f"{name}: sRGB already"
        with Image.open(io.BytesIO(data)) as opened:
            upright = ImageOps.exif_transpose(opened)
        alpha = upright.convert("RGBA").getchannel("A") if upright.has_transparency_data else None
        colours = upright.convert("RGB" if "P" in upright.mode or "A" in upright.mode else upright.mode)
        if colours.mode not in _CONVERTED_MODES:
            return None, f"{name}: not converted, since pixels of mode {colours.mode} have no conversion"
        moved = cast(
            "Image.Image",
            ImageCms.profileToProfile(
                colours,
                source,
                ImageCms.ImageCmsProfile(io.BytesIO(srgb_profile())),
                renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
                outputMode="RGB",
                flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
            ),
        )
    except (ImageCms.PyCMSError, OSError, ValueError) as e:
        return None, f"the profile is broken and was left aside ({str(e)[:120]}): taken for sRGB"
    if alpha is not None:
        moved = Image.composite(moved, Image.new("RGB", moved.size, "white"), alpha)
    moved.info.pop("icc_profile", None)
    return moved, f"{name}: converted to sRGB, relative colorimetric with black point compensation"
