"""A small anti-aliased canvas: shapes are drawn at twice the size and halved once at the end."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
from PIL import Image, ImageDraw

from workers.engines.palette import RGB

SCALE: Final = 2
DRAWN_PIXELS: Final = 1280
"""Longest side that is drawn; larger art is enlarged from there, so that no request can take much memory."""

Point = tuple[float, float]


class Canvas:
    """Draws in units where the shorter side is 1; x runs to `w`, y down to `h`.

    A `zoom` above 1 shows a part of that; `across` and `down`, 0 to 1, say which.
    """

    def __init__(
        self, width: int, height: int, ground: RGB, *, zoom: float = 1.0, across: float = 0.0, down: float = 0.0
    ) -> None:
        self._size = (width, height)
        shrink = min(1.0, DRAWN_PIXELS / max(width, height))
        drawn = (max(1, round(width * shrink)), max(1, round(height * shrink)))
        self._unit = SCALE * min(drawn) * zoom
        self.w, self.h = drawn[0] / min(drawn), drawn[1] / min(drawn)
        self._left, self._top = across * self.w * (1 - 1 / zoom), down * self.h * (1 - 1 / zoom)
        self._image = Image.new("RGB", (drawn[0] * SCALE, drawn[1] * SCALE), ground)
        self._draw = ImageDraw.Draw(self._image)

    def _points(self, points: Sequence[Point]) -> list[Point]:
        return [((x - self._left) * self._unit, (y - self._top) * self._unit) for x, y in points]

    def _around(self, x: float, y: float, rx: float, ry: float) -> tuple[Point, Point]:
        """Corners of the box with this centre, pixels."""
        first, last = self._points(((x - rx, y - ry), (x + rx, y + ry)))
        return first, last

    def gradient(self, top: RGB, bottom: RGB, *, y0: float = 0.0, y1: float | None = None) -> None:
        """A vertical blend over the rows y0..y1."""
        ends = self._points(((0.0, y0), (0.0, self.h if y1 is None else y1)))
        first, last = (round(y) for _, y in ends)
        if last <= first:
            return
        share = np.linspace(0.0, 1.0, last - first)[:, None]
        rows = np.array(top) * (1 - share) + np.array(bottom) * share
        strip = Image.fromarray(np.rint(rows).astype(np.uint8)[:, None, :])
        self._image.paste(strip.resize((self._image.width, last - first), Image.Resampling.NEAREST), (0, first))

    def polygon(self, points: Sequence[Point], fill: RGB) -> None:
        """A filled polygon."""
        self._draw.polygon(self._points(points), fill=fill)

    def disc(self, x: float, y: float, r: float, fill: RGB) -> None:
        """A filled circle."""
        self.oval(x, y, r, r, fill)

    def oval(self, x: float, y: float, rx: float, ry: float, fill: RGB) -> None:
        """A filled ellipse by centre and radii."""
        self._draw.ellipse(self._around(x, y, rx, ry), fill=fill)

    def ring(self, x: float, y: float, r: float, width: float, fill: RGB) -> None:
        """A circle's outline."""
        self._draw.ellipse(self._around(x, y, r, r), outline=fill, width=max(1, round(width * self._unit)))

    def box(self, x0: float, y0: float, x1: float, y1: float, fill: RGB, radius: float = 0.0) -> None:
        """A filled rectangle, its corners rounded by a radius."""
        self._draw.rounded_rectangle(self._points(((x0, y0), (x1, y1))), radius=radius * self._unit, fill=fill)

    def line(self, points: Sequence[Point], width: float, fill: RGB) -> None:
        """A line with round joins and ends."""
        u = self._unit
        self._draw.line(self._points(points), fill=fill, width=max(1, round(width * u)), joint="curve")
        for x, y in (points[0], points[-1]):
            self.disc(x, y, width / 2, fill)

    def pie(self, x: float, y: float, r: float, start: float, end: float, fill: RGB) -> None:
        """A slice of a disc, angles in degrees clockwise from three o'clock."""
        self._draw.pieslice(self._around(x, y, r, r), start, end, fill=fill)

    def glow(self, x: float, y: float, r: float, fill: RGB, strength: float) -> None:
        """A soft round light (or shadow) that fades to nothing at the radius; strength 0..1."""
        self.soft_oval(x, y, r, r, fill, strength)

    def soft_oval(self, x: float, y: float, rx: float, ry: float, fill: RGB, strength: float) -> None:
        """A soft ellipse that fades to nothing at its radii; strength 0..1."""
        u = self._unit
        size = (max(2, round(2 * rx * u)), max(2, round(2 * ry * u)))
        mask = _falloff(strength).resize(size, Image.Resampling.BILINEAR)
        corner, _ = self._around(x, y, rx, ry)
        self._image.paste(fill, (round(corner[0]), round(corner[1])), mask)

    def finish(self) -> Image.Image:
        """The picture, RGB, in the size that was asked for."""
        small = self._image.reduce(SCALE)
        return small if small.size == self._size else small.resize(self._size, Image.Resampling.BICUBIC)


def _falloff(strength: float) -> Image.Image:
    steps = np.linspace(-1.0, 1.0, 65)
    radius = np.minimum(1.0, np.hypot(steps[:, None], steps[None, :]))
    return Image.fromarray(np.rint(255 * strength * (0.5 + 0.5 * np.cos(math.pi * radius))).astype(np.uint8))


def curve(points: Sequence[Point], each: int = 12) -> list[Point]:
    """A smooth line through points (Catmull-Rom), `each` steps between two of them."""
    padded = np.array([points[0], *points, points[-1]], dtype=np.float64)
    t = np.linspace(0.0, 1.0, each, endpoint=False)[:, None]
    out: list[Point] = []
    for i in range(len(points) - 1):
        p0, p1, p2, p3 = padded[i : i + 4]
        part = 0.5 * (
            2 * p1 + (p2 - p0) * t + (2 * p0 - 5 * p1 + 4 * p2 - p3) * t**2 + (3 * p1 - p0 - 3 * p2 + p3) * t**3
        )
        out += [(float(x), float(y)) for x, y in part]
    return [*out, points[-1]]
