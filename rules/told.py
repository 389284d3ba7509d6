"""Which letters of a phrase are at fault, and where, told to people in a few words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rules.letters import Pair
from schemas.events import LetterState

FAULTS_MAX: Final = 4
"""Most letters at fault that one sentence names; a garbled phrase has more, and is shown whole."""
CONTEXT: Final = 16
"""Most characters that say after what a fault stands, in whole words where one fits."""


def told(phrase: str, pairs: Sequence[Pair]) -> str:
    """The letters at fault; empty where none or too many are."""
    faults = [i for i, p in enumerate(pairs) if p.state is not LetterState.RIGHT]
    if not 1 <= len(faults) <= FAULTS_MAX or len(pairs) < 2 * len(faults):
        return ""
    out: list[str] = []
    crossed = -1
    for i in faults:
        if _are_crossed(pairs[i : i + 2]):
            one, other = (p.wanted.text for p in pairs[i : i + 2] if p.wanted is not None)
            out.append(f"{one!r} and {other!r} in each other's place{_where(phrase, pairs, i)}")
            crossed = i + 1
        elif i != crossed:
            out.append(_fault(phrase, pairs, i))
    return "; ".join(out)


def _are_crossed(pairs: Sequence[Pair]) -> bool:
    """Whether two wrong letters are each the one that is wanted in place of the other."""
    letters = [
        (p.wanted.text, p.seen.text)
        for p in pairs
        if p.state is LetterState.WRONG and p.wanted is not None and p.seen is not None
    ]
    return len(letters) == 2 and letters[0] == letters[1][::-1]


def _fault(phrase: str, pairs: Sequence[Pair], at: int) -> str:
    pair = pairs[at]
    where = _where(phrase, pairs, at)
    wanted = "" if pair.wanted is None else pair.wanted.text
    seen = "" if pair.seen is None else pair.seen.text
    match pair.state:
        case LetterState.MISSING:
            return f"{wanted!r} missing{where}"
        case LetterState.EXTRA:
            return f"{seen!r} too many{where}"
        case _:
            return f"{seen!r} for {wanted!r}{where}"


def _where(phrase: str, pairs: Sequence[Pair], at: int) -> str:
    before = next((p.wanted for p in reversed(pairs[:at]) if p.wanted is not None), None)
    if before is None:
        return " at the beginning"
    return f" after {_behind(phrase[: before.place + len(before.text)])!r}"


def _behind(text: str) -> str:
    """The end of a text, in whole words where one fits."""
    if len(text) <= CONTEXT:
        return text
    end = text[-CONTEXT:]
    _, _, rest = end.partition(" ")
    return end if text[-CONTEXT - 1] == " " or not rest else rest
