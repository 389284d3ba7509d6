"""The table of letters that readers know, beside what the recogniser says of itself."""

from __future__ import annotations

import unicodedata

import pytest

from rules.scripts import unreadable
from workers.checks.text_models import TextModels

LETTERED = ("LATIN", "CJK", "HIRAGANA", "KATAKANA")


@pytest.fixture(scope="module")
def letters() -> frozenset[str]:
    return frozenset(c for entry in TextModels(1).characters for c in entry)


def test_every_letter_that_the_table_calls_known_is_in_the_recognisers_list(letters: frozenset[str]) -> None:
    every = [chr(i) for i in range(0x80, 0x2FA20) if unicodedata.category(chr(i))[0] == "L"]
    # Compatibility forms are read as what they stand for.
    plain = [c for c in every if unicodedata.normalize("NFKC", c) == c]
    assert len(plain) > 50_000
    assert {c for c in plain if not unreadable(c)} <= letters


def test_the_table_calls_few_letters_unknown_that_the_recogniser_has(letters: frozenset[str]) -> None:
    known = {c for c in letters if c.isalpha() and unicodedata.name(c).startswith(LETTERED)}
    assert len(known) > 16_000
    assert sum(1 for c in known if unreadable(c)) < 0.4 * len(known)
