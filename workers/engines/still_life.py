"""Scenes indoors: a cup, a vessel on a plinth, leaves, geometric shapes."""

from __future__ import annotations

import math

import numpy as np

from workers.engines.canvas import Canvas, Point, curve
from workers.engines.mood import Mood
from workers.engines.palette import RGB, mix


def _backdrop(canvas: Canvas, mood: Mood, table: float) -> None:
    canvas.gradient(mood.ground(), mix(mood.ground(), mood.palette.accent(0), 0.20), y1=table)
    canvas.glow(canvas.w * 0.5, table - 0.28, 0.62, mix(mood.palette.paper, mood.palette.accent(0), 0.10), 0.5)
    canvas.box(-0.1, table, canvas.w + 0.1, canvas.h + 0.1, mix(mood.palette.accent(0), mood.ground(), 0.45))
    canvas.gradient(
        mix(mood.palette.accent(0), mood.ground(), 0.45), mix(mood.palette.accent(0), mood.ground(), 0.25), y0=table
    )


def cup(canvas: Canvas, mood: Mood) -> None:
    """A cup on a saucer with steam; three cups where asked."""
    table = canvas.h * mood.pick(0.76, 0.82)
    _backdrop(canvas, mood, table)
    many = 3 if mood.says("three|cups") else 1
    size = (0.155 if many == 3 else 0.235) * mood.pick(0.85, 1.1)
    middle = canvas.w * mood.pick(0.45, 0.55)
    for i in range(many):
        x = middle + (i - (many - 1) / 2) * size * 2.05
        _cup(canvas, mood, x, table + 0.055, size, i)


def _cup(canvas: Canvas, mood: Mood, x: float, y: float, s: float, index: int) -> None:
    china = (mood.palette.paper, mood.palette.accent(1), mood.palette.accent(0))[index % 3]
    if mood.dark is False and index % 3 == 0:
        china = mix(mood.palette.paper, (255, 255, 255), 0.6)
    shade = mix(china, mood.palette.ink, 0.18)
    canvas.soft_oval(x + s * 0.12, y + s * 0.06, s * 1.55, s * 0.36, mood.palette.ink, 0.45)
    canvas.oval(x, y, s * 1.18, s * 0.22, shade)
    canvas.oval(x, y - s * 0.03, s * 1.18, s * 0.21, china)
    canvas.oval(x, y - s * 0.02, s * 0.70, s * 0.11, shade)
    canvas.ring(x + s * 0.80, y - s * 0.58, s * 0.31, s * 0.115, shade)
    left = [
        (x - s * 0.80, y - s * 1.02),
        (x - s * 0.76, y - s * 0.55),
        (x - s * 0.52, y - s * 0.13),
        (x - s * 0.34, y - s * 0.02),
    ]
    right = [(2 * x - a, b) for a, b in reversed(left)]
    canvas.polygon([*curve(left), *curve(right)], china)
    side = [
        (x + s * 0.42, y - s * 1.0),
        (x + s * 0.42, y - s * 0.5),
        (x + s * 0.26, y - s * 0.12),
        (x + s * 0.12, y - s * 0.02),
    ]
    canvas.polygon([*curve(side), *curve(right)], shade)
    canvas.oval(x, y - s * 1.02, s * 0.80, s * 0.17, mix(china, (255, 255, 255), 0.4))
    canvas.oval(x, y - s * 1.01, s * 0.70, s * 0.135, mix(mood.palette.ink, mood.palette.accent(0), 0.28))
    canvas.oval(x - s * 0.08, y - s * 1.0, s * 0.34, s * 0.062, mix(mood.palette.accent(0), mood.palette.paper, 0.35))
    for wisp in range(3):
        x0, phase = x + (wisp - 1) * s * 0.34, mood.pick(0, 6.28)
        steps = np.linspace(0, 1, 26)
        line = [
            (
                float(x0 + s * 0.10 * math.sin(phase + 5.2 * t) * (0.4 + t)),
                float(y - s * 1.22 - s * (0.75 + 0.2 * (wisp == 1)) * t),
            )
            for t in steps
        ]
        for a, b, t in zip(line, line[1:], steps, strict=False):
            canvas.line([a, b], s * 0.045 * (1 - 0.55 * float(t)), mix(mood.tone(0.34), mood.tone(0.10), float(t)))


def vessel(canvas: Canvas, mood: Mood) -> None:
    """A bottle, jug or kettle on a plinth, lit from the left, with a soft shadow."""
    table = canvas.h * mood.pick(0.74, 0.82)
    _backdrop(canvas, mood, table)
    x, base = canvas.w * mood.pick(0.4, 0.6), table + 0.02
    plinth = mix(mood.palette.paper, mood.palette.accent(1), 0.30)
    canvas.soft_oval(x + 0.06, base + 0.13, 0.46, 0.07, mood.palette.ink, 0.4)
    canvas.oval(x, base + 0.11, 0.30, 0.06, mix(plinth, mood.palette.ink, 0.25))
    canvas.box(x - 0.30, base + 0.03, x + 0.30, base + 0.11, mix(plinth, mood.palette.ink, 0.25))
    canvas.oval(x, base + 0.03, 0.30, 0.06, plinth)
    canvas.soft_oval(x + 0.05, base + 0.035, 0.21, 0.04, mood.palette.ink, 0.55)
    body = mood.palette.accent(0)
    round_one = mood.says("jug|kettle|pot|pears|bag|boots|hat")
    half = (
        [(0.045, -0.42), (0.05, -0.36), (0.13, -0.27), (0.165, -0.14), (0.12, -0.01), (0.08, 0.03)]
        if round_one
        else [
            (0.036, -0.50),
            (0.036, -0.42),
            (0.06, -0.37),
            (0.112, -0.31),
            (0.118, -0.20),
            (0.114, 0.0),
            (0.10, 0.035),
        ]
    )
    stout = mood.pick(0.8, 1.15)
    _turned(canvas, x, base, [(wide * stout, high) for wide, high in half], body, mood)
    if round_one:
        canvas.line(
            curve([(x + 0.11, base - 0.30), (x + 0.25, base - 0.26), (x + 0.22, base - 0.12), (x + 0.14, base - 0.09)]),
            0.024,
            mix(body, mood.palette.ink, 0.35),
        )
        canvas.oval(x, base - 0.42, 0.05, 0.014, mix(body, mood.palette.ink, 0.5))
    else:
        canvas.box(x - 0.042 * stout, base - 0.555, x + 0.042 * stout, base - 0.485, mood.palette.ink, 0.012)
        half_label = 0.1155 * stout
        paper = mix(mood.palette.paper, mood.palette.accent(1), 0.12)
        canvas.box(x - half_label, base - 0.22, x + half_label, base - 0.07, paper)
        canvas.box(x - half_label, base - 0.10, x + half_label, base - 0.085, mood.palette.accent(1))
        canvas.disc(x - 0.01, base - 0.165, 0.026, mood.palette.accent(1))


def _turned(canvas: Canvas, x: float, y: float, half: list[Point], fill: RGB, mood: Mood) -> None:
    """A turned body from its right outline (offsets from the axis), shaded in strips from light to dark."""
    outline = curve(half, 10)
    for strip in range(14):
        share = 1 - 2 * strip / 14
        light = max(0.0, 0.42 - abs(share - -0.45) * 0.9)
        tone = mix(mix(fill, mood.palette.ink, 0.45 * (strip < 7) * (7 - strip) / 7), (255, 255, 255), light)
        right = [(x + r * share, y + dy) for r, dy in outline]
        left = [(x + r * (share - 2 / 14) - 0.0008, y + dy) for r, dy in reversed(outline)]
        canvas.polygon([*right, *left], tone)


def leaves(canvas: Canvas, mood: Mood) -> None:
    """Sprigs of leaves from the corners, the middle left free."""
    canvas.gradient(mood.ground(), mix(mood.ground(), mood.palette.accent(0), 0.14))
    hues = [
        mood.palette.accent(0),
        mood.palette.accent(1),
        mix(mood.palette.accent(1), mood.palette.ink, 0.4),
        mix(mood.palette.accent(0), mood.ground(), 0.4),
    ]
    corners = (
        (0.0, canvas.h, -62.0),
        (canvas.w, canvas.h, -118.0),
        (canvas.w * 0.5, canvas.h + 0.05, -90.0),
        (canvas.w, canvas.h * 0.72, -150.0),
        (0.0, canvas.h * 0.74, -28.0),
    )
    for i, (x, y, lean) in enumerate(corners):
        _sprig(canvas, mood, (x, y), lean + mood.pick(-10, 10), mood.pick(0.34, 0.46), hues[i % len(hues)])
    for _ in range(5):
        x, y = canvas.w * mood.pick(0.06, 0.94), canvas.h * mood.pick(0.04, 0.16)
        _leaf(canvas, (x, y), mood.pick(0, 360), mood.pick(0.05, 0.085), hues[int(mood.rng.integers(0, 4))])


def _leaf(canvas: Canvas, at: Point, angle: float, size: float, fill: RGB) -> None:
    turn = math.radians(angle)
    shape = [(0.0, 0.0), (0.3, 0.19), (0.62, 0.17), (1.0, 0.0), (0.62, -0.17), (0.3, -0.19), (0.0, 0.0)]
    points = [
        (
            at[0] + size * (a * math.cos(turn) - b * math.sin(turn)),
            at[1] + size * (a * math.sin(turn) + b * math.cos(turn)),
        )
        for a, b in curve(shape, 6)
    ]
    canvas.polygon(points, fill)
    tip = (at[0] + size * 0.8 * math.cos(turn), at[1] + size * 0.8 * math.sin(turn))
    canvas.line([at, tip], size * 0.025, mix(fill, (255, 255, 255), 0.35))


def _sprig(canvas: Canvas, mood: Mood, at: Point, angle: float, size: float, fill: RGB) -> None:
    bend = mood.pick(-26, 26)
    here, turn = at, angle
    for node in range(7):
        turn += bend / 7
        step = size / 7
        there = (here[0] + step * math.cos(math.radians(turn)), here[1] + step * math.sin(math.radians(turn)))
        canvas.line([here, there], 0.007, mix(fill, mood.palette.ink, 0.35))
        here = there
        for side in (-1, 1):
            _leaf(canvas, here, turn + side * 48, size * (0.34 - 0.025 * node), fill)
    _leaf(canvas, here, turn, size * 0.22, fill)


def shapes(canvas: Canvas, mood: Mood) -> None:
    """Circles, quarters and bars on a grid along the lower half, as the Bauhaus printed them."""
    across = 4 if canvas.w <= canvas.h else 6
    cell = canvas.w / across
    rows = max(1, int(canvas.h * 0.56 / cell)) if mood.leave_room else math.ceil(canvas.h / cell)
    top = canvas.h - rows * cell if mood.leave_room else 0.0
    hues = (
        mood.palette.accent(0),
        mood.palette.accent(1),
        mood.figure(),
        mood.palette.accent(2),
        mix(mood.ground(), mood.palette.accent(0), 0.25),
    )
    for row in range(rows):
        for column in range(across):
            x, y = column * cell, top + row * cell
            back, front = (int(i) for i in mood.rng.permutation(len(hues))[:2])
            canvas.box(x, y, x + cell, y + cell, hues[back])
            _tile(canvas, int(mood.rng.integers(0, 6)), (x, y), cell, hues[front])


def _tile(canvas: Canvas, kind: int, at: Point, cell: float, fill: RGB) -> None:
    x, y = at
    middle = (x + cell / 2, y + cell / 2)
    if kind == 0:
        canvas.disc(*middle, cell * 0.36, fill)
    elif kind == 1:
        canvas.pie(x, y, cell, 0, 90, fill)
    elif kind == 2:
        canvas.pie(x + cell, y + cell, cell, 180, 270, fill)
    elif kind == 3:
        canvas.polygon([(x, y + cell), (x + cell, y + cell), (x + cell, y)], fill)
    elif kind == 4:
        for bar in range(3):
            canvas.box(x, y + cell * (0.1 + 0.3 * bar), x + cell, y + cell * (0.25 + 0.3 * bar), fill)
    else:
        canvas.ring(*middle, cell * 0.38, cell * 0.13, fill)
