"""Places letters one by one, on lines, arcs and waves, and rasterises them."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import uharfbuzz as hb
from PIL import Image

from workers.engines import fonts
from workers.engines.fonts import Face
from workers.engines.shaping import Glyph, Shaped, Style, shaped, suited

Mask = npt.NDArray[np.uint8]
"""How much ink lies on a pixel, 0 to 255; shape (height, width)."""
Box = tuple[float, float, float, float]
"""Left, top, right and bottom, pixels."""


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


@dataclass(frozen=True, slots=True)
class Wave:
    """A sine: pixels from crest to crest, and where it begins, radians."""

    length: float
    phase: float


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


def on_wave(line: Shaped, size: float, at: tuple[float, float], rise: float, wave: Wave) -> list[Placed]:
    """Along a sine of height `rise` about a line that begins at x, y; letters stand upright on its slope."""
    out: list[Placed] = []
    ends = [g.x for g in line.glyphs[1:]] + [line.advance]
    for glyph, end in zip(line.glyphs, ends, strict=True):
        middle = (glyph.x + end) / 2 * size
        angle = 2 * math.pi * middle / wave.length + wave.phase
        turn = math.atan(rise * 2 * math.pi / wave.length * math.cos(angle))
        half = (end - glyph.x) * size / 2
        x, y = at[0] + middle, at[1] + rise * math.sin(angle) - glyph.y * size
        out.append(Placed(glyph, size, x - half * math.cos(turn), y - half * math.sin(turn), turn))
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
