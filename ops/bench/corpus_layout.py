"""Where the phrases of a drawn picture stand: blocks of lines, arcs, rings, and what a lens does to them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from ops.bench.corpus_kinds import Kind
from ops.bench.corpus_letters import Box, Mask, Placed, Wave, line_of, on_arc, on_line, on_wave, style
from ops.bench.corpus_words import Random, pick
from workers.engines.fonts import Face
from workers.engines.shaping import Shaped, Style

Size = tuple[int, int]
Matrix = npt.NDArray[np.float64]
"""3 x 3; takes a point of the warped picture to where it came from, in homogeneous pixels."""
_WRAP: Final = 14
"""Headlines longer than this may stand on two lines."""


@dataclass(frozen=True, slots=True)
class Laid:
    """The letters of each phrase, lines and frames beside them, and the warp of both."""

    lines: tuple[tuple[Placed, ...], ...]
    furniture: Mask
    matrix: Matrix | None = None

    def warped(self, mask: Mask) -> Mask:
        """A mask as the lens sees it."""
        if self.matrix is None:
            return mask
        numbers = [float(v) for v in (self.matrix / self.matrix[2, 2]).ravel()[:8]]
        picture = Image.fromarray(mask)
        return np.asarray(
            picture.transform(picture.size, Image.Transform.PERSPECTIVE, numbers, Image.Resampling.BICUBIC)
        )

    def seen(self, box: Box) -> Box:
        """Upright bounds of a box as the lens sees it."""
        if self.matrix is None:
            return box
        left, top, right, bottom = box
        corners = np.array([[left, top, 1], [right, top, 1], [right, bottom, 1], [left, bottom, 1]], float)
        there = np.linalg.inv(self.matrix) @ corners.T
        x, y = there[0] / there[2], there[1] / there[2]
        return float(x.min()), float(y.min()), float(x.max()), float(y.max())


@dataclass(frozen=True, slots=True)
class _Row:
    """One line of type: which phrase it belongs to, its em in pixels, where it stands across (0 left, 0.5, 1 right)."""

    phrase: int
    line: Shaped
    size: float
    across: float = 0.5


def lay(rng: Random, kind: Kind, phrases: Sequence[str], size: Size, faces: tuple[Face, Face]) -> Laid:
    """Places phrases on a picture of width and height, the first in the first face, the others in the second.

    Raises CannotSet where no font here has a character.
    """
    empty = np.zeros((size[1], size[0]), np.uint8)
    if not phrases:
        return Laid((), empty)
    # Letters of a script join: spacing would tear them.
    head = style(faces[0], 0.0 if kind is Kind.SCRIPT else float(rng.uniform(-0.01, 0.05)))
    text = style(faces[1])
    match kind:
        case Kind.CURVED:
            return Laid(_curved(rng, phrases, size, (head, text)), empty)
        case Kind.WAVY:
            return Laid(_wavy(rng, phrases, size, (head, text)), empty)
        case Kind.CIRCULAR:
            return _ring(rng, phrases, size, (head, text))
        case Kind.PERSPECTIVE:
            rows = _rows(rng, kind, phrases, size, (head, text))
            lines = _stacked(rows, size, (0.16, 0.84), 0.0)
            return Laid(lines, _frame(size), _lens(rng, size))
        case Kind.ROTATED | Kind.SLANTED:
            rows = _rows(rng, kind, phrases, size, (head, text))
            shear = float(rng.uniform(0.08, 0.28)) if kind is Kind.SLANTED else 0.0
            lines = _stacked(rows, size, (0.24, 0.76), shear)
            return Laid(lines, empty, _turn(_angle(rng, kind), size))
        case Kind.LAYOUT:
            return _columns(rng, phrases, size, (head, text))
        case _:
            top = float(rng.uniform(0.05, 0.14))
            lines = _stacked(_rows(rng, kind, phrases, size, (head, text)), size, (top, 0.86), 0.0)
            return Laid(lines, empty)


def _angle(rng: Random, kind: Kind) -> float:
    """Radians clockwise."""
    if kind is Kind.SLANTED:
        return -math.radians(float(rng.uniform(2, 8)))
    if rng.random() < 0.2:
        return math.radians(pick(rng, (-90, 90)))
    return math.radians(float(rng.uniform(6, 30)) * pick(rng, (-1, 1)))


_HEADS_ONLY: Final = frozenset({Kind.EXTRUDED, Kind.BLOBS, Kind.OUTLINED, Kind.SCRIPT})
"""Kinds whose headline must be large enough for what is done to it."""


def _rows(rng: Random, kind: Kind, phrases: Sequence[str], size: Size, styles: tuple[Style, Style]) -> list[_Row]:
    """Lines of type from sizes that chance picks: the first phrase large, on two lines where it is long."""
    width, height = size
    small = kind is Kind.SMALL_PRINT
    widest = 0.7 if kind in (Kind.ROTATED, Kind.SLANTED, Kind.PERSPECTIVE) else 0.88
    across = 0.5 if kind in (Kind.ROTATED, Kind.SLANTED) else pick(rng, (0.0, 0.5, 0.5))
    out: list[_Row] = []
    for i, phrase in enumerate(phrases):
        share, wrap, em = float(rng.uniform(0.7, 1.0)), rng.random() < 0.4, float(rng.uniform(17, 25))
        head = i == 0 and len(phrases) < 6
        pieces = _wrapped(phrase) if head and wrap else [phrase]
        lines = [line_of(p, styles[0 if head else 1]) for p in pieces]
        room = widest * width * (share if head else share * 0.7)
        fitted = min(room / max(line.advance for line in lines), height * (0.17 if head else 0.08))
        if head and kind in _HEADS_ONLY:
            fitted = min(0.86 * width / max(line.advance for line in lines), 0.19 * height)
        one = min(em, fitted) if small and not head else max(22.0, fitted)
        one = min(one, 0.9 * width / max(line.advance for line in lines))
        out += [_Row(i, line, one, across) for line in lines]
    return out


def _wrapped(text: str) -> list[str]:
    words = text.split()
    if len(text) <= _WRAP or len(words) < 2:
        return [text]
    half = min(range(1, len(words)), key=lambda n: abs(len(" ".join(words[:n])) - len(text) / 2))
    return [" ".join(words[:half]), " ".join(words[half:])]


def _stacked(
    rows: Sequence[_Row], size: Size, between: tuple[float, float], shear: float
) -> tuple[tuple[Placed, ...], ...]:
    """One under the other from the upper share of the height to the lower one, smaller where they are too many."""
    width, height = size
    leads = [row.size * (1.3 if i == 0 or rows[i - 1].phrase == row.phrase else 1.55) for i, row in enumerate(rows)]
    room = (between[1] - between[0]) * height
    shrink = min(1.0, room / sum(leads))
    tilted = shear > 0 or between[0] > 0.2
    y = between[0] * height + ((room - shrink * sum(leads)) / 2 if tilted else 0.0)
    out: dict[int, list[Placed]] = {}
    for row, lead in zip(rows, leads, strict=True):
        y += lead * shrink
        em, long = row.size * shrink, row.line.advance * row.size * shrink
        x = 0.06 * width + row.across * (0.88 * width - long)
        out.setdefault(row.phrase, []).extend(on_line(row.line, em, (x, y - 0.3 * em), shear))
    return tuple(tuple(out[i]) for i in sorted(out))


def _columns(rng: Random, phrases: Sequence[str], size: Size, styles: tuple[Style, Style]) -> Laid:
    """A headline, a rule, a large second phrase, and the rest side by side at the foot."""
    width, height = size
    top = _rows(rng, Kind.LAYOUT, phrases[:2], size, styles)
    lines = list(_stacked(top, size, (0.06, 0.62), 0.0))
    low, rest = float(rng.uniform(0.8, 0.92)) * height, phrases[2:]
    for i, phrase in enumerate(rest):
        line = line_of(phrase, styles[1])
        em = min(0.84 * width / len(rest) / line.advance, 0.04 * height)
        x = 0.06 * width + (0.0 if len(rest) == 1 else i / (len(rest) - 1)) * (0.88 * width - line.advance * em)
        lines.append(tuple(on_line(line, em, (x, low), 0.0)))
    furniture = Image.new("L", size)
    pen = ImageDraw.Draw(furniture)
    rule = low - 0.07 * height
    pen.line((0.06 * width, rule, 0.94 * width, rule), fill=255, width=3)
    return Laid(tuple(lines), np.asarray(furniture))


def _curved(
    rng: Random, phrases: Sequence[str], size: Size, styles: tuple[Style, Style]
) -> tuple[tuple[Placed, ...], ...]:
    """The headline on an arc, bent up or down, the rest straight below it."""
    width, height = size
    line, span = line_of(phrases[0], styles[0]), math.radians(float(rng.uniform(50, 130)))
    chord = float(rng.uniform(0.65, 0.8)) * width
    radius = chord / 2 / math.sin(span / 2)
    em = min(radius * span / line.advance, 0.13 * height)
    radius = em * line.advance / span
    rise, below = radius * (1 - math.cos(span / 2)), rng.random() < 0.35
    top = float(rng.uniform(0.06, 0.12)) * height + em
    centre = (width / 2, top + rise + (0.4 * em if below else 0.0) - radius if below else top + radius)
    lines = [tuple(on_arc(line, em, centre, radius, below=below))]
    if len(phrases) > 1:
        rows = [row for row in _rows(rng, Kind.CURVED, phrases, size, styles) if row.phrase]
        lines += _stacked(rows, size, (min(0.7, (top + rise + 0.9 * em) / height), 0.88), 0.0)
    return tuple(lines)


def _wavy(
    rng: Random, phrases: Sequence[str], size: Size, styles: tuple[Style, Style]
) -> tuple[tuple[Placed, ...], ...]:
    """The headline along a wave, the rest straight below it."""
    width, height = size
    line = line_of(phrases[0], styles[0])
    em = min(float(rng.uniform(0.7, 0.86)) * width / line.advance, 0.13 * height)
    long = line.advance * em
    wave = Wave(long / float(rng.uniform(0.8, 1.6)), float(rng.uniform(0, 2 * math.pi)))
    # Steeper than 25 degrees the letters of one word begin to overlap.
    rise = min(float(rng.uniform(0.25, 0.6)) * em, math.tan(math.radians(25)) * wave.length / (2 * math.pi))
    top = float(rng.uniform(0.08, 0.2)) * height + rise + em
    lines = [tuple(on_wave(line, em, ((width - long) / 2, top), rise, wave))]
    if len(phrases) > 1:
        rows = [row for row in _rows(rng, Kind.WAVY, phrases, size, styles) if row.phrase]
        lines += _stacked(rows, size, (min(0.7, (top + rise + 0.6 * em) / height), 0.88), 0.0)
    return tuple(lines)


def _ring(rng: Random, phrases: Sequence[str], size: Size, styles: tuple[Style, Style]) -> Laid:
    """A badge: the first phrase over the top of a ring, the second along its foot, any other across the middle."""
    width, height = size
    short = min(size)
    centre = (width / 2, height * float(rng.uniform(0.47, 0.53)))
    radius = short * float(rng.uniform(0.3, 0.36))
    line = line_of(phrases[0], styles[0])
    em = min(math.radians(170) * radius / line.advance, 0.1 * short)
    lines = [tuple(on_arc(line, em, centre, radius, below=False))]
    if len(phrases) > 1:
        foot = line_of(phrases[1], styles[1])
        small = min(math.radians(140) * radius / foot.advance, 0.075 * short)
        lines.append(tuple(on_arc(foot, small, centre, radius + 0.68 * small, below=True)))
    for n, phrase in enumerate(phrases[2:]):
        middle = line_of(phrase, styles[1])
        one = min(1.4 * radius / middle.advance, 0.07 * short)
        lines.append(tuple(on_line(middle, one, (centre[0] - middle.advance * one / 2, centre[1] + n * 1.4 * one))))
    furniture = Image.new("L", size)
    pen = ImageDraw.Draw(furniture)
    for r in (radius - 0.45 * em, radius + 1.25 * em):
        pen.ellipse(
            (centre[0] - r, centre[1] - r, centre[0] + r, centre[1] + r), outline=255, width=max(3, short // 200)
        )
    return Laid(tuple(lines), np.asarray(furniture))


def _frame(size: Size) -> Mask:
    out = Image.new("L", size)
    width, height = size
    ImageDraw.Draw(out).rectangle((0.03 * width, 0.1 * height, 0.97 * width, 0.9 * height), outline=255, width=6)
    return np.asarray(out)


def _turn(angle: float, size: Size) -> Matrix:
    """A turn about the middle, clockwise by radians."""
    cos, sin = math.cos(angle), math.sin(angle)
    x, y = size[0] / 2, size[1] / 2
    return np.array([[cos, sin, x - cos * x - sin * y], [-sin, cos, y + sin * x - cos * y], [0.0, 0.0, 1.0]])


def _lens(rng: Random, size: Size) -> Matrix:
    """A board seen from one side, from above or from below."""
    width, height = size
    far, lift = float(rng.uniform(0.12, 0.24)), float(rng.uniform(0.0, 0.08))
    corners = [(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)]
    seen = {
        "left": [(0.1, far), (1.0, lift), (1.0, 1 - lift), (0.1, 1 - far)],
        "right": [(0.0, lift), (0.9, far), (0.9, 1 - far), (0.0, 1 - lift)],
        "above": [(far, 0.08), (1 - far, 0.08), (1.0, 0.96), (0.0, 0.96)],
        "below": [(0.0, 0.04), (1.0, 0.04), (1 - far, 0.92), (far, 0.92)],
    }[pick(rng, ("left", "right", "above", "below"))]
    rows: list[list[float]] = []
    right: list[float] = []
    for (sx, sy), (tx, ty) in zip(corners, seen, strict=True):
        x, y, u, v = tx * width, ty * height, sx * width, sy * height
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
        right += [u, v]
    solved = np.linalg.solve(np.array(rows, float), np.array(right, float))
    return np.append(solved, 1.0).reshape(3, 3)
