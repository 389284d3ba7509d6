"""Blanks: a word in two, words run together, a word broken over lines. Readers see most blanks, and lose some."""

from __future__ import annotations

import statistics
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from itertools import pairwise
from typing import Final

from rules.letters import Pair, Seen, centre, has_centres
from rules.reading import baseline
from schemas.events import Word

# Advance of each letter in em, mean over the house's five faces, to 0.05.
_ADVANCES: Final = (
    (0.25, "'"), (0.3, ",.:;ijl|"), (0.35, "!-/I[\\]f{}"), (0.4, "()rt"), (0.45, "*?Js"), (0.5, '"1`cz'),
    (0.6, "#=EPTVXYZbdhnpqu"), (0.65, "ABCGKR"), (0.7, "&DHNOQU"), (0.8, "w"), (0.85, "%M"), (0.9, "@Wm"),
)  # fmt: skip
_WIDTH: Final[Mapping[str, float]] = {c: width for width, letters in _ADVANCES for c in letters}
_OTHER: Final = 0.55
_WIDE: Final = 1.0
LEAST: Final = 3
"""Neighbours inside words from which the size of the letters of a box is taken; fewer say too little."""
SILENT_MAX: Final = 2.0
"""Widest gap in em that a reader passes over without a blank: beyond, it has not seen the box as one line."""
SPACED: Final = 0.5
"""Share of the letters of a box that stand alone between blanks, from which the blanks are letter-spacing."""


class Fault(Enum):
    """What is wrong with a blank."""

    SPLIT = "split"
    JOINED = "joined"
    BROKEN = "broken"


@dataclass(frozen=True, slots=True)
class Blank:
    """The place between two neighbouring letters of a phrase, as one reading shows it.

    place: The character of the phrase that stands behind it; where a blank is wanted, that blank.
    after: What of its word stands before it.
    around: The letters read on either side.
    wanted: Whether a blank belongs there.
    read: Whether the reader read one; None where the letters stand in two boxes, or are all spaced out.
    gap_em: How much farther apart they stand than letters of their widths do, in em, where the reader told where
        each character stands.
    gap_heights: From the end of one box to the beginning of the next, in heights, where they stand in two of one line.
    broken: Whether they stand in boxes that do not go on from each other, with no hyphen.
    """

    place: int
    after: str
    around: tuple[Seen, Seen]
    wanted: bool
    read: bool | None = None
    gap_em: float | None = None
    gap_heights: float | None = None
    broken: bool = False


def blanks(phrase: str, pairs: Sequence[Pair]) -> tuple[Blank, ...]:
    """Every place between two letters of a phrase that were both read, one after the other."""
    right = [(p.wanted, p.seen) for p in pairs if p.wanted is not None]
    sizes: dict[Word, float | None] = {}
    out: list[Blank] = []
    for (one, first), (other, second) in pairwise(right):
        between = phrase[one.place + len(one.text) : other.place]
        # Punctuation that does not count: whether a blank belongs to it is a matter of style.
        if first is None or second is None or between.strip():
            continue
        end = one.place + len(one.text)
        blank = Blank(end, phrase[:end].rsplit(maxsplit=1)[-1], (first, second), wanted=bool(between))
        out.append(_same_box(blank, first, second, sizes) or _two_boxes(blank, first, second))
    return tuple(out)


def _same_box(blank: Blank, first: Seen, second: Seen, sizes: dict[Word, float | None]) -> Blank | None:
    word = first.word
    if word is not second.word or second.place < first.place:
        return None
    between = word.text[first.place + len(first.text) : second.place]
    if between.strip():
        return blank
    if word not in sizes:
        sizes[word] = _em(word)
    size = sizes[word]
    distance = centre(word, second.place) - centre(word, first.place)
    gap = None if size is None else distance / size - _step(first.text, second.text)
    return replace(blank, read=None if _spaced(word) else bool(between), gap_em=gap)


def _two_boxes(blank: Blank, first: Seen, second: Seen) -> Blank:
    a, b = baseline(first.word), baseline(second.word)
    height = min(a.height, b.height)
    tail = first.word.text[first.place + len(first.text) :].strip()
    # Letters one under another stand there by design; a hyphen may end a line.
    alone = len(first.word.text.strip()) == 1 or len(second.word.text.strip()) == 1
    if height <= 0 or tail or alone:
        return blank
    along, below = a.seen_from(b.x0, b.y0)
    beside = (along - a.length) / height
    if abs(below) <= height / 2 and beside > -1:
        return replace(blank, gap_heights=beside)
    near = abs(beside) < 1 and abs(below) < height
    return replace(blank, broken=not near)


def _em(word: Word) -> float | None:
    """One em of a box, as a share of its length; None where the reader does not tell or too few letters do."""
    if not has_centres(word):
        return None
    steps = [
        (word.centres[i + 1] - word.centres[i]) / _step(a, b)
        for i, (a, b) in enumerate(pairwise(word.text))
        if not a.isspace() and not b.isspace()
    ]
    size = statistics.median(steps) if len(steps) >= LEAST else 0.0
    return size if size > 0 else None


def _step(a: str, b: str) -> float:
    return (_advance(a) + _advance(b)) / 2


def _advance(letter: str) -> float:
    base = unicodedata.normalize("NFD", letter)[0]
    if unicodedata.east_asian_width(base) in "WF":
        return _WIDE
    return _WIDTH.get(base, _OTHER)


def _spaced(word: Word) -> bool:
    """Whether its letters stand far apart, so that a reader takes every gap for a blank."""
    pieces = word.text.split()
    return sum(len(p) == 1 for p in pieces) > SPACED * len(pieces) and len(pieces) > LEAST


@dataclass(frozen=True, slots=True)
class Gaps:
    """What counts as a gap: of one box in em without a blank read, between boxes in heights; and as none, in em."""

    silent_em: float
    boxes: float
    joined_em: float


def faults(looks: Sequence[Sequence[Blank]], gaps: Gaps) -> list[tuple[Fault, Blank]]:
    """What is wrong with the blanks of one phrase, over all looks that show its letters, each as a look shows it.

    A blank that one reader read inside a word is taken to be there. One that no reader read between words is taken to
    be lost, unless a reader tells that the letters stand as close as letters of one word do.
    """
    places: dict[int, list[Blank]] = {}
    for blank in (b for look in looks for b in look):
        places.setdefault(blank.place, []).append(blank)
    out: list[tuple[Fault, Blank]] = []
    for _, there in sorted(places.items()):
        fault = _joined(there, gaps) if there[0].wanted else _torn(there, gaps)
        if fault is not None:
            out.append(fault)
    return out


def _torn(there: Sequence[Blank], gaps: Gaps) -> tuple[Fault, Blank] | None:
    wide = [b for b in there if b.gap_em is not None and gaps.silent_em < b.gap_em < SILENT_MAX]
    known = [b for b in there if b.gap_em is not None]
    for blank in there:
        if blank.read or (blank.gap_heights is not None and blank.gap_heights > gaps.boxes):
            return Fault.SPLIT, blank
    if wide and len(wide) == len(known):
        return Fault.SPLIT, wide[0]
    return (Fault.BROKEN, there[0]) if all(b.broken for b in there) else None


def _joined(there: Sequence[Blank], gaps: Gaps) -> tuple[Fault, Blank] | None:
    close = all(b.read is False and b.gap_em is not None and b.gap_em < gaps.joined_em for b in there)
    return (Fault.JOINED, there[0]) if close else None
