"""The colour arithmetic against published values."""

from __future__ import annotations

import numpy as np
import pytest

from schemas.errors import Poison
from workers import colour

# Sharma, Wu and Dalal (2005), table 1: L*, a*, b* of both colours and their ΔE00.
SHARMA = np.array(
    [
        [50.0000, 2.6772, -79.7751, 50.0000, 0.0000, -82.7485, 2.0425],
        [50.0000, 3.1571, -77.2803, 50.0000, 0.0000, -82.7485, 2.8615],
        [50.0000, 2.8361, -74.0200, 50.0000, 0.0000, -82.7485, 3.4412],
        [50.0000, -1.3802, -84.2814, 50.0000, 0.0000, -82.7485, 1.0000],
        [50.0000, -1.1848, -84.8006, 50.0000, 0.0000, -82.7485, 1.0000],
        [50.0000, -0.9009, -85.5211, 50.0000, 0.0000, -82.7485, 1.0000],
        [50.0000, 0.0000, 0.0000, 50.0000, -1.0000, 2.0000, 2.3669],
        [50.0000, -1.0000, 2.0000, 50.0000, 0.0000, 0.0000, 2.3669],
        [50.0000, 2.4900, -0.0010, 50.0000, -2.4900, 0.0009, 7.1792],
        [50.0000, 2.4900, -0.0010, 50.0000, -2.4900, 0.0010, 7.1792],
        [50.0000, 2.4900, -0.0010, 50.0000, -2.4900, 0.0011, 7.2195],
        [50.0000, 2.4900, -0.0010, 50.0000, -2.4900, 0.0012, 7.2195],
        [50.0000, -0.0010, 2.4900, 50.0000, 0.0009, -2.4900, 4.8045],
        [50.0000, -0.0010, 2.4900, 50.0000, 0.0010, -2.4900, 4.8045],
        [50.0000, -0.0010, 2.4900, 50.0000, 0.0011, -2.4900, 4.7461],
        [50.0000, 2.5000, 0.0000, 50.0000, 0.0000, -2.5000, 4.3065],
        [50.0000, 2.5000, 0.0000, 73.0000, 25.0000, -18.0000, 27.1492],
        [50.0000, 2.5000, 0.0000, 61.0000, -5.0000, 29.0000, 22.8977],
        [50.0000, 2.5000, 0.0000, 56.0000, -27.0000, -3.0000, 31.9030],
        [50.0000, 2.5000, 0.0000, 58.0000, 24.0000, 15.0000, 19.4535],
        [50.0000, 2.5000, 0.0000, 50.0000, 3.1736, 0.5854, 1.0000],
        [50.0000, 2.5000, 0.0000, 50.0000, 3.2972, 0.0000, 1.0000],
        [50.0000, 2.5000, 0.0000, 50.0000, 1.8634, 0.5757, 1.0000],
        [50.0000, 2.5000, 0.0000, 50.0000, 3.2592, 0.3350, 1.0000],
        [60.2574, -34.0099, 36.2677, 60.4626, -34.1751, 39.4387, 1.2644],
        [63.0109, -31.0961, -5.8663, 62.8187, -29.7946, -4.0864, 1.2630],
        [61.2901, 3.7196, -5.3901, 61.4292, 2.2480, -4.9620, 1.8731],
        [35.0831, -44.1164, 3.7933, 35.0232, -40.0716, 1.5901, 1.8645],
        [22.7233, 20.0904, -46.6940, 23.0331, 14.9730, -42.5619, 2.0373],
        [36.4612, 47.8580, 18.3852, 36.2715, 50.5065, 21.2231, 1.4146],
        [90.8027, -2.0831, 1.4410, 91.1528, -1.6435, 0.0447, 1.4441],
        [90.9257, -0.5406, -0.9208, 88.6381, -0.8985, -0.7239, 1.5381],
        [6.7747, -0.2908, -2.4247, 5.8714, -0.0985, -2.2286, 0.6377],
        [2.0776, 0.0795, -1.1350, 0.9033, -0.0636, -0.5514, 0.9082],
    ]
)


def test_ciede2000_gives_the_published_table_both_ways_round() -> None:
    one, two, wanted = SHARMA[:, :3], SHARMA[:, 3:6], SHARMA[:, 6]
    # The table is rounded to four places; so half a unit of the fourth.
    assert np.abs(colour.delta_e00(one, two) - wanted).max() <= 5.1e-5
    assert np.abs(colour.delta_e00(two, one) - wanted).max() <= 5.1e-5


def test_ciede2000_broadcasts_and_is_zero_on_equal_colours() -> None:
    pixels = np.random.default_rng(5).integers(0, 256, (4, 5, 3), dtype=np.uint8)
    lab = colour.srgb_to_lab(pixels)
    assert colour.delta_e00(lab[:, :, None], SHARMA[:3, :3]).shape == (4, 5, 3)
    assert colour.delta_e00(lab, lab).max() < 1e-6


@pytest.mark.parametrize(
    ("rgb", "lab"),
    [
        ((255, 255, 255), (100.0, 0.0, 0.0)),
        ((0, 0, 0), (0.0, 0.0, 0.0)),
        ((255, 0, 0), (53.24, 80.09, 67.20)),
        ((0, 255, 0), (87.73, -86.18, 83.18)),
        ((0, 0, 255), (32.30, 79.19, -107.86)),
    ],
)
def test_lab_of_the_primaries(rgb: tuple[int, int, int], lab: tuple[float, float, float]) -> None:
    assert np.abs(colour.srgb_to_lab(np.array(rgb, dtype=np.uint8)) - lab).max() < 0.02


def test_lab_and_back_is_every_byte_again() -> None:
    pixels = np.random.default_rng(6).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    assert np.array_equal(colour.lab_to_srgb(colour.srgb_to_lab(pixels)), pixels)
    assert np.allclose(colour.srgb_to_lab(pixels / 255.0), colour.srgb_to_lab(pixels))


def test_contrast_of_black_on_white_is_21_and_of_767676_just_above_4_5() -> None:
    white = np.array([255, 255, 255], dtype=np.uint8)
    assert colour.contrast(white, np.zeros(3, dtype=np.uint8)) == pytest.approx(21)
    assert colour.contrast(white, np.array(colour.hex_to_rgb("#767676"), dtype=np.uint8)) == pytest.approx(
        4.54, abs=0.01
    )


@pytest.mark.parametrize("swatch", ["", "#12345", "#gggggg", "red", "#1234567"])
def test_what_is_no_swatch_is_refused(swatch: str) -> None:
    with pytest.raises(Poison, match="#rrggbb"):
        colour.hex_to_rgb(swatch)
