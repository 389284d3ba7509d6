"""Logos of four kinds, drawn, and posters that show them: sound, turned, stretched, recoloured, damaged, or without."""

from __future__ import annotations

import hashlib
import io
import math
from collections.abc import Mapping
from dataclasses import replace
from enum import StrEnum
from typing import Final

import numpy as np
from PIL import Image, ImageChops, ImageDraw

from schemas.events import FileRef, FileRole, LogoMatch
from tests.corpus import rendering_for, request_for
from workers.checks.port import Decoded, Pixels, Subject
from workers.engines import palette, scenes

PALETTES: Final = (("#2b1d16", "#c8742f", "#f3e9dc", "#7a8f86"), ("#1c3a34", "#e05a26", "#f4f1ea", "#8fb0b5"))
PROMPTS: Final = (
    "a mountain ridge",
    "a cup of coffee",
    "leaves",
    "sea and a boat",
    "geometric shapes",
    "contour lines",
)


class Mark(StrEnum):
    """Kinds of logo."""

    WORDMARK = "wordmark"
    FLAT = "flat mark"
    BADGE = "badge"
    EMBLEM = "detailed emblem"


class Change(StrEnum):
    """What was done to it."""

    NONE = "none"
    TURNED = "turned"
    STRETCHED = "stretched"
    RECOLOURED = "recoloured"
    PART_GONE = "part gone"
    REDRAWN = "redrawn"
    ABSENT = "absent"


def logo(kind: Mark, seed: int = 0, side: int = 480) -> Image.Image:
    """RGBA, cut to what is seen."""
    rng = np.random.default_rng([seed, tuple(Mark).index(kind)])
    colours = [tuple(int(v) for v in rng.integers(20, 235, 3)) for _ in range(3)]
    image = Image.new("RGBA", (side, side), (0, 0, 0, 0))
    draw = ImageDraw.Draw(image)
    s = side / 100
    match kind:
        case Mark.WORDMARK:
            name = ("NORTHWIND", "Halden", "Brasco & Co", "OLMO")[seed % 4]
            draw.text((2 * s, 30 * s), name, font=_face(seed, round(1.3 * side / len(name))), fill=colours[0])
        case Mark.FLAT:
            if seed % 3 == 0:  # a leaf in a ring
                draw.ellipse((10 * s, 10 * s, 90 * s, 90 * s), outline=colours[0], width=round(9 * s))
                draw.pieslice((25 * s, 20 * s, 95 * s, 90 * s), 150, 270, fill=colours[1])
            elif seed % 3 == 1:  # three bars
                for i in range(3):
                    draw.polygon(
                        [
                            ((10 + 28 * i) * s, 85 * s),
                            ((30 + 28 * i) * s, 85 * s),
                            ((42 + 18 * i) * s, (15 + 15 * i) * s),
                        ],
                        fill=colours[i],
                    )
            else:  # a star with a dot
                points = [
                    (
                        50 * s + (42 if i % 2 else 18) * s * math.sin(i * math.pi / 5),
                        50 * s - (42 if i % 2 else 18) * s * math.cos(i * math.pi / 5),
                    )
                    for i in range(10)
                ]
                draw.polygon(points, fill=colours[0])
                draw.ellipse((42 * s, 42 * s, 58 * s, 58 * s), fill=colours[1])
        case Mark.BADGE:
            draw.rounded_rectangle((5 * s, 25 * s, 95 * s, 75 * s), radius=round(10 * s), fill=colours[0])
            draw.polygon([(15 * s, 65 * s), (28 * s, 35 * s), (41 * s, 65 * s)], fill=colours[1])
            draw.text((44 * s, 38 * s), "PEAK", font=_face(seed, round(18 * s)), fill=(250, 250, 245))
        case Mark.EMBLEM:
            draw.ellipse((4 * s, 4 * s, 96 * s, 96 * s), fill=colours[0])
            draw.ellipse((10 * s, 10 * s, 90 * s, 90 * s), outline=(250, 245, 230), width=round(2 * s))
            for i in range(16):
                x, y = (f(i * math.pi / 8 + seed) for f in (math.cos, math.sin))
                ray = [((50 + r * x) * s, (50 + r * y) * s) for r in (20, 36)]
                draw.line(ray, fill=colours[1], width=round((1 + i % 3) * s))
            draw.polygon([(34 * s, 62 * s), (50 * s, 32 * s), (66 * s, 62 * s)], fill=colours[2])
            draw.text((38 * s, 64 * s), "EST 19", font=_face(seed, round(9 * s)), fill=(250, 245, 230))
    return image.crop(image.getchannel("A").getbbox())


def poster(
    mark: Image.Image, seed: int, change: Change, *, share: float, turn: float = 0.0, size: int = 1024
) -> tuple[Pixels, tuple[int, int, int, int]]:
    """A drawn scene with the mark on a calm patch, and where it was put.

    `share` is its longer side by the picture's.
    """
    rng = np.random.default_rng([seed, 77])
    swatches = PALETTES[seed % 2]
    canvas = scenes.draw(PROMPTS[seed % len(PROMPTS)], (size, size), palette.from_swatches(swatches, seed), seed)
    if change is Change.ABSENT:
        return np.asarray(canvas.convert("RGB")), (0, 0, 0, 0)
    shown = altered(mark, change, rng)
    factor = share * size / max(mark.size)
    shown = shown.resize((round(shown.width * factor), round(shown.height * factor)), Image.Resampling.LANCZOS)
    if turn:
        shown = shown.rotate(-turn, expand=True, resample=Image.Resampling.BICUBIC)
    left = int(rng.integers(20, max(21, size - shown.width - 20)))
    top = int(rng.integers(20, max(21, size - shown.height - 20)))
    ImageDraw.Draw(canvas).rectangle(
        (
            left - shown.height // 3,
            top - shown.height // 3,
            left + shown.width + shown.height // 3,
            top + shown.height + shown.height // 3,
        ),
        fill=tuple(int(swatches[2][i : i + 2], 16) for i in (1, 3, 5)),
    )
    canvas.paste(shown, (left, top), shown)
    return np.asarray(canvas.convert("RGB")), (left, top, left + shown.width, top + shown.height)


def altered(mark: Image.Image, change: Change, rng: np.random.Generator) -> Image.Image:
    """The mark, changed."""
    match change:
        case Change.STRETCHED:
            return mark.resize((round(mark.width * 1.25), mark.height), Image.Resampling.LANCZOS)
        case Change.RECOLOURED:
            red, green, blue, alpha = mark.split()
            return Image.merge("RGBA", (blue, red, ImageChops.invert(green), alpha))
        case Change.PART_GONE:
            out = mark.copy()
            x, y = mark.width * 0.55, mark.height * 0.0
            ImageDraw.Draw(out).rectangle((x, y, mark.width * 0.85, mark.height), fill=(0, 0, 0, 0))
            return out
        case Change.REDRAWN:  # bent by a wave, as a model draws it from memory
            pixels = np.asarray(mark)
            ys, xs = np.mgrid[0 : mark.height, 0 : mark.width]
            reach = 0.05 * max(mark.size)
            phase = float(rng.uniform(0, 6))
            xs = np.clip(xs + reach * np.sin(ys / mark.height * 9 + phase), 0, mark.width - 1).astype(int)
            ys = np.clip(ys + reach * np.sin(xs / mark.width * 9 + phase), 0, mark.height - 1).astype(int)
            return Image.fromarray(pixels[ys, xs])
        case _:
            return mark


def png(image: Image.Image) -> bytes:
    """Its bytes."""
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def subject(pixels: Pixels, *logos: bytes) -> Subject:
    """A picture whose job came with logos."""
    files: Mapping[str, bytes] = {hashlib.sha256(data).hexdigest(): data for data in logos}
    refs = tuple(
        FileRef(role=FileRole.LOGO, name=f"logo{i}.png", sha256=sha, media_type="image/png", size_bytes=len(files[sha]))
        for i, sha in enumerate(files)
    )
    request = request_for(())
    return Subject(
        data=b"",
        image=Decoded(pixels=pixels, media_type="image/png"),
        request=replace(request, job=replace(request.job, files=refs)),
        rendering=rendering_for(b""),
        files=files,
    )


def _face(seed: int, size: int):
    from PIL import ImageFont

    return ImageFont.load_default(size)


def overlap(match: LogoMatch, place: tuple[int, int, int, int]) -> float:
    """Shared area over the joint area of both upright boxes."""
    if not match.box:
        return 0.0
    xs, ys = match.box[0::2], match.box[1::2]
    a = (min(xs), min(ys), max(xs), max(ys))
    shared = max(0, min(a[2], place[2]) - max(a[0], place[0])) * max(0, min(a[3], place[3]) - max(a[1], place[1]))
    joint = (a[2] - a[0]) * (a[3] - a[1]) + (place[2] - place[0]) * (place[3] - place[1]) - shared
    return shared / joint
