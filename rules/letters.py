"""Letter by letter: what was wanted beside what was read, and where each letter stands."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from rapidfuzz.distance import Levenshtein

from rules.folding import counting, is_spoken
from rules.reading import FARTHEST, corners
from rules.units import Piece
from schemas.events import Box, Letter, LetterState, Word

SIDE_MAX: Final = 32_768
"""Largest coordinate of a box."""
LETTER_MAX: Final = 8
"""Most characters of a letter: a base and its marks."""
FAULTS_MAX: Final = 4
"""Most letters at fault that one sentence names; a garbled phrase has more, and is shown whole."""
CONTEXT: Final = 12
"""Most letters that say after what a fault stands."""


@dataclass(frozen=True, slots=True)
class Glyph:
    """One letter of a phrase, with its marks. `place` counts characters of the phrase."""

    text: str
    place: int


@dataclass(frozen=True, slots=True)
class Seen:
    """One letter that was read, with its marks. `place` counts characters of the text of its box."""

    text: str
    place: int
    word: Word

    @property
    def confidence(self) -> float | None:
        """How sure the reader was of this letter; None where it does not tell."""
        known = len(self.word.confidences) == len(self.word.text)
        return self.word.confidences[self.place] if known else None


@dataclass(frozen=True, slots=True)
class Pair:
    """A wanted letter beside the one that was read in its place. One of them is None where the other has none."""

    wanted: Glyph | None
    seen: Seen | None
    same: bool

    @property
    def state(self) -> LetterState:
        """Right, wrong, missing or extra."""
        if self.wanted is None:
            return LetterState.EXTRA
        if self.same:
            return LetterState.RIGHT
        return LetterState.MISSING if self.seen is None else LetterState.WRONG


def aligned(
    phrase: str, pieces: Sequence[Piece], folded: Callable[[str], str], *, marks: bool, exact: bool
) -> tuple[Pair, ...]:
    """Every letter that counts of a phrase, once, and every letter too many, in order, with the fewest edits.

    `folded` takes away of one letter what does not count; with `marks` punctuation inside words counts. What is known
    to be `exact` is right whatever the letters one by one say: some only fold to the same beside each other.
    """
    every = not is_spoken(phrase)
    wanted = [Glyph(t, at) for at, t in _counted(phrase, marks=marks, every=every)]
    seen = [Seen(t, p.start + at, p.word) for p in pieces for at, t in _counted(p.text, marks=marks, every=every)]
    ours, our_letters = _spelt(wanted, folded)
    theirs, their_letters = _spelt(seen, folded)
    links: dict[int, int] = {}
    wrong: set[int] = set()
    for op in Levenshtein.opcodes(our_letters, their_letters):
        if op.tag == "insert":
            continue
        for i in range(op.src_start, op.src_end):
            if op.tag != "equal":
                wrong.add(ours[i])
            if op.tag != "delete":
                links.setdefault(ours[i], theirs[op.dest_start + i - op.src_start])
    return tuple(_pairs(wanted, seen, links, wrong, exact=exact))


def _pairs(
    wanted: Sequence[Glyph], seen: Sequence[Seen], links: dict[int, int], wrong: set[int], *, exact: bool
) -> Iterator[Pair]:
    at = 0
    for i, glyph in enumerate(wanted):
        link = links.get(i)
        if link is not None and not exact:
            yield from (Pair(None, g, same=False) for g in seen[at:link])
        same = exact or (i not in wrong and link is not None)
        yield Pair(glyph, None if link is None else seen[link], same=same)
        at = at if link is None else max(at, link + 1)
    if not exact:
        yield from (Pair(None, g, same=False) for g in seen[at:])


def _counted(text: str, *, marks: bool, every: bool) -> Iterator[tuple[int, str]]:
    counts = [True] * len(text) if every else counting(text, marks=marks)
    return ((at, letter) for at, letter in _clusters(text) if any(counts[at : at + len(letter)]))


def _clusters(text: str) -> Iterator[tuple[int, str]]:
    """Letters with their marks, and where each begins; blanks are none."""
    begin = 0
    for i in range(1, len(text) + 1):
        if i == len(text) or not unicodedata.combining(text[i]):
            if not text[begin].isspace():
                yield begin, text[begin:i]
            begin = i


def _spelt(glyphs: Sequence[Glyph] | Sequence[Seen], folded: Callable[[str], str]) -> tuple[list[int], list[str]]:
    """The folded letters, and the glyph that each belongs to: a ligature has several."""
    owners: list[int] = []
    letters: list[str] = []
    for i, glyph in enumerate(glyphs):
        for letter in folded(glyph.text) or glyph.text:
            owners.append(i)
            letters.append(letter)
    return owners, letters


def letter_box(word: Word, start: float, end: float) -> Box | None:
    """The upright box round a part of a box of text, from and to as shares of its length; None where it is no place."""
    if not all(abs(v) <= FARTHEST for v in word.box):
        return None
    (ax, ay), (bx, by), (cx, cy), (dx, dy) = corners(word)
    xs = [p + (q - p) * t for p, q in ((ax, bx), (dx, cx)) for t in (start, end)]
    ys = [p + (q - p) * t for p, q in ((ay, by), (dy, cy)) for t in (start, end)]
    box = Box(left=_low(min(xs)), top=_low(min(ys)), right=_high(max(xs)), bottom=_high(max(ys)))
    return box if box.left < box.right and box.top < box.bottom else None


def _low(value: float) -> int:
    return min(SIDE_MAX, max(0, math.floor(value)))


def _high(value: float) -> int:
    return min(SIDE_MAX, max(0, math.ceil(value)))


def centre(word: Word, place: int) -> float:
    """Where the middle of a character stands along its box, 0 to 1; evenly spaced where the reader does not tell."""
    if has_centres(word):
        return word.centres[place]
    return (place + 0.5) / len(word.text)


def has_centres(word: Word) -> bool:
    """Whether the reader told where each character stands."""
    return len(word.centres) == len(word.text) and all(0 <= c <= 1 for c in word.centres)


def span(glyph: Seen) -> tuple[float, float]:
    """From where to where a letter that was read stands along its box, up to the middle between neighbours."""
    word, size = glyph.word, len(glyph.word.text)
    middle = centre(word, glyph.place)
    reach = [abs(centre(word, i) - middle) for i in (glyph.place - 1, glyph.place + 1) if 0 <= i < size]
    half = min(reach, default=0.5) / 2 or 0.5 / size
    return max(0.0, middle - half), min(1.0, middle + half)


def letters_of(phrase: int, size: int, pairs: Sequence[Pair]) -> Iterator[Letter]:
    """The record of each pair; `size` is the length of the phrase, `phrase` its place in the contract."""
    ahead = size
    places: list[int] = []
    for pair in reversed(pairs):
        ahead = ahead if pair.wanted is None else pair.wanted.place
        places.append(ahead)
    for i, (pair, place) in enumerate(zip(pairs, reversed(places), strict=True)):
        yield Letter(
            phrase=phrase,
            place=place,
            state=pair.state,
            wanted="" if pair.wanted is None else pair.wanted.text[:LETTER_MAX],
            seen="" if pair.seen is None else pair.seen.text[:LETTER_MAX],
            box=_gap_box(pairs, i) if pair.seen is None else _box(pair.seen),
        )


def extra_letters(word: Word, text: str) -> Iterator[Letter]:
    """Each letter of text that nobody asked for, which stands in a box."""
    start = max(0, word.text.find(text))
    for at, letter in _clusters(text[: len(word.text) - start]):
        box = _box(Seen(letter, start + at, word))
        yield Letter(phrase=-1, place=start + at, state=LetterState.EXTRA, wanted="", seen=letter[:LETTER_MAX], box=box)


def _box(glyph: Seen) -> Box | None:
    return letter_box(glyph.word, *span(glyph))


def _gap_box(pairs: Sequence[Pair], at: int) -> Box | None:
    """Where a missing letter should stand: between those read before and after it; None where nothing was read."""
    before = next((p.seen for p in reversed(pairs[:at]) if p.seen is not None), None)
    after = next((p.seen for p in pairs[at + 1 :] if p.seen is not None), None)
    if before is not None:
        start = centre(before.word, before.place)
        end = centre(after.word, after.place) if after is not None and after.word is before.word else 1.0
        return letter_box(before.word, min(start, end), max(start, end))
    if after is not None:
        return letter_box(after.word, 0.0, centre(after.word, after.place))
    return None


def told(pairs: Sequence[Pair]) -> str:
    """Which letters are at fault and where, for people; empty where none or too many are."""
    faults = [i for i, p in enumerate(pairs) if p.state is not LetterState.RIGHT]
    if not 1 <= len(faults) <= FAULTS_MAX or len(pairs) < 2 * len(faults):
        return ""
    return _swapped(pairs) or "; ".join(_fault(pairs, i) for i in faults)


def _fault(pairs: Sequence[Pair], at: int) -> str:
    pair = pairs[at]
    before = _before(pairs, at)
    where = f"after {before!r}" if before else "at the beginning"
    wanted = "" if pair.wanted is None else pair.wanted.text
    seen = "" if pair.seen is None else pair.seen.text
    match pair.state:
        case LetterState.MISSING:
            return f"{wanted!r} missing {where}"
        case LetterState.EXTRA:
            return f"{seen!r} too many {where}"
        case _:
            return f"{seen!r} for {wanted!r} {where}"


def _before(pairs: Sequence[Pair], at: int) -> str:
    """What of its word stands before a letter, and of the word before where it is the first."""
    before = [p.wanted for p in pairs[:at] if p.wanted is not None]
    word = before[-1:]
    for glyph in reversed(before[:-1]):
        if glyph.place + len(glyph.text) != word[0].place or len(word) == CONTEXT:
            break
        word.insert(0, glyph)
    return "".join(g.text for g in word)


def _swapped(pairs: Sequence[Pair]) -> str:
    """Two neighbours in each other's place, where that is all."""
    wanted = [p.wanted.text for p in pairs if p.wanted is not None]
    seen = [p.seen.text for p in pairs if p.seen is not None]
    at = next((i for i, (a, b) in enumerate(zip(wanted, seen, strict=False)) if a != b), len(wanted))
    one, other = wanted[at : at + 2], seen[at : at + 2]
    if len(one) < 2 or one != other[::-1] or wanted[at + 2 :] != seen[at + 2 :]:
        return ""
    return f"{one[0]!r} and {one[1]!r} in each other's place"
