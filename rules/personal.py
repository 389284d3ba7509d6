"""Personal data in prompts: addresses, telephone numbers, and numbers with a check digit."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

_DIGIT: Final = re.compile(r"\d")
_PHONE_DIGITS: Final = 9
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
    """One kind: what to call it, how it looks, and what makes a match one.

    digits, sign: As many digits, and which sign, every text holds that holds one: to look costs more than to count.
    """

    what: str
    secret: bool
    pattern: re.Pattern[str]
    digits: int
    sign: str
    is_one: Callable[[str], bool]


_KINDS: Final = (
    _Kind("a card number", True, _CARD, 13, "", luhn),
    _Kind("an account number", True, _IBAN, 2, "", iban),
    _Kind("a social security number", True, _SSN, 9, "-", lambda _: True),
    _Kind("a personal e-mail address", False, _EMAIL, 0, "@", lambda found: not _ROLE.match(found)),
    _Kind("a telephone number", False, _PHONE, _PHONE_DIGITS, "", lambda found: _digits(found) >= _PHONE_DIGITS),
)


def find_personal(text: str) -> Iterator[PersonalData]:
    """Every find in order of kind: cards, accounts, social security numbers, mailboxes, telephones."""
    digits = _digits(text)
    for kind in _KINDS:
        if digits >= kind.digits and kind.sign in text:
            for match in kind.pattern.finditer(text):
                if kind.is_one(match.group()):
                    yield PersonalData(*match.span(), kind.what, secret=kind.secret)


def _digits(text: str) -> int:
    return len(_DIGIT.findall(text))
