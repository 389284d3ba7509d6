"""Which of many word lists a text may hold words of: a look that is cheap, and never wrong where it says none.

A word list is one long alternation, which `re` tries at every place of a text; most prompts hold none of most lists. So
the first word of each entry is looked for among the words of the text before any alternation is run.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Final

_TOKEN: Final = re.compile(r"\w+")
BLANK: Final = " "


@dataclass(frozen=True, slots=True, eq=False)
class WordStarts:
    """What a match of each list must begin with: a whole word, or the beginning of one. Lists go by number.

    whole: Lists by their first words.
    begun: A blank and a beginning of a word, with the list it is of.
    open: Lists that cannot be judged so: an entry begins with a sign, or holds more than ASCII.
    """

    whole: dict[str, frozenset[int]]
    begun: tuple[tuple[str, int], ...]
    open: frozenset[int]

    def may_hold(self, number: int, text: str) -> bool:
        """False only where no word of a list stands in the text, whatever its case.

        Letters outside of ASCII have relatives that matching without case takes for the same (the Kelvin sign for k),
        so texts that hold one are not judged.
        """
        return not text.isascii() or number in _likely(self, text)


def word_starts(lists: Sequence[tuple[str, ...]]) -> WordStarts:
    """The index of some word lists, as `rules.lexicon` reads them: a star at the end stands for any ending."""
    whole: dict[str, set[int]] = {}
    begun: list[tuple[str, int]] = []
    open_: set[int] = set()
    for number, words in enumerate(lists):
        for word in words:
            stem = word.removesuffix("*").strip().lower()
            first = _TOKEN.match(stem)
            if first is None or not word.isascii():
                open_.add(number)
            elif word.endswith("*") and first.group() == stem:
                begun.append((BLANK + stem, number))
            else:
                whole.setdefault(first.group(), set()).add(number)
    return WordStarts({w: frozenset(n) for w, n in whole.items()}, tuple(begun), frozenset(open_))


@cache
def one_list(words: tuple[str, ...]) -> WordStarts:
    """The index of a single list, which is number 0."""
    return word_starts([words])


@lru_cache(maxsize=256)
def _likely(starts: WordStarts, text: str) -> set[int]:
    tokens = _TOKEN.findall(text.lower())
    spaced = BLANK + BLANK.join(tokens)
    found = {number for beginning, number in starts.begun if beginning in spaced}
    whole = starts.whole
    return found.union(starts.open, *(whole[t] for t in tokens if t in whole))
