"""Sets phrases to the letter: line breaks, sizes that fit, kerning, drawing. Never clips, never substitutes."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Final

from PIL import Image, ImageDraw

from workers.engines.fonts import Face, face_for
from workers.engines.palette import RGB

LEAST_PX: Final = 13
"""Smallest size of an em, pixels: RapidOCR and people both read it."""
LEAST_SHARE: Final = 0.024
"""Smallest size of an em as a share of the shorter side: about 7 point on an A5 flyer."""
MOST_CHARACTERS: Final = 1500
"""Above this no poster is set: even at the smallest size it would leave no picture."""
_EM: Final = 200
"""Size in pixels at which widths are measured; they scale from there."""


class NoRoom(Exception):
    """The text does not fit the image at a size that can be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """How one phrase looks: its face, letter-spacing in em, leading in em, and size relative to the first phrase."""

    face: Face
    tracking: float
    leading: float
    share: float


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


def letters(text: str) -> list[str]:
    """Characters with their combining marks, in NFC; all white space becomes single blanks."""
    out: list[str] = []
    for character in " ".join(unicodedata.normalize("NFC", text).split()):
        if out and unicodedata.combining(character):
            out[-1] += character
        else:
            out.append(character)
    return out


@lru_cache(maxsize=4096)
def advance(text: str, style: Style) -> float:
    """Width of a line in em. Raises MissingGlyph."""
    return sum(step for _, _, step in _placed(text, style, _EM)) / _EM


def _blank(style: Style) -> float:
    """Width of a word space between letters, in em."""
    return advance("n n", style) - 2 * advance("n", style)


def _placed(text: str, style: Style, size: int) -> list[tuple[str, Face, float]]:
    """Each letter with the face that has it and its step to the next, pixels."""
    marks = letters(text)
    faces = [face_for(letter[0], style.face, text) for letter in marks]
    for letter, face in zip(marks, faces, strict=True):
        for mark in letter[1:]:
            face_for(mark, face, text)
    out: list[tuple[str, Face, float]] = []
    for i, (letter, face) in enumerate(zip(marks, faces, strict=True)):
        step = face.at(size).getlength(letter)
        if i + 1 < len(marks):
            step += style.tracking * size
            if faces[i + 1] == face:
                step += face.kerning(letter, marks[i + 1]) * size
        out.append((letter, face, step))
    return out


def breaks(words: Sequence[str], count: int, style: Style) -> tuple[str, ...]:
    """The words in `count` lines such that the longest is as short as can be, and the rest even."""
    widths = [advance(w, style) for w in words]
    blank = _blank(style)
    best: dict[tuple[int, int], tuple[float, float, tuple[int, ...]]] = {(0, 0): (0.0, 0.0, ())}
    for end in range(1, len(words) + 1):
        for lines in range(1, min(count, end) + 1):
            options: list[tuple[float, float, tuple[int, ...]]] = []
            for start in range(lines - 1, end):
                if (before := best.get((start, lines - 1))) is None:
                    continue
                long = sum(widths[start:end]) + blank * (end - start - 1)
                options.append((max(before[0], long), before[1] + long**2, (*before[2], start)))
            best[end, lines] = min(options)
    starts = best[len(words), count][2]
    return tuple(" ".join(words[a:b]) for a, b in pairwise((*starts, len(words))))


def set_block(phrases: Sequence[str], styles: Sequence[Style], width: float, height: float, largest: float) -> Block:
    """The phrases as one block in a box, the first as large as fits (up to `largest` pixels per em).

    Raises MissingGlyph where no face has a character, NoRoom where the text would be too small to read.
    """
    if (total := sum(map(len, phrases))) > MOST_CHARACTERS:
        raise NoRoom(f"{total} characters of text are wanted, at most {MOST_CHARACTERS} are set on one picture")
    least = max(LEAST_PX, LEAST_SHARE * min(width, height))
    words = [" ".join("".join(letters(p)).split()).split(" ") for p in phrases]
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
    words: Sequence[Sequence[str]],
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
        rows = min(size, *(box[0] / advance(" ".join(w), s) for w, s in zip(words, styles, strict=True)))
        size = rows if rows >= least else size
    for _ in range(40):
        if size < least:
            return None
        lines = [
            head,
            *(_filled(w, s, box[0] / _size(s, size, least)) for w, s in zip(words[1:], styles[1:], strict=True)),
        ]
        height = sum(s.leading * _size(s, size, least) * len(part) for s, part in zip(styles, lines, strict=True))
        height += sum(_gap(styles, i, size) for i in range(1, len(lines)))
        wide = max(advance(t, s) * _size(s, size, least) for s, part in zip(styles, lines, strict=True) for t in part)
        if height <= box[1] and wide <= box[0]:
            return _Fit(size=size, lines=lines)
        size *= 0.93
    return None


def _filled(words: Sequence[str], style: Style, room: float) -> tuple[str, ...]:
    """The words in as few lines of `room` em as they need, evened out."""
    blank, count, used = _blank(style), 1, 0.0
    for word in words:
        step = advance(word, style) + blank
        if used and used + step - blank > room:
            count, used = count + 1, 0.0
        used += step
    return breaks(words, count, style)


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
    """Draw a block with its upper left corner at x, y; align 0 is left, 0.5 centred. One ink for each line."""
    draw = ImageDraw.Draw(image)
    for line, ink in zip(block.lines, inks, strict=True):
        pen = x + (block.width - line.width) * align
        baseline = y + line.top + line.style.leading * line.size * 0.5 + cap_height(line.style.face, line.size) * 0.5
        for letter, face, step in _placed(line.text, line.style, line.size):
            draw.text((pen, baseline), letter, font=face.at(line.size), fill=ink, anchor="ls")
            pen += step


def cap_height(face: Face, size: int) -> float:
    """Height of a capital, pixels."""
    return -face.at(size).getbbox("H", anchor="ls")[1]
