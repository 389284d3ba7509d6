"""Lettering on a circle: found, unrolled, read, and mapped back."""

from __future__ import annotations

import math

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from workers.checks.arcs import Arc, fit_letters, unroll
from workers.checks.ink import Blots, blots
from workers.checks.port import Pixels, Scene
from workers.checks.readers import open_readers


def on_circle(text: str, *, below: bool, side: int = 800, radius: float = 280, points: int = 64) -> Pixels:
    """Text over the top of a circle in the middle, or along its foot."""
    art = Image.new("RGB", (side, side), (245, 240, 228))
    font = ImageFont.load_default(points)
    widths = [font.getlength(c) + 4 for c in text]
    at = -sum(widths) / 2
    for letter, width in zip(text, widths, strict=True):
        angle = (at + width / 2) / radius
        at += width
        glyph = Image.new("L", (3 * points, 3 * points))
        ImageDraw.Draw(glyph).text((1.5 * points, 1.5 * points), letter, font=font, fill=255, anchor="mm")
        turned = glyph.rotate(math.degrees(angle if below else -angle), Image.Resampling.BICUBIC)
        down = radius * math.cos(angle) * (1 if below else -1)
        x, y = side / 2 + radius * math.sin(angle), side / 2 + down
        art.paste((30, 30, 80), (round(x - 1.5 * points), round(y - 1.5 * points)), turned)
    return np.asarray(art)


@pytest.mark.parametrize("below", [False, True], ids=["over the top", "along the foot"])
def test_text_on_a_circle_is_read(below: bool) -> None:
    pixels = on_circle("MORNING MARKET", below=below)
    (reader,) = open_readers(["rapidocr@curve"])
    (read,) = reader.read([Scene(pixels=pixels)])
    assert "MORNING MARKET" in [w.text for w in read.words]


def test_the_circle_is_that_on_which_the_letters_stand() -> None:
    found = blots(on_circle("MORNINGMARKET", below=False))
    arc = fit_letters(found)
    assert arc is not None
    assert (arc.x, arc.y, arc.radius) == pytest.approx((400, 400, 280), abs=20)
    assert arc.outward


@pytest.mark.parametrize("middle", [-math.pi / 2, math.pi / 2, 0.3, 3.0])
def test_points_of_the_strip_go_back_to_where_they_came_from(middle: float) -> None:
    arc = Arc(300, 280, 150, middle - 0.8, middle + 0.8)
    strip = unroll(np.zeros((600, 600, 3), np.uint8), arc)
    height, width = strip.pixels.shape[:2]
    there = strip.back([[0, height / 2], [width / 2, height / 2], [width, height / 2]])
    radii = np.hypot(there[:, 0] - 300, there[:, 1] - 280)
    assert radii == pytest.approx((strip.near + strip.far) / 2, abs=1)
    assert there[1] == pytest.approx((300 + radii[1] * math.cos(middle), 280 + radii[1] * math.sin(middle)), abs=1e-6)


def test_a_straight_row_of_letters_has_no_circle() -> None:
    row = np.stack([np.arange(10) * 40.0, np.full(10, 100.0)], axis=1)
    assert fit_letters(Blots(row, 30)) is None
