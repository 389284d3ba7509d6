"""Names that sanity looks for in work for a brand: those that it must not show, those of others, and its own logo's."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from rules.brands import Brand
from rules.word_lists import WordFinder, word_finder
from rules.word_starts import WordStarts, word_starts


@dataclass(frozen=True, slots=True)
class Marks:
    """Names to look for in work for one brand, or none. `starts` has the lists in this order."""

    refused: WordFinder
    watched: WordFinder
    logo: WordFinder
    starts: WordStarts


@lru_cache(maxsize=256)
def marks_of(trademarks: tuple[str, ...], brand: Brand | None) -> Marks:
    """What to look for in work for a brand, None for work without one."""
    if brand is None:
        refused, watched, logo = (), trademarks, ()
    else:
        # Others' names that nobody refuses: not the brand's own, nor what it must not hold.
        own = {n.casefold() for n in (*brand.own_names, *brand.allowed_text)}
        refused, logo = brand.refused_words, brand.logo_names
        watched = tuple(t for t in trademarks if t.casefold() not in own and t not in refused)
    return Marks(word_finder(refused), word_finder(watched), word_finder(logo), word_starts((refused, watched, logo)))
