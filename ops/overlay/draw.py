"""Draws an inspection on its picture: every letter as it stands, what else was found, the verdict and its grounds."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image, ImageDraw

from ops.overlay.captions import Caption, wrapped
from ops.overlay.marks import INK, VERDICTS, Asked, Drawing, Mark
from ops.overlay.shapes import PAPER, Shape, draw_shape
from rules.composition import ratio_of
from schemas.events import Inspection, Judgement
from workers.checks.decode import decode
from workers.checks.port import Decoded

LONG: Final = (1000, 2048)
"""Longer side of the drawn picture, pixels: smaller ones are enlarged so that marks can be seen, larger ones made
smaller."""
WIDE: Final = 620
"""Least width of the sheet, pixels: grounds of a narrow picture must still be lines that one can read."""
_GREY: Final = (112, 116, 124)


def draw_overlay(
    file: Path,
    inspection: Inspection,
    judgement: Judgement,
    target: Path,
    *,
    crops: tuple[str, ...] = (),
    bleed_px: int = 0,
) -> None:
    """Write the drawing as PNG; a file that does not decode gives a grey frame with the verdict."""
    sheet = overlay(file.read_bytes(), inspection, judgement, name=file.name, crops=crops, bleed_px=bleed_px)
    sheet.save(target, "PNG")


def overlay(
    data: bytes,
    inspection: Inspection,
    judgement: Judgement,
    *,
    name: str,
    crops: tuple[str, ...] = (),
    bleed_px: int = 0,
) -> Image.Image:
    """The verdict and its grounds, the marked picture below, and a legend of the marks under it."""
    image = decode(data)
    pixels = image.pixels if isinstance(image, Decoded) else np.full((512, 512, 3), 128, dtype=np.uint8)
    art = Image.fromarray(pixels)
    long = max(art.size)
    scale = min(max(long, LONG[0]), LONG[1]) / long
    if scale != 1:
        art = art.resize((max(1, round(art.width * scale)), max(1, round(art.height * scale))))
    drawing = Drawing(art, scale)
    asked = Asked(tuple((c, r) for c in crops if (r := ratio_of(c)) is not None), bleed_px)
    drawing.mark(inspection, judgement, asked)
    width = max(art.width, WIDE)
    head, foot = _head(judgement, name, width), _legend(drawing.used, width)
    sheet = Image.new("RGB", (width, head.height + art.height + foot.height), PAPER)
    sheet.paste(head, (0, 0))
    sheet.paste(art, ((width - art.width) // 2, head.height))
    sheet.paste(foot, (0, head.height + art.height))
    return sheet


def _points(width: int) -> int:
    return round(min(36.0, max(15.0, width / 56)))


def _head(judgement: Judgement, name: str, width: int) -> Image.Image:
    """The verdict on its colour, and every ground of it below, however many lines they take."""
    points = _points(width)
    edge, lead = points, round(points * 1.42)
    title = Caption(judgement.verdict.value.upper(), round(points * 1.35), strong=True)
    band = round(points * 2.3)
    grounds = [wrapped(_told(reason), points, width - 2 * edge - points) for reason in judgement.reasons]
    lines = sum(len(ground) for ground in grounds)
    head = Image.new("RGB", (width, band + lines * lead + edge), PAPER)
    pen = ImageDraw.Draw(head)
    pen.rectangle((0, 0, width, band), fill=VERDICTS[judgement.verdict])
    title.draw(pen, edge, band * 0.7, PAPER)
    # A long name gives way from its start: its end tells files apart.
    room, shown = width - 3 * edge - title.width, name
    while len(shown) > 1 and Caption(shown, points).width > room:
        shown = f"…{shown.lstrip('…')[1:]}"
    label = Caption(shown, points)
    label.draw(pen, width - edge - label.width, band * 0.68, PAPER)
    y = band + edge * 0.3
    for ground in grounds:
        pen.ellipse((edge, y + lead * 0.5, edge + points * 0.36, y + lead * 0.5 + points * 0.36), fill=_GREY)
        for line in ground:
            line.draw(pen, edge + points, y + lead * 0.82, INK)
            y += lead
    return head


def _told(reason: str) -> str:
    """A ground as a sentence: "wrong-text: expected …" begins with "Wrong text"."""
    mode, colon, rest = reason.partition(": ")
    if colon and re.fullmatch("[a-z-]+", mode):
        return f"{mode.replace('-', ' ').capitalize()}: {rest}"
    return reason


def _legend(used: list[Mark], width: int) -> Image.Image:
    """A swatch and a name for each mark in the picture."""
    if not used:
        return Image.new("RGB", (width, 1), PAPER)
    points = round(_points(width) * 0.88)
    swatch, gap, lead = points * 1.5, points * 1.4, round(points * 1.7)
    rows: list[list[tuple[float, Mark, Caption]]] = [[]]
    x = float(points)
    for mark in used:
        caption = Caption(mark.label, points)
        wide = swatch + points * 0.5 + caption.width
        if rows[-1] and x + wide > width - points:
            rows.append([])
            x = float(points)
        rows[-1].append((x, mark, caption))
        x += wide + gap
    foot = Image.new("RGB", (width, len(rows) * lead + points), PAPER)
    pen = ImageDraw.Draw(foot)
    for n, row in enumerate(rows):
        top = points * 0.5 + n * lead
        for at, mark, caption in row:
            # A caret stands below its place, which here is a line above.
            caret = mark.shape is Shape.CARET
            low = top + points * (0.5 if caret else 1.15)
            draw_shape(pen, mark.shape, (at, top + points * 0.2, at + swatch, low), mark.colour, 2 if caret else 3)
            caption.draw(pen, at + swatch + points * 0.5, top + points * 1.05, INK)
    return foot
