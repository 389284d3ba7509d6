"""Characters that mislead: hidden ones, look-alikes from other scripts; and views that keep offsets."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

BIDI: Final = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Marks that turn the direction of text: what is read differs from what is stored."""
ZERO_WIDTH: Final = frozenset("\u00ad\u180e\u200b\u200c\u200d\u2060\ufeff")
"""Characters that take no room. Joiners are right inside emoji and in scripts that join letters."""
# Letter for letter, from Unicode's confusables (UTS #39), as far as Latin look-alikes of two scripts go.
_CYRILLIC: Final = dict(zip("АВЕКМНОРСТУХаеорсухіјѕԁһԛԝІЈЅ", "ABEKMHOPCTYXaeopcyxijsdhqwIJS", strict=True))
_GREEK: Final = dict(zip("ΑΒΕΖΗΙΚΜΝΟΡΤΥΧανορυχι", "ABEZHIKMNOPTYXavopuxi", strict=True))
LATIN_OF: Final = {**_CYRILLIC, **_GREEK}
"""The Latin letter that a Cyrillic or Greek one looks like."""
_WORD: Final = re.compile(r"[^\W\d_]+")
_NOT_ASCII: Final = re.compile(r"[^\x00-\x7f]")
_MISLEADS: Final = re.compile(f"[{''.join(sorted(BIDI | ZERO_WIDTH))}]")
_LOOKS_LATIN: Final = re.compile(f"[{''.join(LATIN_OF)}]")


@dataclass(frozen=True, slots=True)
class View:
    """A text to search, and for each of its characters where it stands in the original."""

    original: str
    text: str
    starts: Sequence[int]
    ends: Sequence[int]

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Offsets in the original of a non-empty span of the view."""
        return self.starts[start], self.ends[end - 1]


@lru_cache(maxsize=64)
def composed(original: str) -> View:
    """The text in NFC without hidden characters."""
    return _view(original, None)


@lru_cache(maxsize=64)
def skeleton(original: str) -> View:
    """As composed, with look-alikes of other scripts and full-width letters as plain Latin ones."""
    return _view(original, _plain_letter)


@lru_cache(maxsize=4096)
def _plain_letter(char: str) -> str:
    wide = unicodedata.normalize("NFKC", char)
    return LATIN_OF.get(char, wide if len(wide) == 1 else char)


def _view(original: str, fold: Callable[[str], str] | None) -> View:
    if original.isascii():
        return View(original, original, range(len(original)), range(1, len(original) + 1))
    if _is_plain(original):
        folded = {ord(c): plain for c in _foreign(original) if (plain := fold(c)) != c} if fold else {}
        text = original.translate(folded) if folded else original
        return View(original, text, range(len(original)), range(1, len(original) + 1))
    out: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    for start, end in _clusters(original):
        if end - start == 1 and original[start].isascii():
            out.append(original[start])
            starts.append(start)
            ends.append(end)
            continue
        for char in unicodedata.normalize("NFC", original[start:end]):
            if char not in ZERO_WIDTH and char not in BIDI:
                out.append(fold(char) if fold else char)
                starts.append(start)
                ends.append(end)
    return View(original, "".join(out), starts, ends)


def _is_plain(text: str) -> bool:
    """Whether each character stands for itself alone: in NFC, none that combines with another, and none hidden."""
    if _MISLEADS.search(text) or not unicodedata.is_normalized("NFC", text):
        return False
    return not any(unicodedata.combining(c) for c in _foreign(text))


def _foreign(text: str) -> frozenset[str]:
    return frozenset(_NOT_ASCII.findall(text))


def _clusters(text: str) -> Iterator[tuple[int, int]]:
    """Each character with the combining marks behind it."""
    start = 0
    for i in range(1, len(text) + 1):
        if i == len(text) or text[i].isascii() or not unicodedata.combining(text[i]):
            yield start, i
            start = i


def mixed_words(text: str) -> Iterator[tuple[int, int]]:
    """Words that mix Latin with letters of another script that look like Latin ones."""
    if text.isascii() or _LOOKS_LATIN.search(text) is None:
        return
    for word in _WORD.finditer(text):
        letters = word.group()
        if any(c in LATIN_OF for c in letters) and any(_is_latin(c) for c in letters):
            yield word.span()


def hidden(text: str) -> Iterator[tuple[int, int]]:
    """Zero-width characters where none belongs: beside nothing that joins."""
    if text.isascii() or _MISLEADS.search(text) is None:
        return
    for i, char in enumerate(text):
        if char in ZERO_WIDTH and not any(_joins(text[j]) for j in (i - 1, i + 1) if 0 <= j < len(text)):
            yield i, i + 1


def bidi(text: str) -> Iterator[tuple[int, int]]:
    """Marks that turn the direction of text."""
    if text.isascii() or _MISLEADS.search(text) is None:
        return
    for i, char in enumerate(text):
        if char in BIDI:
            yield i, i + 1


def without_hidden(text: str) -> str:
    """NFC without marks of direction, and without zero-width characters where none belongs."""
    if text.isascii():
        return text
    if _MISLEADS.search(text) is None:
        return unicodedata.normalize("NFC", text)
    drop = {start for start, _ in hidden(text)} | {start for start, _ in bidi(text)}
    return unicodedata.normalize("NFC", "".join(c for i, c in enumerate(text) if i not in drop))


def _is_latin(char: str) -> bool:
    return unicodedata.name(char, "").startswith("LATIN")


def _joins(char: str) -> bool:
    """Whether a joiner may stand beside it: emoji, and letters of scripts that join."""
    if char.isascii() or char.isspace() or char in ZERO_WIDTH:
        return False
    return not unicodedata.name(char, "").startswith(("LATIN", "CYRILLIC", "GREEK"))
