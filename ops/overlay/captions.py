"""Captions on an overlay: in the house's faces, a run at a time, so that Greek, Cyrillic and Chinese show too."""

from __future__ import annotations

from functools import cache
from itertools import groupby

from PIL import ImageDraw, ImageFont

from workers.engines import fonts
from workers.engines.fonts import Face

RGB = tuple[int, int, int]
Runs = list[tuple[ImageFont.FreeTypeFont, str]]


class Caption:
    """One line of text at a size in pixels per em. A character that no face here has shows as its code point."""

    def __init__(self, text: str, points: int, *, strong: bool = False) -> None:
        self.text, self.points = text, points
        self._runs = _runs(text, points, strong=strong)
        self.width = sum(font.getlength(run) for font, run in self._runs)

    def draw(self, pen: ImageDraw.ImageDraw, x: float, baseline: float, fill: RGB) -> None:
        """From x on, on the baseline."""
        for font, run in self._runs:
            pen.text((x, baseline), run, font=font, fill=fill, anchor="ls")
            x += font.getlength(run)


def wrapped(text: str, points: int, width: float, *, strong: bool = False) -> list[Caption]:
    """Lines no wider than `width`; a word that is wider is broken, and nothing is left out."""
    lines: list[str] = []
    line = ""
    for word in text.split():
        tried = f"{line} {word}" if line else word
        if Caption(tried, points, strong=strong).width <= width:
            line = tried
            continue
        if line:
            lines.append(line)
        line = word
        while (fits := _fitting(line, points, width, strong=strong)) < len(line):
            lines.append(line[:fits])
            line = line[fits:]
    return [Caption(one, points, strong=strong) for one in ([*lines, line] if line else lines)]


def _fitting(text: str, points: int, width: float, *, strong: bool) -> int:
    """How many characters from the start stand within a width; one at least."""
    low, high = 1, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        if Caption(text[:middle], points, strong=strong).width <= width:
            low = middle
        else:
            high = middle - 1
    return low


def _runs(text: str, points: int, *, strong: bool) -> Runs:
    chosen: list[tuple[Face, str]] = []
    for character in text:
        first = fonts.SANS_BLACK if strong else fonts.SANS
        faces = (first, *fonts.here())
        face = next((f for f in faces if f.covers(character)), None)
        if face is not None:
            chosen.append((face, character))
        elif character.isprintable():
            chosen.append((first, f"U+{ord(character):04X}"))
    return [(_font(face, points), "".join(c for _, c in run)) for face, run in groupby(chosen, key=lambda c: c[0])]


@cache
def _font(face: Face, points: int) -> ImageFont.FreeTypeFont:
    # The basic layout needs no library that may or may not be on the machine.
    return ImageFont.truetype(str(face.path), points, layout_engine=ImageFont.Layout.BASIC)
