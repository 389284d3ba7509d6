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
            assert index.may_hold(number, text)
            assert one_list(words).may_hold(0, text)


def test_most_lists_are_spared_in_a_plain_prompt() -> None:
    index = samples.ruleset().lexicon.starts
    text = "a red tent in a green valley, morning light, photograph"
    assert sum(index.may_hold(n, text) for n in range(len(LISTS))) <= len(LISTS) // 4


def test_lists_that_cannot_be_judged_are_always_run() -> None:
    assert one_list(("@home",)).may_hold(0, "nothing")
    assert one_list(("café",)).may_hold(0, "nothing")
    assert one_list(("tent",)).may_hold(0, "ténèbres")
    assert not one_list(("tent", "camp*")).may_hold(0, "a lamp")
    assert one_list(("tent", "camp *")).may_hold(0, "no CAMP")
    assert one_list(("camp*",)).may_hold(0, "Camping")
