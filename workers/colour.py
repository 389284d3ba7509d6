"""Colour arithmetic that checks and finishing share: sRGB, CIELAB, CIEDE2000, WCAG contrast."""

from __future__ import annotations

from functools import cache
from typing import Final

import numpy as np
import numpy.typing as npt

from schemas.errors import Poison

Floats = npt.NDArray[np.float64]

# IEC 61966-2-1: linear sRGB to CIE XYZ, D65. The white is the matrix's own (its rows' sums), so that
# grey has a* = b* = 0.
_TO_XYZ: Final[Floats] = np.array(
    [
        [0.4124564, 0.3575761, 0.1804375],
        [0.2126729, 0.7151522, 0.0721750],
        [0.0193339, 0.1191920, 0.9503041],
    ]
)
_WHITE: Final[Floats] = _TO_XYZ.sum(axis=1)
_TO_LMS: Final[Floats] = (_TO_XYZ / _WHITE[:, None]).T
_FROM_LMS: Final[Floats] = np.linalg.inv(_TO_LMS).astype(np.float64)
_KNEE: Final = 6 / 29
"""CIE 15:2004: below (6/29)³ the cube root of CIELAB is a straight line."""
_POW_25_7: Final = 25.0**7


@cache
def _linear_of_byte() -> Floats:
    table = linear(np.arange(256) / 255.0)
    table.setflags(write=False)
    return table


def linear(encoded: npt.ArrayLike) -> Floats:
    """Linear light 0..1 of sRGB values 0..1 (IEC 61966-2-1); any shape."""
    value = np.asarray(encoded, dtype=np.float64)
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def encoded(light: npt.ArrayLike) -> Floats:
    """Linear light 0..1 to sRGB values 0..1, clipped to the gamut; any shape."""
    value = np.clip(np.asarray(light, dtype=np.float64), 0.0, 1.0)
    return np.where(value <= 0.0031308, value * 12.92, 1.055 * value ** (1 / 2.4) - 0.055)


def srgb_to_lab(pixels: npt.ArrayLike) -> Floats:
    """CIELAB (D65, 2°) of sRGB colours.

    `pixels` has shape (…, 3): uint8 0..255, or floats 0..1. The result has the same shape: L* 0..100, a*, b*.
    """
    values = np.asarray(pixels)
    light = _linear_of_byte()[values] if values.dtype == np.uint8 else linear(values)
    ratio = light @ _TO_LMS
    root = np.where(ratio > _KNEE**3, np.cbrt(ratio), ratio / (3 * _KNEE**2) + 4 / 29)
    x, y, z = root[..., 0], root[..., 1], root[..., 2]
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


def lab_to_srgb(lab: npt.ArrayLike) -> npt.NDArray[np.uint8]:
    """Bytes (sRGB) of CIELAB colours, shape (…, 3); what lies outside sRGB is clipped channel by channel."""
    value = np.asarray(lab, dtype=np.float64)
    y = (value[..., 0] + 16) / 116
    root = np.stack([y + value[..., 1] / 500, y, y - value[..., 2] / 200], axis=-1)
    ratio = np.where(root > _KNEE, root**3, 3 * _KNEE**2 * (root - 4 / 29))
    return np.rint(encoded(ratio @ _FROM_LMS) * 255).astype(np.uint8)


def hex_to_rgb(swatch: str) -> tuple[int, int, int]:
    """The bytes of a #rrggbb swatch. Raises Poison where it is not one."""
    digits = swatch.removeprefix("#")
    try:
        if len(digits) == 6:
            red, green, blue = bytes.fromhex(digits)
            return red, green, blue
    except ValueError:
        pass
    raise Poison(f"swatch {swatch!r} is not a colour; write it as #rrggbb")


def delta_e00(lab1: npt.ArrayLike, lab2: npt.ArrayLike) -> Floats:
    """CIEDE2000 difference of CIELAB colours of shape (…, 3); the shapes broadcast, the last axis goes.

    kL = kC = kH = 1. Source: Sharma, Wu and Dalal, The CIEDE2000 color-difference formula, Color Research
    and Application 30 (2005), equations 2 to 22; their table 1 is in the tests.
    """
    one, two = np.asarray(lab1, dtype=np.float64), np.asarray(lab2, dtype=np.float64)
    l1, a1, b1 = one[..., 0], one[..., 1], one[..., 2]
    l2, a2, b2 = two[..., 0], two[..., 1], two[..., 2]
    chroma7 = ((np.hypot(a1, b1) + np.hypot(a2, b2)) / 2) ** 7
    stretch = 1.5 - 0.5 * np.sqrt(chroma7 / (chroma7 + _POW_25_7))
    c1, c2 = np.hypot(stretch * a1, b1), np.hypot(stretch * a2, b2)
    h1 = np.degrees(np.arctan2(b1, stretch * a1)) % 360
    h2 = np.degrees(np.arctan2(b2, stretch * a2)) % 360

    grey = c1 * c2 == 0
    turn = np.where(grey, 0.0, (h2 - h1 + 180) % 360 - 180)
    # Equation 10 keeps a turn of exactly 180° positive; the modulo above made it -180.
    turn = np.where((turn == -180) & (h2 > h1), 180.0, turn)
    d_hue = 2 * np.sqrt(c1 * c2) * np.sin(np.radians(turn / 2))
    d_light, d_chroma = l2 - l1, c2 - c1

    far = np.abs(h1 - h2) > 180
    total = h1 + h2
    mean_h = np.where(grey, total, (total + np.where(far, np.where(total < 360, 360.0, -360.0), 0.0)) / 2)
    mean_l, mean_c = (l1 + l2) / 2, (c1 + c2) / 2

    t = (
        1
        - 0.17 * np.cos(np.radians(mean_h - 30))
        + 0.24 * np.cos(np.radians(2 * mean_h))
        + 0.32 * np.cos(np.radians(3 * mean_h + 6))
        - 0.20 * np.cos(np.radians(4 * mean_h - 63))
    )
    off = (mean_l - 50) ** 2
    s_l = 1 + 0.015 * off / np.sqrt(20 + off)
    s_c = 1 + 0.045 * mean_c
    s_h = 1 + 0.015 * mean_c * t
    c7 = mean_c**7
    r_t = -2 * np.sqrt(c7 / (c7 + _POW_25_7)) * np.sin(np.radians(60 * np.exp(-(((mean_h - 275) / 25) ** 2))))
    light, chroma, hue = d_light / s_l, d_chroma / s_c, d_hue / s_h
    # Rounding can carry the form a hair below zero for equal colours.
    return np.sqrt(np.maximum(light**2 + chroma**2 + hue**2 + r_t * chroma * hue, 0.0))


def luminance(pixels: npt.ArrayLike) -> Floats:
    """Relative luminance 0..1 of uint8 sRGB colours of shape (…, 3). Source: WCAG 2.2, definition."""
    return _linear_of_byte()[np.asarray(pixels, dtype=np.uint8)] @ np.array([0.2126, 0.7152, 0.0722])


def contrast(one: npt.ArrayLike, two: npt.ArrayLike) -> Floats:
    """WCAG contrast ratio 1..21 of uint8 sRGB colours; shapes broadcast. Source: WCAG 2.2, definition."""
    first, second = luminance(one), luminance(two)
    return (np.maximum(first, second) + 0.05) / (np.minimum(first, second) + 0.05)
