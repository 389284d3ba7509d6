"""The faces text is set in, from wheels with an open licence, and which characters each can show.

Manrope (display), Source Sans Pro (text) and Source Serif Pro come from the wheels `font-manrope`,
`font-source-sans-pro` and `font-source-serif-pro`, all under the SIL Open Font License 1.1. Each covers Latin
with its diacritics, Greek and Cyrillic, so no face of the user's machine is ever looked for.
"""

from __future__ import annotations

import importlib.resources
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, Final, cast

from fontTools.ttLib import TTFont
from PIL import ImageFont


@dataclass(frozen=True, slots=True)
class Face:
    """One font file in a wheel."""

    package: str
    file: str

    @property
    def path(self) -> Path:
        """Where it lies."""
        return Path(str(importlib.resources.files(self.package) / "files" / self.file))

    def covers(self, character: str) -> bool:
        """Whether it has a glyph for a character."""
        return ord(character) in _characters(self)

    def at(self, size: int) -> ImageFont.FreeTypeFont:
        """The face at a size in pixels per em."""
        return _sized(self, size)

    def kerning(self, left: str, right: str) -> float:
        """How much nearer (negative) or farther the right character stands, in em."""
        return _kerning(self).get((left, right), 0.0)


DISPLAY: Final = Face("font_manrope", "Manrope-ExtraBold.ttf")
SANS: Final = Face("font_source_sans_pro", "SourceSansPro-Semibold.ttf")
SANS_BLACK: Final = Face("font_source_sans_pro", "SourceSansPro-Black.ttf")
SERIF: Final = Face("font_source_serif_pro", "SourceSerifPro-Bold.ttf")
SERIF_TEXT: Final = Face("font_source_serif_pro", "SourceSerifPro-Semibold.ttf")
ALL: Final = (DISPLAY, SANS, SERIF, SANS_BLACK, SERIF_TEXT)
_PAIRS: Final = 2
_EXTENSION: Final = 9
"""Lookup types of the OpenType GPOS table: pair adjustment, and a wrapper round any other."""


class MissingGlyph(Exception):
    """No face here can show a character."""

    def __init__(self, character: str, text: str) -> None:
        self.character = character
        super().__init__(f"no font here has the character {character!r} (U+{ord(character):04X}) of {text[:80]!r}")


def face_for(character: str, wanted: Face, text: str) -> Face:
    """The wanted face, or the first other that has the character. Raises MissingGlyph naming it."""
    for face in (wanted, *ALL):
        if face.covers(character):
            return face
    raise MissingGlyph(character, text)


@cache
def _tables(face: Face) -> Any:
    return TTFont(face.path, lazy=True)


@cache
def _characters(face: Face) -> frozenset[int]:
    return frozenset(_cmap(face))


def _cmap(face: Face) -> Mapping[int, str]:
    return cast("Mapping[int, str]", _tables(face).getBestCmap())


@lru_cache(maxsize=256)
def _sized(face: Face, size: int) -> ImageFont.FreeTypeFont:
    # The basic layout is in every Pillow; the other depends on a library of the machine and so would the bytes.
    return ImageFont.truetype(str(face.path), size, layout_engine=ImageFont.Layout.BASIC)


@cache
def _kerning(face: Face) -> Mapping[tuple[str, str], float]:
    """Pair kerning of the ASCII and Latin-1 letters, in em, from the font's GPOS table (feature `kern`).

    Pillow's basic layout reads only the older `kern` table, which these fonts do not have.
    """
    font = _tables(face)
    names = {glyph: chr(code) for code, glyph in _cmap(face).items() if 0x20 < code < 0x180}
    gpos = font["GPOS"].table
    wanted = {i for f in gpos.FeatureList.FeatureRecord if f.FeatureTag == "kern" for i in f.Feature.LookupListIndex}
    pairs: dict[tuple[str, str], float] = {}
    for index in sorted(wanted):
        for table in gpos.LookupList.Lookup[index].SubTable:
            sub = table.ExtSubTable if table.LookupType == _EXTENSION else table
            if sub.LookupType == _PAIRS:
                for pair, step in _pairs(sub, names):
                    pairs.setdefault(pair, step / font["head"].unitsPerEm)
    return pairs


def _pairs(sub: Any, names: Mapping[str, str]) -> Iterator[tuple[tuple[str, str], int]]:
    """Pairs of one subtable: by glyph (format 1) or by class of glyphs (format 2)."""
    lefts = [(g, names[g]) for g in sub.Coverage.glyphs if g in names]
    if sub.Format == 1:
        order = {g: i for i, g in enumerate(sub.Coverage.glyphs)}
        for glyph, left in lefts:
            for record in sub.PairSet[order[glyph]].PairValueRecord:
                if record.SecondGlyph in names:
                    yield (left, names[record.SecondGlyph]), _step(record.Value1)
        return
    # Classes are few and letters many: look at each pair of classes once, and unfold those that kern.
    first: dict[int, list[str]] = {}
    second: dict[int, list[str]] = {}
    for glyph, left in lefts:
        first.setdefault(sub.ClassDef1.classDefs.get(glyph, 0), []).append(left)
    for glyph, right in names.items():
        second.setdefault(sub.ClassDef2.classDefs.get(glyph, 0), []).append(right)
    for one, left_letters in first.items():
        row = sub.Class1Record[one].Class2Record
        for two, right_letters in second.items():
            if step := _step(row[two].Value1):
                yield from (((left, right), step) for left in left_letters for right in right_letters)


def _step(value: Any) -> int:
    return int(getattr(value, "XAdvance", 0) or 0)
