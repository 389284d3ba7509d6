"""Shapes a line through HarfBuzz and draws it: kerning, ligatures, marks; a face for each cluster that has it.

HarfBuzz both shapes and rasterises here, from the one wheel `uharfbuzz`: Pillow's own shaping looks for FriBiDi on
the machine, so the same text would give other bytes on another one.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import groupby
from typing import Final

import numpy as np
import regex
import uharfbuzz as hb
from PIL import Image

from workers.engines.fonts import Face
from workers.engines.palette import RGB

_CLUSTER: Final = regex.compile(r"\X")
_SPACED: Final = regex.compile(r"[\p{Latin}\p{Greek}\p{Cyrillic}\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}\p{Common}]")
"""Scripts whose letters may be spaced out; others join, and spacing would tear them."""
_RIGHT_TO_LEFT: Final = frozenset({"R", "AL", "AN", "RLE", "RLO", "RLI"})
"""Bidirectional classes of text from right to left. Source: Unicode Standard Annex 9, table 4."""
_UNSEEN: Final = regex.compile(r"[\p{Default_Ignorable_Code_Point}]")
_OVERHANG: Final = 0.5
"""Room round a line for what hangs over its advance and its line box, in em."""


class CannotSet(Exception):
    """Text that cannot be set rightly here."""


class MissingGlyph(CannotSet):
    """No face here can show a character."""

    def __init__(self, character: str, text: str, at: int) -> None:
        self.character = character
        super().__init__(
            f"no font here has the character {character!r} (U+{ord(character):04X}), number {at + 1} of {text[:80]!r};"
            " install the extra `cjk` or put a font that has it into PRESSCHECK_FONTS_DIR"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """How one phrase looks: its face and those that show what it lacks, letter-spacing in em, leading in em.

    `share` is its size relative to the first phrase.
    """

    face: Face
    others: tuple[Face, ...]
    tracking: float
    leading: float
    share: float


@dataclass(frozen=True, slots=True)
class Glyph:
    """A glyph of a face; x and y of its origin from the line's start on the baseline, in em, y upwards."""

    face: Face
    number: int
    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Shaped:
    """A line of glyphs and its advance in em."""

    glyphs: tuple[Glyph, ...]
    advance: float


def clusters(text: str) -> list[str]:
    """What a reader takes for one character each (UAX 29), in NFC; all white space becomes single blanks."""
    return _CLUSTER.findall(" ".join(unicodedata.normalize("NFC", text).split()))


def suited(text: str, style: Style) -> Style:
    """The style with the first face that shows the whole of a text, so that its digits match its characters.

    Where no face has all, each character takes the first that has it. Raises MissingGlyph or CannotSet, naming the
    character and its place in the text.
    """
    at, seen = 0, set[str]()
    for cluster in clusters(text):
        _face_for(cluster, style, text, at)
        at += len(cluster)
        seen.update(c for c in cluster if not _UNSEEN.match(c))
    face = next((f for f in (style.face, *style.others) if all(f.covers(c) for c in seen)), style.face)
    return replace(style, face=face)


@lru_cache(maxsize=4096)
def shaped(text: str, style: Style) -> Shaped:
    """A line as glyphs. Raises MissingGlyph or CannotSet."""
    at, chosen = 0, list[tuple[Face, str]]()
    for cluster in clusters(text):
        chosen.append((_face_for(cluster, style, text, at), cluster))
        at += len(cluster)
    glyphs, pen = list[Glyph](), 0.0
    for face, run in groupby(chosen, key=lambda c: c[0]):
        part, pen = _run(face, "".join(cluster for _, cluster in run), style.tracking, pen, text)
        glyphs += part
    if glyphs and _SPACED.match(text[-1:]):
        pen -= style.tracking
    return Shaped(tuple(glyphs), pen)


def _face_for(cluster: str, style: Style, text: str, at: int) -> Face:
    """The first face that has all of a cluster: a mark from another face would not sit on its letter."""
    seen = [c for c in cluster if not _UNSEEN.match(c)]
    for c in cluster:
        if unicodedata.bidirectional(c) in _RIGHT_TO_LEFT:
            raise CannotSet(
                f"{c!r} (U+{ord(c):04X}), character {at + 1} of {text[:80]!r}, runs from right to left, which is not"
                " set here; send the words as a logo file"
            )
    faces = (style.face, *style.others)
    if (whole := next((f for f in faces if all(f.covers(c) for c in seen)), None)) is not None:
        return whole
    first = next((c for c in seen if not any(f.covers(c) for f in faces)), seen[-1])
    raise MissingGlyph(first, text, at + cluster.index(first))


def _run(face: Face, text: str, tracking: float, pen: float, whole: str) -> tuple[list[Glyph], float]:
    """Glyphs of a run in one face, from a pen position in em, and where the pen stands after it."""
    buffer = hb.Buffer()
    # Set outright, or HarfBuzz takes the language of the process's locale and picks its forms of Han characters.
    buffer.language, buffer.direction = _language(whole), "ltr"
    buffer.add_str(text)
    buffer.guess_segment_properties()
    # A ligature in spaced text would keep two letters close among others that stand apart.
    hb.shape(face.font, buffer, {"kern": True, "liga": tracking <= 0.0, "clig": tracking <= 0.0})
    out = list[Glyph]()
    infos, places = buffer.glyph_infos, buffer.glyph_positions
    for n, (info, place) in enumerate(zip(infos, places, strict=True)):
        if info.codepoint == 0:
            at = max(0, whole.find(text)) + info.cluster
            raise MissingGlyph(text[info.cluster], whole, at)
        out.append(Glyph(face, info.codepoint, pen + place.x_offset / face.units, place.y_offset / face.units))
        pen += place.x_advance / face.units
        last = n + 1 == len(infos) or infos[n + 1].cluster != info.cluster
        if last and _SPACED.match(text[info.cluster]):
            pen += tracking
    return out, pen


def _language(text: str) -> str:
    """Which forms of the characters that China, Japan and Korea share: as the kana or Hangul beside them say."""
    if regex.search(r"[\p{Hiragana}\p{Katakana}]", text):
        return "ja"
    return "ko" if regex.search(r"\p{Hangul}", text) else "und"


def draw(image: Image.Image, text: str, style: Style, size: int, at: tuple[float, float], ink: RGB) -> None:
    """Draw a line at `size` pixels per em, its start on the baseline at x, y (pixels, fractions count)."""
    line = shaped(text, style)
    room = round(_OVERHANG * size) + 1
    left, top = int(at[0]) - room, int(at[1]) - size - room
    width, height = int(line.advance * size) + 2 * room + 2, 2 * (size + room)
    raster = hb.RasterDraw()
    raster.extents = hb.RasterExtents(x_origin=0, y_origin=0, width=width, height=height, stride=0)
    for glyph in line.glyphs:
        scale = size / glyph.face.units
        x = at[0] - left + glyph.x * size
        # The raster's y runs upwards from its lower edge.
        y = height - (at[1] - top) + glyph.y * size
        raster.transform = (scale, 0.0, 0.0, scale, x, y)
        raster.draw_glyph(glyph.face.font, glyph.number)
    if (drawn := raster.render()) is not None and drawn.extents.width:
        extents = drawn.extents
        rows = np.frombuffer(drawn.buffer, np.uint8).reshape(extents.height, extents.stride)[::-1, : extents.width]
        image.paste(ink, (left, top), Image.fromarray(np.ascontiguousarray(rows)))
