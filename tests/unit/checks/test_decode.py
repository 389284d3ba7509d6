"""Decoding: whole files become upright RGB, everything else is named as broken and never half read."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from workers.checks.decode import decode
from workers.checks.port import Broken, Decoded


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def noise(width: int = 96, height: int = 64) -> Image.Image:
    pixels = np.random.default_rng(7).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def pixels_of(data: bytes) -> np.ndarray:
    got = decode(data)
    assert isinstance(got, Decoded), got
    return got.pixels


@pytest.mark.parametrize(
    ("kind", "media_type"), [("PNG", "image/png"), ("JPEG", "image/jpeg"), ("WEBP", "image/webp"), ("BMP", "image/bmp")]
)
def test_a_whole_file_decodes_and_its_type_is_read_from_the_bytes(kind: str, media_type: str) -> None:
    got = decode(encoded(noise(), kind))
    assert isinstance(got, Decoded)
    assert got.media_type == media_type
    assert got.pixels.shape == (64, 96, 3)
    assert got.pixels.dtype == np.uint8


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
@pytest.mark.parametrize("share", [0.05, 0.5, 0.9, 0.995])
def test_a_file_that_is_cut_off_is_broken(kind: str, share: float) -> None:
    data = encoded(noise(), kind)
    assert isinstance(decode(data[: int(len(data) * share)]), Broken)


def test_a_png_without_its_end_is_broken() -> None:
    data = encoded(noise(), "PNG")
    assert isinstance(decode(data[:-12]), Broken)


@pytest.mark.parametrize(
    "data", [b"", b"\0" * 64, b"<html>429 Too Many Requests</html>", b"\x89PNG\r\n\x1a\n" + b"\xff" * 500]
)
def test_bytes_that_are_no_image_are_broken(data: bytes) -> None:
    assert isinstance(decode(data), Broken)


def test_a_flipped_byte_in_a_png_is_broken() -> None:
    data = bytearray(encoded(noise(), "PNG"))
    data[len(data) // 2] ^= 0xFF
    assert isinstance(decode(bytes(data)), Broken)


def test_an_animation_is_broken() -> None:
    frames = [noise(), Image.new("RGB", (96, 64), "red")]
    got = decode(encoded(frames[0], "GIF", save_all=True, append_images=frames[1:]))
    assert isinstance(got, Broken)
    assert "2 frames" in got.reason


def test_a_decompression_bomb_is_refused_before_it_is_unpacked() -> None:
    bomb = encoded(Image.new("1", (30_000, 30_000)), "PNG")
    assert len(bomb) < 1_000_000
    assert isinstance(decode(bomb), Broken)


def test_sixteen_bit_grey_is_scaled_and_not_clipped() -> None:
    ramp = np.linspace(0, 65535, 64, dtype=np.uint16)[None].repeat(32, axis=0)
    got = pixels_of(encoded(Image.fromarray(ramp), "PNG"))
    assert got.min() == 0
    assert got.max() == 255
    assert 100 < got.mean() < 155


def test_alpha_is_laid_over_white() -> None:
    clear = Image.new("RGBA", (32, 32), (0, 0, 0, 0))
    assert (pixels_of(encoded(clear, "PNG")) == 255).all()


def test_a_transparent_palette_is_laid_over_white() -> None:
    indexed = Image.new("P", (32, 32), 0)
    indexed.putpalette([0, 0, 0, 255, 0, 0])
    assert (pixels_of(encoded(indexed, "PNG", transparency=0)) == 255).all()


def test_a_turned_photograph_is_set_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    assert pixels_of(encoded(noise(), "JPEG", exif=exif)).shape == (96, 64, 3)


@pytest.mark.parametrize("make", [lambda: Image.new("L", (40, 40), 9), lambda: Image.new("CMYK", (40, 40))])
def test_every_mode_becomes_rgb(make: Callable[[], Image.Image]) -> None:
    assert pixels_of(encoded(make(), "TIFF")).shape == (40, 40, 3)
