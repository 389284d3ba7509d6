"""Where words of many word lists may begin in a text: one look that is cheap, and never wrong where it says nowhere.

A word list is one long alternation, which `re` tries at every place of a text; most prompts hold none of most lists. So
the words of the text are looked up once among the first words of all entries, and an alternation is tried only there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final, TypeAlias

WordLists: TypeAlias = tuple[tuple[str, ...], ...]
Places: TypeAlias = Sequence[int] | None
"""Offsets at which an entry may begin, in order; None where every one must be tried."""
ANYWHERE: Final[Places] = None
Beside: TypeAlias = Mapping[int, frozenset[str]]
"""Lists by number, each with words of which one must stand in the text too, such as couple for "a couple of"."""
ALONE: Final = frozenset[str]()
"""The word may be all of an entry."""
RELATIVES: Final = frozenset("\u0130\u0131\u017f\u212a")
"""All characters outside of ASCII that matching without case takes for one within: forms of i, s and k."""
_TOKEN: Final = re.compile(r"\w+")
_STEM: Final = 3
"""Letters by which beginnings of words are looked up; shorter ones are looked up whole."""
KNOWN_MAX: Final = 16_384
"""Words that an index remembers: people use the same few thousand again and again."""


class Words:
    """The words of a text in small letters, and where each stands."""

    __slots__ = ("_at", "distinct", "has_relatives", "is_ascii", "small")

    def __init__(self, text: str) -> None:
        self.small = text.lower()
        self.is_ascii = text.isascii()
        self.has_relatives = not self.is_ascii and not RELATIVES.isdisjoint(text)
        self.distinct = frozenset[str](_TOKEN.findall(self.small))
        self._at: dict[str, list[int]] = {}

    def at(self, word: str) -> Sequence[int]:
        """Where one of the words stands, in order."""
        found = self._at.get(word)
        if found is None:
            start = self.small.find(word)
            # Letters that stand there once are the word itself: nothing has to be looked at about them.
            found = self._at[word] = [start] if self.small.find(word, start + 1) < 0 else list(self._all(word))
        return found

    def _all(self, word: str) -> Iterator[int]:
        text, start = self.small, self.small.find(word)
        while start >= 0:
            end = start + len(word)
            if not _in_word(text[start - 1 : start]) and not _in_word(text[end : end + 1]):
                yield start
            start = text.find(word, start + 1)


def _in_word(char: str) -> bool:
    """Whether it is a letter or figure to `re`, for which a word is of those and low lines."""
    return char.isalnum() or char == "_"


@dataclass(frozen=True, slots=True, eq=False)
class WordStarts:
    """What a match of each list must begin with: a whole word, or the beginning of one. Lists go by number.

    lists: Those that hold a word.
    whole: Words that begin an entry, with its lists.
    begun: By their first letters, beginnings of words that begin an entry, with its list.
    open: Lists that cannot be judged so: an entry begins with a sign, or holds a relative of an ASCII letter.
    foreign: Lists that can be judged so in texts of ASCII alone: an entry holds more than that.
    figures: Whether an entry begins with a word of figures alone.
    keen, dull: Words that were seen, and begin entries of these lists, or none.
    """

    lists: frozenset[int]
    whole: Mapping[str, Beside]
    begun: Mapping[str, set[tuple[str, int]]]
    open: frozenset[int]
    foreign: frozenset[int]
    figures: bool
    keen: dict[str, Beside] = field(default_factory=dict[str, Beside])
    dull: set[str] = field(default_factory=set[str])

    def places(self, words: Words) -> Mapping[int, Places]:
        """Where an entry of each list may begin, whatever its case; a list that is not there has none in the text."""
        if words.has_relatives:
            return dict.fromkeys(self.lists, ANYWHERE)
        found: dict[int, Places] = {}
        for word in words.distinct - self.dull:
            known = self.keen.get(word)
            if known is None:
                if word.isdigit() and not self.figures:
                    continue  # no two prompts have the same ones: they would only crowd out words
                known = self._learn(word)
            for number, beside in known.items():
                if not beside or not beside.isdisjoint(words.distinct):
                    before, at = found.get(number), words.at(word)
                    found[number] = at if before is None else sorted([*before, *at])
        for number in self.open if words.is_ascii else self.open | self.foreign:
            found[number] = ANYWHERE
        return found

    def _learn(self, word: str) -> Beside:
        found = dict(self.whole.get(word, {}))
        for letters in range(1, _STEM + 1):
            for beginning, number in self.begun.get(word[:letters], ()):
                if word.startswith(beginning):
                    found[number] = ALONE
        known = self.keen if found else self.dull
        if len(known) >= KNOWN_MAX:
            known.clear()
        if found:
            self.keen[word] = found
        else:
            self.dull.add(word)
        return found


@lru_cache(maxsize=512)
def word_starts(lists: WordLists) -> WordStarts:
    """The index of some word lists, as `rules.lexicon` reads them: a star at the end stands for any ending.

    The same lists give the same index, so that two rulesets which share them can share what was found.
    """
    whole: dict[str, dict[int, frozenset[str]]] = {}
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
                _, *others = _TOKEN.findall(stem)
                whole_ones = others[:-1] if word.endswith("*") else others
                beside = frozenset({max(whole_ones, key=len)}) if whole_ones else ALONE
                lists_of = whole.setdefault(first.group(), {})
                before = lists_of.get(number, beside)
                lists_of[number] = before | beside if before and beside else ALONE
    return WordStarts(
        lists=frozenset(n for n, words in enumerate(lists) if words),
        whole=whole,
        begun=begun,
        open=frozenset(open_),
        foreign=frozenset(foreign),
        figures=any(word.isdigit() for word in (*whole, *(stem for some in begun.values() for stem, _ in some))),
    )
