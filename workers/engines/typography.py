"""Sets phrases to the letter: line breaks, sizes that fit, drawing. Never clips, never substitutes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from PIL import Image

from workers.engines import shaping
from workers.engines.breaking import Piece, advance, breaks, filled, joined, pieces
from workers.engines.palette import RGB
from workers.engines.shaping import CannotSet, Style

LEAST_PX: Final = 13
"""Smallest size of an em, pixels: RapidOCR and people both read it."""
LEAST_SHARE: Final = 0.024
"""Smallest size of an em as a share of the shorter side: about 7 point on an A5 flyer."""
MOST_CHARACTERS: Final = 1500
"""Above this no poster is set: even at the smallest size it would leave no picture."""


class NoRoom(CannotSet):
    """The text does not fit the image at a size that can be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line as it will be drawn. `size` is pixels per em, `top` the upper edge of its line box, pixels."""

    text: str
    style: Style
    size: int
    top: float
    width: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Lines in a box of width x height pixels."""

    lines: tuple[Line, ...]
    width: float
    height: float


def set_block(phrases: Sequence[str], styles: Sequence[Style], width: float, height: float, largest: float) -> Block:
    """The phrases as one block in a box, the first as large as fits (up to `largest` pixels per em).

    Raises CannotSet: MissingGlyph where no face has a character, NoRoom where the text would be too small to read.
    """
    if (total := sum(map(len, phrases))) > MOST_CHARACTERS:
        raise NoRoom(f"{total} characters of text are wanted, at most {MOST_CHARACTERS} are set on one picture")
    least = max(LEAST_PX, LEAST_SHARE * min(width, height))
    styles = [shaping.suited(phrase, style) for phrase, style in zip(phrases, styles, strict=True)]
    words = [pieces(p) for p in phrases]
    if not all(words):
        raise CannotSet("a phrase that is to be set is blank")
    options = [
        _fit(words, styles, (width, height), largest, least, count) for count in range(1, min(6, len(words[0])) + 1)
    ]
    chosen: _Fit | None = None
    for option in options:
        # Another line must earn its place: a headline that is hardly larger reads better on fewer.
        if option is not None and (chosen is None or option.size > chosen.size * 1.12):
            chosen = option
    if chosen is None or chosen.size < least:
        raise NoRoom(f"{total} characters of text do not fit {width:.0f} x {height:.0f} pixels at a size to be read")
    return _stack(chosen, least, styles)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fit:
    """Lines of each phrase, and the pixels per em of the first."""

    size: float
    lines: list[tuple[str, ...]]


def _fit(
    words: Sequence[tuple[Piece, ...]],
    styles: Sequence[Style],
    box: tuple[float, float],
    largest: float,
    least: float,
    count: int,
) -> _Fit | None:
    """The largest setting with the first phrase in `count` lines; None where it would be too small."""
    head = breaks(words[0], count, styles[0])
    size = min(largest, *(box[0] / advance(line, styles[0]) for line in head))
    if all(s.share == 1.0 for s in styles) and count == 1:
        # Rows of one list stand on a line each, where they can be read so.
        rows = min(size, *(box[0] / advance(joined(w), s) for w, s in zip(words, styles, strict=True)))
        size = rows if rows >= least else size
    for _ in range(40):
        if size < least:
            return None
        lines = [
            head,
            *(filled(w, s, box[0] / _size(s, size, least)) for w, s in zip(words[1:], styles[1:], strict=True)),
        ]
        height = sum(s.leading * _size(s, size, least) * len(part) for s, part in zip(styles, lines, strict=True))
        height += sum(_gap(styles, i, size) for i in range(1, len(lines)))
        wide = max(advance(t, s) * _size(s, size, least) for s, part in zip(styles, lines, strict=True) for t in part)
        if height <= box[1] and wide <= box[0]:
            return _Fit(size=size, lines=lines)
        size *= 0.93
    return None


def _size(style: Style, size: float, least: float) -> int:
    return max(round(least), int(size * style.share))


def _gap(styles: Sequence[Style], index: int, size: float) -> float:
    """Room above phrase `index`, pixels."""
    return size * (0.30 if styles[index].share < 0.9 else 0.16)


def _stack(fit: _Fit, least: float, styles: Sequence[Style]) -> Block:
    out: list[Line] = []
    top = 0.0
    for i, (part, style) in enumerate(zip(fit.lines, styles, strict=True)):
        top += _gap(styles, i, fit.size) if i else 0.0
        px = _size(style, fit.size, least)
        for text in part:
            out.append(Line(text=text, style=style, size=px, top=top, width=advance(text, style) * px))
            top += style.leading * px
    return Block(lines=tuple(out), width=max(line.width for line in out), height=top)


def draw_block(image: Image.Image, block: Block, x: float, y: float, *, align: float, inks: Sequence[RGB]) -> None:
    """Draw a block with its upper left corner at x, y; align 0 is left, 0.5 centred, 1 right. One ink for each line."""
    for line, ink in zip(block.lines, inks, strict=True):
        pen = x + (block.width - line.width) * align
        shaping.draw(image, line.text, line.style, line.size, (pen, y + baseline(line)), ink)


def baseline(line: Line) -> float:
    """Where a line's baseline lies below the top of its block, pixels: its capitals stand in the middle of its box."""
    return line.top + (line.style.leading + line.style.face.cap_height) * line.size * 0.5
