"""Places letters one by one, on lines and arcs, and rasterises them; malformed letters are made here."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import uharfbuzz as hb
from PIL import Image, ImageDraw

from ops.bench.corpus_words import Random, pick
from workers.engines import fonts
from workers.engines.fonts import Face
from workers.engines.shaping import Glyph, Shaped, Style, shaped, suited

Mask = npt.NDArray[np.uint8]
"""How much ink lies on a pixel, 0 to 255; shape (height, width)."""
Box = tuple[float, float, float, float]
"""Left, top, right and bottom, pixels."""

UPRIGHT: Final = (
    *fonts.ALL,
    Face("font_manrope", "files/Manrope-Medium.ttf"),
    Face("font_source_sans_pro", "files/SourceSansPro-Regular.ttf"),
    Face("font_source_serif_pro", "files/SourceSerifPro-Regular.ttf"),
    Face("font_source_serif_pro", "files/SourceSerifPro-Black.ttf"),
)
SLANTED: Final = (
    Face("font_source_serif_pro", "files/SourceSerifPro-It.ttf"),
    Face("font_source_serif_pro", "files/SourceSerifPro-SemiboldIt.ttf"),
    Face("font_source_sans_pro", "files/SourceSansPro-SemiboldIt.ttf"),
    Face("font_source_serif_pro", "files/SourceSerifPro-LightIt.ttf"),
)
MALFORMED: Final = (0.15, 0.7)
"""Least and most of a letter's ink that a malformation may change: less is not seen, more is another letter."""
_TRIES: Final = 12


@dataclass(frozen=True, slots=True)
class Placed:
    """A glyph at `size` pixels per em; x, y of its origin in pixels, y downwards; turned clockwise by radians.

    `shear` is pixels to the right for each pixel up.
    """

    glyph: Glyph
    size: float
    x: float
    y: float
    turn: float = 0.0
    shear: float = 0.0


def style(face: Face, tracking: float = 0.0) -> Style:
    """A face, with every other that is here for what it lacks."""
    return Style(face=face, others=fonts.here(), tracking=tracking, leading=1.2, share=1.0)


def line_of(text: str, look: Style) -> Shaped:
    """A shaped line. Raises CannotSet where no font here has a character."""
    return shaped(text, suited(text, look))


def on_line(line: Shaped, size: float, at: tuple[float, float], shear: float = 0.0) -> list[Placed]:
    """Along a straight baseline that begins at x, y."""
    return [Placed(g, size, at[0] + g.x * size, at[1] - g.y * size, 0.0, shear) for g in line.glyphs]


def on_arc(line: Shaped, size: float, centre: tuple[float, float], radius: float, *, below: bool) -> list[Placed]:
    """Along a circle, its middle at the top, or at the bottom with the letters upright."""
    out: list[Placed] = []
    ends = [g.x for g in line.glyphs[1:]] + [line.advance]
    for glyph, end in zip(line.glyphs, ends, strict=True):
        half = (end - glyph.x) * size / 2
        angle = ((glyph.x + end) / 2 - line.advance / 2) * size / radius
        turn = -angle if below else angle
        rise = radius if below else -radius
        x, y = centre[0] + radius * math.sin(angle), centre[1] + rise * math.cos(angle)
        up = glyph.y * size
        out.append(
            Placed(
                glyph,
                size,
                x - half * math.cos(turn) + up * math.sin(turn),
                y - half * math.sin(turn) - up * math.cos(turn),
                turn,
            )
        )
    return out


def raster(placed: Iterable[Placed], size: tuple[int, int]) -> Mask:
    """The ink of glyphs on a picture of width and height."""
    width, height = size
    drawing = hb.RasterDraw()
    drawing.extents = hb.RasterExtents(x_origin=0, y_origin=0, width=width, height=height, stride=0)
    for p in placed:
        scale = p.size / p.glyph.face.units
        cos, sin = scale * math.cos(p.turn), scale * math.sin(p.turn)
        # The raster's y runs upwards from its lower edge.
        drawing.transform = (cos, -sin, p.shear * cos + sin, cos - p.shear * sin, p.x, height - p.y)
        drawing.draw_glyph(p.glyph.face.font, p.glyph.number)
    drawn = drawing.render()
    if drawn is None or not drawn.extents.width:
        return np.zeros((height, width), np.uint8)
    rows = np.frombuffer(drawn.buffer, np.uint8).reshape(drawn.extents.height, drawn.extents.stride)
    return np.ascontiguousarray(rows[::-1, :width])


def box_of(mask: Mask) -> Box | None:
    """Where the ink lies; None of none."""
    box = Image.fromarray(mask).getbbox()
    return None if box is None else (float(box[0]), float(box[1]), float(box[2]), float(box[3]))


def with_malformed(rng: Random, placed: Sequence[Placed], size: tuple[int, int]) -> Mask:
    """The ink of glyphs, one of them with a stroke cut, moved or too many."""
    sizes = sorted(p.size for p in placed)
    large = [i for i, p in enumerate(placed) if p.size >= sizes[len(sizes) // 2]]
    for at in rng.permutation(large):
        alone = raster([placed[int(at)]], size)
        if (box := box_of(alone)) is None or box[3] - box[1] < 0.3 * placed[int(at)].size:
            continue  # a blank, a full stop: nothing that could be malformed
        bad = _malformed(rng, alone, box)
        rest = raster([p for i, p in enumerate(placed) if i != int(at)], size)
        return np.maximum(rest, bad)
    return raster(placed, size)


def _malformed(rng: Random, alone: Mask, box: Box) -> Mask:
    left, top, right, bottom = (round(v) for v in box)
    glyph = alone[top:bottom, left:right]
    pad = max(2, (bottom - top) // 4)
    glyph = np.pad(glyph, pad)
    bad = glyph
    for _ in range(_TRIES):
        bad = pick(rng, (_cut, _moved, _stroke))(rng, glyph)
        changed = np.abs(bad.astype(np.int16) - glyph).sum() / max(1, int(glyph.sum(dtype=np.int64)))
        if MALFORMED[0] <= changed <= MALFORMED[1]:
            break
    out = np.zeros_like(alone)
    height, width = alone.shape
    y0, x0 = max(0, top - pad), max(0, left - pad)
    y1, x1 = min(height, bottom + pad), min(width, right + pad)
    out[y0:y1, x0:x1] = bad[y0 - top + pad : y1 - top + pad, x0 - left + pad : x1 - left + pad]
    return out


def _stripe(rng: Random, glyph: Mask, share: float) -> Mask:
    """A bar across the middle of a glyph, at any slant."""
    height, width = glyph.shape
    out = Image.new("L", (width, height))
    angle, reach = float(rng.uniform(0, math.pi)), height + width
    x, y = width * float(rng.uniform(0.35, 0.65)), height * float(rng.uniform(0.3, 0.7))
    ends = [(x + s * reach * math.cos(angle), y + s * reach * math.sin(angle)) for s in (-1, 1)]
    ImageDraw.Draw(out).line(ends, fill=255, width=max(2, round(share * height)))
    return np.asarray(out)


def _cut(rng: Random, glyph: Mask) -> Mask:
    return np.minimum(glyph, 255 - _stripe(rng, glyph, float(rng.uniform(0.14, 0.22))))


def _stroke(rng: Random, glyph: Mask) -> Mask:
    inner = np.zeros_like(glyph)
    edge = min(glyph.shape) // 6
    inner[edge:-edge, edge:-edge] = _stripe(rng, glyph, float(rng.uniform(0.06, 0.1)))[edge:-edge, edge:-edge]
    return np.maximum(glyph, inner)


def _moved(rng: Random, glyph: Mask) -> Mask:
    """The upper part beside where it belongs."""
    at = round(glyph.shape[0] * float(rng.uniform(0.4, 0.6)))
    by = round(glyph.shape[0] * float(rng.uniform(0.12, 0.18))) * pick(rng, (-1, 1))
    out = glyph.copy()
    out[:at] = np.roll(glyph[:at], by, axis=1)
    return out
