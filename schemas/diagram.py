"""Draws the pipeline as an SVG from the topic catalogue: stages as cards, topics as pills, records as arrows.

Where a topic stands follows from who writes and who reads it; a topic that fits no place is refused, so that the
picture cannot leave one out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from xml.sax.saxutils import escape

from schemas.catalogue import DEAD_LETTERS, DESIGN_QUEUE, HELD, PROMPTS_REFUSED, REPLAY, REVIEW, Topic

WIDTH: Final = 1330
HEIGHT: Final = 560
STAGES: Final = {
    "sanity": ("tags, risk,", "text contract"),
    "render": ("SD 3.5, typeset,", "simulator …"),
    "inspect": ("text, colour,", "bytes, latents"),
    "validation": ("accept, reject", "or review"),
}
"""The stages of the main line in order, each with what it does in two short lines."""
EVERYWHERE: Final = "audit"
OPERATORS: Final = "ops"

INK: Final = "#1d2736"
FAINT: Final = "#66728a"
FLOW: Final = "#0a7ea4"
COLOURS: Final = {
    DESIGN_QUEUE: "#16794c",
    REVIEW: "#a86400",
    HELD: "#a86400",
    REPLAY: "#b3195f",
    PROMPTS_REFUSED: "#b3195f",
    DEAD_LETTERS: "#b3195f",
}
MAIN_Y: Final = 232
CARD: Final = (118, 104)
STAGE_X: Final = (226, 538, 790, 1038)
EXIT_X: Final = 1236
LOOP_Y: Final = 366
BAR_Y: Final = 424
AUDIT_Y: Final = 480


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """The topics by where they stand. Every topic of the catalogue is in exactly one field."""

    entries: tuple[Topic, ...]
    between: tuple[Topic, ...]
    own: tuple[Topic, ...]
    progress: tuple[Topic, ...]
    refusals: tuple[Topic, ...]
    loops: tuple[Topic, ...]
    exits: tuple[Topic, ...]
    control: tuple[Topic, ...]
    reports: tuple[Topic, ...]
    from_all: tuple[Topic, ...]


def place(topics: Sequence[Topic]) -> Places:
    """Sort the topics by where they stand. Raises SystemExit for one that stands nowhere."""
    order = {name: n for n, name in enumerate(STAGES)}
    found: dict[str, list[Topic]] = {name: [] for name in Places.__dataclass_fields__}
    for topic in topics:
        writers = [order[w] for w in topic.written_by if w in order]
        readers = [order[r] for r in topic.read_by if r in order]
        match writers, readers:
            case [], [] if EVERYWHERE in topic.read_by:
                found["reports"].append(topic)
            case [], [*_] if set(topic.written_by) == {OPERATORS}:
                found["control"].append(topic)
            case [], [0]:
                found["entries"].append(topic)
            case [*all_of_them], [] if len(all_of_them) == len(order):
                found["from_all"].append(topic)
            case [0], []:
                found["refusals"].append(topic)
            case [1], [] if EVERYWHERE not in topic.read_by:
                found["progress"].append(topic)
            case [3], []:
                found["exits"].append(topic)
            case [one], [other] if other == one + 1:
                found["between"].append(topic)
            case [one], [other] if other == one:
                found["own"].append(topic)
            case [one], [other] if other < one:
                found["loops"].append(topic)
            case _:
                raise SystemExit(f"the diagram has no place for {topic.name}; give it one in schemas/diagram.py")
    return Places(**{name: tuple(rows) for name, rows in found.items()})


def _colour(topic: Topic) -> str:
    return COLOURS.get(topic.name, FLOW)


_BRACES: Final = str.maketrans(
    {"{": "\N{SINGLE LEFT-POINTING ANGLE QUOTATION MARK}", "}": "\N{SINGLE RIGHT-POINTING ANGLE QUOTATION MARK}"}
)


def _text(x: float, y: float, said: str, css: str, fill: str = INK, anchor: str = "middle") -> str:
    return f'<text x="{x:g}" y="{y:g}" class="{css}" fill="{fill}" text-anchor="{anchor}">{escape(said)}</text>'


def _lines(name: str) -> list[str]:
    """A topic's name in at most two lines, broken at a dot where it is long."""
    name = name.translate(_BRACES)
    head, dot, tail = name.partition(".")
    return [name] if len(name) <= 14 or not dot else [head + dot, tail]


def _half(name: str) -> float:
    return max(len(line) for line in _lines(name)) * 4.15 + 13


def _pill(topic: Topic, x: float, y: float, colour: str) -> str:
    lines, half = _lines(topic.name), _half(topic.name)
    high = 17 if len(lines) == 1 else 23
    box = f'x="{x - half:g}" y="{y - high}" width="{2 * half:g}" height="{2 * high}" rx="{min(high, 18)}"'
    out = [f'<rect {box} fill="#ffffff" stroke="{colour}" stroke-width="1.6"/>']
    if topic.compacted:
        inner = f'x="{x - half + 3:g}" y="{y - high + 3}" width="{2 * half - 6:g}" height="{2 * high - 6}"'
        out.append(f'<rect {inner} rx="{min(high, 18) - 3}" fill="none" stroke="{colour}" stroke-width="0.8"/>')
    for n, line in enumerate(lines):
        out.append(_text(x, y + 4.5 + (n - (len(lines) - 1) / 2) * 16, line, "topic"))
    return f"<g><title>{escape(topic.doc)}</title>{''.join(out)}</g>"


def _arrow(points: Sequence[tuple[float, float]], colour: str, *, dashed: bool = False) -> str:
    """A line through points, its corners rounded, with a head at the last."""
    path = f"M{points[0][0]:g},{points[0][1]:g}"
    for before, corner, after in zip(points, points[1:], points[2:], strict=False):
        start, end = _towards(corner, before, 12), _towards(corner, after, 12)
        path += f" L{start[0]:g},{start[1]:g} Q{corner[0]:g},{corner[1]:g} {end[0]:g},{end[1]:g}"
    path += f" L{points[-1][0]:g},{points[-1][1]:g}"
    style = ' stroke-dasharray="2 5" stroke-width="1.4"' if dashed else ' stroke-width="2.2"'
    head = "" if dashed else f' marker-end="url(#h{colour[1:]})"'
    return f'<path d="{path}" fill="none" stroke="{colour}" stroke-linecap="round"{style}{head}/>'


def _towards(a: tuple[float, float], b: tuple[float, float], far: float) -> tuple[float, float]:
    length = ((b[0] - a[0]) ** 2 + (b[1] - a[1]) ** 2) ** 0.5
    return a[0] + (b[0] - a[0]) * far / length, a[1] + (b[1] - a[1]) * far / length


def _card(name: str, says: Sequence[str], x: float) -> str:
    wide, high = CARD
    top = MAIN_Y - high / 2
    box = f'<rect x="{x - wide / 2:g}" y="{top:g}" width="{wide}" height="{high}" rx="14" fill="{INK}"/>'
    lines = [_text(x, top + 72 + 17 * n, line, "small", "#c4d0e3") for n, line in enumerate(says)]
    return box + _text(x, top + 42, name, "stage", "#ffffff") + "".join(lines)


def _main_line(places: Places) -> list[str]:
    wide = CARD[0] / 2
    out: list[str] = []
    for topic, left, right in zip(places.between, STAGE_X, STAGE_X[1:], strict=False):
        x, half, colour = (left + right) / 2, _half(topic.name), _colour(topic)
        out.append(_arrow([(left + wide, MAIN_Y), (x - half - 2, MAIN_Y)], colour))
        out.append(_arrow([(x + half, MAIN_Y), (right - wide - 2, MAIN_Y)], colour))
        out.append(_pill(topic, x, MAIN_Y, colour))
    first, x = STAGE_X[0] - wide, 96
    for topic in places.entries:
        out.append(_arrow([(x + _half(topic.name), MAIN_Y - 26), (first - 2, MAIN_Y - 26)], FLOW))
        out += [_pill(topic, x, MAIN_Y - 26, FLOW), _text(x, MAIN_Y - 56, " · ".join(topic.written_by), "small", FAINT)]
    for topic in places.refusals:
        colour = _colour(topic)
        out.append(_arrow([(first, MAIN_Y + 28), (x + _half(topic.name) + 2, MAIN_Y + 28)], colour))
        out.append(_pill(topic, x, MAIN_Y + 28, colour))
    last, x = STAGE_X[-1] + wide, EXIT_X
    for n, topic in enumerate(places.exits):
        y, colour = MAIN_Y + (n - (len(places.exits) - 1) / 2) * 76, _colour(topic)
        reader = " · ".join(r for r in topic.read_by if r != EVERYWHERE)
        bend = last + 28
        way = [(last, MAIN_Y), (bend, MAIN_Y), (bend, y), (x - _half(topic.name) - 2, y)]
        out.append(_arrow(way if y != MAIN_Y else [way[0], way[-1]], colour))
        out += [_pill(topic, x, y, colour), _text(x, y + 33, reader, "small", FAINT)]
    return out


def _control(places: Places) -> list[str]:
    """What operators say, above the stages that listen."""
    top, bus, cards = 62, 118, MAIN_Y - CARD[1] / 2
    out, alone = [_text(40, top + 5, "operators", "small", FAINT, "start")], dict.fromkeys(range(len(STAGES)), 0)
    for topic in places.control:
        readers = [n for n, stage in enumerate(STAGES) if stage in topic.read_by]
        if len(readers) > 1:
            x = (STAGE_X[1] + STAGE_X[2]) / 2
            out.append(_arrow([(x, top), (x, bus)], FAINT, dashed=True))
            out += [_arrow([(x, bus), (STAGE_X[n], bus), (STAGE_X[n], cards - 3)], FAINT, dashed=True) for n in readers]
        else:
            side = alone[readers[0]]
            alone[readers[0]] += 1
            x = STAGE_X[readers[0]] + side * 130
            foot = STAGE_X[readers[0]] + 24 + side * 20
            way = [(x, top), (x, bus - 22 - side * 2), (foot, bus - 22 - side * 2), (foot, cards - 3)]
            out.append(_arrow(way, FAINT, dashed=True))
        out.append(_pill(topic, x, top, FAINT))
    return out


def _below(places: Places) -> list[str]:
    """What goes back, what was given up, and the audit under everything."""
    feet = MAIN_Y + CARD[1] / 2
    out: list[str] = []
    for topic in places.from_all:
        colour, x = _colour(topic), (STAGE_X[1] + STAGE_X[2]) / 2
        out += [_arrow([(s - 22, feet), (s - 22, BAR_Y), (x, BAR_Y)], colour, dashed=True) for s in STAGE_X]
        out.append(_pill(topic, x, BAR_Y, colour))
    for topic in places.loops:
        x, colour = (STAGE_X[0] + STAGE_X[-1]) / 2, _colour(topic)
        way = [(STAGE_X[-1], feet), (STAGE_X[-1], LOOP_Y), (STAGE_X[0] + 22, LOOP_Y), (STAGE_X[0] + 22, feet + 3)]
        out += [_arrow(way, colour), _pill(topic, x, LOOP_Y, colour)]
        out.append(_text(x, LOOP_Y - 26, "with the repair to try next", "small", FAINT))
    for topic in places.own:
        out.append(
            _arrow([(STAGE_X[0] - 40, feet), (STAGE_X[0] - 40, LOOP_Y - 6), (170, LOOP_Y - 6)], FAINT, dashed=True)
        )
        out.append(_pill(topic, 116, LOOP_Y - 6, FAINT))
    for topic in places.progress:
        x, y = STAGE_X[1] - 40, feet + 34
        out += [_arrow([(x, feet), (x, y), (x - 30, y)], FAINT, dashed=True), _pill(topic, x - 78, y, FAINT)]
    for topic in places.reports:
        out.append(_text(EXIT_X, BAR_Y - 27, " · ".join(topic.written_by), "small", FAINT))
        out.append(_arrow([(EXIT_X, BAR_Y), (EXIT_X, AUDIT_Y - 3)], FLOW))
        out.append(_pill(topic, EXIT_X, BAR_Y, FLOW))
    out.append(f'<rect x="40" y="{AUDIT_Y}" width="{WIDTH - 80}" height="46" rx="14" fill="{INK}"/>')
    said = "reads every topic into Postgres: append-only, hash-chained, with its offsets in the same transaction"
    out.append(_text(64, AUDIT_Y + 30, EVERYWHERE, "stage", "#ffffff", "start"))
    out.append(_text(140, AUDIT_Y + 29, said, "small", "#c4d0e3", "start"))
    return out


def _marks() -> str:
    """Registration marks, as in the margin of a printed sheet."""
    out = ""
    for x, y in ((20, 20), (WIDTH - 20, 20), (20, HEIGHT - 20), (WIDTH - 20, HEIGHT - 20)):
        out += f'<path d="M{x - 8},{y}h16M{x},{y - 8}v16" stroke="{FAINT}" stroke-width="0.8"/>'
        out += f'<circle cx="{x}" cy="{y}" r="4.5" fill="none" stroke="{FAINT}" stroke-width="0.8"/>'
    return out


def pipeline_svg(topics: Sequence[Topic]) -> str:
    """The picture: on a sheet of its own, so that it reads on a white page and on a dark one."""
    places = place(topics)
    heads = "".join(
        f'<marker id="h{c[1:]}" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="9" markerHeight="9"'
        f' markerUnits="userSpaceOnUse" orient="auto"><path d="M0,0.5L8,4L0,7.5z" fill="{c}"/></marker>'
        for c in sorted({FLOW, *COLOURS.values()})
    )
    style = (
        "text{font-family:ui-sans-serif,system-ui,-apple-system,'Segoe UI',Helvetica,Arial,sans-serif}"
        ".stage{font-size:18px;font-weight:650}.small{font-size:13px}"
        ".topic{font-size:13.5px;font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}"
    )
    body = [*_control(places), *_below(places), *_main_line(places)]
    body += [_card(name, says, x) for (name, says), x in zip(STAGES.items(), STAGE_X, strict=True)]
    says = "Prompts pass sanity, render, inspect and validation; every step is a Kafka topic."
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{says}">',
            f"<style>{style}</style><defs>{heads}</defs>",
            f'<rect x="1" y="1" width="{WIDTH - 2}" height="{HEIGHT - 2}" rx="18" fill="#fbfaf6" stroke="#d9d4c7"/>',
            _marks(),
            *body,
            "</svg>\n",
        ]
    )
