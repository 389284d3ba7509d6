"""Quoted spans of a prompt: the words that are meant to stand in the picture.

Quotation marks double as apostrophes ("the dog's bone"), inches (a 12" pizza) and scare quotes (a "cosy"
mood). What is found here is what a careful reader would take for wanted text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

PAIRS: Final = {
    "“": "”",
    "„": "“”",
    "«": "»",
    "»": "«",
    "‹": "›",
    "「": "」",
    "『": "』",
    "＂": "＂",
}
"""Opening marks with what closes them. The straight and the single ones are handled on their own."""
SINGLE: Final = {"'": "'’", "‘": "’'", "‚": "‘’"}
_MARK: Final = re.compile(f'["{"".join([*SINGLE, *PAIRS])}]')
_OPENS_AFTER: Final = frozenset("([{<:;,-–—/=>")
_CLOSES_BEFORE: Final = frozenset(")]}>.,:;!?-–—/…")
_ELISION: Final = re.compile(r"['‘’](?:tis|twas|n|em|til|cause|round|bout|cuz|\d0s)\b", re.IGNORECASE)
_NEGATED: Final = re.compile(
    r"\b(?:no|not|without|avoid|never|omit|remove|instead\s+of|rather\s+than"
    r"|do\s?n[o']?t\s+(?:write|show|include|use|print|say))"
    r"(?:\s+(?:any|the|a|an|word|words|text|phrase|letters|lettering|writing|saying|like|of|with)){0,4}\s*$",
    re.IGNORECASE,
)
_NOT_TEXT_BEFORE: Final = re.compile(
    r"\b(?:in\s+the\s+(?:style|manner|spirit)\s+of|inspired\s+by|so-called|known\s+as|nicknamed"
    r"|(?:font|typeface)\s+(?:called|named)|inches)\s*$",
    re.IGNORECASE,
)
_NOT_TEXT_AFTER: Final = re.compile(
    r"^[\s-]+(?:font|typeface|style|aesthetic|look|mood|vibe|feel|feeling|atmosphere|effect|palette|colou?rs?)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Quote:
    """One quoted span. `start` and `end` hold the words without their marks, `outer_*` with them."""

    start: int
    end: int
    outer_start: int
    outer_end: int
    wanted: bool
    """False for what must not be written, and for names of styles, fonts and moods."""


@dataclass(frozen=True, slots=True)
class Quoted:
    """All quoted spans in order, and where marks were opened and never closed."""

    quotes: tuple[Quote, ...]
    unclosed: tuple[int, ...]


def find_quotes(text: str) -> Quoted:
    """Every quoted span of a prompt, outermost marks only."""
    quotes: list[Quote] = []
    unclosed: list[int] = []
    i = 0
    while mark := _MARK.search(text, i):
        i = mark.start()
        closer = _closer(text, i)
        if closer is None:
            i += 1
            continue
        if closer < 0:
            unclosed.append(i)
            i += 1
            continue
        inner = text[i + 1 : closer]
        if words := inner.strip().rstrip(",;").rstrip():
            start = i + 1 + inner.index(words)
            quotes.append(Quote(start, start + len(words), i, closer + 1, _is_wanted(text, i, closer + 1)))
        i = closer + 1
    return Quoted(tuple(quotes), tuple(unclosed))


def _closer(text: str, i: int) -> int | None:
    """Where the mark at `i` is closed; -1 where it never is, None where it opens nothing."""
    char = text[i]
    if char == '"':
        return _close_straight(text, i) if _may_open(text, i) else None
    if char in SINGLE:
        if not _may_open(text, i) or _ELISION.match(text, i):
            return None
        end = _close_single(text, i)
        return None if end < 0 else end
    if char == "»" and not _may_open(text, i):
        return None
    return min((p for c in PAIRS[char] if (p := text.find(c, i + 1)) >= 0), default=-1)


def _may_open(text: str, i: int) -> bool:
    before = text[i - 1] if i else " "
    after = text[i + 1] if i + 1 < len(text) else " "
    if text[i] == '"' and before.isdigit():
        return False  # inches
    return (before.isspace() or before in _OPENS_AFTER or not before.isalnum()) and not after.isspace()


def _may_close(text: str, j: int) -> bool:
    after = text[j + 1] if j + 1 < len(text) else " "
    return not after.isalnum()


def _close_straight(text: str, i: int) -> int:
    j = text.find('"', i + 1)
    if j > 0 and text[j - 1].isdigit():
        # Perhaps inches inside the quotation: "NEW 12" PIZZA". Then the next mark closes and does not open.
        k = text.find('"', j + 1)
        if k > 0 and not _may_open(text, k) and text[j + 1 : j + 2].isspace() and not text[k - 1].isdigit():
            return k
    return j


def _close_single(text: str, i: int) -> int:
    closers = SINGLE[text[i]]
    for j in range(i + 1, len(text)):
        if text[j] == "\n":
            return -1
        if text[j] not in closers or not _may_close(text, j) or text[j - 1].isspace() or _ELISION.match(text, j):
            continue
        if text[j - 1] in "sS":
            later = _later_single(text, j, closers)
            if later is not None and text[i + 1 : j].isupper() and text[j + 1 : later].isupper():
                return later  # 'DOGS' DAY OUT'
        return j
    return -1


def _later_single(text: str, j: int, closers: str) -> int | None:
    for k in range(j + 1, len(text)):
        if text[k] in SINGLE and _may_open(text, k):
            return None
        if text[k] in closers and _may_close(text, k):
            return k
    return None


def _is_wanted(text: str, start: int, end: int) -> bool:
    before, after = text[max(0, start - 80) : start], text[end : end + 20]
    return not (_NEGATED.search(before) or _NOT_TEXT_BEFORE.search(before) or _NOT_TEXT_AFTER.search(after))
