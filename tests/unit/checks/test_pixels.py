"""Pixel statistics: empty frames and noise stand apart from posters and from flat designs."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw

from rules.findings import BLANK, NOISE, Numbers, pixel_defects
from schemas.events import FileRef, FileRole, RenderRequest
from tests.corpus import Kind, draw, rendering_for, request_for
from tests.unit.rules import samples
from workers.checks.pixels import LUMA
from workers.checks.port import Broken, Decoded, Pixels, Subject
from workers.checks.registry import CHECKS

SIDE = 512


def numbers(check: str, pixels: Pixels) -> dict[str, float]:
    image = Decoded(pixels=pixels, media_type="image/png")
    subject = Subject(data=b"", image=image, request=request_for(()), rendering=rendering_for(b""))
    return {m.name: m.value for m in CHECKS[check].measure(subject).measurements}


def gate(pixels: Pixels, request: RenderRequest | None = None) -> list[tuple[str, bool]]:
    """Failure modes that the rules find in the pixels by the thresholds of config/, and whether each is certain."""
    image = Decoded(pixels=pixels, media_type="image/png")
    asked = request or request_for(())
    subject = Subject(data=b"", image=image, request=asked, rendering=rendering_for(b""))
    measured = Numbers([m for check in ("blank", "noise") for m in CHECKS[check].measure(subject).measurements])
    defects, missing = pixel_defects(measured, asked, ("blank", "noise"), samples.ruleset().thresholds.limits)
    assert missing == []
    return [(d.mode, d.certain) for d in defects]


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
    even = pytest.approx(0, abs=0.01)
    assert got == {
        "luma_mean": pytest.approx(level, abs=0.1), "luma_std": even, "channel_std": even, "flat_share": 1
    }  # fmt: skip


def test_shapes_of_one_luma_are_no_empty_frame() -> None:
    page = Image.new("RGB", (SIDE, SIDE), (200, 100, 100))
    ImageDraw.Draw(page).ellipse((200, 200, 300, 300), fill=(100, 130, 100))
    drawn = np.asarray(page)
    assert numbers("blank", drawn)["luma_std"] < 1.5 < numbers("blank", drawn)["channel_std"]
    assert BLANK not in {mode for mode, _ in gate(drawn)}


def test_coding_noise_in_colour_leaves_a_frame_empty() -> None:
    noise = np.random.default_rng(3).normal(0, 4, (SIDE, SIDE, 3))
    noise -= (noise @ np.array(LUMA))[:, :, None]  # none of it in luma
    assert gate(np.clip(121 + noise, 0, 255).round().astype(np.uint8)) == [(BLANK, True)]


def test_an_empty_frame_is_not_called_noise() -> None:
    assert numbers("noise", plain(0)) == {
        "wave_share": 0,
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
    assert noise["calm_share"] > 0.45 or noise["block_correlation"] > 0.3
    assert noise["luma_deviation"] < 10
    assert blank["luma_std"] > 4
    assert gate(design) == []


def scheduler(name: str) -> Pixels:
    """The looks of latents that a wrong scheduler leaves, as their VAE decodes them: drawn after real ones."""
    rng = np.random.default_rng(len(name))
    if name == "overshot":
        # Latents of deviation 35 to 284 saturate the decoder: pure colours in cells of 8 pixels.
        cells = rng.integers(0, 2, (SIDE // 8, SIDE // 8, 3), dtype=np.uint8) * np.uint8(255)
        return np.asarray(Image.fromarray(cells).resize((SIDE, SIDE), Image.Resampling.BICUBIC))
    return (0.5 * blobs(8, 60) + 0.5 * blobs(1, 60)).astype(np.uint8)


BROKENNESS = {
    "NaN latents: black": (plain(0), BLANK),
    "zero latents: one grey": (plain(121), BLANK),
    "infinite latents: white": (plain(255), BLANK),
    "black with coding noise": (np.random.default_rng(1).integers(0, 3, (SIDE, SIDE, 3), dtype=np.uint8), BLANK),
    "white noise": (blobs(1, 60), NOISE),
    "noise of the VAE's grain": (blobs(8, 60), NOISE),
    "coarse noise": (blobs(16, 60), NOISE),
    "saturated noise": (blobs(4, 400), NOISE),
    "a scheduler that overshoots": (scheduler("overshot"), NOISE),
    "a scheduler that stops half way": (scheduler("unfinished"), NOISE),
}


@pytest.mark.parametrize("name", list(BROKENNESS))
def test_ten_kinds_of_brokenness_are_refused_for_certain(name: str) -> None:
    pixels, mode = BROKENNESS[name]
    assert gate(pixels) == [(mode, True)]


def asked(prompt: str, *, layout: bool = False) -> RenderRequest:
    file = FileRef(role=FileRole.LAYOUT, name="l.json", sha256="a" * 64, media_type="application/json", size_bytes=9)
    return samples.routed(samples.job(prompt, files=(file,) if layout else ()))


def test_one_even_colour_is_doubt_where_it_may_be_what_was_asked_for() -> None:
    grey = plain(121)
    assert gate(grey, asked("a solid colour background")) == [(BLANK, False)]
    assert gate(grey, asked("a wall", layout=True)) == [(BLANK, False)]
    assert gate(grey, asked("a lighthouse at dawn")) == [(BLANK, True)]


def test_an_empty_frame_that_cannot_be_a_design_stays_certain() -> None:
    assert gate(plain(0), asked("a solid colour background")) == [(BLANK, True)]
    assert gate(plain(121), asked("a solid colour poster “SALE”")) == [(BLANK, True)]


def test_a_pattern_is_doubt_only_where_it_was_asked_for() -> None:
    pattern = scheduler("overshot")
    assert gate(pattern, asked("a mosaic of squares")) == [(NOISE, False)]
    assert gate(pattern, asked("a lighthouse at dawn")) == [(NOISE, True)]
    assert gate(blobs(1, 120), asked("halftone confetti")) == [(NOISE, False)]


@pytest.mark.parametrize("kind", list(Kind))
@pytest.mark.parametrize("seed", range(3))
def test_a_poster_is_neither_noise_nor_empty(kind: Kind, seed: int) -> None:
    drawn = draw(seed, kind, size=(SIDE, SIDE)).pixels
    noise = numbers("noise", drawn)
    assert noise["luma_deviation"] < 12
    assert numbers("blank", drawn)["luma_std"] > 2
    assert gate(drawn) == []


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


@pytest.mark.parametrize("pitch", [3, 5, 8, 12])
def test_a_regular_pattern_however_fine_is_not_noise(pitch: int) -> None:
    rows, columns = np.indices((SIDE, SIDE))
    checks = ((rows % pitch < pitch / 2).astype(int) + (columns % pitch < pitch / 2)) * 40
    woven = np.repeat((160 + checks)[..., None], 3, axis=2).astype(np.uint8)
    assert numbers("noise", woven)["wave_share"] > samples.ruleset().thresholds["noise.wave_share_min"]
    assert gate(woven) == []
    grain = np.random.default_rng(pitch).normal(0, 40, (SIDE, SIDE, 3))
    assert gate(np.clip(woven + grain, 0, 255).astype(np.uint8)) != []
