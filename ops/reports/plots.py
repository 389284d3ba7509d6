"""The plots of a report: artifact rates with their 95 % intervals, over the window and by group, as inline SVG.

Colours are classes of the page's style sheet, so that they follow a dark screen.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from html import escape
from itertools import pairwise
from typing import Final

from audit.windows import Group, Operation
from ops.bench.intervals import wilson
from ops.reports.window import PARTS, Side, shown_time

WIDTH: Final = 760
COURSE_H: Final = 260
LEFT, RIGHT, TOP, BOTTOM = 48, 12, 14, 30
LABEL, VALUE = 190, 128
ROW_H: Final = 26
MOST_ROWS: Final = 24
MOST_OPERATIONS: Final = 50
FEWEST: Final = 5
"""A tag with fewer images says next to nothing of its rate: the table alone has it."""
STEPS: Final = (0.01, 0.02, 0.05, 0.1, 0.2, 0.25)
MOST_TICKS: Final = 5


def scale(highest: float) -> tuple[float, Sequence[float]]:
    """Where an axis of shares ends so that `highest` is on it, and its ticks: at most six, all of them round."""
    step = next((s for s in STEPS if highest <= s * MOST_TICKS), STEPS[-1])
    ticks = max(2, math.ceil(highest / step - 1e-9))
    return ticks * step, [n * step for n in range(ticks + 1)]


def course(now: Side, before: Side | None) -> str:
    """The rate in each part of the window, its interval as a line; the window before in grey, by share of the way.

    Parts are joined where none lies between them. Empty where nothing was rendered.
    """
    sides = [(now, "now", 0.0)] if before is None else [(before, "before", -4.0), (now, "now", 0.0)]
    if not any(side.course for side, _, _ in sides):
        return ""
    found = [[(p.part, wilson(p.damaged, p.rendered)) for p in side.course] for side, _, _ in sides]
    top, ticks = scale(max(w.high for points in found for _, w in points))
    wide, high = WIDTH - LEFT - RIGHT, COURSE_H - TOP - BOTTOM

    def x(part: float) -> float:
        return LEFT + (part + 0.5) / PARTS * wide

    def y(share: float) -> float:
        return TOP + (1 - min(share, top) / top) * high

    out = [_svg(COURSE_H, "Artifact rate over the window, with 95 % intervals")]
    for tick in ticks:
        out += [
            _line("grid", LEFT, y(tick), WIDTH - RIGHT, y(tick)),
            _text(LEFT - 8, y(tick) + 4, f"{tick:.0%}", anchor="end"),
        ]
    out += [_change(o, now, wide) for o in now.operations[:MOST_OPERATIONS]]
    for (_, css, shift), points in zip(sides, found, strict=True):
        for (a, one), (b, two) in pairwise(points):
            if b == a + 1:
                out.append(_line(css, x(a) + shift, y(one.hits / one.total), x(b) + shift, y(two.hits / two.total)))
        for part, w in points:
            said = f"{css}: {w.hits / w.total:.1%} of {w.total} images, {w.low:.1%} to {w.high:.1%}"
            out.append(_line(f"{css} range", x(part) + shift, y(w.low), x(part) + shift, y(w.high)))
            out.append(_dot(css, x(part) + shift, y(w.hits / w.total), said))
    length = now.window.to_ms - now.window.from_ms
    for share, anchor in ((0.0, "start"), (0.5, "middle"), (1.0, "end")):
        at_ms = now.window.from_ms + int(share * length)
        out.append(_text(LEFT + share * wide, COURSE_H - 8, shown_time(at_ms), anchor=anchor))
    return "\n".join([*out, "</svg>"])


def groups(now: Side, before: Side | None) -> str:
    """A row for each engine, lane and tag: its rate as a dot, the interval as a line. Empty where there is none."""
    shown = list(_shown(now.groups))[:MOST_ROWS]
    if not shown:
        return ""
    former = {(g.kind, g.name): g for g in before.groups if g.rendered} if before else {}
    rows = [(group, former.get((group.kind, group.name))) for group in shown]
    top, ticks = scale(max(wilson(g.damaged, g.rendered).high for row in rows for g in row if g is not None))
    wide, height = WIDTH - LABEL - VALUE, TOP + 10 + len(rows) * ROW_H

    def x(share: float) -> float:
        return LABEL + share / top * wide

    out = [_svg(height, "Artifact rate by engine, lane and tag, with 95 % intervals")]
    for tick in ticks:
        out += [_line("grid", x(tick), TOP + 8, x(tick), height), _text(x(tick), TOP, f"{tick:.0%}", anchor="middle")]
    for n, (group, old) in enumerate(rows):
        middle = TOP + 10 + (n + 0.5) * ROW_H
        name = f"{group.kind} {group.name}"
        out.append(_text(LABEL - 12, middle + 4, name if len(name) <= 26 else f"{name[:25]}…", anchor="end", css="ink"))
        if old is not None:
            out += _interval("before", old, x, middle + 6)
        out += _interval("now", group, x, middle - (3 if old is not None else 0))
        out.append(
            _text(
                WIDTH - VALUE + 12, middle + 4, f"{group.damaged / group.rendered:.1%} of {group.rendered:,}", css="ink"
            )
        )
    return "\n".join([*out, "</svg>"])


def _shown(found: Iterable[Group]) -> Iterator[Group]:
    for g in found:
        if g.kind in {"engine", "lane", "tag"} and g.rendered >= (FEWEST if g.kind == "tag" else 1):
            yield g


def _interval(css: str, group: Group, x: Callable[[float], float], y: float) -> list[str]:
    w = wilson(group.damaged, group.rendered)
    said = f"{css}: {w.hits / w.total:.1%} of {w.total} images, {w.low:.1%} to {w.high:.1%}"
    return [_line(f"{css} range", x(w.low), y, x(w.high), y), _dot(css, x(w.hits / w.total), y, said)]


def _change(operation: Operation, now: Side, wide: float) -> str:
    way = (operation.at_ms - now.window.from_ms) / (now.window.to_ms - now.window.from_ms)
    said = f"{shown_time(operation.at_ms)} {operation.kind} {operation.subject[:40]}: {operation.step}"
    return _line("change", LEFT + way * wide, TOP, LEFT + way * wide, COURSE_H - BOTTOM, said)


def _line(css: str, x1: float, y1: float, x2: float, y2: float, said: str = "") -> str:
    title = f"<title>{escape(said)}</title>" if said else ""
    return f'<line class="{css}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}">{title}</line>'


def _dot(css: str, x: float, y: float, said: str) -> str:
    radius = 3 if css == "before" else 4
    return f'<circle class="{css}" cx="{x:.1f}" cy="{y:.1f}" r="{radius}"><title>{escape(said)}</title></circle>'


def _text(x: float, y: float, said: str, *, anchor: str = "start", css: str = "") -> str:
    return f'<text class="{css}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(said)}</text>'


def _svg(height: float, title: str) -> str:
    return f'<svg class="plot" viewBox="0 0 {WIDTH} {height:g}" role="img" aria-label="{escape(title)}">'
