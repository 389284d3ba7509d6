"""A finished picture as a file: PNG and WebP without loss, JPEG with all its colour, each tagged as sRGB."""

from __future__ import annotations

import io
import struct
import zlib
from dataclasses import dataclass
from typing import Final

from PIL import Image, PngImagePlugin

from schemas.errors import Poison
from schemas.events import ImageFormat
from workers.checks.decode import MAX_BYTES
from workers.finish.picture import srgb_profile

MEDIA_TYPES: Final = {
    ImageFormat.PNG: "image/png",
    ImageFormat.JPEG: "image/jpeg",
    ImageFormat.WEBP: "image/webp",
}
LONGEST_SIDE: Final = {ImageFormat.PNG: 2**31 - 1, ImageFormat.JPEG: 65_500, ImageFormat.WEBP: 16_383}
"""Pixels; what the formats, and the libraries that write them, can hold."""
JPEG_QUALITY: Final = 95
"""With 4:4:4: coloured letters keep their edges, at about a third of the bytes of the PNG of a photograph."""
PNG_LEVEL: Final = 1
"""A sixth more bytes than level 6, in half the time."""
_WEBP_EFFORT: Final = {"lossless": True, "quality": 0, "method": 0}
"""The quickest lossless WebP is as quick as the PNG and smaller; more effort took 10 times as long for 10 % less."""
_SRGB: Final = b"sRGB"
_PERCEPTUAL: Final = b"\0"
_AFTER_HEADER: Final = 33
"""A PNG's signature (8 bytes) and its header chunk (25)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoded:
    """The bytes, what they are, and how they were written in words."""

    data: bytes
    media_type: str
    note: str


def encode(image: Image.Image, wanted: ImageFormat) -> Encoded:
    """The bytes of an RGB picture in sRGB; the same picture gives the same bytes.

    Raises Poison where the format cannot hold it, or where nobody would read so large a file.
    """
    if max(image.size) > LONGEST_SIDE[wanted]:
        raise Poison(
            f"{image.width} x {image.height} pixels do not fit into a {wanted.value}, whose longest side is"
            f" {LONGEST_SIDE[wanted]}; ask for png"
        )
    out = io.BytesIO()
    match wanted:
        case ImageFormat.PNG:
            tags = PngImagePlugin.PngInfo()
            tags.add(_SRGB, _PERCEPTUAL)
            image.save(out, "PNG", compress_level=PNG_LEVEL, pnginfo=tags)
            note = "png, tagged sRGB"
        case ImageFormat.JPEG:
            # Not optimize: Pillow then gives the file 2 bytes a pixel, which noise exceeds, and fails.
            image.save(out, "JPEG", quality=JPEG_QUALITY, subsampling=0, icc_profile=srgb_profile())
            note = f"jpeg, quality {JPEG_QUALITY}, 4:4:4, with an sRGB profile"
        case ImageFormat.WEBP:
            image.save(out, "WEBP", **_WEBP_EFFORT, icc_profile=srgb_profile())
            note = "webp, lossless, with an sRGB profile"
    data = out.getvalue()
    if len(data) > MAX_BYTES:
        raise Poison(f"the {wanted.value} would have {len(data)} bytes, at most {MAX_BYTES} are read; ask for jpeg")
    return Encoded(data=data, media_type=MEDIA_TYPES[wanted], note=note)


def tag_png(data: bytes) -> bytes:
    """The PNG tagged as sRGB, its pixels untouched; as it was where it carries the tag."""
    at = _AFTER_HEADER
    while at + 8 <= len(data) and data[at + 4 : at + 8] != b"IDAT":
        if data[at + 4 : at + 8] == _SRGB:
            return data
        (length,) = struct.unpack(">I", data[at : at + 4])
        at += 12 + length
    chunk = _SRGB + _PERCEPTUAL
    tag = struct.pack(">I", len(_PERCEPTUAL)) + chunk + struct.pack(">I", zlib.crc32(chunk))
    return data[:_AFTER_HEADER] + tag + data[_AFTER_HEADER:]
