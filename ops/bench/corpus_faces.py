"""Faces of the drawn corpus: the house's own, and small wheels of script and condensed ones where they are installed.

Pacifico, Lobster, Oswald, Fredoka and Amatic SC are under the SIL Open Font License 1.1 and come with the extra
`models`. Without them italics stand in for script, and the pictures are others.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from functools import cache
from typing import Final

import numpy as np

from ops.bench.corpus_letters import Mask, box_of, line_of, on_line, raster, style
from ops.bench.corpus_words import LOOK_ALIKES
from workers.engines import fonts
from workers.engines.fonts import Face

_HOUSE: Final = (
    *fonts.ALL,
    Face("font_manrope", "files/Manrope-Medium.ttf"),
    Face("font_source_sans_pro", "files/SourceSansPro-Regular.ttf"),
    Face("font_source_serif_pro", "files/SourceSerifPro-Regular.ttf"),
    Face("font_source_serif_pro", "files/SourceSerifPro-Black.ttf"),
)
SLANTED: Final = (
    Face("font_source_serif_pro", "files/SourceSerifPro-It.ttf"),
    Face("font_source_serif_pro", "files/SourceSerifPro-SemiboldIt.ttf"),
    Face("font_source_sans_pro", "files/SourceSansPro-SemiboldIt.ttf"),
    Face("font_source_serif_pro", "files/SourceSerifPro-LightIt.ttf"),
)
_CAPITALS: Final = Face("font_amatic_sc", "files/AmaticSC-Bold.ttf")
_SCRIPT: Final = (
    Face("fontpkg_pacifico", "files/Pacifico-Regular.ttf"),
    Face("fontpkg_lobster", "files/Lobster-Regular.ttf"),
    _CAPITALS,
)
_DISPLAY: Final = (
    Face("fontpkg_oswald", "files/Oswald[wght].ttf"),
    Face("fontpkg_fredoka", "files/Fredoka[wdth,wght].ttf"),
)
HEAVY: Final = (fonts.DISPLAY, fonts.SANS_BLACK, Face("font_source_serif_pro", "files/SourceSerifPro-Black.ttf"))
"""Thick enough for letters that are made of shapes."""
_ALIKE: Final = 0.72
"""Share of their common ink above which a digit and a letter of one face cannot be told apart by a person."""
_EM: Final = 64


@cache
def upright() -> tuple[Face, ...]:
    """Faces for plain lettering."""
    return _HOUSE + _installed(_DISPLAY)


@cache
def script() -> tuple[Face, ...]:
    """Script and hand lettering; italics where none is installed."""
    return _installed(_SCRIPT) or SLANTED


def has_script() -> bool:
    """Whether faces of script are installed."""
    return bool(_installed(_SCRIPT))


def only_capitals(face: Face) -> bool:
    """Whether its small letters are drawn as capitals."""
    return face == _CAPITALS


def telling(faces: Sequence[Face]) -> tuple[Face, ...]:
    """Those in which a person tells every digit from the letter that looks like it."""
    return tuple(f for f in faces if _tells(f))


def _installed(faces: Sequence[Face]) -> tuple[Face, ...]:
    return tuple(f for f in faces if importlib.util.find_spec(f.package) is not None)


@cache
def _tells(face: Face) -> bool:
    return all(_common(face, digit, letter) < _ALIKE for digit, letter in LOOK_ALIKES.items())


def _common(face: Face, digit: str, letter: str) -> float:
    """Common ink over all ink of two characters, their left edges and feet on each other."""
    one, two = _ink(face, digit), _ink(face, letter)
    both, either = np.minimum(one, two).sum(dtype=np.int64), np.maximum(one, two).sum(dtype=np.int64)
    return float(both) / float(either)


def _ink(face: Face, character: str) -> Mask:
    size = (2 * _EM, 2 * _EM)
    mask = raster(on_line(line_of(character, style(face)), _EM, (_EM / 2, 1.4 * _EM)), size)
    box = box_of(mask)
    return mask if box is None else np.roll(mask, -int(box[0]), axis=1)
