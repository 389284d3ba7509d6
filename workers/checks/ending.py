"""Where a picture file ends: what lies behind its end is no part of the picture, and a cut-off file has none.

PNG (third edition, 5.3 and 11.2.5): chunks up to IEND. JPEG (ITU-T T.81, B.1): segments, and entropy-coded data in
which an FF is followed by 00 or by a restart marker, up to EOI. WebP (RFC 9649): the size in the RIFF header. Other
kinds have no end that can be told.
"""

from __future__ import annotations

import re
import struct
from typing import Final

PNG_HEAD: Final = 8
MOST_SEGMENTS: Final = 100_000
"""Chunks or segments that are walked; a file with more has no end as far as inspection is concerned."""
_EOI, _SOS, _TEM = 0xD9, 0xDA, 0x01
_ALONE: Final = frozenset({_TEM, *range(0xD0, 0xD9)})
"""Markers without a length."""
_MARKER: Final = re.compile(rb"\xff+([^\x00\xd0-\xd7\xff])", re.DOTALL)
_PADDING: Final = b"\0\r\n \xff"
"""What writers fill a file up with; it hides nothing."""


def end_of(data: bytes, media_type: str) -> int | None:
    """Offset behind the last byte of the picture; None where it has no end, the length where no end can be told."""
    match media_type:
        case "image/png":
            return _png(data)
        case "image/jpeg":
            return _jpeg(data)
        case "image/webp":
            end = 8 + struct.unpack_from("<I", data, 4)[0] if len(data) >= 12 else None
            return end if end is not None and end <= len(data) else None
        case _:
            return len(data)


def trailing_bytes(data: bytes, media_type: str) -> int:
    """Bytes behind the picture's end that are not mere padding; 0 where it has no end."""
    end = end_of(data, media_type)
    return 0 if end is None else len(data[end:].strip(_PADDING))


def _png(data: bytes) -> int | None:
    at = PNG_HEAD
    for _ in range(MOST_SEGMENTS):
        if at + 12 > len(data):
            return None
        length, kind = struct.unpack_from(">I4s", data, at)
        at += 12 + length
        if kind == b"IEND":
            return at if at <= len(data) else None
    return None


def _jpeg(data: bytes) -> int | None:
    at = 2
    for _ in range(MOST_SEGMENTS):
        found = _MARKER.search(data, at)
        if found is None:
            return None
        marker, at = found[1][0], found.end()
        if marker == _EOI:
            return at
        if marker in _ALONE:
            continue
        if at + 2 > len(data):
            return None
        at += struct.unpack_from(">H", data, at)[0]
    return None
