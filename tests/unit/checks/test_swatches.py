"""The brand's own colours: by mask or by even area, near their swatch or off it; and after finishing."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from schemas.errors import Poison
from schemas.events import FileRef, FileRole
from tests.corpus import rendering_for, request_for
from workers.checks.palette import PaletteCheck
from workers.checks.port import Decoded, Pixels, Subject
from workers.checks.swatches import plateaus
from workers.colour import lab_to_srgb, srgb_to_lab
from workers.finish.color_normalize import color_normalize

PALETTE = ("#20302a", "#e9e4d8", "#d8572a")
SIDE = 256
MASK = FileRef(role=FileRole.COLOUR_MASK, name="mask.png", sha256="d" * 64, media_type="image/png", size_bytes=10)


def design(shift: tuple[float, float, float] = (0.0, 0.0, 0.0)) -> Pixels:
    """A ground and a band of swatch colours, all moved by L*, a*, b*."""
    pixels = np.empty((SIDE, SIDE, 3), dtype=np.uint8)
    pixels[:] = (0xE9, 0xE4, 0xD8)
    pixels[150:220] = (0xD8, 0x57, 0x2A)
    pixels[20:60, 30:200] = (0x20, 0x30, 0x2A)
    return lab_to_srgb(srgb_to_lab(pixels) + np.array(shift))


def numbers(pixels: Pixels, mask: Image.Image | None = None) -> dict[str, float]:
    request, files = request_for(()), {}
    if mask is not None:
        out = io.BytesIO()
        mask.save(out, "PNG")
        request = replace(request, job=replace(request.job, files=(MASK,)))
        files = {MASK.sha256: out.getvalue()}
    subject = Subject(
        data=b"",
        image=Decoded(pixels=pixels, media_type="image/png"),
        request=request,
        rendering=rendering_for(b""),
        palette=PALETTE,
        files=files,
    )
    return {m.name: m.value for m in PaletteCheck().measure(subject).measurements}


def test_the_brands_colours_to_the_byte_are_at_no_distance() -> None:
    got = numbers(design())
    assert got["meant_p90"] < 0.1
    assert got["meant_share"] > 0.95
    assert got["meant_by_mask"] == 0


@pytest.mark.parametrize("shift", [(4.0, 0.0, 0.0), (0.0, 5.0, -4.0), (-6.0, 3.0, 0.0)])
def test_colours_a_little_off_are_measured_and_brought_back_by_finishing(shift: tuple[float, float, float]) -> None:
    off = design(shift)
    assert numbers(off)["meant_p90"] > 2
    done = color_normalize(Image.fromarray(off), PALETTE)
    assert done.changed
    assert numbers(np.asarray(done.image))["meant_p90"] <= 2


def test_a_tint_beside_its_swatch_and_another_colour_altogether_were_chosen() -> None:
    pixels = design()
    ground = srgb_to_lab(np.array([0xE9, 0xE4, 0xD8], dtype=np.uint8))
    pixels[60:100] = lab_to_srgb(ground + np.array([-7.0, 2.0, 3.0]))
    pixels[230:] = (30, 60, 200)
    got = numbers(pixels)
    assert got["meant_p90"] < 0.1
    assert got["meant_share"] < 0.95


def test_grain_and_jpeg_do_not_move_an_even_area() -> None:
    out = io.BytesIO()
    Image.fromarray(design()).save(out, "JPEG", quality=85)
    assert numbers(np.asarray(Image.open(out).convert("RGB")))["meant_p90"] < 1


def test_areas_of_nearly_the_same_colour_are_counted_once() -> None:
    pixels = np.repeat(np.repeat(np.array([100, 104, 108], dtype=np.uint8), 80)[:, None, None], 240, axis=1)
    lab, shares = plateaus(np.repeat(pixels, 3, axis=2))
    assert len(lab) == 2
    assert shares.sum() == pytest.approx(1, abs=0.03)  # the edges between them are not even


def test_a_gradient_is_no_even_area() -> None:
    ramp = np.tile(np.linspace(0, 255, SIDE).astype(np.uint8)[None, :, None], (SIDE, 1, 3))
    assert len(plateaus(ramp)[0]) <= 1  # its end, beyond which there is nothing
    assert "meant_p90" not in numbers(ramp)


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1)])
def test_a_line_of_pixels_has_no_areas(shape: tuple[int, int]) -> None:
    assert len(plateaus(np.zeros((*shape, 3), dtype=np.uint8))[0]) == 0


def test_inside_a_mask_every_colour_counts_and_outside_none() -> None:
    pixels = design()
    pixels[230:] = (30, 60, 200)
    blue = Image.new("L", (SIDE, SIDE), 0)
    blue.paste(255, (0, 200, SIDE, SIDE))
    ground = Image.new("L", (SIDE // 2, SIDE // 2), 0)
    ground.paste(255, (0, 0, SIDE // 2, 70))
    assert numbers(pixels, blue)["meant_p90"] > 20
    got = numbers(pixels, ground)
    assert got["meant_p90"] < 1
    assert (got["meant_by_mask"], got["meant_share"]) == (1, pytest.approx(0.55, abs=0.01))
    assert "meant_p90" not in numbers(pixels, Image.new("L", (8, 8), 0))


def test_a_mask_that_is_not_there_or_is_no_picture_is_an_error_of_the_check() -> None:
    request = request_for(())
    request = replace(request, job=replace(request.job, files=(MASK,)))
    image = Decoded(pixels=design(), media_type="image/png")
    subject = Subject(data=b"", image=image, request=request, rendering=rendering_for(b""), palette=PALETTE)
    with pytest.raises(Poison, match=r"'mask\.png' could not be fetched"):
        PaletteCheck().measure(subject)
    with pytest.raises(Poison, match="is no picture"):
        PaletteCheck().measure(replace(subject, files={MASK.sha256: b"white where it may move"}))
