"""Which quoted words are meant to stand in the picture, and which marks only look like quotation."""

from __future__ import annotations

import pytest

from rules.quotes import find_quotes


def wanted(text: str) -> list[str]:
    return [text[q.start : q.end] for q in find_quotes(text).quotes if q.wanted]


@pytest.mark.parametrize(
    ("prompt", "texts"),
    [
        ('a poster that says "SUMMER SALE"', ["SUMMER SALE"]),
        ("a poster that says “SUMMER SALE” and “50% OFF”", ["SUMMER SALE", "50% OFF"]),
        ("ein Plakat „OFFEN“ und „ZU”", ["OFFEN", "ZU"]),
        ("une affiche «OUVERT» ou « FERMÉ »", ["OUVERT", "FERMÉ"]),
        ("en affisch »ÖPPET« i fönstret", ["ÖPPET"]),
        ("‹EINS› 「開店」 『新茶』 ＂WIDE＂", ["EINS", "開店", "新茶", "WIDE"]),
        ("a sign 'OPEN' on the door", ["OPEN"]),
        ("a sign ‘OPEN’ on the door", ["OPEN"]),
        ("a sign ‚OFFEN‘ an der Tür", ["OFFEN"]),
        ("a sign 'DON'T STOP' on the door", ["DON'T STOP"]),
        ("a sign ‘DON’T STOP’ on the door", ["DON’T STOP"]),
        ("a sign 'DOGS' DAY OUT' on the lawn", ["DOGS' DAY OUT"]),
        ("'DOGS' and 'CATS' on two signs", ["DOGS", "CATS"]),
        ("'DOGS' and the cats' toys", ["DOGS"]),
        ("'dogs' DAY' here", ["dogs"]),
        ("“He said ‘GO’ twice”", ["He said ‘GO’ twice"]),
        ('a 12" pizza with the words "HOT SLICE"', ["HOT SLICE"]),
        ('a 12" x 16" print', []),
        ('headline "NEW 12" PIZZA" in red', ['NEW 12" PIZZA']),
        ('headline "SALE 50" and "NOW"', ["SALE 50", "NOW"]),
        ('"SALE 50" poster, 12" wide', ["SALE 50"]),
        ("the dog's bone", []),
        ("the dogs' bones and the cats' toys", []),
        ("rock 'n' roll in the '90s, 'tis the season", []),
        ("fish 'n' chips sign 'FRESH'", ["FRESH"]),
        ('"SALE," she said', ["SALE"]),
        ('an empty pair "" and "  "', []),
        ('headline="BIG"', ["BIG"]),
        ('two lines "FIRST\nSECOND"', ["FIRST\nSECOND"]),
        ("a single 'never\nclosed' mark", []),
        ('without the words "SALE"', []),
        ('not "OPEN" but "CLOSED"', ["CLOSED"]),
        ('no people and the headline "SALE"', ["SALE"]),
        ('don\'t write "SALE"', []),
        ('set in the font called "Futura"', []),
        ('in the style of "Starry Night"', []),
        ('a "cosy" mood and an "Art Deco" style', []),
        ('in bold font "SALE"', ["SALE"]),
        ("", []),
        ('"', []),
        ("» x", []),
        ("x» y", []),
        ("'end", []),
    ],
)
def test_quoted_spans(prompt: str, texts: list[str]):
    assert wanted(prompt) == texts


@pytest.mark.parametrize(
    ("prompt", "places"), [('say "SALE', [4]), ("say “SALE", [4]), ("'tis 'OPEN", []), ('5" wide', [])]
)
def test_marks_that_are_never_closed_are_told_but_apostrophes_are_not(prompt: str, places: list[int]):
    assert list(find_quotes(prompt).unclosed) == places


def test_spans_hold_the_words_and_the_marks():
    text = "a “  B C, ” d"
    (quote,) = find_quotes(text).quotes
    assert text[quote.start : quote.end] == "B C"
    assert text[quote.outer_start : quote.outer_end] == "“  B C, ”"
