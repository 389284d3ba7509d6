"""Word lists made ready for searching: what they find, what is spared, and what a negation before it undoes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from rules.word_starts import ANYWHERE, Places, Words, word_starts

READY_MAX: Final = 2_048
"""Lists kept ready: those of the rulesets in use and their brands, many times over."""
BEFORE: Final = 80
"""Letters in which a negation is looked for."""
_NEGATION: Final = re.compile(
    r"(?:\b(?:no|without|not|never|avoid|exclude|excluding|minus|zero|sans|free\s+(?:of|from))"
    r"(?:\s+(?:any|a|an|the|visible|real|actual|recognisable|recognizable|human|other))*"
    r"(?:\s+[\w-]+(?:\s+(?:or|nor)|,(?=\s*(?:[\w-]+,\s*)*[\w-]+\s+(?:or|nor)\b)))*"
    r"|\bnon)[\s-]+$",
    re.IGNORECASE,
)
"""Right before a word: it is said that the thing is not to be seen."""
_NEGATING: Final = frozenset(
    {"no", "non", "not", "never", "without", "avoid", "exclude", "excluding", "minus", "zero", "sans", "free"}
)
"""Every negation begins with one of these words."""


@dataclass(frozen=True, slots=True, eq=False)
class WordFinder:
    """One list ready for searching; the same list gives the same finder, so it may stand for what it found."""

    words: re.Pattern[str]
    spared: re.Pattern[str] | None
    negatable: bool

    def find(
        self, text: str, places: Places = ANYWHERE, spared: Places = ANYWHERE, *, negates: bool = True
    ) -> list[tuple[int, int]]:
        """Spans of the words in a text, but for exceptions and for what is negated.

        `places` and `spared` say where words and exceptions may begin, as `WordStarts.places` found it, and `negates`
        whether the text may negate anything at all.
        """
        found = matches(self.words, text, places)
        if found and self.spared is not None and (exceptions := matches(self.spared, text, spared)):
            found = [(start, end) for start, end in found if not any(a < end and start < b for a, b in exceptions)]
        if found and negates and self.negatable:
            found = [(start, end) for start, end in found if not _is_negated(text, start)]
        return found


@lru_cache(maxsize=READY_MAX)
def word_finder(words: tuple[str, ...], exceptions: tuple[str, ...] = (), *, negatable: bool = False) -> WordFinder:
    """The finder of a list. It finds whole words, in any case."""
    return WordFinder(pattern(words), pattern(exceptions) if exceptions else None, negatable)


def find_words(words: tuple[str, ...], text: str) -> list[tuple[int, int]]:
    """Spans of any of the words in a text, whole words only, in any case."""
    places = word_starts((words,)).places(Words(text))
    return word_finder(words).find(text, places[0]) if 0 in places else []


def may_negate(words: Words) -> bool:
    """Whether a text holds a word of negation; most do not."""
    return words.has_relatives or not _NEGATING.isdisjoint(words.distinct)


def matches(compiled: re.Pattern[str], text: str, places: Places) -> list[tuple[int, int]]:
    """Spans that `finditer` gives, where no match begins anywhere but at `places`."""
    if places is None:
        return [match.span() for match in compiled.finditer(text)]
    found: list[tuple[int, int]] = []
    end = 0
    for place in places:
        if place >= end and (match := compiled.match(text, place)):
            end = match.end()
            found.append((place, end))
    return found


def pattern(words: tuple[str, ...]) -> re.Pattern[str]:
    """The alternation of a list: the longest entry first."""
    return re.compile(
        rf"(?<!\w)(?:{'|'.join(_word(w) for w in sorted(words, key=len, reverse=True))})(?!\w)", re.IGNORECASE
    )


def _word(word: str) -> str:
    """A space stands for blanks or hyphens, a star at the end for any ending, an apostrophe for both kinds."""
    stem = word.removesuffix("*")
    body = r"[\s-]+".join(re.escape(p).replace("'", "['’]") for p in stem.split())
    return body + (r"\w*" if stem != word else "")


def _is_negated(text: str, start: int) -> bool:
    return _NEGATION.search(text, max(0, start - BEFORE), start) is not None
