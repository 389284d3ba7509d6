"""Grounds under the lettering of the drawn corpus, and the ways ink is laid on them: flat, neon, embossed, faint."""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter

from ops.bench.corpus_letters import Mask, box_of
from ops.bench.corpus_words import Random, pick
from workers.checks.port import Pixels
from workers.engines import palette, scenes
from workers.engines.palette import RGB

READABLE: Final = 4.5
"""Least contrast of plain lettering: WCAG 2.2, success criterion 1.4.3."""
FAINT: Final = (1.5, 2.2)
"""Contrast of low-contrast lettering: a person still reads it without effort at this size."""
_SCENES: Final = ("", "coffee cup", "mountain", "leaves", "sea", "portrait", "contour", "bottle", "night sea")


def colour(rng: Random, low: int = 0, high: int = 255) -> RGB:
    """Any colour with channels from `low` to `high`."""
    red, green, blue = (int(v) for v in rng.integers(low, high + 1, 3))
    return red, green, blue


def ink_on(rng: Random, ground: RGB, contrast: tuple[float, float] = (READABLE, 21.0)) -> RGB:
    """A colour whose WCAG contrast to the ground lies between two; black or white where chance finds none."""
    for _ in range(40):
        ink = colour(rng)
        if contrast[0] <= palette.ratio(ground, ink) <= contrast[1]:
            return ink
    far = max((palette.BLACK, palette.WHITE), key=lambda c: palette.ratio(ground, c))
    for step in range(1, 20):
        ink = palette.mix(ground, far, step / 20)
        if palette.ratio(ground, ink) >= contrast[0]:
            return ink
    return far


def flat(rng: Random, size: tuple[int, int], *, dark: bool | None = None) -> tuple[Image.Image, RGB]:
    """One colour, or a blend of two near ones, with a few shapes at the lower edge; and the colour in its middle."""
    dark = rng.random() < 0.4 if dark is None else dark
    ground = colour(rng, 0, 70) if dark else colour(rng, 185, 255)
    out = Image.new("RGB", size, ground)
    if rng.random() < 0.5:
        shade = Image.linear_gradient("L").resize(size).point(lambda v: int(v * 0.12))
        out.paste(colour(rng, 0, 60) if dark else colour(rng, 170, 255), mask=shade)
    return out, ground


def shapes(rng: Random, art: Image.Image) -> None:
    """Discs, bars and triangles near the lower edge."""
    width, height = art.size
    pen = ImageDraw.Draw(art)
    for _ in range(int(rng.integers(2, 6))):
        x, r = int(rng.integers(width)), int(rng.integers(width // 30, width // 10))
        y = int(height * rng.uniform(0.93, 1.0))
        match int(rng.integers(3)):
            case 0:
                pen.ellipse((x - r, y - r // 2, x + r, y + r), fill=colour(rng))
            case 1:
                pen.rectangle((x - r, y - r // 2, x + r, y + r), fill=colour(rng))
            case _:
                pen.polygon([(x - r, y + r), (x, y - r // 2), (x + r, y + r)], fill=colour(rng))


def textured(rng: Random, size: tuple[int, int]) -> tuple[Image.Image, RGB]:
    """Paper, wood, brick or weave."""
    width, height = size
    base, ground = flat(rng, size)
    fine = {
        "paper": (width // 2, height // 2),
        "blotch": (width // 24, height // 24),
        "wood": (width // 90, height // 2),
        "weave": (width // 5, height // 5),
    }[pick(rng, ("paper", "blotch", "wood", "weave"))]
    grain = rng.integers(0, 256, (fine[1], fine[0]), np.uint8)
    noise = Image.fromarray(grain).resize(size, Image.Resampling.BICUBIC)
    if rng.random() < 0.35:
        pen = ImageDraw.Draw(noise)
        high = height // int(rng.integers(10, 20))
        for row, y in enumerate(range(0, height, high)):
            pen.line((0, y, width, y), fill=0, width=4)
            for x in range((row % 2) * high, width, 2 * high):
                pen.line((x, y, x, y + high), fill=0, width=4)
    depth = float(rng.uniform(20, 45))
    light = (np.asarray(noise, np.float32) - 128) * (depth / 128)
    return Image.fromarray(_clipped(np.asarray(base, np.float32) + light[:, :, None])), ground


def scene(rng: Random, size: tuple[int, int]) -> tuple[Image.Image, RGB]:
    """Art of the house's engines, drawn at half the size and softened by enlarging, as a photograph's ground is."""
    seed = int(rng.integers(2**31))
    colours = palette.from_swatches((), seed)
    words = pick(rng, _SCENES)
    small = scenes.draw(words, (size[0] // 2, size[1] // 2), colours, seed, leave_room=True)
    out = small.resize(size, Image.Resampling.BICUBIC)
    top = np.asarray(small)[: size[1] // 6].reshape(-1, 3).mean(axis=0)
    return out, (int(top[0]), int(top[1]), int(top[2]))


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
    out[at[1] : at[1] + height, at[0] : at[0] + width] = _clipped(lit)
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
    out[at[1] : at[1] + height, at[0] : at[0] + width] = _clipped(spot + up * 95 * edge[:, :, None] + face)
    return out


def grained(rng: Random, art: Pixels) -> Pixels:
    """Grain of a camera: one tile of noise, laid over and over."""
    deviation = float(rng.uniform(1.5, 6))
    tile = rng.normal(0, deviation, (128, 128, 3)).astype(np.int16)
    height, width = art.shape[:2]
    whole = np.tile(tile, (math.ceil(height / 128), math.ceil(width / 128), 1))[:height, :width]
    return np.clip(art + whole, 0, 255).astype(np.uint8)


def _around(mask: Mask, pad: int) -> tuple[Image.Image, tuple[int, int]]:
    """The part of a mask that has ink, with a border, and where it lies: filters on the whole would cost more."""
    height, width = mask.shape
    box = box_of(mask) or (0.0, 0.0, float(width), float(height))
    left, top = max(0, int(box[0]) - pad), max(0, int(box[1]) - pad)
    right, bottom = min(width, int(box[2]) + pad), min(height, int(box[3]) + pad)
    return Image.fromarray(np.ascontiguousarray(mask[top:bottom, left:right])), (left, top)


def _clipped(values: npt.NDArray[np.floating[Any]]) -> Pixels:
    return np.clip(values, 0, 255).astype(np.uint8)
