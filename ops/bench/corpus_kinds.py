"""Names of the drawn corpus: its splits, how its lettering looks, and what is wrong with a damaged twin."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class Split(StrEnum):
    """Thresholds are tuned on one and shown on the other; no picture is in both."""

    TUNE = "tune"
    HOLDOUT = "holdout"


class Kind(StrEnum):
    """How the lettering looks."""

    PLAIN = "plain"
    LAYOUT = "layout"
    SMALL_PRINT = "small print"
    DIACRITICS = "latin with diacritics"
    CYRILLIC = "cyrillic"
    GREEK = "greek"
    CJK = "cjk"
    CURVED = "curved"
    CIRCULAR = "circular"
    PERSPECTIVE = "perspective"
    ROTATED = "rotated"
    TEXTURED = "textured ground"
    SCENE = "drawn scene"
    NEON = "neon"
    EMBOSSED = "embossed"
    LOW_CONTRAST = "low contrast"
    SLANTED = "slanted"
    SCRIPT = "script face"
    WAVY = "wavy"
    EXTRUDED = "three-dimensional"
    BLOBS = "made of shapes"
    OUTLINED = "outlined"
    PHOTO = "photo-like ground"
    NO_TEXT = "no text"


class Damage(StrEnum):
    """What is wrong with a damaged twin."""

    WRONG_LETTER = "wrong letter"
    DROPPED_LETTER = "dropped letter"
    DOUBLED_LETTER = "doubled letter"
    SWAPPED_LETTERS = "swapped letters"
    LOOK_ALIKE = "letter for a digit"
    SPLIT_WORD = "split word"
    MALFORMED = "malformed letter"
    EXTRA_WORDS = "extra words"


PLAIN_KINDS: Final = frozenset({Kind.PLAIN, Kind.LAYOUT, Kind.SMALL_PRINT, Kind.DIACRITICS})
OTHER_SCRIPTS: Final = frozenset({Kind.CYRILLIC, Kind.GREEK, Kind.CJK})
DECORATED_KINDS: Final = frozenset(Kind) - PLAIN_KINDS - OTHER_SCRIPTS - {Kind.NO_TEXT}
ONE_LETTER: Final = frozenset(
    {Damage.WRONG_LETTER, Damage.DROPPED_LETTER, Damage.DOUBLED_LETTER, Damage.SWAPPED_LETTERS}
)
