"""Palette: six colours found without randomness, and their distance to the swatches by area."""

from __future__ import annotations

import numpy as np
import pytest

from schemas.errors import Poison
from tests.corpus import Kind, draw, rendering_for, request_for
from workers.checks.palette import PaletteCheck, main_colours
from workers.checks.port import Decoded, Pixels, Subject
from workers.colour import srgb_to_lab


def numbers(pixels: Pixels, palette: tuple[str, ...]) -> dict[str, float]:
    image = Decoded(pixels=pixels, media_type="image/png")
    subject = Subject(data=b"", image=image, request=request_for(()), rendering=rendering_for(b""), palette=palette)
    return {m.name: m.value for m in PaletteCheck().measure(subject).measurements}


def halves(first: tuple[int, int, int], second: tuple[int, int, int], share: float = 0.5) -> Pixels:
    pixels = np.empty((200, 200, 3), dtype=np.uint8)
    pixels[:] = first
    pixels[:, int(200 * share) :] = second
    return pixels


def test_the_brands_own_colours_have_no_distance() -> None:
    got = numbers(halves((255, 0, 0), (0, 0, 255)), ("#ff0000", "#0000ff", "#ffffff"))
    assert got["delta_e00_mean"] == pytest.approx(0, abs=1e-6)
    assert got["delta_e00_p90"] == pytest.approx(0, abs=1e-6)


def test_a_foreign_colour_counts_by_its_area() -> None:
    got = numbers(halves((255, 0, 0), (0, 160, 0), 0.8), ("#ff0000",))
    assert got["delta_e00_p90"] > 50
    assert got["delta_e00_mean"] == pytest.approx(got["delta_e00_p90"] * 0.2, rel=0.05)


def test_a_stray_corner_does_not_count_for_the_percentile() -> None:
    assert numbers(halves((255, 0, 0), (0, 160, 0), 0.95), ("#ff0000",))["delta_e00_p90"] < 1


def test_without_swatches_there_is_only_the_cast() -> None:
    assert set(numbers(halves((10, 10, 10), (200, 200, 200)), ())) == {"cast", "mean_l", "mean_a", "mean_b"}


def test_grey_has_no_cast_and_a_tint_has() -> None:
    assert numbers(halves((10, 10, 10), (200, 200, 200)), ())["cast"] < 0.5
    assert numbers(halves((60, 20, 10), (255, 200, 150)), ())["cast"] > 15


def test_a_swatch_that_is_no_colour_is_named() -> None:
    with pytest.raises(Poison, match="brick"):
        numbers(halves((1, 1, 1), (2, 2, 2)), ("brick",))


def test_the_same_picture_gives_the_same_colours() -> None:
    lab = srgb_to_lab(draw(5, Kind.DECORATED, size=(256, 256)).pixels).reshape(-1, 3)
    first, second = main_colours(lab), main_colours(lab)
    assert (first[0] == second[0]).all()
    assert first[1].sum() == pytest.approx(1)
    assert len(first[0]) <= 6
