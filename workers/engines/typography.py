"""Sets phrases to the letter: line breaks, sizes that fit, kerning, drawing. Never clips, never substitutes."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from PIL import Image, ImageDraw

from workers.engines.fonts import Face, face_for
from workers.engines.palette import RGB

LEAST_PX: Final = 13
"""Smallest size of an em, pixels: RapidOCR and people both read it."""
LEAST_SHARE: Final = 0.024
"""Smallest size of an em as a share of the shorter side: about 7 point on an A5 flyer."""
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


def advance(text: str, style: Style) -> float:
    """Width of a line in em. Raises MissingGlyph."""
    return sum(step for _, _, step in _placed(text, style, _EM)) / _EM


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
    blank = advance("n", style) * 0.5
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
    chosen: tuple[float, list[tuple[str, Style]]] | None = None
    least = max(LEAST_PX, LEAST_SHARE * min(width, height))
    words = [" ".join("".join(letters(p)).split()).split(" ") for p in phrases]
    for count in range(1, min(6, len(words[0])) + 1):
        head = [(line, styles[0]) for line in breaks(words[0], count, styles[0])]
        size = min(largest, *(width / advance(line, style) for line, style in head))
        for _ in range(24):
            lines = head + _rest(words[1:], styles[1:], width, size)
            need = sum(style.leading * _size(style, size, least) for _, style in lines) + _gaps(phrases, styles, size)
            wide = max(advance(line, style) * _size(style, size, least) for line, style in lines)
            if need <= height and wide <= width:
                break
            size *= 0.93
        else:
            continue
        # Two lines must earn their place: a headline that is hardly larger reads better on one.
        if chosen is None or size > chosen[0] * 1.12:
            chosen = (size, lines)
    if chosen is None or chosen[0] < least:
        raise NoRoom(
            f"{sum(map(len, phrases))} characters of text do not fit {width:.0f} x {height:.0f} pixels readably"
        )
    return _stack(chosen[1], chosen[0], least, phrases, styles)


def _size(style: Style, size: float, least: float) -> int:
    return max(round(least), int(size * style.share))


def _gap(styles: Sequence[Style], index: int, size: float) -> float:
    """Room above phrase `index`, pixels."""
    return size * (0.30 if styles[index].share < 0.9 else 0.16)


def _gaps(phrases: Sequence[str], styles: Sequence[Style], size: float) -> float:
    return sum(_gap(styles, i, size) for i in range(1, len(phrases)))


def _rest(
    words: Sequence[Sequence[str]], styles: Sequence[Style], width: float, size: float
) -> list[tuple[str, Style]]:
    """The phrases after the first, each in as few lines as its size allows."""
    out: list[tuple[str, Style]] = []
    for phrase, style in zip(words, styles, strict=True):
        for count in range(1, len(phrase) + 1):
            lines = breaks(phrase, count, style)
            if count == len(phrase) or max(advance(line, style) for line in lines) * size * style.share <= width:
                out += [(line, style) for line in lines]
                break
    return out


def _stack(
    lines: Sequence[tuple[str, Style]], size: float, least: float, phrases: Sequence[str], styles: Sequence[Style]
) -> Block:
    out: list[Line] = []
    top, phrase, used = 0.0, 0, 0
    for text, style in lines:
        if used >= len("".join(letters(phrases[phrase])).replace(" ", "")):
            phrase, used = phrase + 1, 0
            top += _gap(styles, phrase, size)
        used += len(text.replace(" ", ""))
        px = _size(style, size, least)
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
