"""The prompt under set text: what is to be seen stays, what asks for lettering goes."""

from __future__ import annotations

import pytest

from rules.art import PLAIN, art_prompt


@pytest.mark.parametrize(
    ("prompt", "phrases", "art"),
    [
        (
            'A poster that says "SUMMER SALE", headline in bold red serif letters, a beach at dusk with palm trees',
            [],
            "a beach at dusk with palm trees",
        ),
        (
            "a retro travel poster of the Alps that says “VISIT” and “50% OFF” in bold red letters at the top",
            [],
            "a retro travel picture of the Alps",
        ),
        (
            'a product photo of a tent with the headline "CARRY ON" at the top and the tagline "Since 1982" below',
            [],
            "a product photo of a tent",
        ),
        ("a wooden sign 'OPEN' on the door of a café", [], "a wooden plain board on the door of a café"),
        ('a neon sign that reads "BAR" above a rainy street', [], "a neon light above a rainy street"),
        ('a bottle with a label "PURE" on a table', [], "a bottle with a plain label on a table"),
        ('warm cup with steam, text "WINTER BLEND" and "From $4.50"', [], "warm cup with steam"),
        ("three posters on a wall. Typography is bold. Warm light", [], "three pictures on a wall. Warm light"),
        ("a 1.5 litre flask, a lake with bold lettering", [], "a 1.5 litre flask, a lake"),
        # Without quotation marks: where a word leads to it, or where it stands in capitals.
        ("a mountain lake saying Fresh Air, dawn", ["Fresh Air"], "a mountain lake, dawn"),
        ("a red door, OPEN  NOW, rain", ["OPEN NOW", " "], "a red door, rain"),
        ("a mug of fresh coffee", ["Fresh coffee"], "a mug of fresh coffee"),
        # What must not be written is not to be named either; moods and styles are no lettering.
        ('a red tent without the words "SALE"', [], "a red tent"),
        ("a mountain lake at dawn, no text, no watermark", [], "a mountain lake at dawn"),
        ('a "cosy" mood, headline "HI"', [], 'a "cosy" mood'),
        ('a blue sea in the font called "Futura"', [], "a blue sea"),
        ("a love letter on a desk, love letters", [], "a love letter on a desk, love letters"),
        # Other languages.
        ("Plakat mit dem Text „SOMMER“, ein See in den Bergen", [], "ein See in den Bergen"),
        ("une rue de Paris avec le texte « OUVERT »", [], "une rue de Paris"),
        ("una calle de noche con el texto «ABIERTO»", [], "una calle de noche"),
        ("一张海报\uff0c上面写着「開店」\uff0c红色背景", [], "一张海报\uff0c 红色背景"),
        ("夏の海、「夏祭り」という文字、花火", [], "夏の海、 花火"),
        # Nothing but lettering.
        ("a poster “FRESH COFFEE”", [], PLAIN),
        ("a menu", [], PLAIN),
        ("", [], PLAIN),
        ("a \x00 cup", [], "a cup"),
    ],
)
def test_what_asks_for_lettering_goes_and_the_rest_stays(prompt: str, phrases: list[str], art: str):
    assert art_prompt(prompt, phrases) == art
