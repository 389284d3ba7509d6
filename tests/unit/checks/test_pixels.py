"""Pixel statistics: empty frames and noise stand apart from posters and from flat designs."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw

from tests.corpus import Kind, draw, rendering_for, request_for
from workers.checks.port import Broken, Decoded, Pixels, Subject
from workers.checks.registry import CHECKS

SIDE = 512


def numbers(check: str, pixels: Pixels) -> dict[str, float]:
    image = Decoded(pixels=pixels, media_type="image/png")
    subject = Subject(data=b"", image=image, request=request_for(()), rendering=rendering_for(b""))
    return {m.name: m.value for m in CHECKS[check].measure(subject).measurements}


def plain(level: int) -> Pixels:
    return np.full((SIDE, SIDE, 3), level, dtype=np.uint8)


def blobs(grain: int, deviation: float) -> Pixels:
    """Noise as a VAE decodes it: independent blobs of `grain` pixels, smoothly joined."""
    rng = np.random.default_rng(grain)
    small = np.clip(rng.normal(127, deviation, (SIDE // grain, SIDE // grain, 3)), 0, 255).astype(np.uint8)
    return np.asarray(Image.fromarray(small).resize((SIDE, SIDE), Image.Resampling.BICUBIC))


def stars() -> Pixels:
    sky = plain(8)
    for x, y in np.random.default_rng(3).integers(0, SIDE - 3, (250, 2)):
        sky[y : y + 3, x : x + 3] = 255
    return sky


def confetti() -> Pixels:
    paper = Image.new("RGB", (SIDE, SIDE), "white")
    pen = ImageDraw.Draw(paper)
    rng = np.random.default_rng(4)
    for x, y, *colour in rng.integers(0, 256, (150, 5)):
        pen.ellipse((x * 2, y * 2, x * 2 + 14, y * 2 + 14), fill=tuple(int(c) for c in colour))
    return np.asarray(paper)


def logo() -> Pixels:
    paper = Image.new("RGB", (SIDE, SIDE), "white")
    ImageDraw.Draw(paper).ellipse((200, 200, 260, 260), fill="red")
    return np.asarray(paper)


def board(square: int) -> Pixels:
    y, x = np.mgrid[:SIDE, :SIDE]
    plane = (((x // square) + (y // square)) % 2 * 255).astype(np.uint8)
    return np.repeat(plane[:, :, None], 3, axis=2)


@pytest.mark.parametrize("level", [0, 127, 255])
def test_an_empty_frame_has_no_deviation(level: int) -> None:
    got = numbers("blank", plain(level))
    assert got == {"luma_mean": pytest.approx(level, abs=0.1), "luma_std": pytest.approx(0, abs=0.01), "flat_share": 1}


def test_an_empty_frame_is_not_called_noise() -> None:
    assert numbers("noise", plain(0)) == {
        "block_correlation": 1,
        "corner_share": 0,
        "luma_deviation": 0,
        "calm_share": 1,
    }


@pytest.mark.parametrize("grain", [1, 4, 8, 16])
@pytest.mark.parametrize("deviation", [30, 60, 400])
def test_noise_of_every_grain_has_no_correlation(grain: int, deviation: float) -> None:
    assert numbers("noise", blobs(grain, deviation))["block_correlation"] < 0.25


def test_white_noise_over_a_poster_shows_in_its_grain() -> None:
    poster = draw(1, Kind.RIGHT, size=(SIDE, SIDE)).pixels
    both = (poster * 0.5 + blobs(1, 200) * 0.5).astype(np.uint8)
    assert numbers("noise", both)["luma_deviation"] > 20


@pytest.mark.parametrize("design", [stars(), confetti(), logo(), board(8), board(21), board(64)])
def test_a_flat_design_is_neither_noise_nor_empty(design: Pixels) -> None:
    noise, blank = numbers("noise", design), numbers("blank", design)
    assert noise["block_correlation"] > 0.3
    assert noise["luma_deviation"] < 10
    assert noise["corner_share"] < 0.1
    assert blank["luma_std"] > 4


@pytest.mark.parametrize("kind", list(Kind))
@pytest.mark.parametrize("seed", range(3))
def test_a_poster_is_neither_noise_nor_empty(kind: Kind, seed: int) -> None:
    drawn = draw(seed, kind, size=(SIDE, SIDE)).pixels
    noise = numbers("noise", drawn)
    assert noise["block_correlation"] > 0.3
    assert noise["luma_deviation"] < 12
    assert numbers("blank", drawn)["luma_std"] > 2


def test_saturated_noise_stands_at_the_corners_of_the_cube() -> None:
    hard = np.random.default_rng(0).integers(0, 2, (SIDE, SIDE, 3), dtype=np.uint8) * np.uint8(255)
    assert numbers("noise", hard)["corner_share"] == pytest.approx(0.75, abs=0.02)


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (300, 1), (2, 2), (17, 5)])
def test_tiny_pictures_are_measured(shape: tuple[int, int]) -> None:
    tiny = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    for check in ("blank", "noise", "palette", "size"):
        assert all(np.isfinite(v) for v in numbers(check, tiny).values())


def test_bytes_that_do_not_decode_give_no_pixel_numbers() -> None:
    subject = Subject(data=b"x", image=Broken(reason=""), request=request_for(()), rendering=rendering_for(b"x"))
    for check in ("blank", "noise", "palette", "size"):
        assert CHECKS[check].measure(subject).measurements == ()
