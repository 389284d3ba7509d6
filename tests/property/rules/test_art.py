"""Properties of the prompt under set text: total, never empty, without the phrases, and quick on hostile prompts."""

from __future__ import annotations

import re

from hypothesis import example, given
from hypothesis import strategies as st

from rules.art import art_prompt

WORDS = st.sampled_from(
    [
        *("a poster", "that says", "with the words", "headline", "in bold letters", "and", "of", "a red tent", "lake"),
        *("no text", "without any lettering", ",", ".", ":", "-", "\n", "“", "”", '"', "'", "「", "」", "\x00", "menu"),
        *("a sign", "the", "SALE", "50% OFF", "saying", "with", "mit dem Text", "写着", "という文字", "\u202e", "text"),
    ]
)
PHRASE = st.text(st.characters(categories=["Lu", "Ll", "Nd", "Lo"]), min_size=1, max_size=12)


@given(st.one_of(st.text(max_size=200), st.lists(WORDS, max_size=40).map(" ".join)), st.lists(PHRASE, max_size=3))
@example(":" * 4000, [])
@example("says " * 800, [])
@example("with a bold " * 300, ["A"])
@example("the " * 1000 + "x", [])
def test_there_is_always_something_to_paint(prompt: str, phrases: list[str]):
    art = art_prompt(prompt, phrases)
    assert any(c.isalnum() for c in art)
    assert "\x00" not in art
    assert art == art_prompt(prompt, phrases)
    assert not re.search(r"\b(?:headline|text|lettering)\b", art)


@given(PHRASE, st.sampled_from(["“{}”", '"{}"', "„{}“", "«{}»", "「{}」"]))
def test_a_quoted_phrase_is_gone_and_the_picture_stays(phrase: str, marks: str):
    art = art_prompt(f"a red tent by a lake, that says {marks.format(phrase)} at dawn", [phrase])
    assert art == "a red tent by a lake, at dawn" or phrase.casefold() in "a red tent by a lake, at dawn"
