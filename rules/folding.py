"""Folding: which differences between two texts do not count."""

from __future__ import annotations

import re
import unicodedata
from enum import Enum
from functools import lru_cache
from typing import Final


class Fold(Enum):
    """How much is folded away, from least to most. Blanks never count: readers lose them, and add them."""

    CASED = "cased"
    """Typographic variants only: quotation marks, dashes, ligatures, full width."""
    MARKED = "marked"
    """Punctuation about words too; it stays inside them, and before a figure: $4.50, 10:30, halden.example, -5."""
    LETTERS = "letters"
    """Punctuation too."""
    PLAIN = "plain"
    """Case too."""
    LOOK = "look"
    """Look-alikes and accents too: what a reader cannot tell apart by shape alone."""
    NEAR = "near"
    """Neighbours in shape too: what a reader tells apart in clean print and mixes up in other lettering."""


_TYPOGRAPHY: Final = str.maketrans(
    {
        **dict.fromkeys("‘’‚‛′`´ʼ", "'"),
        **dict.fromkeys("“”„‟″«»", '"'),
        **dict.fromkeys("‐‑‒–—―−", "-"),
        "…": "...",
        # One letter in two Unicode forms: many faces draw the same for both.
        **dict(zip("ȘșȚț", "ŞşŢţ", strict=True)),
        "×": "x",
        "·": "•",
    }
)
LOOK_ALIKES: Final = str.maketrans({"0": "o", "1": "l", "i": "l", "|": "l", "5": "s", "ı": "l"})
"""Applied to small letters: 0 and O, 1 and l and I, 5 and S."""
_PIECE: Final = re.compile(r"\S+")
_SIGNS: Final = frozenset("-.,−–")
"""What changes a figure that it stands before."""
_NEIGHBOURS: Final = str.maketrans({"8": "b", "6": "b", "2": "z", "9": "g", "q": "g", "!": "l", "t": "l", "ł": "l"})
_PAIRS: Final = (("rn", "m"), ("ri", "n"), ("vv", "w"), ("cl", "d"), ("ll", "u"))
"""After the letters: two narrow ones that make a wide one."""
_KEPT: Final = frozenset("%&@#+")
"""Punctuation that says something in a headline; money and mathematics are symbols and stay anyway."""


@lru_cache(maxsize=8192)
def fold(text: str, kind: Fold) -> str:
    """The letters that count. A text of nothing but punctuation keeps it."""
    # Folded first: compatibility forms of some marks fall apart into a blank and an accent.
    plain = unicodedata.normalize("NFKC", text.translate(_TYPOGRAPHY)).translate(_TYPOGRAPHY)
    pieces = plain.split()
    plain = "".join(pieces)
    if kind is Fold.CASED:
        return plain
    if kind is Fold.MARKED:
        return "".join(_inside(p) for p in pieces) or plain
    if kind is Fold.LETTERS:
        return _spoken(plain) or plain
    # Casefolding can undo a normal form, so it is made anew.
    lowered = unicodedata.normalize("NFKC", plain.casefold())
    if kind is Fold.PLAIN:
        return _spoken(lowered) or lowered
    apart = unicodedata.normalize("NFKD", lowered.translate(LOOK_ALIKES))
    bare = "".join(c for c in apart if not unicodedata.combining(c)).translate(LOOK_ALIKES)
    look = _spoken(bare) or bare or lowered
    if kind is Fold.LOOK:
        return look
    near = look.translate(_NEIGHBOURS)
    for two, one in _PAIRS:
        near = near.replace(two, one)
    return near


def counting(text: str, *, marks: bool) -> list[bool]:
    """Which characters count: letters, digits, symbols; with `marks` the punctuation that MARKED keeps too."""
    out = [bool(_spoken(c)) and not c.isspace() for c in text]
    if marks:
        for piece in _PIECE.finditer(text):
            start, end = _ends(piece.group())
            out[piece.start() + start : piece.start() + end] = [True] * (end - start)
    return out


def _inside(piece: str) -> str:
    start, end = _ends(piece)
    return piece[start:end]


def _ends(piece: str) -> tuple[int, int]:
    """Where a piece begins and ends without the punctuation about it; a sign before a figure stays."""
    spoken = [i for i, c in enumerate(piece) if _spoken(c)]
    if not spoken:
        return 0, 0
    start = spoken[0]
    if start and piece[start].isdigit() and piece[start - 1] in _SIGNS:
        start -= 1
    return start, spoken[-1] + 1


def _spoken(text: str) -> str:
    """Without punctuation and control characters."""
    return "".join(c for c in text if c in _KEPT or not unicodedata.category(c).startswith(("P", "C")))


def is_spoken(text: str) -> bool:
    """Whether anything is left without punctuation."""
    return bool(_spoken("".join(text.split())))


def weight(text: str) -> int:
    """How many letters and digits a text has: what a stray mark lacks."""
    return sum(c.isalnum() for c in text)
