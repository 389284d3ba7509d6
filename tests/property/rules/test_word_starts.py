"""The cheap look before a word list is run never hides a word that the list itself would find."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from rules.lexicon import _pattern  # pyright: ignore[reportPrivateUsage] - the very pattern that is spared
from rules.word_starts import one_list, word_starts
from tests.unit.rules import samples

LISTS = tuple(t.words for t in samples.ruleset().lexicon.tags)
PIECES = st.sampled_from([
    *(w.replace("*", "ing") for words in LISTS for w in words), " ", "-", "'", "’", ", ", "S", "\u017f", "\u212a", "é",
    "_", "3", "\n",
])  # fmt: skip


@given(st.lists(PIECES, max_size=6).map("".join).flatmap(lambda t: st.sampled_from([t, t.upper(), t.title()])))
@example("")
def test_what_is_found_was_likely(text: str) -> None:
    index = word_starts(LISTS)
    for number, words in enumerate(LISTS):
        if _pattern(words).search(text):
            assert number in index.likely(text)
            assert 0 in one_list(words).likely(text)


def test_most_lists_are_spared_in_a_plain_prompt() -> None:
    index = samples.ruleset().lexicon.starts
    text = "a red tent in a green valley, morning light, photograph"
    assert sum(n in index.likely(text) for n in range(len(LISTS))) <= len(LISTS) // 4


def test_lists_that_cannot_be_judged_are_always_run() -> None:
    assert 0 in one_list(("@home",)).likely("nothing")
    assert 0 in one_list(("café",)).likely("nothing")
    assert 0 in one_list(("tent",)).likely("ténèbres")
    assert 0 not in one_list(("tent", "camp*")).likely("a lamp")
    assert 0 in one_list(("tent", "camp *")).likely("no CAMP")
    assert 0 in one_list(("camp*",)).likely("Camping")
