"""The cheap look before a word list is run never hides a word that the list itself would find, nor adds one."""

from __future__ import annotations

import re
import sys

from hypothesis import example, given
from hypothesis import strategies as st

from rules.word_lists import find_words, matches, may_negate, pattern, word_finder
from rules.word_starts import RELATIVES, Words, word_starts
from tests.unit.rules import samples

TAGS = samples.ruleset().lexicon.tags
LISTS = (*(t.words for t in TAGS), samples.ruleset().lexicon.trademarks, ("@home", "tent"))
FIGURES = (("24 hours", "a tent"), ("7*", "hours"), ("3d",))
PIECES = st.sampled_from([
    *(w.replace("*", "ing") for words in LISTS for w in words), " ", "-", "'", "’", ", ", "S", "\u017f", "\u212a", "é",
    "_", "3", "\n", "no ", "Non-", "without any ", "free of ", "\u017fans ",
])  # fmt: skip


@given(st.lists(PIECES, max_size=6).map("".join).flatmap(lambda t: st.sampled_from([t, t.upper(), t.title()])))
@example("")
@example("\u212aid gloves, a \u017fign, m\u0130n\u0131mal caf\u00e9, Pok\u00c9mon, l'homme \u201cman\u201d")
def test_all_that_an_alternation_finds_anywhere_begins_at_the_places(text: str) -> None:
    assert_places_miss_nothing(LISTS, text)


@given(
    st.lists(st.sampled_from(["24", "7", "724", "3d", "3", "٣", "²", "hours", "a", "tent", " ", "-", "_"])).map("".join)
)
def test_entries_that_begin_with_figures_are_found_where_there_are_such(text: str) -> None:
    for lists in (FIGURES, FIGURES[:1], FIGURES[1:], FIGURES[2:]):
        assert_places_miss_nothing(lists, text)


def assert_places_miss_nothing(lists: tuple[tuple[str, ...], ...], text: str) -> None:
    places = word_starts(lists).places(Words(text))
    for number, words in enumerate(lists):
        found = [m.span() for m in pattern(words).finditer(text)]
        assert matches(pattern(words), text, places.get(number, ())) == found
        assert [*find_words(words, text)] == found


@given(st.lists(PIECES, max_size=8).map("".join))
def test_exceptions_and_negations_are_the_same_at_the_places(text: str) -> None:
    words = Words(text)
    places = word_starts(tuple(listed for t in TAGS for listed in (t.words, t.exceptions))).places(words)
    for number, tag in enumerate(TAGS):
        finder = word_finder(tag.words, tag.exceptions, negatable=tag.negatable)
        assert finder is tag.finder
        known = (places.get(2 * number, ()), places.get(2 * number + 1, ()))
        assert list(finder.find(text, *known, negates=may_negate(words))) == list(tag.find(text))


def test_no_other_character_passes_for_a_letter_of_ascii() -> None:
    others = "".join(chr(c) for c in range(128, sys.maxunicode + 1) if not 0xD800 <= c < 0xE000)
    letters = "".join(chr(c) for c in range(128))
    assert frozenset(re.findall(f"[{re.escape(letters)}]", others, re.IGNORECASE)) == RELATIVES
    assert {c for c in others if len(c.lower()) != 1 or c.lower().isascii()} <= RELATIVES


def test_most_lists_are_spared_in_a_plain_prompt() -> None:
    starts = samples.ruleset().lexicon.starts
    assert len(starts.places(Words("a red tent in a green valley, morning light, photograph"))) <= len(TAGS) // 4
