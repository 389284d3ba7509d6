"""The comparison sheet as one PNG: a row for each job, its runs side by side, legible without a browser."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Final

from PIL import Image, ImageDraw

from ops.contact_sheet import decoded, lines_of
from ops.overlay.captions import Caption
from ops.sharing.comparison import Comparison, Row, Run
from ops.sharing.comparison_view import CHANGES, ENDINGS, Names, heading, missing, number, picture, runs_of, sentence
from rules.comparison import Change, Ending
from store.artifacts import ArtifactStore

RGB = tuple[int, int, int]
EDGE, GAP, PAD = 32, 18, 16
SIDE_W, TILE_W, PICTURE_H, FACTS_H = 300, 280, 280, 156
ROW_H: Final = PICTURE_H + FACTS_H
MAX_ROWS: Final = 60
"""Rows in one picture: about 28,000 pixels high."""
PAPER, CARD, WELL, LINE = (246, 244, 239), (255, 255, 255), (236, 232, 223), (226, 221, 210)
INK, SOFT = (29, 27, 24), (102, 95, 86)
GOOD, BAD, DOUBT, EVEN = (35, 115, 74), (179, 55, 47), (143, 90, 0), (90, 98, 112)
ENDING_INKS: Final = {Ending.ACCEPT: GOOD, Ending.REVIEW: DOUBT, Ending.REJECT: BAD, Ending.REFUSED: BAD, None: EVEN}
CHANGE_INKS: Final = {Change.BETTER: GOOD, Change.WORSE: BAD, Change.SAME: EVEN, None: EVEN}


def png(comparison: Comparison, store: ArtifactStore, names: Names, *, title: str, subtitle: str) -> bytes:
    """The page of a comparison as a picture, at most 60 jobs of it; it says where there are more."""
    rows = comparison.rows[:MAX_ROWS]
    columns = max((len(runs_of(row)) for row in rows), default=1)
    width = 2 * EDGE + SIDE_W + max(columns, 2) * TILE_W
    head = _head(comparison, names, title, subtitle, width - 2 * EDGE)
    top = EDGE + sum(points + space for _, points, _, space in head) + GAP
    sheet = Image.new("RGB", (width, top + len(rows) * (ROW_H + GAP) + EDGE), PAPER)
    pen = ImageDraw.Draw(sheet)
    y = EDGE
    for line, points, ink, space in head:
        line.draw(pen, EDGE, y + points, ink)
        y += points + space
    for n, row in enumerate(rows, 1):
        _row(sheet, pen, row, n, top + (n - 1) * (ROW_H + GAP), store, names)
    out = io.BytesIO()
    sheet.save(out, "PNG", optimize=True)
    return out.getvalue()


Line = tuple[Caption, int, RGB, int]
"""Words, size, colour, and the space below."""


def _head(comparison: Comparison, names: Names, title: str, subtitle: str, width: int) -> list[Line]:
    lines: list[Line] = [(line, 28, INK, 12) for line in lines_of(title, 2, width, 28)]
    lines += [(line, 15, SOFT, 8) for line in lines_of(subtitle, 2, width, 15)]
    for n, (replay, found) in enumerate(comparison.summaries.items(), 1):
        signs = found.verdict
        waiting = f", {found.waiting} not judged yet" if found.waiting else ""
        said = f"{signs.better} better, {signs.worse} worse, {signs.same} the same{waiting}"
        lines.append((Caption("", 15), 6, INK, 4))
        lines.append((Caption(f"{names.summary(replay, n)}: {said}", 17, strong=True), 17, INK, 8))
        lines += [(line, 15, INK, 8) for line in lines_of(sentence(found), 2, width, 15)]
    left = len(comparison.rows) - MAX_ROWS
    more = f"; the last {left} do not fit here" if left > 0 else ""
    return [*lines, (Caption("", 15), 6, INK, 4), (Caption(heading(comparison) + more, 15), 15, SOFT, 8)]


def _row(
    sheet: Image.Image, pen: ImageDraw.ImageDraw, row: Row, n: int, y: int, store: ArtifactStore, names: Names
) -> None:
    runs = runs_of(row)
    pen.rectangle((EDGE, y, EDGE + SIDE_W + len(runs) * TILE_W, y + ROW_H), fill=CARD, outline=LINE)
    ink = CHANGE_INKS[row.change]
    pen.rectangle((EDGE, y, EDGE + 5, y + ROW_H), fill=ink)
    x, width = EDGE + 5 + PAD, SIDE_W - 5 - 2 * PAD
    Caption(CHANGES[row.change].upper(), 15, strong=True).draw(pen, x, y + 32, ink)
    for k, line in enumerate(lines_of(row.prompt.strip() or "(empty prompt)", 13, width, 15)):
        line.draw(pen, x, y + 62 + k * 21, INK)
    for k, line in enumerate(lines_of(names.job(row, n), 2, width, 12)):
        line.draw(pen, x, y + ROW_H - 30 + k * 16, SOFT)
    for k, (which, run) in enumerate(runs):
        _tile(sheet, pen, run, names.run(run, which), (EDGE + SIDE_W + k * TILE_W, y), store, names)


def _tile(
    sheet: Image.Image, pen: ImageDraw.ImageDraw, run: Run, name: str, at: tuple[int, int], store: ArtifactStore,
    names: Names,
) -> None:  # fmt: skip
    x, y = at
    pen.rectangle((x, y + 1, x + TILE_W - 1, y + PICTURE_H), fill=WELL)
    data = picture(store, run)
    thumb = decoded(data, (TILE_W - 20, PICTURE_H - 20))
    if thumb is not None:
        sheet.paste(thumb, (x + (TILE_W - thumb.width) // 2, y + (PICTURE_H - thumb.height) // 2))
    else:
        for k, line in enumerate(lines_of(missing(run, data), 3, TILE_W - 2 * PAD, 14)):
            line.draw(pen, x + (TILE_W - line.width) / 2, y + PICTURE_H / 2 + k * 20, SOFT)
    pen.line((x, y, x, y + ROW_H), fill=LINE)
    width = TILE_W - 2 * PAD
    for k, (line, ink) in enumerate(_said(run, name, names, width)):
        line.draw(pen, x + PAD, y + PICTURE_H + 24 + k * 19, ink)


def _said(run: Run, name: str, names: Names, width: int) -> Sequence[tuple[Caption, RGB]]:
    ending = Caption(ENDINGS[run.ending], 14, strong=True)
    side = run.side
    numbers = (
        f"text {number('text_score', side.text_score)} · ΔE00 {number('delta_e00', side.delta_e00)}",
        f"{number('cost_usd', side.cost_usd)} · engine {number('engine_ms', side.engine_ms)}",
        f"end to end {number('end_to_end_ms', side.end_to_end_ms)} · attempts {run.attempts}",
    )
    defects = "; ".join(names.modes.get(d, d.replace("-", " ")) for d in run.defects)
    engine = f"{run.engine or '–'} · {run.ruleset_id[:8]}" if names.inside and run.ruleset_id else run.engine or "–"
    return [
        *((line, INK) for line in lines_of(name, 1, width, 14)),
        (ending, ENDING_INKS[run.ending]),
        *((line, SOFT) for text in (engine, *numbers) for line in lines_of(text, 1, width, 13)),
        *((line, BAD) for line in lines_of(defects, 1, width, 13)),
    ]
