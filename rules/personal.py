"""Personal data in prompts: addresses, telephone numbers, and numbers with a check digit."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
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


def luhn(number: str) -> bool:
    """Whether the last digit checks the others (ISO/IEC 7812-1); zeros alone are no card."""
    digits = [int(c) for c in number if c.isdigit()]
    doubled = [d if i % 2 == 0 else sum(divmod(2 * d, 10)) for i, d in enumerate(reversed(digits))]
    return sum(doubled) % 10 == 0 and any(digits)


def iban(number: str) -> bool:
    """Whether the two check digits fit (ISO 13616, modulo 97)."""
    packed = number.replace(" ", "")
    return int("".join(str(int(c, 36)) for c in packed[4:] + packed[:4])) % 97 == 1


@dataclass(frozen=True, slots=True)
class _Kind:
    """One kind: what to call it, how it looks, what a text must hold for a look to pay, and what makes a match one."""

    what: str
    secret: bool
    pattern: re.Pattern[str]
    may_hold: Callable[[str], bool]
    is_one: Callable[[str], bool]


def _has_number(text: str) -> bool:
    return len(_DIGIT.findall(text)) >= _DIGITS_MIN


_KINDS: Final = (
    _Kind("a card number", True, _CARD, _has_number, luhn),
    _Kind("an account number", True, _IBAN, lambda text: _IBAN_BEGINS.search(text) is not None, iban),
    _Kind("a social security number", True, _SSN, _has_number, lambda _: True),
    _Kind("a personal e-mail address", False, _EMAIL, lambda text: "@" in text, lambda found: not _ROLE.match(found)),
    _Kind("a telephone number", False, _PHONE, _has_number, _has_number),
)


def find_personal(text: str) -> Iterator[PersonalData]:
    """Every find in order of kind: cards, accounts, social security numbers, mailboxes, telephones."""
    if _DATA.search(text) is None:
        return
    for kind in _KINDS:
        if kind.may_hold(text):
            for match in kind.pattern.finditer(text):
                if kind.is_one(match.group()):
                    yield PersonalData(*match.span(), kind.what, secret=kind.secret)
