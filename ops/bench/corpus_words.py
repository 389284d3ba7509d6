"""What the drawn corpus says: words, prices, dates, addresses and names from a seed, and each way to misspell them."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from types import MappingProxyType
from typing import Final, TypeVar

import numpy as np

from rules.folding import Fold, fold

T = TypeVar("T")
Random = np.random.Generator


class Script(StrEnum):
    """Letters that a phrase is written in."""

    LATIN = "latin"
    DIACRITICS = "diacritics"
    CYRILLIC = "cyrillic"
    GREEK = "greek"
    CJK = "cjk"


_FIRST: Final = (
    "Summer", "Winter", "Golden", "Quiet", "Grand", "Fresh", "Vintage", "Midnight", "Wild", "Open", "Northern",
    "Electric", "Painted", "Velvet", "Copper", "Morning", "Silver", "Little", "Second", "Country", "Harbour", "Coastal",
)  # fmt: skip
_SECOND: Final = (
    "Market", "Festival", "Coffee", "Garden", "Gallery", "Bakery", "Cinema", "Journey", "Kitchen", "Library", "Orchard",
    "Workshop", "Marathon", "Theatre", "Concert", "Museum", "Records", "Flowers", "Bicycles", "Pottery", "Honey",
)  # fmt: skip
_PLAIN: Final = (
    "Free entry", "Doors open early", "Limited seats", "Made by hand", "All day breakfast", "Music by the lake",
    "Kids welcome", "Bring a friend", "Now hiring", "Only this weekend", "Book your table", "Fresh every morning",
    "Under new management", "While stocks last", "Live on stage", "Taste the difference", "Roasted slowly",
)  # fmt: skip
_NAMES: Final = (
    "Elena Marchetti", "Oscar Lindqvist", "Priya Raman", "Tomas Novak", "Harriet Bloom", "Jonas Weber", "Amara Okafor",
    "Lucia Ferrer", "Dr. Miriam Stone", "Felix Hartmann",
)  # fmt: skip
_PLACES: Final = ("Market Street", "Harbour Road", "Mill Lane", "Station Square", "Chapel Hill", "Queens Avenue")
_DAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS: Final = ("January", "March", "April", "May", "June", "July", "August", "September", "October", "November")
_ENDINGS: Final = ("com", "org", "net", "shop", "eu")

_FOREIGN: Final[Mapping[Script, tuple[str, ...]]] = MappingProxyType(
    {
        Script.DIACRITICS: (
            "Été à la plage", "Crème brûlée 4,50 €", "Große Eröffnung", "Süße Äpfel", "Smörgåsbord", "Året runt",
            "Żółta Łódź", "Święto Światła", "Příští zastávka", "Červené víno 129 Kč", "Mañana en Cádiz", "Señora Núñez",
            "Pão de açúcar", "Coração livre", "Çarşı Günü", "Güneş ışığı", "Rødgrød på Bornholm", "Nyitás júliusban",
        ),
        Script.CYRILLIC: (
            "Летняя ярмарка", "Открытие сезона", "Новая коллекция", "Вход свободный", "Суббота 14 июня",
            "Свежий хлеб", "Ночь музеев", "Книжный базар", "Только сегодня", "Джаз у реки", "Скидка 50 %",
        ),
        Script.GREEK: (
            "Καλοκαιρινή γιορτή", "Νέα συλλογή", "Ελεύθερη είσοδος", "Σάββατο 14 Ιουνίου", "Φρέσκο ψωμί",
            "Μουσική δίπλα στη θάλασσα", "Μόνο σήμερα", "Βραδιά τζαζ", "Έκπτωση 50 %", "Παλιό λιμάνι",
        ),
        Script.CJK: (
            "夏祭り", "新商品発売", "本日開店", "秋の味覚", "珈琲 450円", "東京音楽祭", "入場無料", "限定販売",
            "手作りパン", "コーヒーの朝", "週末限り", "海辺の図書館", "春季特卖", "新鲜水果",
        ),
    }
)  # fmt: skip
_LETTERS: Final[Mapping[Script, str]] = MappingProxyType(
    {
        Script.LATIN: "abdefghkmnprstuwxyz",
        Script.DIACRITICS: "abdefghkmnprstuwxyz",
        Script.CYRILLIC: "абвгджилмнпстфцчшэюя",
        Script.GREEK: "αβγδεζθλμνξπσφχψω",
        Script.CJK: "山川木火土金水日月花風空雨雪星",
    }
)
LOOK_ALIKES: Final[Mapping[str, str]] = MappingProxyType({"0": "O", "1": "l", "5": "S", "8": "B", "2": "Z"})
"""Digits, and the letter that each is taken for."""


def pick(rng: Random, options: Sequence[T]) -> T:
    """One of them, each as likely."""
    return options[int(rng.integers(len(options)))]


def phrases(
    rng: Random, script: Script, count: int, *, figures: bool = False, capitals: bool | None = None
) -> tuple[str, ...]:
    """`count` phrases, a headline first, no two of which fold to the same.

    With `figures` one of them has a digit of LOOK_ALIKES. `capitals` says whether the headline stands in capitals,
    None leaves it to chance.
    """
    out = [pick(rng, _FOREIGN[script]) if script in _FOREIGN else _headline(rng, capitals=capitals)]
    if figures and count == 1:
        out = [f"{out[0]} {1900 + int(rng.integers(50, 99))}"]
    while len(out) < count:
        new = _line(rng, script)
        while figures and len(out) == 1 and LOOK_ALIKES.keys().isdisjoint(new):
            new = _figures(rng)
        # A phrase that another one holds could be read in either place.
        if not any(fold(new, Fold.PLAIN) in fold(old, Fold.PLAIN) for old in out):
            out.append(new)
    return tuple(out)


def _headline(rng: Random, *, capitals: bool | None) -> str:
    text = f"{pick(rng, _FIRST)} {pick(rng, _SECOND)}"
    chance = rng.random() < 0.4
    return text.upper() if (chance if capitals is None else capitals) else text


def _line(rng: Random, script: Script) -> str:
    if script in _FOREIGN:
        return pick(rng, _FOREIGN[script])
    return pick(rng, (_figures, _figures, _address, _name, _plain, _plain))(rng)


def _plain(rng: Random) -> str:
    return pick(rng, _PLAIN)


def _name(rng: Random) -> str:
    return pick(rng, _NAMES)


def _address(rng: Random) -> str:
    start = "www." if rng.random() < 0.3 else ""
    return f"{start}{pick(rng, _FIRST)}{pick(rng, _SECOND)}.{pick(rng, _ENDINGS)}".lower()


def _figures(rng: Random) -> str:
    """A price, a date, a time, a share, a year, a street number or a telephone number."""
    number = rng.integers
    return pick(
        rng,
        (
            f"Only ${number(1, 99)}.{pick(rng, ('50', '99', '25', '95', '80'))}",
            f"{number(2, 19)} for £{number(10, 180)}",
            f"From €{number(10, 990)}",
            f"{number(10, 85)}% OFF",
            f"{pick(rng, _DAYS)} {number(1, 29)} {pick(rng, _MONTHS)}",
            f"{number(1, 29)} {pick(rng, _MONTHS)} 20{number(26, 39)}",
            f"Doors {number(1, 12)}:{pick(rng, ('00', '15', '30', '45'))} PM",
            f"Since 1{number(850, 990)}",
            f"{number(2, 280)} {pick(rng, _PLACES)}",
            f"Call 555 {number(1000, 9999)}",
        ),
    )


def wrong_letter(rng: Random, text: str, script: Script) -> str:
    """One letter or digit traded for another that no one takes for it."""

    def trade(at: int) -> str:
        old = text[at]
        pool = "0123456789" if old.isdigit() else _LETTERS[script]
        new = pick(rng, pool)
        return text[:at] + (new.upper() if old.isupper() else new) + text[at + 1 :]

    return _until_seen(rng, text, trade)


def dropped_letter(rng: Random, text: str, _: Script) -> str:
    """One letter or digit left out."""
    return _until_seen(rng, text, lambda at: text[:at] + text[at + 1 :])


def doubled_letter(rng: Random, text: str, _: Script) -> str:
    """One letter or digit twice."""
    return _until_seen(rng, text, lambda at: text[: at + 1] + text[at:])


def swapped_letters(rng: Random, text: str, _: Script) -> str:
    """Two neighbours in each other's place."""

    def swap(at: int) -> str:
        if at + 1 == len(text) or not text[at + 1].isalnum():
            return text
        return text[:at] + text[at + 1] + text[at] + text[at + 2 :]

    return _until_seen(rng, text, swap)


def look_alike(rng: Random, text: str, _: Script) -> str:
    """One digit as the letter that looks like it, or the text as it was where it has none."""
    places = [i for i, c in enumerate(text) if c in LOOK_ALIKES]
    if not places:
        return text
    at = pick(rng, places)
    return text[:at] + LOOK_ALIKES[text[at]] + text[at + 1 :]


def split_word(_: Random, text: str, __: Script) -> str:
    """The longest word in two."""
    longest = max(text.split(), key=len)
    at = text.index(longest) + len(longest) // 2
    return f"{text[:at]} {text[at:]}"


def _until_seen(rng: Random, text: str, spoil: Callable[[int], str]) -> str:
    """Spoiled at one place after another until letters that people tell apart differ; as it was where none does."""
    places = [i for i, c in enumerate(text) if c.isalnum()]
    for _ in range(3):
        for at in rng.permutation(places):
            out = unicodedata.normalize("NFC", spoil(int(at)))
            if fold(out, Fold.LOOK) != fold(text, Fold.LOOK):
                return out
    return text
