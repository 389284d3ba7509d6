"""Draws the control chart of a campaign as an SVG."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from xml.sax.saxutils import escape

from ops.campaigns import Point

WIDTH: Final = 920
HEIGHT: Final = 360
LEFT, TOP, RIGHT, BOTTOM = 60, 40, 30, 40
INK: Final = "#1d2736"
FAINT: Final = "#66728a"
LIMIT: Final = "#b3195f"
MOVING: Final = "#0a7ea4"


def campaign_plot(name: str, drawn: Sequence[Point]) -> str:
    """The picture: a dot for each asset, the mean and the moving average before it, and the limit that held."""
    top = max((v for p in drawn for v in (p.distance, p.limit or 0.0)), default=1.0) * 1.1 or 1.0
    wide, high = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM

    def at(i: int, value: float) -> tuple[float, float]:
        return LEFT + (i + 0.5) * wide / max(1, len(drawn)), TOP + (1 - min(value / top, 1.0)) * high

    def line(values: Sequence[float | None], colour: str, dash: str = "") -> str:
        steps = " ".join("{:.1f},{:.1f}".format(*at(i, v)) for i, v in enumerate(values) if v is not None)
        return (
            f'<polyline points="{steps}" fill="none" stroke="{colour}" stroke-width="1.5" stroke-dasharray="{dash}"/>'
        )

    dots = [
        '<circle cx="{:.1f}" cy="{:.1f}" r="4" fill="{}"><title>{}: ΔE00 {:.1f}</title></circle>'.format(
            *at(i, p.distance), LIMIT if p.beyond else INK, escape(p.job_id), p.distance
        )
        for i, p in enumerate(drawn)
    ]
    marks = [
        f'<text x="{LEFT - 8}" y="{at(0, v)[1] + 4:.1f}" text-anchor="end" fill="{FAINT}">{v:.0f}</text>'
        for v in (0.0, top / 2, top)
    ]
    says = f"{name}: distance of colours (ΔE00), mean, moving average (blue), limit (dashed)"
    size = f'viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="13"'
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" {size}>',
            f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
            f'<text x="{LEFT}" y="24" fill="{INK}">{escape(says)}</text>',
            *marks,
            line([p.mean for p in drawn], FAINT),
            line([p.ewma for p in drawn], MOVING),
            line([p.limit for p in drawn], LIMIT, "6 4"),
            *dots,
            "</svg>",
            "",
        ]
    )
