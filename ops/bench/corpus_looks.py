"""Grounds under the lettering of the drawn corpus, and colours that can be read on them."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter

from ops.bench.corpus_inks import clipped, colour
from ops.bench.corpus_words import Random, pick
from workers.checks.port import Pixels
from workers.engines import palette, scenes
from workers.engines.palette import RGB

Values = npt.NDArray[np.float32]

READABLE: Final = 4.5
"""Least contrast of plain lettering: WCAG 2.2, success criterion 1.4.3."""
FAINT: Final = (1.5, 2.2)
"""Contrast of low-contrast lettering: a person still reads it without effort at this size."""
_APART: Final = (16.0, 42.0)
"""Least difference in CIE lightness of faint and of plain lettering: on dark grounds the ratio alone flatters."""
_CLEAR: Final = 40
"""Shapes stand this share of the width apart, one over it: what is nearer is seen as one drawing."""
_ASIDE: Final = 0.382
"""Share of the width that a shape is moved by, again and again: the golden section comes near every place."""
_TRIES: Final = 24
_SCENES: Final = ("", "coffee cup", "mountain", "leaves", "sea", "portrait", "contour", "bottle", "night sea")


def ink_on(rng: Random, ground: RGB, contrast: tuple[float, float] = (READABLE, 21.0)) -> RGB:
    """A colour whose WCAG contrast to the ground lies between two, and apart in lightness.

    Where chance finds none, the ground mixed with black or white until both hold.
    """
    apart = _APART[0] if contrast == FAINT else _APART[1]

    def fits(ink: RGB) -> bool:
        far = abs(palette.lightness(ink) - palette.lightness(ground)) >= apart
        return far and contrast[0] <= palette.ratio(ground, ink)

    for _ in range(40):
        ink = colour(rng)
        if fits(ink) and palette.ratio(ground, ink) <= contrast[1]:
            return ink
    far = max((palette.BLACK, palette.WHITE), key=lambda c: palette.ratio(ground, c))
    for step in range(1, 40):
        if fits(ink := palette.mix(ground, far, step / 40)):
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
    """Discs, bars and triangles near the lower edge, each clear of the others.

    One that would lie over another is moved along the edge, or left out where there is no room: two of them together
    are an emblem that nobody asked for, as people and the search for marks see it, and a sound picture has none.
    """
    width, height = art.size
    pen = ImageDraw.Draw(art)
    taken: list[tuple[int, int]] = []
    for _ in range(int(rng.integers(2, 6))):
        x, r = int(rng.integers(width)), int(rng.integers(width // 30, width // 10))
        y = int(height * rng.uniform(0.93, 1.0))
        what, fill = int(rng.integers(3)), colour(rng)
        places = ((x + round(step * _ASIDE * width)) % width for step in range(_TRIES))
        free = (at for at in places if all(abs(at - there) > r + reach + width // _CLEAR for there, reach in taken))
        if (x := next(free, -1)) < 0:
            continue
        taken.append((x, r))
        match what:
            case 0:
                pen.ellipse((x - r, y - r // 2, x + r, y + r), fill=fill)
            case 1:
                pen.rectangle((x - r, y - r // 2, x + r, y + r), fill=fill)
            case _:
                pen.polygon([(x - r, y + r), (x, y - r // 2), (x + r, y + r)], fill=fill)


def textured(rng: Random, size: tuple[int, int]) -> tuple[Image.Image, RGB]:
    """Paper, plaster, wood, weave or brick."""
    width, height = size
    base, ground = flat(rng, size)
    match pick(rng, ("paper", "plaster", "wood", "weave", "brick")):
        case "wood":
            noise = fractal(rng, size, (width // 60, height // 3), octaves=2)
        case "weave":
            noise = _weave(rng, size)
        case "plaster":
            noise = fractal(rng, size, (width // 90, height // 90), octaves=4)
        case other:
            noise = fractal(rng, size, (width // 8, height // 8), octaves=3)
            if other == "brick":
                noise = _mortar(rng, noise)
    light = (noise - 0.5) * 2 * float(rng.uniform(20, 45))
    return Image.fromarray(clipped(np.asarray(base, np.float32) + light[:, :, None])), ground


def fractal(rng: Random, size: tuple[int, int], cells: tuple[int, int], *, octaves: int) -> Values:
    """Noise of several grains, each half as strong and twice as fine; 0 to 1, shape (height, width)."""
    total = np.zeros((size[1], size[0]), np.float32)
    for octave in range(octaves):
        across, down = (max(2, min(side, n << octave)) for side, n in zip(size, cells, strict=True))
        grain = rng.random((down, across), np.float32)
        total += np.asarray(Image.fromarray(grain).resize(size, Image.Resampling.BICUBIC)) / 2**octave
    low, high = float(total.min()), float(total.max())
    return (total - low) / max(high - low, 1e-6)


def _weave(rng: Random, size: tuple[int, int]) -> Values:
    period = float(rng.uniform(5, 10))
    x, y = (np.sin(np.arange(n, dtype=np.float32) * (2 * math.pi / period)) for n in size)
    return (0.5 + 0.25 * (x[None, :] + y[:, None])).astype(np.float32)


def _mortar(rng: Random, noise: Values) -> Values:
    """Dark joints between rows of bricks."""
    height, width = noise.shape
    out = Image.fromarray(noise)
    pen = ImageDraw.Draw(out)
    high = height // int(rng.integers(10, 20))
    for row, y in enumerate(range(0, height, high)):
        pen.line((0, y, width, y), fill=0.0, width=4)
        for x in range((row % 2) * high, width, 2 * high):
            pen.line((x, y, x, y + high), fill=0.0, width=4)
    return np.asarray(out)


def photo(rng: Random, size: tuple[int, int]) -> tuple[Image.Image, RGB]:
    """What a photograph out of focus looks like: a blend of three colours, clouds, lights, a darker rim."""
    small = (size[0] // 2, size[1] // 2)
    width, height = small
    dark = rng.random() < 0.6
    low, high = (0, 110) if dark else (140, 255)
    top, middle, foot = (np.array(colour(rng, low, high), np.float32) for _ in range(3))
    down = np.linspace(0, 1, height, dtype=np.float32)[:, None, None]
    art = np.where(down < 0.5, top + (middle - top) * down * 2, middle + (foot - middle) * (down * 2 - 1))
    cloud = fractal(rng, small, (int(rng.integers(2, 6)), int(rng.integers(2, 6))), octaves=5)
    art = art + (cloud[:, :, None] - 0.5) * float(rng.uniform(30, 70))
    out = Image.fromarray(clipped(art))
    pen = ImageDraw.Draw(out, "RGBA")
    for _ in range(int(rng.integers(4, 16))):
        x, y, r = rng.uniform(0, width), rng.uniform(0.3 * height, height), rng.uniform(0.01, 0.06) * width
        pen.ellipse((x - r, y - r, x + r, y + r), fill=(*colour(rng, low, high), int(rng.integers(40, 140))))
    out = out.filter(ImageFilter.GaussianBlur(float(rng.uniform(1.5, 4)))).resize(size, Image.Resampling.BICUBIC)
    mean = np.asarray(out)[: size[1] * 2 // 3].reshape(-1, 3).mean(axis=0)
    return out, (int(mean[0]), int(mean[1]), int(mean[2]))


def scene(rng: Random, size: tuple[int, int]) -> tuple[Image.Image, RGB]:
    """Art of the house's engines, drawn at half the size and softened by enlarging, as a photograph's ground is."""
    seed = int(rng.integers(2**31))
    colours = palette.from_swatches((), seed)
    words = pick(rng, _SCENES)
    small = scenes.draw(words, (size[0] // 2, size[1] // 2), colours, seed, leave_room=True)
    out = small.resize(size, Image.Resampling.BICUBIC)
    top = np.asarray(small)[: size[1] // 6].reshape(-1, 3).mean(axis=0)
    return out, (int(top[0]), int(top[1]), int(top[2]))


def grained(rng: Random, art: Pixels) -> Pixels:
    """Grain of a camera: one tile of noise, laid over and over."""
    deviation = float(rng.uniform(1.5, 6))
    tile = rng.normal(0, deviation, (128, 128, 3)).astype(np.int16)
    height, width = art.shape[:2]
    whole = np.tile(tile, (math.ceil(height / 128), math.ceil(width / 128), 1))[:height, :width]
    return np.clip(art + whole, 0, 255).astype(np.uint8)
