"""Where words of many word lists may begin in a text: one look that is cheap, and never wrong where it says nowhere.

A word list is one long alternation, which `re` tries at every place of a text; most prompts hold none of most lists. So
the words of the text are looked up once among the first words of all entries, and an alternation is tried only there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, TypeAlias

WordLists: TypeAlias = tuple[tuple[str, ...], ...]
Places: TypeAlias = Sequence[int] | None
"""Offsets at which an entry may begin, in order; None where every one must be tried."""
ANYWHERE: Final[Places] = None
RELATIVES: Final = frozenset("\u0130\u0131\u017f\u212a")
"""All characters outside of ASCII that matching without case takes for one within: forms of i, s and k."""
_TOKEN: Final = re.compile(r"\w+")
_STEM: Final = 3
"""Letters by which beginnings of words are looked up; shorter ones are looked up whole."""


class Words:
    """The words of a text in small letters, and where each stands."""

    __slots__ = ("_stems", "distinct", "has_relatives", "is_ascii", "small")

    def __init__(self, text: str) -> None:
        self.small = text.lower()
        self.is_ascii = text.isascii()
        self.has_relatives = not self.is_ascii and not RELATIVES.isdisjoint(text)
        self.distinct = frozenset[str](_TOKEN.findall(self.small))
        self._stems: dict[int, dict[str, list[str]]] = {}

    def at(self, word: str) -> Iterator[int]:
        """Where one of the words stands, in order."""
        text, start = self.small, -1
        while (start := text.find(word, start + 1)) >= 0:
            end = start + len(word)
            before, after = text[start - 1 : start], text[end : end + 1]
            if not (before and _TOKEN.match(before)) and not (after and _TOKEN.match(after)):
                yield start

    def stems(self, letters: int) -> Mapping[str, Sequence[str]]:
        """The words by their first letters."""
        found = self._stems.get(letters)
        if found is None:
            found = self._stems[letters] = {}
            for word in self.distinct:
                found.setdefault(word[:letters], []).append(word)
        return found


@dataclass(frozen=True, slots=True, eq=False)
class WordStarts:
    """What a match of each list must begin with: a whole word, or the beginning of one. Lists go by number.

    lists: Those that hold a word.
    whole: Lists by their first words.
    begun: Beginnings of words, each with its list, by their first letters; as many letters as `stems` says.
    open: Lists that cannot be judged so: an entry begins with a sign, or holds a relative of an ASCII letter.
    foreign: Lists that can be judged so in texts of ASCII alone: an entry holds more than that.
    """

    lists: frozenset[int]
    whole: dict[str, tuple[int, ...]]
    begun: dict[str, tuple[tuple[str, int], ...]]
    stems: tuple[int, ...]
    open: frozenset[int]
    foreign: frozenset[int]

    def places(self, words: Words) -> Mapping[int, Places]:
        """Where an entry of each list may begin, whatever its case; a list that is not there has none in the text."""
        if words.has_relatives:
            return dict.fromkeys(self.lists, ANYWHERE)
        found: dict[int, list[int]] = {}
        for word in self.whole.keys() & words.distinct:
            places = list(words.at(word))
            for number in self.whole[word]:
                found.setdefault(number, []).extend(places)
        for letters in self.stems:
            for stem in self.begun.keys() & words.stems(letters):
                for beginning, number in self.begun[stem]:
                    for word in words.stems(letters)[stem]:
                        if word.startswith(beginning):
                            found.setdefault(number, []).extend(words.at(word))
        for places in found.values():
            if len(places) > 1:
                places.sort()
        anywhere = self.open if words.is_ascii else self.open | self.foreign
        return {**found, **dict.fromkeys(anywhere, ANYWHERE)} if anywhere else found


@lru_cache(maxsize=512)
def word_starts(lists: WordLists) -> WordStarts:
    """The index of some word lists, as `rules.lexicon` reads them: a star at the end stands for any ending.

    The same lists give the same index, so that two rulesets which share them can share what was found.
    """
    whole: dict[str, set[int]] = {}
    begun: dict[str, set[tuple[str, int]]] = {}
    open_: set[int] = set()
    foreign: set[int] = set()
    for number, words in enumerate(lists):
        for word in words:
            stem = word.removesuffix("*").strip().lower()
            first = _TOKEN.match(stem)
            if first is None or not RELATIVES.isdisjoint(word):
                open_.add(number)
            elif not word.isascii():
                foreign.add(number)
            elif word.endswith("*") and first.group() == stem:
                begun.setdefault(stem[:_STEM], set()).add((stem, number))
            else:
                whole.setdefault(first.group(), set()).add(number)
    return WordStarts(
        lists=frozenset(n for n, words in enumerate(lists) if words),
        whole={w: tuple(sorted(n)) for w, n in whole.items()},
        begun={stem: tuple(sorted(found)) for stem, found in begun.items()},
        stems=tuple(sorted({len(stem) for stem in begun})),
        open=frozenset(open_),
        foreign=frozenset(foreign),
    )
