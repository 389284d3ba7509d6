"""Banding and clipping: steps are told from smooth, dithered and saved gradients; plain areas are not clipped."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from tests.corpus import Kind, draw, rendering_for, request_for
from workers.checks.port import Broken, Decoded, Pixels, Subject
from workers.checks.tones import TonesCheck

SIDE = 512
SLOPES = (0.1, 0.2, 0.35, 0.5)


def numbers(pixels: Pixels) -> dict[str, float]:
    image = Decoded(pixels=pixels, media_type="image/png")
    subject = Subject(data=b"", image=image, request=request_for(()), rendering=rendering_for(b""))
    return {m.name: m.value for m in TonesCheck().measure(subject).measurements}


def levels(slope: float, *, radial: bool = False) -> np.ndarray:
    y, x = np.mgrid[:SIDE, :SIDE].astype(float)
    away = np.hypot(x - SIDE / 2, y - SIDE / 2) if radial else x
    return np.repeat((20 + away * slope)[:, :, None], 3, axis=2)


def rounded(values: np.ndarray) -> Pixels:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def reduced(values: np.ndarray, count: int) -> Pixels:
    step = 255 / count
    return rounded(np.floor(values / step) * step)


@pytest.mark.parametrize("radial", [False, True])
@pytest.mark.parametrize("slope", SLOPES)
def test_sound_dithered_and_saved_gradients_have_no_bands(slope: float, radial: bool) -> None:
    values = levels(slope, radial=radial)
    noise = np.random.default_rng(1).uniform(-0.5, 0.5, values.shape)
    out = io.BytesIO()
    Image.fromarray(rounded(values)).save(out, "JPEG", quality=90)
    step = 255 / 32
    dithered = rounded(np.floor(values / step + noise + 0.5) * step)
    for pixels in (rounded(values), rounded(values + noise), dithered, np.asarray(Image.open(out).convert("RGB"))):
        assert numbers(pixels)["banding"] < 0.1


@pytest.mark.parametrize("radial", [False, True])
@pytest.mark.parametrize("slope", SLOPES)
@pytest.mark.parametrize("count", [48, 64])
def test_gradients_of_few_levels_fall_into_steps(slope: float, count: int, radial: bool) -> None:
    got = numbers(reduced(levels(slope, radial=radial), count))
    assert got["banding"] > 0.8
    assert got["gradient_share"] > 0.3


@pytest.mark.parametrize("kind", [Kind.RIGHT, Kind.DECORATED, Kind.NO_TEXT])
@pytest.mark.parametrize("seed", range(3))
def test_posters_are_not_banded(kind: Kind, seed: int) -> None:
    got = numbers(draw(seed, kind, size=(SIDE, SIDE)).pixels)
    assert got["banding"] < 0.5 or got["gradient_share"] < 0.1


def test_flat_areas_are_neither_gradients_nor_clipped() -> None:
    flat = np.full((SIDE, SIDE, 3), 255, dtype=np.uint8)
    flat[100:300, 100:300] = (255, 0, 0)
    got = numbers(flat)
    assert (got["gradient_share"], got["banding"]) == (0, 0)
    assert got["clipped"] < 0.001


def test_burnt_out_detail_is_clipped_and_the_same_in_range_is_not() -> None:
    rng = np.random.default_rng(2)
    photo = np.clip(rng.normal(120, 25, (SIDE, SIDE, 3)), 2, 253)
    assert numbers(rounded(photo))["clipped"] == 0
    assert numbers(rounded(photo * (2.2, 1.2, 1)))["clipped"] > 0.1


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (300, 1), (2, 2)])
def test_tiny_pictures_are_measured(shape: tuple[int, int]) -> None:
    assert all(np.isfinite(v) for v in numbers(np.zeros((*shape, 3), dtype=np.uint8)).values())


def test_bytes_that_do_not_decode_have_no_tones() -> None:
    subject = Subject(data=b"x", image=Broken(reason=""), request=request_for(()), rendering=rendering_for(b"x"))
    assert TonesCheck().measure(subject).measurements == ()
