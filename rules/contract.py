"""The text contract: which words the picture must show, in reading order, and how exactly."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from rules.brands import Brand
from rules.characters import without_hidden
from rules.folding import Fold, fold
from rules.word_lists import find_words
from schemas.events import FileRole, Job, Lane, Phrase, PhraseSource, TextContract

_EXACTING: Final = re.compile(
    r"\d|[$€£¥₹%@]|\bwww\.|https?:|\b[\w-]{2,}\.[a-z]{2,}\b"
    r"|\b(?:Mr|Mrs|Ms|Dr|Prof|St)\.\s",
    re.IGNORECASE,
)
"""Digits, prices, dates, shares, addresses of the web, and names with a title."""
_SHOW_LOGO: Final = frozenset({FileRole.LOGO, FileRole.LAYOUT, FileRole.INIT_IMAGE})
"""Files whose letters come into the picture: the logo itself, and pictures of the brand's that may hold it."""
SOURCE_MAX: Final = 64
"""Most phrases that a contract holds."""


def is_exacting(text: str, brand: Brand | None) -> bool:
    """Whether a mistake of one character changes what a phrase says: figures, addresses, names, accents."""
    names = brand.own_names if brand else ()
    return (
        _EXACTING.search(text) is not None
        or any(not c.isascii() and c.isalpha() for c in text)
        or any(True for _ in find_words(names, text))
    )


@lru_cache(maxsize=4096)
def phrase(text: str, source: PhraseSource, lane: Lane, brand: Brand | None) -> Phrase:
    """One wanted phrase in NFC.

    Exacting ones are strict in the critical lane: to the letter without look-alikes, with their case, and with the
    punctuation inside their words, which tells $4.50 from $450 and 10.30 from 1030. What stands about a word, a full
    stop or a mark of exclamation, never counts: readers lose it, and designers leave it away.
    """
    clean = " ".join(without_hidden(text).split())
    strict = lane is Lane.CRITICAL and is_exacting(clean, brand)
    return Phrase(text=clean, source=source, case_sensitive=strict, punctuation_sensitive=strict, strict=strict)


def merged(explicit: Sequence[str], quoted: Sequence[str]) -> tuple[tuple[str, PhraseSource], ...]:
    """All wanted phrases in reading order, each once.

    What the client said outright keeps its order; a quoted phrase that is not among it stands behind the
    quoted phrase before it, or at the end. Phrases are the same where they fold to the same letters.
    """
    out: list[tuple[str, PhraseSource]] = []
    keys: list[str] = []
    for text in explicit:
        key = fold(text, Fold.PLAIN)
        if key not in keys:
            out.append((text, PhraseSource.EXPLICIT))
            keys.append(key)
    place = len(out)
    for text in quoted:
        key = fold(text, Fold.PLAIN)
        if key in keys:
            place = keys.index(key) + 1
            continue
        out.insert(place, (text, PhraseSource.QUOTED))
        keys.insert(place, key)
        place += 1
    return tuple(out)


def text_contract(
    job: Job, quoted: Sequence[str], brand: Brand | None, lane: Lane, *, other_text_allowed: bool
) -> TextContract:
    """The contract of a job. Empty phrases are left out: sanity has refused them by then.

    What may stand there besides: the brand's own letters, and those of its logo where a file may show it.
    """
    explicit = [t for t in job.required_text if without_hidden(t).strip()]
    phrases = [phrase(t, source, lane, brand) for t, source in merged(explicit, quoted)]
    has_logo = any(f.role in _SHOW_LOGO for f in job.files)
    extra = (*brand.allowed_text, *(brand.logo_text if has_logo else ())) if brand else ()
    return TextContract(
        phrases=tuple(phrases[:SOURCE_MAX]),
        allowed_extra=tuple(unicodedata.normalize("NFC", t) for t in dict.fromkeys(extra)),
        other_text_allowed=other_text_allowed,
    )
