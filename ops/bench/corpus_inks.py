"""Ways in which the drawn corpus lays ink on a ground: plain, glowing, raised, solid, hollow, or made of shapes."""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter

from ops.bench.corpus_letters import Mask, box_of
from ops.bench.corpus_words import Random, pick
from workers.checks.port import Pixels
from workers.engines import palette
from workers.engines.palette import RGB

_SHAPES_MOST: Final = 12_000
"""Shapes that letters are made of."""


def colour(rng: Random, low: int = 0, high: int = 255) -> RGB:
    """Any colour with channels from `low` to `high`."""
    red, green, blue = (int(v) for v in rng.integers(low, high + 1, 3))
    return red, green, blue


def plain_ink(art: Pixels, mask: Mask, ink: RGB) -> Pixels:
    """Ink of one colour."""
    out = Image.fromarray(art)
    out.paste(ink, mask=Image.fromarray(mask))
    return np.asarray(out)


def shadowed(art: Pixels, mask: Mask, ink: RGB) -> Pixels:
    """Ink over a soft shadow or glow of the opposite lightness."""
    soft, at = _around(mask, 24)
    halo = soft.filter(ImageFilter.GaussianBlur(7))
    out = Image.fromarray(art)
    out.paste(palette.BLACK if palette.lightness(ink) > 50 else palette.WHITE, at, halo)
    out.paste(ink, mask=Image.fromarray(mask))
    return np.asarray(out)


def neon(rng: Random, art: Pixels, mask: Mask) -> Pixels:
    """Glowing tubes along the letters' edges, or letters filled with light."""
    hue = colour(rng, 0, 120)
    bright = list(hue)
    bright[int(rng.integers(3))] = 255
    soft, at = _around(mask, 60)
    near = np.asarray(soft.filter(ImageFilter.GaussianBlur(2)), np.float32) / 255
    tube = np.clip(1.25 - np.abs(near - 0.5) * 3.2, 0, 1) if rng.random() < 0.5 else near
    glow = np.asarray(soft.filter(ImageFilter.GaussianBlur(16)), np.float32) / 255
    height, width = near.shape
    spot = art[at[1] : at[1] + height, at[0] : at[0] + width].astype(np.float32)
    light = np.array(bright, np.float32)
    lit = spot + glow[:, :, None] * light * 0.7
    lit += tube[:, :, None] * (0.45 * light + 0.55 * 255 - lit)
    out = art.copy()
    out[at[1] : at[1] + height, at[0] : at[0] + width] = clipped(lit)
    return out


def embossed(rng: Random, art: Pixels, mask: Mask) -> Pixels:
    """Letters raised from the ground or sunk into it: light on one edge, shade on the other."""
    soft, at = _around(mask, 16)
    relief = np.asarray(soft.filter(ImageFilter.GaussianBlur(2)), np.float32) / 255
    depth = int(rng.integers(2, 4))
    edge = np.roll(relief, (-depth, -depth), (0, 1)) - np.roll(relief, (depth, depth), (0, 1))
    up = pick(rng, (1.0, -1.0))
    face = np.asarray(soft, np.float32)[:, :, None] / 255 * float(rng.uniform(4, 14))
    height, width = relief.shape
    spot = art[at[1] : at[1] + height, at[0] : at[0] + width]
    out = art.copy()
    out[at[1] : at[1] + height, at[0] : at[0] + width] = clipped(spot + up * 95 * edge[:, :, None] + face)
    return out


def blended(rng: Random, art: Pixels, mask: Mask, ink: RGB) -> Pixels:
    """Ink that runs from its colour to one a third of the way to black or white, down the lettering."""
    soft, at = _around(mask, 0)
    far = palette.WHITE if palette.lightness(ink) > 50 else palette.BLACK
    end = np.array(palette.mix(ink, far, float(rng.uniform(0.2, 0.4))), np.float32)
    down = np.linspace(0, 1, soft.height, dtype=np.float32)[:, None, None]
    fill = (1 - down) * np.array(ink, np.float32) + down * end
    return _laid(art, np.broadcast_to(fill, (soft.height, soft.width, 3)), soft, at)


def extruded(rng: Random, art: Pixels, mask: Mask, ink: RGB, em: float) -> Pixels:
    """Solid letters seen from one side: a face, lit from above, and its sides in shade."""
    depth = max(4, round(em * float(rng.uniform(0.07, 0.14))))
    across, down = pick(rng, ((-1, 1), (1, 1), (0, 1), (1, -1)))
    soft, at = _around(mask, depth + 12)
    face = np.asarray(soft)
    sides, stretch = face, 1
    while stretch <= depth:  # doubling the reach each time
        step = min(stretch, depth + 1 - stretch)
        sides = np.maximum(sides, np.roll(sides, (down * step, across * step), (0, 1)))
        stretch += step
    shade = palette.mix(ink, palette.BLACK if palette.lightness(ink) > 35 else palette.WHITE, 0.55)
    drop = Image.fromarray(np.roll(sides, (6, 4), (0, 1))).filter(ImageFilter.GaussianBlur(5))
    out = Image.fromarray(art)
    out.paste(palette.BLACK, at, Image.fromarray(np.asarray(drop) // 2))
    out.paste(shade, at, Image.fromarray(sides))
    return blended(rng, np.asarray(out), mask, ink)


def outlined(rng: Random, art: Pixels, mask: Mask, ink: RGB, em: float) -> Pixels:
    """Hollow letters, or filled ones with a line of the other lightness round them."""
    thick = max(2.0, em * float(rng.uniform(0.028, 0.04)))
    soft, at = _around(mask, round(4 * thick) + 4)
    near = np.asarray(soft.filter(ImageFilter.GaussianBlur(thick)), np.float32) / 255
    line = Image.fromarray(clipped(np.clip((near - 0.12) * thick * 1.5, 0, 1) * 255))
    out = Image.fromarray(art)
    if rng.random() < 0.5:
        spot = out.crop((at[0], at[1], at[0] + soft.width, at[1] + soft.height))
        out.paste(ink, at, line)
        out.paste(spot, at, soft)
    else:
        out.paste(palette.WHITE if palette.lightness(ink) < 50 else palette.BLACK, at, line)
        out.paste(ink, at, soft)
    return np.asarray(out)


def shaped(rng: Random, art: Pixels, mask: Mask, ink: RGB, em: float) -> Pixels:
    """Letters filled with leaves, or with pebbles, that stand out over their edges."""
    soft, at = _around(mask, round(em * 0.08) + 4)
    inside = np.asarray(soft) > 200
    radius, leaves = em * float(rng.uniform(0.03, 0.042)), rng.random() < 0.5
    y, x = np.nonzero(inside)
    count = min(_SHAPES_MOST, round(len(x) / (radius * radius) * 0.9))
    chosen = rng.integers(0, max(1, len(x)), count)
    spot = Image.fromarray(art).crop((at[0], at[1], at[0] + soft.width, at[1] + soft.height))
    # Under them the letter itself, darker, so that no gap breaks a stroke.
    away = palette.BLACK if palette.lightness(ink) < 50 else palette.WHITE
    spot.paste(ink, mask=soft)
    pen = ImageDraw.Draw(spot)
    tones = [palette.mix(ink, away, share) for share in (0.0, 0.15, 0.3, 0.45)]
    angles = rng.uniform(0, 2 * math.pi, count)
    fills = [tones[int(n)] for n in rng.integers(0, len(tones), count)]
    for i, at_i in enumerate(chosen):
        cx, cy, turn = float(x[at_i]), float(y[at_i]), float(angles[i])
        if leaves:
            long, wide = radius * 1.5, radius * 0.6
            cos, sin = math.cos(turn), math.sin(turn)
            tips = [(cx + long * cos, cy + long * sin), (cx - wide * sin, cy + wide * cos)]
            tips += [(cx - long * cos, cy - long * sin), (cx + wide * sin, cy - wide * cos)]
            pen.polygon(tips, fill=fills[i])
        else:
            pen.ellipse((cx - radius, cy - radius, cx + radius, cy + radius), fill=fills[i])
    out = Image.fromarray(art)
    out.paste(spot, at)
    return np.asarray(out)


def _laid(art: Pixels, fill: npt.NDArray[np.floating[Any]], mask: Image.Image, at: tuple[int, int]) -> Pixels:
    """A coloured field through a mask."""
    out = Image.fromarray(art)
    out.paste(Image.fromarray(clipped(fill)), at, mask)
    return np.asarray(out)


def _around(mask: Mask, pad: int) -> tuple[Image.Image, tuple[int, int]]:
    """The part of a mask that has ink, with a border, and where it lies: filters on the whole would cost more."""
    height, width = mask.shape
    box = box_of(mask) or (0.0, 0.0, float(width), float(height))
    left, top = max(0, int(box[0]) - pad), max(0, int(box[1]) - pad)
    right, bottom = min(width, int(box[2]) + pad), min(height, int(box[3]) + pad)
    return Image.fromarray(np.ascontiguousarray(mask[top:bottom, left:right])), (left, top)


def clipped(values: npt.NDArray[np.floating[Any]]) -> Pixels:
    """Levels from 0 to 255."""
    return np.clip(values, 0, 255).astype(np.uint8)
