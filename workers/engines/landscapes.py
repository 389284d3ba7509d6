"""Scenes out of doors: mountains, sea, contour lines, people on a hill."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from workers.engines.canvas import Canvas, Point, curve
from workers.engines.mood import Mood
from workers.engines.palette import RGB, mix

Floats = npt.NDArray[np.float64]


def _ridge(canvas: Canvas, mood: Mood, base: float, rise: float, rough: float) -> list[Point]:
    """A mountain line from the left edge to the right, by midpoint displacement."""
    line: Floats = base + rise * mood.rng.uniform(-1.0, 0.25, 5)
    swing = rise * rough
    for _ in range(5):
        out = np.empty(2 * len(line) - 1)
        out[0::2] = line
        out[1::2] = (line[:-1] + line[1:]) / 2 + mood.rng.uniform(-swing, swing, len(line) - 1)
        line, swing = out, swing * 0.52
    xs = np.linspace(-0.02, canvas.w + 0.02, len(line))
    return [(float(x), float(y)) for x, y in zip(xs, line, strict=True)]


def _below(canvas: Canvas, line: list[Point], fill: RGB) -> None:
    canvas.polygon([*line, (canvas.w + 0.02, canvas.h), (-0.02, canvas.h)], fill)


def _sun(canvas: Canvas, mood: Mood, y: float) -> None:
    x, r = canvas.w * mood.pick(0.24, 0.76), mood.pick(0.07, 0.12)
    light = mood.palette.accent(0) if not mood.dark else mix(mood.palette.paper, mood.palette.accent(0), 0.15)
    canvas.glow(x, y, r * 2.6, light, 0.28)
    canvas.disc(x, y, r, light)


def _stars(canvas: Canvas, mood: Mood, depth: float) -> None:
    top = canvas.h * 0.36 if mood.leave_room else 0.0
    for _ in range(46):
        x, y, r = mood.pick(0, canvas.w), mood.pick(top, depth), mood.pick(0.0008, 0.0028)
        canvas.disc(x, y, r, mood.tone(mood.pick(0.45, 1.0)))


def _sky(canvas: Canvas, mood: Mood, horizon: float) -> None:
    warm = mix(mood.ground(), mood.palette.accent(0), 0.38 if mood.dark else 0.34)
    canvas.gradient(mood.ground(), warm, y0=0.0, y1=horizon)
    if mood.dark:
        _stars(canvas, mood, horizon * 0.8)


def _pine(canvas: Canvas, x: float, y: float, size: float, fill: RGB) -> None:
    canvas.box(x - size * 0.03, y - size * 0.14, x + size * 0.03, y, fill)
    for step, wide in ((0.10, 0.30), (0.32, 0.24), (0.54, 0.17)):
        low = y - size * step
        canvas.polygon([(x - size * wide, low), (x, low - size * 0.46), (x + size * wide, low)], fill)


def _tent(canvas: Canvas, mood: Mood, x: float, y: float, size: float) -> None:
    cloth = mood.palette.accent(0)
    canvas.polygon([(x - size, y), (x, y - size * 1.05), (x + size * 1.15, y)], cloth)
    canvas.polygon([(x - size, y), (x, y - size * 1.05), (x - size * 0.15, y)], mix(cloth, mood.palette.ink, 0.30))
    canvas.polygon([(x - size * 0.62, y), (x - size * 0.30, y - size * 0.52), (x - size * 0.33, y)], mood.palette.ink)


def mountains(canvas: Canvas, mood: Mood) -> None:
    """Ridges behind each other, paler with distance, snow in front; pines, a tent or a hut where asked."""
    horizon = canvas.h * 0.66
    _sky(canvas, mood, horizon)
    _sun(canvas, mood, horizon - (mood.pick(0.10, 0.20) if mood.leave_room else mood.pick(0.22, 0.34)))
    near = mood.figure() if not mood.dark else mix(mood.palette.ink, mood.palette.accent(1), 0.5)
    for depth, (share, rise) in enumerate(((0.22, 0.17), (0.42, 0.15), (0.68, 0.13))):
        base = horizon + depth * canvas.h * 0.055
        fill = mix(mix(mood.ground(), mood.palette.accent(1), 0.55), near, share)
        _below(canvas, _ridge(canvas, mood, base, rise, 0.42), fill)
    snow = mix(mood.palette.paper, mood.palette.accent(1), 0.10 if not mood.dark else 0.30)
    low = canvas.h * 0.86
    front = curve(
        [(-0.05, low), (canvas.w * 0.3, low - 0.035), (canvas.w * 0.7, low + 0.03), (canvas.w + 0.05, low - 0.02)]
    )
    _below(canvas, front, snow)
    dark = mood.palette.ink
    for _ in range(26 if mood.says("pine|forest|trace") else 9):
        x = mood.pick(0, canvas.w)
        size = mood.pick(0.06, 0.17 if mood.says("pine|forest|trace") else 0.10)
        _pine(canvas, x, low + mood.pick(-0.005, 0.05), size, mix(dark, mood.palette.accent(1), mood.pick(0.0, 0.3)))
    if mood.says("tent|camp|outside|hut|sleep"):
        _tent(canvas, mood, canvas.w * mood.pick(0.42, 0.6), canvas.h * 0.93, 0.10)


def sea(canvas: Canvas, mood: Mood) -> None:
    """Bands of waves under a low sun; a lighthouse or a sail where asked."""
    horizon = canvas.h * 0.60
    _sky(canvas, mood, horizon)
    _sun(canvas, mood, horizon - mood.pick(0.05, 0.16))
    water = mix(mood.palette.accent(1), mood.palette.ink, 0.25)
    canvas.box(-0.1, horizon, canvas.w + 0.1, canvas.h + 0.1, mix(water, mood.palette.paper, 0.42))
    rows = 8
    for row in range(rows):
        y = horizon + 0.02 + (canvas.h - horizon) * (row / rows) ** 1.25
        swell, long, phase = 0.006 + 0.012 * row / rows, 0.16 + 0.22 * row / rows, mood.pick(0, 6.28)
        xs = np.linspace(-0.05, canvas.w + 0.05, 120)
        ys = y + swell * np.sin(xs / long * 2 * math.pi + phase) + swell * 0.4 * np.sin(xs / long * 5 + phase)
        line = [(float(a), float(b)) for a, b in zip(xs, ys, strict=True)]
        _below(canvas, line, mix(mix(water, mood.palette.paper, 0.36), mix(water, mood.palette.ink, 0.35), row / rows))
    if mood.says("lighthouse|harbour|harbor|coast|island"):
        _lighthouse(canvas, mood, canvas.w * 0.76, horizon + 0.06)
    for _ in range(2):
        x, y, s = canvas.w * mood.pick(0.12, 0.6), horizon + mood.pick(0.05, 0.13), mood.pick(0.05, 0.085)
        canvas.polygon([(x, y - s * 1.7), (x, y - s * 0.1), (x + s * 0.85, y - s * 0.1)], mood.palette.paper)
        canvas.polygon(
            [(x - 0.006, y - s * 1.4), (x - 0.006, y - s * 0.1), (x - s * 0.5, y - s * 0.1)], mood.palette.accent(0)
        )
        canvas.polygon(
            [(x - s * 0.7, y), (x + s * 0.95, y), (x + s * 0.6, y + s * 0.24), (x - s * 0.4, y + s * 0.24)],
            mood.palette.ink,
        )


def _lighthouse(canvas: Canvas, mood: Mood, x: float, y: float) -> None:
    rock = [
        (x - 0.26, y + 0.03),
        (x - 0.13, y - 0.035),
        (x + 0.02, y - 0.055),
        (x + 0.17, y - 0.03),
        (x + 0.3, y + 0.03),
    ]
    canvas.polygon([*curve(rock), (x + 0.3, y + 0.06), (x - 0.26, y + 0.06)], mood.palette.ink)
    top, foot = y - 0.34, y - 0.04
    for band in range(5):
        y0, y1 = foot + (top - foot) * band / 5, foot + (top - foot) * (band + 1) / 5
        w0, w1 = 0.045 - 0.018 * band / 5, 0.045 - 0.018 * (band + 1) / 5
        fill = mood.palette.accent(0) if band % 2 == 0 else mood.palette.paper
        canvas.polygon([(x - w0, y0), (x - w1, y1), (x + w1, y1), (x + w0, y0)], fill)
    canvas.box(x - 0.036, top - 0.008, x + 0.036, top, mood.palette.ink)
    canvas.box(x - 0.02, top - 0.045, x + 0.02, top - 0.008, mix(mood.palette.paper, mood.palette.accent(0), 0.3))
    canvas.polygon([(x - 0.028, top - 0.045), (x, top - 0.08), (x + 0.028, top - 0.045)], mood.palette.ink)


def contours(canvas: Canvas, mood: Mood) -> None:
    """Height lines round two summits in the lower part; the upper part stays calm."""
    canvas.gradient(mood.ground(), mix(mood.ground(), mood.palette.accent(1), 0.22))
    for summit in range(2):
        cx = canvas.w * (0.30 + 0.42 * summit) + mood.pick(-0.06, 0.06)
        cy = canvas.h * (0.80 - 0.17 * summit)
        waves = [(k, mood.pick(0.05, 0.16) / k, mood.pick(0, 6.28)) for k in (2, 3, 5)]
        angle = np.linspace(0, 2 * math.pi, 160)
        shape = 1 + sum(a * np.sin(k * angle + p) for k, a, p in waves)
        if summit == 1:
            canvas.disc(cx, cy, 0.035, mood.palette.accent(0))
        for ring in range(9):
            r = 0.05 + 0.034 * ring
            xs, ys = cx + r * 1.35 * shape * np.cos(angle), cy + r * 0.8 * shape * np.sin(angle)
            hue = mood.palette.accent(0) if ring % 4 == 0 else mood.palette.accent(1)
            tint = mix(hue, mood.ground(), ring / 12)
            canvas.line(
                [(float(a), float(b)) for a, b in zip(xs, ys, strict=True)], 0.0065 if ring % 4 == 0 else 0.0035, tint
            )


def people(canvas: Canvas, mood: Mood) -> None:
    """A few figures in silhouette on a rise before a large sun."""
    horizon = canvas.h * 0.80
    canvas.gradient(mood.ground(), mix(mood.ground(), mood.palette.accent(0), 0.30))
    canvas.disc(canvas.w * 0.5, horizon - 0.17, 0.27, mix(mood.palette.accent(0), mood.ground(), 0.12))
    _below(canvas, _ridge(canvas, mood, horizon - 0.03, 0.08, 0.3), mix(mood.palette.accent(1), mood.ground(), 0.35))
    hill = [
        (-0.05, horizon + 0.05),
        (canvas.w * 0.4, horizon - 0.015),
        (canvas.w * 0.75, horizon + 0.0),
        (canvas.w + 0.05, horizon + 0.06),
    ]
    _below(canvas, curve(hill), mood.palette.ink)
    crowd = (
        1
        if mood.says("portrait|hiker|climber|barista|woman|man|person")
        else 2
        if mood.says("two|friends?|hands|knot")
        else 4
    )
    for i in range(crowd):
        x = canvas.w * 0.5 + (i - (crowd - 1) / 2) * 0.15 + mood.pick(-0.012, 0.012)
        _figure(canvas, mood, x, horizon + 0.02, mood.pick(0.36, 0.41) if crowd == 1 else mood.pick(0.26, 0.33), i)


def _figure(canvas: Canvas, mood: Mood, x: float, y: float, tall: float, index: int) -> None:
    """One standing figure, feet at y."""
    coat = mix(mood.palette.ink, mood.palette.accent(index + 1), 0.25 + 0.25 * (index % 2))
    skin = mix(mood.palette.ink, mood.palette.accent(0), 0.55)
    head, shoulder, hip = y - tall * 0.92, y - tall * 0.80, y - tall * 0.46
    wide = tall * 0.125
    for side in (-1, 1):
        foot = x + side * tall * 0.065
        canvas.line([(x + side * tall * 0.045, hip), (foot, y - tall * 0.02)], tall * 0.075, mood.palette.ink)
        arm = [
            (x + side * wide * 0.85, shoulder + tall * 0.04),
            (x + side * wide * 1.35, shoulder + tall * 0.22),
            (x + side * wide * 1.05, hip + tall * 0.02),
        ]
        canvas.line(curve(arm, 6), tall * 0.058, coat)
    canvas.polygon(
        curve(
            [
                (x - wide * 0.5, shoulder - tall * 0.01),
                (x - wide * 1.05, shoulder + tall * 0.05),
                (x - wide * 0.8, hip - tall * 0.08),
                (x - wide * 0.95, hip + tall * 0.07),
            ],
            6,
        )
        + curve(
            [
                (x + wide * 0.95, hip + tall * 0.07),
                (x + wide * 0.8, hip - tall * 0.08),
                (x + wide * 1.05, shoulder + tall * 0.05),
                (x + wide * 0.5, shoulder - tall * 0.01),
            ],
            6,
        ),
        coat,
    )
    canvas.box(x - tall * 0.025, shoulder - tall * 0.05, x + tall * 0.025, shoulder + tall * 0.01, skin)
    canvas.oval(x, head, tall * 0.058, tall * 0.072, skin)
    canvas.pie(x, head - tall * 0.008, tall * 0.068, 180, 360, mood.palette.ink)
    if mood.says("hiker|rucksack|trail"):
        canvas.box(
            x - wide * 0.75,
            shoulder + tall * 0.02,
            x + wide * 0.75,
            hip - tall * 0.06,
            mood.palette.accent(0),
            tall * 0.04,
        )
