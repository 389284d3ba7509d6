"""Letter by letter: what was wanted beside what was read, and where each letter stands."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise, zip_longest
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


_Edit = tuple[int | None, int | None]
_NOBODY: Final[_Edit] = (None, None)


def aligned(
    phrase: str, pieces: Sequence[Piece], folded: Callable[[str], str], *, marks: bool, exact: bool
) -> tuple[Pair, ...]:
    """Every letter that counts of a phrase, once, and every letter too many, in order, with the fewest edits.

    Two neighbours in each other's place are two wrong letters, not one missing and one too many.
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
    for ours_at, theirs_at in _edits(our_letters, their_letters):
        if ours_at is None:
            continue
        if theirs_at is None or our_letters[ours_at] != their_letters[theirs_at]:
            wrong.add(ours[ours_at])
        if theirs_at is not None:
            links.setdefault(ours[ours_at], theirs[theirs_at])
    return tuple(_pairs(wanted, seen, links, wrong, exact=exact))


def _edits(ours: Sequence[str], theirs: Sequence[str]) -> list[_Edit]:
    """Which letter stands for which, in order; None where one has none."""
    out: list[_Edit] = []
    for op in Levenshtein.opcodes(ours, theirs):
        left, right = range(op.src_start, op.src_end), range(op.dest_start, op.dest_end)
        out += zip_longest(left, right)
    single = [n for n, e in enumerate(out) if None in e]
    done = -1
    for p, q in pairwise(single):
        straight = _straight(out[p : q + 1])
        crossed = [n for n, (a, b) in enumerate(straight) if ours[a] != theirs[b]]
        if p > done and len(crossed) == 2 and crossed[1] == crossed[0] + 1:
            (a, b), (c, d) = (straight[n] for n in crossed)
            if ours[a] == theirs[d] and ours[c] == theirs[b]:
                out[p : q + 1] = [*straight, _NOBODY]
                done = q
    return [e for e in out if e != _NOBODY]


def _straight(edits: Sequence[_Edit]) -> list[tuple[int, int]]:
    """The same letters side by side in their order; empty where one side has more."""
    left, right = [a for a, _ in edits if a is not None], [b for _, b in edits if b is not None]
    return list(zip(left, right, strict=True)) if len(left) == len(right) else []


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
    return _upright(tuple(zip(xs, ys, strict=True)))


def _upright(points: Sequence[tuple[float, float]]) -> Box | None:
    xs, ys = zip(*points, strict=True)
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
    """From where to where a letter that was read stands along its box: up to the middle between neighbours.

    The first and the last reach the ends of the box, which lie where the lettering does.
    """
    word, place, last = glyph.word, glyph.place, len(glyph.word.text) - 1
    start = (centre(word, place - 1) + centre(word, place)) / 2 if place > 0 else 0.0
    end = (centre(word, place) + centre(word, place + 1)) / 2 if place < last else 1.0
    return min(start, end), max(start, end)


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


def blank_letter(phrase: int, place: int, state: LetterState, around: tuple[Seen, Seen]) -> Letter:
    """The record of a blank too many, which stands before a place of a phrase, or of one that is missing there.

    Its box lies between the letters that it parts.
    """
    missing = state is LetterState.MISSING
    seen, wanted = ("", " ") if missing else (" ", "")
    return Letter(phrase=phrase, place=place, state=state, wanted=wanted, seen=seen, box=_blank_box(*around))


def _blank_box(first: Seen, second: Seen) -> Box | None:
    if first.word is second.word:
        (start, end), (next_start, next_end) = span(first), span(second)
        if end < next_start:
            return letter_box(first.word, end, next_start)
        # They touch: from middle to middle.
        return letter_box(first.word, (start + end) / 2, (next_start + next_end) / 2)
    if not all(abs(v) <= FARTHEST for v in (*first.word.box, *second.word.box)):
        return None
    (_, top, foot, _), (next_top, _, _, next_foot) = corners(first.word), corners(second.word)
    return _upright((top, foot, next_top, next_foot))


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
