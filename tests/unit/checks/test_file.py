"""Every clause on files: whole, of its declared type, one picture and nothing else, seen the same everywhere."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any, Final, cast

import numpy as np
import pytest
from PIL import Image, ImageCms

from tests.corpus import Kind, draw, rendering_for, request_for
from workers.checks.decode import decode
from workers.checks.ending import end_of
from workers.checks.file import BytesCheck
from workers.checks.port import Broken, Subject

POSTER = Image.fromarray(draw(3, Kind.RIGHT, size=(256, 320)).pixels)
SRGB = ImageCms.ImageCmsProfile(cast("Any", ImageCms).createProfile("sRGB")).tobytes()
KINDS = ("PNG", "JPEG", "WEBP")
STOWAWAY = b"PK\x03\x04 a zip archive with a script in it"


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def numbers(data: bytes) -> dict[str, float]:
    subject = Subject(data=data, image=decode(data), request=request_for(()), rendering=rendering_for(data))
    return {m.name: m.value for m in BytesCheck().measure(subject).measurements}


P3: Final = {b"rXYZ": (0.5151, 0.2412, -0.0011), b"gXYZ": (0.2920, 0.6922, 0.0419), b"bXYZ": (0.1571, 0.0666, 0.7841)}
"""Primaries of Display P3 as its profile holds them, CIE XYZ under D50."""


def display_p3() -> bytes:
    """The profile of Display P3: sRGB's with other primaries."""
    profile = bytearray(SRGB)
    count = struct.unpack_from(">I", profile, 128)[0]
    for at in range(132, 132 + 12 * count, 12):
        name, offset = struct.unpack_from(">4sI", profile, at)
        if name in P3:
            struct.pack_into(">3i", profile, offset + 8, *(round(v * 65536) for v in P3[name]))
    return bytes(profile)


@pytest.mark.parametrize("kind", KINDS)
def test_a_whole_file_ends_where_it_ends(kind: str) -> None:
    data = encoded(POSTER, kind)
    assert end_of(data, f"image/{kind.lower()}") == len(data)
    assert numbers(data)["trailing_bytes"] == 0


@pytest.mark.parametrize("kind", KINDS)
def test_what_lies_behind_the_end_is_counted_and_padding_is_not(kind: str) -> None:
    data = encoded(POSTER, kind)
    assert numbers(data + STOWAWAY)["trailing_bytes"] == len(STOWAWAY)
    assert numbers(data + b"\0" * 512 + b"\r\n")["trailing_bytes"] == 0


@pytest.mark.parametrize(
    "options", [{"progressive": True}, {"quality": 100, "subsampling": 0}, {"restart_marker_rows": 1}]
)
def test_the_end_of_a_jpeg_is_found_behind_every_scan(options: dict[str, object]) -> None:
    data = encoded(POSTER, "JPEG", **options)
    assert end_of(data + STOWAWAY, "image/jpeg") == len(data)


def test_a_thumbnail_inside_a_jpeg_is_not_its_end() -> None:
    inner = encoded(POSTER.resize((40, 50)), "JPEG")
    plain = encoded(POSTER, "JPEG")
    segment = b"\xff\xe1" + struct.pack(">H", len(inner) + 2) + inner
    data = plain[:2] + segment + plain[2:]
    assert end_of(data, "image/jpeg") == len(data)


@pytest.mark.parametrize(("kind", "lost"), [("JPEG", 2), ("PNG", 12), ("PNG", 4), ("WEBP", 1), ("JPEG", 1)])
def test_a_file_that_lost_its_very_end_is_cut_off(kind: str, lost: int) -> None:
    assert isinstance(decode(encoded(POSTER, kind)[:-lost]), Broken)


@pytest.mark.parametrize(
    ("data", "media_type"),
    [
        (b"", "image/png"),
        (b"", "image/webp"),
        (b"\xff\xd8\xff\xe0\x00", "image/jpeg"),
        (b"\xff\xd8\xff\xd0\xff\xe0", "image/jpeg"),
        (b"\xff\xd8" + b"\xff\x01" * 4, "image/jpeg"),
    ],
)  # fmt: skip
def test_bytes_that_hardly_begin_have_no_end(data: bytes, media_type: str) -> None:
    assert end_of(data, media_type) is None


def test_endless_chunks_have_no_end() -> None:
    chunk = struct.pack(">I4s", 0, b"tEXt") + struct.pack(">I", zlib.crc32(b"tEXt"))
    assert end_of(b"\x89PNG\r\n\x1a\n" + chunk * 100_001, "image/png") is None
    assert end_of(b"\xff\xd8" + b"\xff\x01" * 100_001, "image/jpeg") is None


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "GIF"])
def test_an_animation_is_broken_in_every_format(kind: str) -> None:
    frames = [POSTER, Image.new("RGB", POSTER.size, "red")]
    got = decode(encoded(frames[0], kind, save_all=True, append_images=frames[1:]))
    assert isinstance(got, Broken)
    assert "2 frames" in got.reason


def test_the_second_picture_of_a_telephone_is_no_stowaway() -> None:
    data = encoded(POSTER, "MPO", save_all=True, append_images=[POSTER.resize((64, 80))])
    got = numbers(data)
    assert (got["decodes"], got["pictures"], got["trailing_bytes"]) == (1, 2, 0)


def test_a_bomb_of_compressed_text_is_refused() -> None:
    text = zlib.compress(b"a" * 80_000_000)
    body = b"zTXt" + b"Comment\0\0" + text
    chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    data = encoded(POSTER, "PNG")
    assert isinstance(decode(data[:33] + chunk + data[33:]), Broken)


@pytest.mark.parametrize(("kind", "reason"), [("PNG", "at most"), ("JPEG", "at most")])
def test_more_pixels_than_any_job_may_ask_for_are_refused_unread(kind: str, reason: str) -> None:
    got = decode(encoded(Image.new("L", (65_000, 1_100)), kind))
    assert isinstance(got, Broken)
    assert reason in got.reason


def bomb() -> bytes:
    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("data", "name", "value"),
    [
        (b"", "size_bytes", 0),
        (b"a page of text", "known", 0),
        (encoded(POSTER, "PNG")[:-4], "ends", 0),
        (encoded(POSTER, "GIF", save_all=True, append_images=[POSTER.rotate(180)]), "frames", 2),
        (bomb(), "too_large", 1),
    ],
)
def test_why_a_file_does_not_decode_is_a_number_too(data: bytes, name: str, value: float) -> None:
    found = numbers(data)
    assert (found["decodes"], found[name]) == (0, value)


def test_how_colours_are_stored_is_measured() -> None:
    grey16 = Image.fromarray(np.linspace(0, 65535, 64, dtype=np.uint16)[None].repeat(32, axis=0))
    assert numbers(encoded(grey16, "PNG"))["bits"] == 16
    assert numbers(encoded(POSTER.convert("CMYK"), "JPEG"))["inks"] == 1
    assert numbers(encoded(POSTER.convert("L"), "JPEG"))["inks"] == 0
    assert numbers(encoded(POSTER.convert("1"), "PNG"))["bits"] == 1


def test_an_alpha_channel_counts_by_what_it_hides() -> None:
    opaque = POSTER.convert("RGBA")
    assert numbers(encoded(opaque, "PNG"))["transparent_share"] == 0
    clear = opaque.copy()
    clear.paste((0, 0, 0, 0), (0, 0, 128, 320))
    assert numbers(encoded(clear, "PNG"))["transparent_share"] == pytest.approx(0.5)


def test_a_profile_is_measured_by_how_far_it_shifts_colours() -> None:
    assert "profile_delta_e00" not in numbers(encoded(POSTER, "PNG"))
    assert 0 <= numbers(encoded(POSTER, "PNG", icc_profile=SRGB))["profile_delta_e00"] < 0.2
    assert numbers(encoded(POSTER, "JPEG", icc_profile=display_p3()))["profile_delta_e00"] > 0.5
    assert numbers(encoded(POSTER, "PNG", icc_profile=b"no profile" * 20))["profile_delta_e00"] == -1


def test_a_profile_of_another_kind_of_colours_is_no_distance_but_broken_on_rgb() -> None:
    lab = ImageCms.ImageCmsProfile(cast("Any", ImageCms).createProfile("LAB")).tobytes()
    assert numbers(encoded(POSTER, "JPEG", icc_profile=lab))["profile_delta_e00"] == -1
    assert "profile_delta_e00" not in numbers(encoded(POSTER.convert("CMYK"), "JPEG", icc_profile=lab))
