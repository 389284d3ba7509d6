"""The report of a window as one HTML page with plots: inline SVG, nothing fetched from anywhere."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Final

from audit.windows import Group, Operation
from ops.bench.intervals import wilson
from ops.report_window import GROUP_COLUMNS, PARTS, Side, figures, group_rows, shown_time, whole_lines

INK: Final = "#1d2736"
FAINT: Final = "#66728a"
NOTE: Final = (
    "Artifact rate: rendered images whose last verdict names a certain defect. Twins of paired jobs are left out."
    " Manual-touch hours are what designers reported, and the minutes set for each review."
)
NOW: Final = "#0a7ea4"
BEFORE: Final = "#a9b4c6"
WIDTH: Final = 920
COURSE_H: Final = 240
LEFT, RIGHT, TOP, BOTTOM = 56, 16, 16, 34
BAR_H: Final = 38
MOST_BARS: Final = 24
MOST_OPERATIONS: Final = 50
STYLE: Final = f"""
body {{ font: 15px/1.5 system-ui, sans-serif; color: {INK}; margin: 2rem auto; max-width: {WIDTH + 40}px;
  padding: 0 20px }}
h1 {{ font-size: 1.5rem; margin-bottom: 0 }} h2 {{ font-size: 1.1rem; margin: 2rem 0 .5rem }}
p.note {{ color: {FAINT}; margin: .25rem 0 }}
table {{ border-collapse: collapse; width: 100% }}
th, td {{ text-align: left; padding: .3rem .6rem; border-bottom: 1px solid #e5e8ee; vertical-align: top }}
th {{ color: {FAINT}; font-weight: 600 }} .n {{ text-align: right; font-variant-numeric: tabular-nums }}
svg {{ max-width: 100%; height: auto }}
"""


def page(now: Side, before: Side | None) -> str:
    """The whole page."""
    window = f"{shown_time(now.window.from_ms)} to {shown_time(now.window.to_ms)}"
    against = ""
    if before is not None:
        former = f"{shown_time(before.window.from_ms)} to {shown_time(before.window.to_ms)}"
        against = f"<p class='note'>compared with {former}</p>"
    parts = [
        "<!doctype html><html lang='en'><meta charset='utf-8'><title>Presscheck report</title>",
        f"<style>{STYLE}</style><h1>Presscheck report</h1><p class='note'>{window}</p>{against}",
        "<h2>Over all</h2>", _whole(now, before),
        "<h2>Artifact rate over the window, with its 95 % interval</h2>", _course(now, before),
        "<h2>Artifact rate by engine, lane and tag</h2>", _bars(now, before),
        "<h2>By engine, ruleset, lane and tag</h2>",
        _table(GROUP_COLUMNS, group_rows(now, before)),
        "<h2>What operators did</h2>", _operations(now.operations),
        f"<p class='note'>{NOTE}</p></html>",
    ]  # fmt: skip
    return "\n".join(parts) + "\n"


def _whole(now: Side, before: Side | None) -> str:
    head = ("figure", ">now") if before is None else ("figure", ">before", ">now")
    rows = [(x.name, x.now) if x.before is None else (x.name, x.before, x.now) for x in whole_lines(now, before)]
    return _table(head, rows)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    right = [column.startswith(">") for column in head]

    def row(tag: str, cells: Sequence[str]) -> str:
        marks = [" class='n'" if r else "" for r in right]
        return (
            "<tr>"
            + "".join(f"<{tag}{m}>{escape(c.removeprefix('>'))}</{tag}>" for m, c in zip(marks, cells, strict=True))
            + "</tr>"
        )

    if not rows:
        return "<p class='note'>nothing in this window</p>"
    return f"<table>{row('th', head)}{''.join(row('td', cells) for cells in rows)}</table>"


def _course(now: Side, before: Side | None) -> str:
    """Lines of both windows over each other, by their share of the way; the band is the interval of the present one."""
    wide, high = WIDTH - LEFT - RIGHT, COURSE_H - TOP - BOTTOM
    sides = [(now, NOW)] if before is None else [(before, BEFORE), (now, NOW)]
    shares = {id(s): [(p.part, wilson(p.damaged, p.rendered)) for p in s.course] for s, _ in sides}
    top = min(1.0, max([0.05, *(w.high for found in shares.values() for _, w in found)]) * 1.05)

    def at(part: float, share: float) -> str:
        return f"{LEFT + (part + 0.5) / PARTS * wide:.1f},{TOP + (1 - min(share, top) / top) * high:.1f}"

    out = [_svg(COURSE_H, "Artifact rate over the window")]
    for step in range(5):
        y = TOP + (1 - step / 4) * high
        out += [
            f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="#e5e8ee"/>',
            f'<text x="{LEFT - 8}" y="{y + 4:.1f}" fill="{FAINT}" text-anchor="end">{top * step / 4:.0%}</text>',
        ]
    for operation in now.operations[:MOST_OPERATIONS]:
        way = (operation.at_ms - now.window.from_ms) / (now.window.to_ms - now.window.from_ms)
        x = LEFT + way * wide
        said = escape(f"{shown_time(operation.at_ms)} {operation.kind} {operation.subject[:40]}: {operation.step}")
        out.append(
            f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{TOP + high}" stroke="#c2410c" stroke-dasharray="3 4">'
            f"<title>{said}</title></line>"
        )
    for side, colour in sides:
        found = shares[id(side)]
        if side is now and found:
            band = [*(at(p, w.high) for p, w in found), *(at(p, w.low) for p, w in reversed(found))]
            out.append(f'<polygon points="{" ".join(band)}" fill="{colour}" opacity="0.15"/>')
        points = [at(p, w.hits / w.total) for p, w in found]
        out.append(f'<polyline points="{" ".join(points)}" fill="none" stroke="{colour}" stroke-width="2"/>')
        out += [f'<circle cx="{p.split(",")[0]}" cy="{p.split(",")[1]}" r="3" fill="{colour}"/>' for p in points]
    ends = ((LEFT, "start", now.window.from_ms), (WIDTH - RIGHT, "end", now.window.to_ms))
    out += [
        f'<text x="{x}" y="{COURSE_H - 10}" fill="{FAINT}" text-anchor="{anchor}">{shown_time(t)}</text>'
        for x, anchor, t in ends
    ]
    return "\n".join([*out, "</svg>", _key(before is not None)])


def _key(both: bool) -> str:  # noqa: FBT001 - what is drawn
    grey = f" <span style='color:{BEFORE}'>&#9632;</span> before" if both else ""
    return f"<p class='note'><span style='color:{NOW}'>&#9632;</span> now{grey}, dashed: something was changed</p>"


def _bars(now: Side, before: Side | None) -> str:
    """A bar for each group, its interval as a whisker; the window before in grey below."""
    shown = [g for g in now.groups if g.kind in {"engine", "lane", "tag"} and g.rendered][:MOST_BARS]
    if not shown:
        return "<p class='note'>nothing was rendered</p>"
    former = {(g.kind, g.name): g for g in before.groups} if before else {}
    label, wide = 230, WIDTH - 230 - 80
    everything = [*shown, *(g for g in former.values() if g.rendered)]
    top = max(0.01, *(wilson(g.damaged, g.rendered).high for g in everything))
    out = [_svg(len(shown) * BAR_H + 8, "Artifact rate by engine, lane and tag")]

    def bar(group: Group, y: float, height: float, colour: str) -> list[str]:
        share = wilson(group.damaged, group.rendered)
        length, low, high = (x / top * wide for x in (share.hits / share.total, share.low, share.high))
        middle = y + height / 2
        whisker = f'y1="{middle:.1f}" y2="{middle:.1f}" stroke="{INK}"/>'
        return [
            f'<rect x="{label}" y="{y:.1f}" width="{max(length, 1):.1f}" height="{height}" fill="{colour}"/>',
            f'<line x1="{label + low:.1f}" x2="{label + high:.1f}" {whisker}',
        ]

    for n, group in enumerate(shown):
        y = n * BAR_H + 6
        said, name = figures(group)["artifact_rate"] or 0.0, escape(f"{group.kind} {group.name}"[:34])
        out += [
            f'<text x="{label - 10}" y="{y + 14}" fill="{INK}" text-anchor="end">{name}</text>',
            *bar(group, y, 16, NOW),
            f'<text x="{WIDTH - 74}" y="{y + 13}" fill="{INK}">{said:.1%}</text>',
        ]
        old = former.get((group.kind, group.name))
        out += bar(old, y + 18, 8, BEFORE) if old is not None and old.rendered else []
    return "\n".join([*out, "</svg>"])


def _svg(height: float, title: str) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}"'
        f' font-family="system-ui, sans-serif" font-size="13" role="img" aria-label="{escape(title)}">'
    )


def _operations(found: Sequence[Operation]) -> str:
    rows = [
        (shown_time(o.at_ms), o.kind, o.subject if len(o.subject) < 40 else o.subject[:12], o.step, o.who, o.why)
        for o in found[:MOST_OPERATIONS]
    ]
    return _table(("when", "what", "which", "step", "who", "why"), rows)
