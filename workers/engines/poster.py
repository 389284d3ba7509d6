"""Puts a block of text on a picture: the calmest place, an ink that can be read there, or a scrim under it."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from workers import colour
from workers.engines import fonts
from workers.engines.palette import READABLE, RGB, Palette, ratio
from workers.engines.typography import Block, Style, draw_block, set_block

MARGIN: Final = 0.075
"""Free border on each side, as a share of the shorter side."""
CELL: Final = 8
"""Edge of the cells, pixels, in which calm is measured."""
MEDIA_TYPE: Final = "image/png"

Floats = npt.NDArray[np.float64]
Box = tuple[int, int, int, int]
"""Left, top, right, bottom; pixels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """A typographic style: the headline's, the other phrases', and the alignment (0 left, 0.5 centred)."""

    head: Style
    body: Style
    align: float


LOOKS: Final[tuple[Look, ...]] = (
    Look(
        head=Style(face=fonts.DISPLAY, tracking=-0.012, leading=1.08, share=1.0),
        body=Style(face=fonts.SANS, tracking=0.01, leading=1.22, share=0.40),
        align=0.0,
    ),
    Look(
        head=Style(face=fonts.SERIF, tracking=0.0, leading=1.08, share=1.0),
        body=Style(face=fonts.SANS, tracking=0.02, leading=1.22, share=0.38),
        align=0.5,
    ),
    Look(
        head=Style(face=fonts.SANS_BLACK, tracking=0.012, leading=1.06, share=1.0),
        body=Style(face=fonts.SERIF_TEXT, tracking=0.0, leading=1.25, share=0.38),
        align=0.0,
    ),
    Look(
        head=Style(face=fonts.DISPLAY, tracking=0.02, leading=1.14, share=1.0),
        body=Style(face=fonts.SERIF_TEXT, tracking=0.0, leading=1.25, share=0.40),
        align=0.5,
    ),
)


def styles_for(look: Look, phrases: Sequence[str]) -> list[Style]:
    """A list of equals is set in one size; otherwise the first phrase leads."""
    if len(phrases) > 2 and max(map(len, phrases)) <= 2 * min(map(len, phrases)):
        row = Style(face=look.head.face, tracking=look.head.tracking, leading=1.2, share=1.0)
        return [row] * len(phrases)
    return [look.head] + [look.body] * (len(phrases) - 1)


def unrest(image: Image.Image) -> Floats:
    """How busy each cell of CELL x CELL pixels is: the range of lightness in and around it, 0..255."""
    cells = (max(1, image.width // CELL), max(1, image.height // CELL))
    grey = np.asarray(image.convert("L").resize((cells[0] * 2, cells[1] * 2), Image.Resampling.BOX), dtype=np.float64)
    down, right = np.abs(np.diff(grey, axis=0, append=grey[-1:])), np.abs(np.diff(grey, axis=1, append=grey[:, -1:]))
    return (down + right).reshape(cells[1], 2, cells[0], 2).sum(axis=(1, 3))


def calmest(busy: Floats, size: tuple[float, float], *, edge: float, taken: Sequence[Box] = ()) -> Box:
    """The calmest box of a size (pixels), `edge` pixels or more from the border and off the boxes taken.

    It stands at the left margin, in the middle or at the right one; where two are as calm the higher wins.
    """
    rows, columns = busy.shape
    field = busy.copy()
    for left, top, right, bottom in taken:
        field[max(0, top // CELL) : -(-bottom // CELL), max(0, left // CELL) : -(-right // CELL)] += 1e4
    total: Floats = np.zeros((rows + 1, columns + 1), dtype=np.float64)
    total[1:, 1:] = field.cumsum(axis=0).cumsum(axis=1)
    high, wide = min(rows, math.ceil(size[1] / CELL)), min(columns, math.ceil(size[0] / CELL))
    first = math.ceil(edge / CELL)
    best: tuple[float, int, int] | None = None
    for row in range(min(first, rows - high), max(min(first, rows - high), rows - high - first) + 1):
        for column in sorted({min(first, columns - wide), (columns - wide) // 2, max(0, columns - wide - first)}):
            low, right = row + high, column + wide
            sum_ = total[low, right] - total[row, right] - total[low, column] + total[row, column]
            cost = float(sum_) / (high * wide) + 1.2 * row / rows
            if best is None or cost < best[0]:
                best = (cost, row, column)
    left, top = (best[2] * CELL, best[1] * CELL) if best else (0, 0)
    return left, top, left + round(size[0]), top + round(size[1])


def is_calm(busy: Floats, box: Box) -> bool:
    """Whether nothing of note lies in a box: no cell with an edge that the eye stops at."""
    cells = busy[box[1] // CELL : -(-box[3] // CELL), box[0] // CELL : -(-box[2] // CELL)]
    # 24 of 255 levels across a cell: a gradient stays under 8, the outline of an object is above 40.
    return cells.size == 0 or float(cells.max()) < 24.0


def readable_ink(image: Image.Image, box: Box, palette: Palette) -> RGB:
    """An ink of the palette with a contrast of READABLE on every pixel of the box.

    Where no ink has it, the ground under the box is drawn towards paper or ink first, as far as it must.
    """
    left, top, right, bottom = (max(0, box[0]), max(0, box[1]), min(image.width, box[2]), min(image.height, box[3]))
    box = (left, top, right, bottom)
    ground = np.asarray(image.crop(box).resize((32, 32), Image.Resampling.BOX), dtype=np.uint8)
    extremes = np.asarray(image.crop(box).reduce(2) if right - left > 2 < bottom - top else image.crop(box))
    best = max(palette.inks()[:2], key=lambda ink: _worst(ink, extremes))
    if _worst(best, extremes) >= READABLE:
        return best
    light = float(colour.luminance(ground).mean())
    ink, panel = (palette.ink, palette.paper) if light > 0.18 else (palette.paper, palette.ink)
    for strength in (0.7, 0.85, 1.0):
        mended = Image.blend(image.crop(box), Image.new("RGB", (right - left, bottom - top), panel), strength)
        if _worst(ink, np.asarray(mended)) >= READABLE:
            scrim(image, box, panel, strength)
            break
    return ink


def scrim(image: Image.Image, box: Box, panel: RGB, strength: float) -> None:
    """Lay a flat panel of a colour over a box and a little round it; strength 0..1 is its opacity."""
    pad = round(0.03 * min(image.size))
    around = (
        max(0, box[0] - pad), max(0, box[1] - pad), min(image.width, box[2] + pad), min(image.height, box[3] + pad)
    )  # fmt: skip
    size = (around[2] - around[0], around[3] - around[1])
    mask = Image.new("L", size, 0)
    ImageDraw.Draw(mask).rounded_rectangle((0, 0, size[0] - 1, size[1] - 1), pad // 2, fill=round(255 * strength))
    image.paste(panel, around, mask)


def _worst(ink: RGB, pixels: npt.NDArray[np.uint8]) -> float:
    """Contrast of an ink with the pixel it differs least from."""
    seen = colour.luminance(pixels.reshape(-1, 3))
    own = float(colour.luminance(np.array(ink, dtype=np.uint8)))
    over = (np.maximum(seen, own) + 0.05) / (np.minimum(seen, own) + 0.05)
    return float(over.min())


def place_text(
    image: Image.Image, phrases: Sequence[str], palette: Palette, look: Look, taken: Sequence[Box] = ()
) -> Box:
    """Set the phrases on the picture; returns where they stand. Raises MissingGlyph, NoRoom."""
    edge = MARGIN * min(image.size)
    room = (image.width - 2 * edge, image.height - 2 * edge)
    # A headline that takes more than this leaves no picture.
    share = 0.36 if len(phrases) < 3 else 0.5
    largest = 0.17 * min(image.size)
    block = set_block(phrases, styles_for(look, phrases), room[0], room[1] * share, largest)
    box = calmest(unrest(image), (room[0], block.height), edge=edge, taken=taken)
    x = edge + (room[0] - block.width) * look.align
    spot = (round(x), box[1], round(x + block.width), box[3])
    ink = readable_ink(image, spot, palette)
    draw_block(image, block, x, box[1], align=look.align, inks=_inks(image, spot, block, ink, palette))
    return spot


def _inks(image: Image.Image, box: Box, block: Block, ink: RGB, palette: Palette) -> list[RGB]:
    """The headline in the ink; the smaller lines in an accent where that can be read as well."""
    pixels = np.asarray(image.crop((max(0, box[0]), max(0, box[1]), box[2], box[3])))
    body = next((a for a in palette.accents if ratio(a, ink) > 1.3 and _worst(a, pixels) >= READABLE), ink)
    return [ink if line.style.share >= 0.9 else body for line in block.lines]


def encode(image: Image.Image) -> bytes:
    """PNG bytes, sRGB."""
    out = io.BytesIO()
    image.save(out, "PNG", compress_level=1)
    return out.getvalue()
