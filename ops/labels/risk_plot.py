"""Draws what each threshold of doubt accepts against what it lets through, as an SVG: risk over coverage."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Final
from xml.sax.saxutils import escape

from ops.labels.calibration import Cell
from rules.calibration import STEPS, Standing, upper_limit

WIDTH: Final = 920
HEIGHT: Final = 460
LEFT, TOP, RIGHT, BOTTOM = 70, 40, 300, 60
MOST: Final = 10
"""Curves that are drawn: those with the most labels."""
INK: Final = "#1d2736"
FAINT: Final = "#66728a"
PROMISE: Final = "#b3195f"
COLOURS: Final = (
    "#0a7ea4", "#16794c", "#a86400", "#6d4bb0", "#c2410c", "#0f766e", "#9d174d", "#3f6212", "#1d4ed8", "#57534e",
)  # fmt: skip


def risk_plot(cells: Sequence[Cell], alpha: float, delta: float) -> str:
    """The picture. One curve a cell: the share of wrong ones among the accepted labels, over the share accepted.

    A dot marks the threshold that was chosen. A curve that is alone has its upper limit at 1 - delta above it, dotted:
    tests ask whether that is under alpha, so the dot stands where it last was.
    """
    drawn = sorted((c for c in cells if c.fit.labelled), key=lambda c: -c.fit.labelled)[:MOST]
    curves = [_curve(c) for c in drawn]
    limit = _limit(drawn[0], delta) if len(drawn) == 1 else []
    top = max([2 * alpha, *(risk for curve in curves for _, risk in curve)], default=2 * alpha) * 1.1
    plot_w, plot_h = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM

    def at(share: float, risk: float) -> str:
        return f"{LEFT + share * plot_w:.1f},{TOP + (1 - risk / top) * plot_h:.1f}"

    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}"'
        ' font-family="system-ui, sans-serif" font-size="13" role="img"'
        ' aria-label="Share of wrong assets over the share that is accepted">'
    )
    parts = [
        head,
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
        *(_grid(at, top)),
        f'<polyline points="{at(0, alpha)} {at(1, alpha)}" fill="none" stroke="{PROMISE}" stroke-dasharray="6 4"/>',
    ]
    for number, (cell, curve) in enumerate(zip(drawn, curves, strict=True)):
        colour = COLOURS[number]
        points = " ".join(at(share, risk) for share, risk in curve)
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>')
        if limit:
            points = " ".join(at(share, min(risk, top)) for share, risk in limit)
            parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-dasharray="2 3"/>')
        if cell.fit.standing is Standing.BOUNDED and cell.fit.accepted:
            x, y = at(cell.fit.share, cell.fit.wrong / cell.fit.accepted).split(",")
            parts += [
                f'<circle cx="{x}" cy="{y}" r="5" fill="{colour}"/>',
                *([_beside(x, y, f"accept below {cell.fit.accept_below:.2f}", colour)] if limit else []),
            ]
        line_y = TOP + 14 + number * 34
        name = f"{cell.lane}, {cell.engine}, {cell.mode}"
        said = f"{cell.fit.labelled} labels, {cell.fit.standing.value}"
        parts += [
            f'<rect x="{WIDTH - RIGHT + 20}" y="{line_y - 10}" width="12" height="12" fill="{colour}"/>',
            f'<text x="{WIDTH - RIGHT + 40}" y="{line_y}" fill="{INK}">{escape(name)}</text>',
            f'<text x="{WIDTH - RIGHT + 40}" y="{line_y + 14}" fill="{FAINT}" font-size="11">{escape(said)}</text>',
        ]
    middle = LEFT + plot_w / 2
    parts.append(
        f'<text x="{middle}" y="{HEIGHT - 14}" fill="{FAINT}" text-anchor="middle">share of labelled assets that a '
        "threshold accepts</text>"
    )
    if limit:
        y = TOP + 14 + len(drawn) * 34
        parts.append(
            f'<text x="{WIDTH - RIGHT + 20}" y="{y}" fill="{FAINT}">dotted: at most, {1 - delta:.1%} sure</text>'
        )
    left_out = sum(bool(c.fit.labelled) for c in cells) - len(drawn)
    title = f"Wrong among the accepted, by share accepted; promised: at most {alpha:.2%}"
    parts.append(f'<text x="{LEFT}" y="24" fill="{INK}" font-size="15">{escape(title)}</text>')
    if left_out:
        parts.append(f'<text x="{WIDTH - RIGHT + 20}" y="{HEIGHT - 12}" fill="{FAINT}">and {left_out} more</text>')
    return "\n".join([*parts, "</svg>", ""])


def _curve(cell: Cell) -> list[tuple[float, float]]:
    """Share accepted and share wrong among it at every threshold that accepts something."""
    accepted, wrong = list(accumulate(cell.counts.labelled)), list(accumulate(cell.counts.wrong))
    total = accepted[-1]
    return [(n / total, k / n) for n, k in list(zip(accepted, wrong, strict=True))[:STEPS] if n]


def _limit(cell: Cell, delta: float) -> list[tuple[float, float]]:
    """Share accepted and the most that may be wrong among it, at every threshold that accepts something."""
    accepted, wrong = list(accumulate(cell.counts.labelled)), list(accumulate(cell.counts.wrong))
    pairs = list(zip(accepted, wrong, strict=True))[:STEPS]
    return [(n / accepted[-1], upper_limit(k, n, delta)) for n, k in pairs if n]


def _beside(x: str, y: str, text: str, colour: str) -> str:
    return f'<text x="{float(x) - 10:.1f}" y="{float(y) - 12:.1f}" fill="{colour}" text-anchor="end">{text}</text>'


def _grid(at: Callable[[float, float], str], top: float) -> list[str]:
    lines: list[str] = []
    for step in range(6):
        share, risk = step / 5, top * step / 5
        x, base = at(share, 0).split(",")
        low, y = at(0, risk).split(",")
        lines += [
            f'<polyline points="{at(share, 0)} {at(share, top)}" stroke="#e5e8ee" fill="none"/>',
            f'<polyline points="{at(0, risk)} {at(1, risk)}" stroke="#e5e8ee" fill="none"/>',
            f'<text x="{x}" y="{float(base) + 20:.1f}" fill="{FAINT}" text-anchor="middle">{share:.0%}</text>',
            f'<text x="{float(low) - 8:.1f}" y="{float(y) + 4:.1f}" fill="{FAINT}" text-anchor="end">{risk:.2%}</text>',
        ]
    return lines
