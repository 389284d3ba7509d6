"""The contact sheet: accepted and rejected assets side by side, with the reason under each."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from jinja2 import Environment, PackageLoader
from PIL import Image, ImageDraw, ImageFont, ImageOps

from ops.overlay.captions import Caption, wrapped

THUMB_PX: Final = 320
TILE_W, PICTURE_H, CAPTION_H, GAP = 232, 232, 124, 16
HEAD_H: Final = 84
MAX_TILES: Final = 400
COLOURS: Final = {
    "accepted": "#2e7d4f",
    "repaired": "#1f6f8b",
    "rejected": "#b3372f",
    "review": "#a86a00",
    "refused": "#6b5b95",
    "held": "#5a6270",
}
SECTIONS: Final = (
    ("Accepted", ("accepted", "repaired")),
    ("Rejected, then rendered again", ("rejected",)),
    ("For a reviewer", ("review",)),
    ("Held", ("held",)),
    ("Refused before a render", ("refused",)),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """One attempt or refused prompt. `data` holds the image bytes, None where there are none."""

    status: str
    prompt: str
    meta: str
    reasons: tuple[str, ...]
    data: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table for people: every cell is text already."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()


def decoded(data: bytes | None, box: tuple[int, int]) -> Image.Image | None:
    """The picture, as large as fits a box of width and height in pixels; None for bytes that hold none."""
    if data is None:
        return None
    try:
        with Image.open(io.BytesIO(data)) as image:
            image.load()
            return ImageOps.contain(image.convert("RGB"), box, Image.Resampling.LANCZOS)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return None


def _missing(card: Card) -> str:
    return "these bytes do not decode" if card.data is not None else "nothing was rendered"


def html(cards: Sequence[Card], *, title: str, subtitle: str, table: Table | None) -> str:
    """One self-contained page; thumbnails are inside it as JPEG of at most 320 px."""
    sections: list[dict[str, object]] = []
    for name, statuses in SECTIONS:
        chosen = [c for c in cards if c.status in statuses][:MAX_TILES]
        if chosen:
            sections.append({"title": name, "cards": [_html_card(c) for c in chosen]})
    environment = Environment(loader=PackageLoader("ops"), autoescape=True)
    page = environment.get_template("contact_sheet.html.j2")
    return page.render(title=title, subtitle=subtitle, table=table, sections=sections)


def _html_card(card: Card) -> dict[str, object]:
    thumb = decoded(card.data, (THUMB_PX, THUMB_PX))
    encoded = ""
    if thumb is not None:
        out = io.BytesIO()
        thumb.save(out, "JPEG", quality=82)
        encoded = base64.b64encode(out.getvalue()).decode()
    return {
        "status": card.status,
        "prompt": card.prompt.strip() or "(empty prompt)",
        "meta": card.meta,
        "reasons": card.reasons,
        "image": encoded,
        "missing": _missing(card),
    }


def png(cards: Sequence[Card], *, title: str, subtitle: str, columns: int = 6) -> bytes:
    """The same sheet as one PNG, at most 400 tiles: accepted first, then rejected, review and refused."""
    order = [s for _, statuses in SECTIONS for s in statuses]
    tiles = sorted((c for c in cards if c.status in order), key=lambda c: order.index(c.status))[:MAX_TILES]
    rows = -(-len(tiles) // columns)
    width = columns * (TILE_W + GAP) + GAP
    sheet = Image.new("RGB", (width, HEAD_H + rows * (PICTURE_H + CAPTION_H + GAP) + GAP), "#f6f4ef")
    draw = ImageDraw.Draw(sheet)
    draw.text((GAP, 30), title, fill="#1d1b18", font=ImageFont.load_default(24), anchor="lm")
    draw.text((GAP, 58), subtitle, fill="#6d675e", font=ImageFont.load_default(14), anchor="lm")
    for n, card in enumerate(tiles):
        x = GAP + n % columns * (TILE_W + GAP)
        y = HEAD_H + n // columns * (PICTURE_H + CAPTION_H + GAP)
        _tile(sheet, draw, card, x, y)
    out = io.BytesIO()
    sheet.save(out, "PNG", optimize=True)
    return out.getvalue()


def _tile(sheet: Image.Image, draw: ImageDraw.ImageDraw, card: Card, x: int, y: int) -> None:
    colour = COLOURS[card.status]
    draw.rectangle((x, y, x + TILE_W, y + PICTURE_H + CAPTION_H), fill="#ffffff", outline="#e2ddd2")
    draw.rectangle((x + 1, y + 4, x + TILE_W - 1, y + PICTURE_H), fill="#ece8df")
    draw.rectangle((x, y, x + TILE_W, y + 4), fill=colour)
    small = ImageFont.load_default(12)
    thumb = decoded(card.data, (TILE_W - 2, PICTURE_H - 6))
    if thumb is None:
        draw.text((x + TILE_W / 2, y + PICTURE_H / 2), _missing(card), fill="#6d675e", font=small, anchor="mm")
    else:
        sheet.paste(thumb, (x + 1 + (TILE_W - 2 - thumb.width) // 2, y + 5 + (PICTURE_H - 6 - thumb.height) // 2))
    top = y + PICTURE_H + 8
    draw.text((x + 8, top), card.status.upper(), fill=colour, font=small)
    draw.text((x + TILE_W - 8, top), card.meta[:24], fill="#6d675e", font=small, anchor="ra")
    lines = [(line, (109, 103, 94)) for line in lines_of(card.prompt.strip() or "(empty prompt)", 2)]
    lines += [(line, (29, 27, 24)) for line in lines_of(card.reasons[0] if card.reasons else "", 4)]
    for n, (line, ink) in enumerate(lines):
        line.draw(draw, x + 8, top + 30 + n * 15, ink)


def lines_of(text: str, most: int, width: float = TILE_W - 16, points: int = 13) -> list[Caption]:
    """At most so many lines of a width; the last ends in dots where there is more. The page has all of it."""
    lines = wrapped(text, points, width)
    if len(lines) <= most:
        return lines
    last = lines[most - 1].text
    while last and Caption(f"{last} …", points).width > width:
        last = last[:-1]
    return [*lines[: most - 1], Caption(f"{last.rstrip()} …", points)]
