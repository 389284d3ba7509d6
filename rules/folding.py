"""Folding: which differences between two texts do not count."""

from __future__ import annotations

import unicodedata
from enum import Enum
from functools import lru_cache
from typing import Final


class Fold(Enum):
    """How much is folded away, from least to most. Blanks never count: readers lose them, and add them."""

    CASED = "cased"
    """Typographic variants only: quotation marks, dashes, ligatures, full width."""
    LETTERS = "letters"
    """Punctuation too."""
    PLAIN = "plain"
    """Case too."""
    LOOK = "look"
    """Look-alikes and accents too: what a reader cannot tell apart by shape alone."""


_TYPOGRAPHY: Final = str.maketrans(
    {
        **dict.fromkeys("‘’‚‛′`´ʼ", "'"),
        **dict.fromkeys("“”„‟″«»", '"'),
        **dict.fromkeys("‐‑‒–—―−", "-"),
        "…": "...",
        "×": "x",
        "·": "•",
    }
)
LOOK_ALIKES: Final = str.maketrans({"0": "o", "1": "l", "i": "l", "|": "l", "5": "s", "ı": "l"})
"""Applied to small letters: 0 and O, 1 and l and I, 5 and S."""
_KEPT: Final = frozenset("%&@#+")
"""Punctuation that says something in a headline; money and mathematics are symbols and stay anyway."""


@lru_cache(maxsize=8192)
def fold(text: str, kind: Fold) -> str:
    """The letters that count. A text of nothing but punctuation keeps it."""
    # Folded first: compatibility forms of some marks fall apart into a blank and an accent.
    plain = unicodedata.normalize("NFKC", text.translate(_TYPOGRAPHY)).translate(_TYPOGRAPHY)
    plain = "".join(plain.split())
    if kind is Fold.CASED:
        return plain
    if kind is Fold.LETTERS:
        return _spoken(plain) or plain
    # Casefolding can undo a normal form, so it is made anew.
    lowered = unicodedata.normalize("NFKC", plain.casefold())
    if kind is Fold.PLAIN:
        return _spoken(lowered) or lowered
    apart = unicodedata.normalize("NFKD", lowered.translate(LOOK_ALIKES))
    bare = "".join(c for c in apart if not unicodedata.combining(c)).translate(LOOK_ALIKES)
    return _spoken(bare) or bare or lowered


def _spoken(text: str) -> str:
    """Without punctuation and control characters."""
    return "".join(c for c in text if c in _KEPT or not unicodedata.category(c).startswith(("P", "C")))


def is_spoken(text: str) -> bool:
    """Whether anything is left without punctuation."""
    return bool(_spoken("".join(text.split())))


def weight(text: str) -> int:
    """How many letters and digits a text has: what a stray mark lacks."""
    return sum(c.isalnum() for c in text)
