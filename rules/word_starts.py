"""Which of many word lists a text may hold words of: a look that is cheap, and never wrong where it says none.

A word list is one long alternation, which `re` tries at every place of a text; most prompts hold none of most lists. So
the first word of each entry is looked for among the words of the text before any alternation is run.
"""

from __future__ import annotations

import re
from collections.abc import Container, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Final

_TOKEN: Final = re.compile(r"\w+")
_STEM: Final = 3
"""Letters by which beginnings of words are looked up; shorter ones are looked up whole."""


@dataclass(frozen=True, slots=True, eq=False)
class WordStarts:
    """What a match of each list must begin with: a whole word, or the beginning of one. Lists go by number.

    whole: Lists by their first words.
    begun: Beginnings of words, each with its list, by their first letters; as many letters as `stems` says.
    open: Lists that cannot be judged so: an entry begins with a sign, or holds more than ASCII.
    """

    lists: int
    whole: dict[str, frozenset[int]]
    begun: dict[str, tuple[tuple[str, int], ...]]
    stems: tuple[int, ...]
    open: frozenset[int]

    def likely(self, text: str) -> Container[int]:
        """Numbers of all lists that may have a word in the text, whatever its case.

        Letters outside of ASCII have relatives that matching without case takes for the same (the Kelvin sign for k),
        so a text that holds one may hold words of every list.
        """
        return _likely(self, text) if text.isascii() else range(self.lists)


def word_starts(lists: Sequence[tuple[str, ...]]) -> WordStarts:
    """The index of some word lists, as `rules.lexicon` reads them: a star at the end stands for any ending."""
    whole: dict[str, set[int]] = {}
    begun: dict[str, list[tuple[str, int]]] = {}
    open_: set[int] = set()
    for number, words in enumerate(lists):
        for word in words:
            stem = word.removesuffix("*").strip().lower()
            first = _TOKEN.match(stem)
            if first is None or not word.isascii():
                open_.add(number)
            elif word.endswith("*") and first.group() == stem:
                begun.setdefault(stem[:_STEM], []).append((stem, number))
            else:
                whole.setdefault(first.group(), set()).add(number)
    return WordStarts(
        lists=len(lists),
        whole={w: frozenset(n) for w, n in whole.items()},
        begun={stem: tuple(found) for stem, found in begun.items()},
        stems=tuple(sorted({len(stem) for stem in begun})),
        open=frozenset(open_),
    )


@cache
def one_list(words: tuple[str, ...]) -> WordStarts:
    """The index of a single list, which is number 0."""
    return word_starts([words])


@lru_cache(maxsize=64)
def _tokens(text: str) -> frozenset[str]:
    return frozenset(_TOKEN.findall(text.lower()))


@lru_cache(maxsize=256)
def _likely(starts: WordStarts, text: str) -> frozenset[int]:
    tokens = _tokens(text)
    found = set(starts.open)
    for word in starts.whole.keys() & tokens:
        found |= starts.whole[word]
    for letters in starts.stems:
        for token in tokens:
            for beginning, number in starts.begun.get(token[:letters], ()):
                if token.startswith(beginning):
                    found.add(number)
    return frozenset(found)
