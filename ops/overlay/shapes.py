"""Shapes of an overlay's marks, each with a light edge so that it shows on any picture: the legend draws the same ones.

A shape tells what a colour tells, for whoever tells colours apart by less.
"""

from __future__ import annotations

import math
from enum import Enum, auto
from itertools import pairwise
from typing import Final

from PIL import ImageDraw

from ops.overlay.captions import RGB

PAPER: Final[RGB] = (255, 255, 255)
Point = tuple[float, float]
Rect = tuple[float, float, float, float]
"""Left, top, right, bottom."""


class Shape(Enum):
    """How a place is marked."""

    LINE = auto()
    """Below it."""
    BOX = auto()
    DASHED = auto()
    DOTTED = auto()
    ELLIPSE = auto()
    CARET = auto()
    """Below the middle, with a line through it: something should stand there."""
    CORNERS = auto()


def draw_shape(pen: ImageDraw.ImageDraw, shape: Shape, rect: Rect, colour: RGB, line: int) -> None:
    """A mark at a place; `line` is its width, pixels."""
    left, top, right, bottom = rect
    match shape:
        case Shape.LINE:
            inset = min(line, (right - left) / 4)
            _stroke(pen, [(left + inset, bottom), (right - inset, bottom)], colour, line)
        case Shape.BOX:
            pen.rectangle(grown(rect, line), outline=PAPER, width=1)
            pen.rectangle(rect, outline=colour, width=line)
            if min(right - left, bottom - top) > 4 * line:
                pen.rectangle(grown(rect, -line), outline=PAPER, width=1)
        case Shape.ELLIPSE:
            pen.ellipse(grown(rect, 1), outline=PAPER, width=line + 2)
            pen.ellipse(rect, outline=colour, width=line)
        case Shape.CARET:
            middle, reach = (left + right) / 2, caret_reach(rect, line)
            _stroke(pen, [(middle, top), (middle, bottom)], colour, line)
            foot = [(middle - reach, bottom + reach), (middle, bottom), (middle + reach, bottom + reach)]
            _stroke(pen, foot, colour, line * 2)
        case Shape.DASHED | Shape.DOTTED:
            around = [(left, top), (right, top), (right, bottom), (left, bottom), (left, top)]
            # A small place still shows some dashes on every side.
            dash = min(line * (4.0 if shape is Shape.DASHED else 1.5), max(2.0, min(right - left, bottom - top) / 5))
            for ends in _pieces(around, dash):
                _stroke(pen, ends, colour, line)
        case Shape.CORNERS:
            reach = min(right - left, bottom - top) / 4
            for x, along in ((left, 1), (right, -1)):
                for y, down in ((top, 1), (bottom, -1)):
                    _stroke(pen, [(x + along * reach, y), (x, y), (x, y + down * reach)], colour, line)


def draw_polygon(pen: ImageDraw.ImageDraw, corners: list[Point], colour: RGB, line: int) -> None:
    """A closed line through corners."""
    _stroke(pen, [*corners, corners[0]], colour, line)


def caret_reach(rect: Rect, line: int) -> float:
    """Half the width of a caret, which is its height too."""
    return min(max(line * 4.0, (rect[3] - rect[1]) * 0.16), line * 10.0)


def grown(rect: Rect, by: float) -> Rect:
    """Larger on every side; smaller where `by` is negative."""
    return rect[0] - by, rect[1] - by, rect[2] + by, rect[3] + by


def _stroke(pen: ImageDraw.ImageDraw, points: list[Point], colour: RGB, line: int) -> None:
    pen.line(points, fill=PAPER, width=line + 2, joint="curve")
    pen.line(points, fill=colour, width=line, joint="curve")


def _pieces(corners: list[Point], dash: float) -> list[list[Point]]:
    """Every second piece of a line through corners."""
    out: list[list[Point]] = []
    for (x0, y0), (x1, y1) in pairwise(corners):
        long = math.hypot(x1 - x0, y1 - y0)
        for n in range(math.ceil(long / (2 * dash))):
            a, b = 2 * n * dash / long, min(1.0, (2 * n + 1) * dash / long)
            out.append([(x0 + (x1 - x0) * a, y0 + (y1 - y0) * a), (x0 + (x1 - x0) * b, y0 + (y1 - y0) * b)])
    return out
