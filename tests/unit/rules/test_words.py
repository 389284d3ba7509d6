"""Characters that mislead, personal data, and word lists with their exceptions."""

from __future__ import annotations

import pytest

from rules.characters import bidi, composed, hidden, mixed_words, skeleton, without_hidden
from rules.lexicon import TagWords
from rules.personal import find_personal, iban, luhn
from rules.word_lists import find_words
from rules.word_starts import KNOWN_MAX, Words, word_starts
from schemas.events import Risk


def test_a_view_knows_where_its_letters_stand():
    original = "cafe\u0301 N\u200bi\u0301ke"
    view = composed(original)
    assert view.text == "café Níke"
    at = view.text.index("é")
    assert original[slice(*view.span(at, at + 1))] == "e\u0301"
    assert original[slice(*view.span(at + 2, len(view.text)))] == "N\u200bi\u0301ke"


def test_look_alikes_are_read_as_latin():
    assert skeleton("Nіke Ｓtarbucks ﬁ").text == "Nike Starbucks ﬁ"
    assert composed("").text == ""


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("SUMMЕR sale", ["SUMMЕR"]),
        ("Νike shoes", ["Νike"]),
        ("Привет Москва", []),
        ("Δv and β-carotene, 5 µm, Ωmega", []),
        ("日本 poster テスト", []),
        ("café naïve", []),
    ],
)
def test_mixed_scripts(text: str, words: list[str]):
    assert [text[a:b] for a, b in mixed_words(text)] == words


def test_joiners_are_right_in_emoji_and_wrong_in_words():
    assert list(hidden("👩\u200d🍳 cooks")) == []
    assert list(hidden("SA\u200bLE")) == [(2, 3)]
    assert list(bidi("a\u202eb")) == [(1, 2)]
    assert without_hidden("S\u200bA\u202eLE 👩\u200d🍳 e\u0301") == "SALE 👩\u200d🍳 é"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("card 4111 1111 1111 1111 please", [("4111 1111 1111 1111", True)]),
        ("order 4111 1111 1111 1112", []),
        ("0000 0000 0000 0000", []),
        ("pay to DE89 3704 0044 0532 0130 00 now", [("DE89 3704 0044 0532 0130 00", True)]),
        ("DE00 3704 0044 0532 0130 00", []),
        ("SSN 219-09-9999", [("219-09-9999", True)]),
        ("on 2024-10-05 at 12:30", []),
        ("write to jana.k@mail.example", [("jana.k@mail.example", False)]),
        ("write to hello@northwind.example", []),
        ("call +49 170 5550143", [("+49 170 5550143", False)]),
        ("call (555) 123-4567 or 555-123-4567", [("(555) 123-4567", False), ("555-123-4567", False)]),
        ("+1 23 45 67", []),
        ("+1 23", []),
        ("in 1920 x 1080, seed 123456789", []),
        ("@halden on the side", []),
    ],
)
def test_personal_data(text: str, found: list[tuple[str, bool]]):
    assert [(text[p.start : p.end], p.secret) for p in find_personal(text)] == found


def test_check_digits():
    assert luhn("79927398713")
    assert not luhn("79927398710")
    assert iban("GB82 WEST 1234 5698 7654 32")


WORDS = TagWords(
    name="people",
    words=("hand", "hands", "woman", "child*", "line art"),
    exceptions=("hand made", "second hand"),
    risk=Risk.LOW,
    critical_risk=Risk.LOW,
    in_quotes=False,
    negatable=True,
    reason="",
)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("two hands", ["hands"]),
        ("hand-made and second  hand", []),
        ("no hands", []),
        ("without any visible hands", []),
        ("no women or hands", []),
        ("no text, a woman", ["woman"]),
        ("no trees, cars or hands in view", []),
        ("not only one woman", ["woman"]),
        ("handsome", []),
        ("Children and LINE-ART", ["Children", "LINE-ART"]),
        ("non-hand", []),
    ],
)
def test_word_lists(text: str, found: list[str]):
    assert [text[a:b] for a, b in WORDS.find(text)] == found


def test_an_empty_list_finds_nothing():
    assert list(find_words((), "anything")) == []
    assert [*find_words(("McDonald's",), "a McDonald’s sign")] == [(2, 12)]


def test_lists_that_cannot_be_judged_are_always_run() -> None:
    def judged(entry: str, text: str) -> object:
        return word_starts(((entry,),)).places(Words(text)).get(0, "spared")

    assert judged("@home", "nothing") is None
    assert judged("\u212aid", "nothing") is None
    assert judged("café", "nothing") == "spared"
    assert judged("café", "néant") is None
    assert judged("tent", "ténèbres") == "spared"
    assert judged("tent", "a \u212aarst") is None
    assert judged("camp*", "a lamp") == "spared"
    assert judged("camp *", "no CAMP, no camping") == [3, 12]
    assert judged("camp*", "Camping") == [0]


def test_an_index_remembers_words_without_end_in_bounded_memory() -> None:
    starts = word_starts((("tent",),))
    for n in range(KNOWN_MAX + 2):
        assert not starts.places(Words(f"word{n}"))
    assert len(starts.dull) <= KNOWN_MAX
    assert starts.places(Words("word3 tent")) == {0: [6]}
