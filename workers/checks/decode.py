"""Bytes to RGB pixels, once, with every way an image file can be wrong named."""

from __future__ import annotations

import io
import struct
import zlib
from types import MappingProxyType
from typing import Final

import numpy as np
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from workers.checks.ending import end_of
from workers.checks.port import Broken, Decoded, Pixels

MAX_PIXELS: Final = 8192 * 8192
"""Larger images are refused before they are unpacked; a job may ask for 8192 by 8192 at most."""
MAX_BYTES: Final = 100 * 1024 * 1024
"""Larger files are refused unread, as for files that come with a prompt."""
MEDIA_TYPES: Final = {
    "PNG": "image/png",
    "JPEG": "image/jpeg",
    "WEBP": "image/webp",
    "GIF": "image/gif",
    "BMP": "image/bmp",
    "TIFF": "image/tiff",
}
"""Formats that are read."""
OPAQUE: Final = 250
"""Alpha from which a pixel counts as opaque: soft masks of whole pictures end a few levels short of 255."""
UNREADABLE: Final = (
    OSError,
    ValueError,
    SyntaxError,
    EOFError,
    KeyError,
    IndexError,
    OverflowError,
    struct.error,
    zlib.error,
)
"""What Pillow's decoders raise on bytes that are no image, cut off or hostile."""
_TOO_LARGE: Final = MappingProxyType({"too_large": 1.0})
_MPO: Final = "MPO"
"""Pillow's name for a JPEG with a second picture behind it, as telephones write it: the first one counts."""
_STARTS: Final = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"BM", "image/bmp"),
    (b"II*\0", "image/tiff"),
    (b"MM\0*", "image/tiff"),
)
_BITS: Final = {"1": 1, "I": 16, "I;16": 16, "I;16L": 16, "I;16B": 16, "F": 32}
"""Bits of a channel by Pillow's mode; 8 in all others."""


def decode(data: bytes) -> Decoded | Broken:
    """The whole image as RGB, or why the bytes are none. Never reads a part of a file as if it were all."""
    if len(data) > MAX_BYTES:
        return Broken(reason=f"the file has {len(data)} bytes, at most {MAX_BYTES} are read", facts=_TOO_LARGE)
    try:
        with Image.open(io.BytesIO(data), formats=tuple(MEDIA_TYPES)) as image:
            width, height = image.size
            if width * height > MAX_PIXELS:
                return Broken(reason=f"{width} x {height} pixels, at most {MAX_PIXELS} are read", facts=_TOO_LARGE)
            frames = int(getattr(image, "n_frames", 1))
            if frames > 1 and image.format != _MPO:
                return Broken(reason=f"the file is animated: {frames} frames", facts={"frames": frames})
            media_type = MEDIA_TYPES.get(str(image.format), "image/jpeg")
            # Pillow makes up for an end that is missing.
            if end_of(data, media_type) is None:
                return Broken(reason=f"the {image.format} has no end: it is cut off", facts={"ends": 0})
            # verify() passes broken files; only load() reads every pixel.
            image.load()
            return Decoded(
                pixels=_rgb(image),
                media_type=media_type,
                profile=image.info.get("icc_profile") or None,
                as_stored=_as_stored(image),
                mode=image.mode,
                bits=_BITS.get(image.mode, 8),
                transparent_share=_transparent_share(image),
                pictures=frames,
            )
    except UnidentifiedImageError:
        # Pillow names an object's address.
        return Broken(reason="the bytes are no picture of a kind that is read", facts={"known": 0})
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as e:
        return Broken(reason=f"{type(e).__name__}: {e}"[:500], facts=_TOO_LARGE)
    except UNREADABLE as e:
        return Broken(reason=f"{type(e).__name__}: {e}"[:500])


def media_type_of(data: bytes) -> str | None:
    """What the first bytes say the file is; None where they say nothing that is read here. Decodes nothing."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    return next((media_type for start, media_type in _STARTS if data.startswith(start)), None)


def _as_stored(image: Image.Image) -> bool:
    turned = image.getexif().get(ExifTags.Base.Orientation, 1) != 1
    return image.mode == "RGB" and not image.has_transparency_data and not turned


def _transparent_share(image: Image.Image) -> float:
    """Share of pixels that are not opaque. An alpha channel that hides nothing is none."""
    if not image.has_transparency_data:
        return 0.0
    alpha = np.asarray(image.convert("RGBA").getchannel("A"))
    return float((alpha < OPAQUE).mean())


def _rgb(image: Image.Image) -> Pixels:
    """Upright RGB with alpha over white; 16-bit grey is scaled, where Pillow would clip it."""
    upright = ImageOps.exif_transpose(image)
    if upright.mode.startswith("I"):
        grey = np.asarray(upright).astype(np.int64)
        if grey.size and grey.max() > np.iinfo(np.uint8).max:
            grey = grey >> 8
        plane = np.clip(grey, 0, 255).astype(np.uint8)
        return np.ascontiguousarray(np.repeat(plane[:, :, None], 3, axis=2))
    if upright.has_transparency_data:
        rgba = upright.convert("RGBA")
        upright = Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba)
    return np.asarray(upright.convert("RGB"), dtype=np.uint8)
