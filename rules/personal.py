"""Personal data in prompts: addresses, telephone numbers, and numbers with a check digit."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

_DATA: Final = re.compile(r"[\d@]")
"""What every find holds one of."""
_DIGIT: Final = re.compile(r"\d")
_DIGITS_MIN: Final = 9
"""A card, a social security number and a telephone number have as many digits at least."""
_IBAN_BEGINS: Final = re.compile(r"[A-Z]{2}\d{2}")
_EMAIL: Final = re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@(?:[\w-]{1,63}\.){1,5}[a-z]{2,24}(?!\w)", re.IGNORECASE)
_ROLE: Final = re.compile(
    r"(?:info|hello|hi|hey|sales|contact|support|press|jobs|office|mail|shop|orders|bookings?|team|help|events?)@",
    re.IGNORECASE,
)
"""Mailboxes of a role, not of a person."""
_PHONE: Final = re.compile(
    r"(?<![\w.])(?:\+\d{1,3}[ .-]?(?:\(\d{1,4}\)[ .-]?)?\d{1,4}(?:[ .-]?\d{2,4}){2,4}"
    r"|\(\d{3}\) ?\d{3}[ .-]\d{4}|\d{3}[ .-]\d{3}[ .-]\d{4})(?![\w-])"
)
_CARD: Final = re.compile(r"(?<![\w.])\d(?:[ -]?\d){12,18}(?![\w.]\d)(?!\w)")
_IBAN: Final = re.compile(r"(?<!\w)[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?(?!\w)")
_SSN: Final = re.compile(r"(?<![\w-])(?!000|666|9)\d{3}-(?!00)\d{2}-(?!0000)\d{4}(?![\w-])")


@dataclass(frozen=True, slots=True)
class PersonalData:
    """One find. `secret` is true for numbers that must stand in no picture at all."""

    start: int
    end: int
    what: str
    secret: bool


def find_personal(text: str) -> Iterator[PersonalData]:
    """Every find in order of kind: cards, accounts, social security numbers, mailboxes, telephones."""
    if _DATA.search(text) is None:
        return
    # Most prompts that hold a figure hold too few for any of these.
    has_number = len(_DIGIT.findall(text)) >= _DIGITS_MIN
    if has_number:
        for match in _CARD.finditer(text):
            if luhn(match.group()):
                yield PersonalData(*match.span(), "a card number", secret=True)
    if _IBAN_BEGINS.search(text):
        for match in _IBAN.finditer(text):
            if iban(match.group()):
                yield PersonalData(*match.span(), "an account number", secret=True)
    if has_number:
        for match in _SSN.finditer(text):
            yield PersonalData(*match.span(), "a social security number", secret=True)
    if "@" in text:
        for match in _EMAIL.finditer(text):
            if not _ROLE.match(match.group()):
                yield PersonalData(*match.span(), "a personal e-mail address", secret=False)
    if has_number:
        for match in _PHONE.finditer(text):
            if sum(c.isdigit() for c in match.group()) >= _DIGITS_MIN:
                yield PersonalData(*match.span(), "a telephone number", secret=False)


def luhn(number: str) -> bool:
    """Whether the last digit checks the others (ISO/IEC 7812-1); zeros alone are no card."""
    digits = [int(c) for c in number if c.isdigit()]
    doubled = [d if i % 2 == 0 else sum(divmod(2 * d, 10)) for i, d in enumerate(reversed(digits))]
    return sum(doubled) % 10 == 0 and any(digits)


def iban(number: str) -> bool:
    """Whether the two check digits fit (ISO 13616, modulo 97)."""
    packed = number.replace(" ", "")
    return int("".join(str(int(c, 36)) for c in packed[4:] + packed[:4])) % 97 == 1
