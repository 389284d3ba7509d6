"""The faces text is set in: the house's own from wheels, what is installed beside them, and a team's own folder.

Manrope (display), Source Sans Pro (text) and Source Serif Pro come from the wheels `font-manrope`,
`font-source-sans-pro` and `font-source-serif-pro`, all under the SIL Open Font License 1.1. Each covers Latin
with its diacritics, Greek and Cyrillic. Noto Sans CJK (the extra `cjk`, the same licence) adds Chinese, Japanese
and Korean. No face of the user's machine is ever looked for: the bytes of a picture would depend on it.
"""

from __future__ import annotations

import importlib.resources
import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import uharfbuzz as hb

from schemas.errors import BadConfig


@dataclass(frozen=True, slots=True)
class Face:
    """One font file: of a wheel, or with an empty `package` by its full path."""

    package: str
    file: str

    @property
    def path(self) -> Path:
        """Where it lies."""
        return Path(str(importlib.resources.files(self.package))) / self.file if self.package else Path(self.file)

    @property
    def font(self) -> hb.Font:
        """The face, loaded; scaled to its units per em. Raises BadConfig where the file is no font."""
        return _loaded(self)[0]

    @property
    def units(self) -> int:
        """Units per em."""
        return _loaded(self)[1]

    @property
    def cap_height(self) -> float:
        """Height of a capital H in em; a usual value where it has none."""
        glyph = self.font.get_nominal_glyph(ord("H"))
        extents = None if glyph is None else self.font.get_glyph_extents(glyph)
        return extents.y_bearing / self.units if extents else 0.7

    def covers(self, character: str) -> bool:
        """Whether it has a glyph for a character."""
        return ord(character) in _loaded(self)[2]


DISPLAY: Final = Face("font_manrope", "files/Manrope-ExtraBold.ttf")
SANS: Final = Face("font_source_sans_pro", "files/SourceSansPro-Semibold.ttf")
SANS_BLACK: Final = Face("font_source_sans_pro", "files/SourceSansPro-Black.ttf")
SERIF: Final = Face("font_source_serif_pro", "files/SourceSerifPro-Bold.ttf")
SERIF_TEXT: Final = Face("font_source_serif_pro", "files/SourceSerifPro-Semibold.ttf")
ALL: Final = (DISPLAY, SANS, SERIF, SANS_BLACK, SERIF_TEXT)
"""The house's own, which every installation has."""
_OPTIONAL: Final = (Face("noto_cjk_sans_jp_bold", "NotoSansCJKjp-Bold.otf"),)
_SUFFIXES: Final = (".otf", ".ttc", ".ttf")
MOST_FACES: Final = 64
"""Files in a team's folder."""


@cache
def here() -> tuple[Face, ...]:
    """The house's faces, then those of the optional wheels that are installed."""
    return ALL + tuple(f for f in _OPTIONAL if importlib.util.find_spec(f.package) is not None)


def with_folder(folder: Path | None) -> tuple[Face, ...]:
    """The faces that are here, then those of a team's own folder by file name: they show what the others lack.

    Raises BadConfig where there is no such folder, it holds too many faces, or a file in it is no font.
    """
    if folder is None:
        return here()
    if not folder.is_dir():
        raise BadConfig(f"PRESSCHECK_FONTS_DIR: there is no folder {folder}", mend="or unset it")
    own = [Face("", str(p.resolve())) for p in sorted(folder.iterdir()) if p.suffix.lower() in _SUFFIXES]
    if len(own) > MOST_FACES:
        raise BadConfig(f"PRESSCHECK_FONTS_DIR: {len(own)} fonts in {folder}", mend=f"keep at most {MOST_FACES}")
    for face in own:
        _loaded(face)
    return (*here(), *own)


def digest_of(faces: Sequence[Face]) -> bytes:
    """The bytes of the faces, for a digest of what decides a picture."""
    return b"".join(face.path.read_bytes() for face in faces)


@cache
def _loaded(face: Face) -> tuple[hb.Font, int, frozenset[int]]:
    try:
        opened = hb.Face(hb.Blob.from_file_path(str(face.path)))
    except hb.HarfBuzzError as e:
        raise BadConfig(f"{face.file} cannot be read: {e}", mend="put a .ttf or .otf file there") from e
    characters = frozenset(opened.unicodes)
    if not characters:
        raise BadConfig(f"{face.file} is no font, or has no characters", mend="put a .ttf or .otf file there")
    return hb.Font(opened), opened.upem, characters
