"""Whether what was read is what was wanted: exact after folding, never by likeness.

Every wanted phrase takes the pieces that spell it, over as many boxes as it was broken into; no piece is taken
twice. Likeness only says which piece a phrase that is not there was probably meant to be.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from itertools import pairwise
from typing import Final

from rapidfuzz.distance import Indel

from rules.folding import Fold, fold, is_spoken, weight
from rules.packing import Candidate, pack
from rules.reading import Order
from rules.units import Piece, Unit, bounds, once_each, units_of
from schemas.events import Phrase, TextContract, TextRead, Word

CANDIDATES_MAX: Final = 48
"""Most ways to show one phrase that are weighed."""
STEPS_MAX: Final = 50_000
"""Most pieces that are looked at for one phrase; a poster needs hundreds. Beyond, the match is called incomplete."""
LENGTHS: Final = (0.4, 2.0)
"""How short or long, as a share of the phrase, pieces may be that are taken for a wrong writing of it."""
LIKENESS: Final = 0.5
"""Least likeness at which pieces are called a wrong writing of a phrase instead of extra text."""


class Level(IntEnum):
    """How well one reading shows a phrase."""

    ABSENT = 0
    DIFFERENT = 1
    LOOKS_LIKE = 2
    """The same but for look-alikes, or for punctuation or case that count."""
    EXACT = 3


@dataclass(frozen=True, slots=True)
class Shown:
    """One phrase in one reading: what was seen in its place, where, and how sure the reader was. Likeness is 0 to 1."""

    phrase: Phrase
    level: Level
    seen: str
    confidence: float
    likeness: float
    pieces: tuple[Piece, ...] = ()

    @property
    def words(self) -> tuple[Word, ...]:
        """The boxes that it stands in, each once."""
        return tuple(dict.fromkeys(p.word for p in self.pieces))


@dataclass(frozen=True, slots=True)
class Options:
    """Ways to show one phrase. `complete` is False where there were too many pieces to try.

    `runs` gives the pieces of each candidate in the order in which they are read.
    """

    candidates: Sequence[Candidate]
    runs: Mapping[frozenset[int], tuple[int, ...]]
    complete: bool


@dataclass(frozen=True, slots=True)
class Extra:
    """Text that nobody asked for, and the box it stands in."""

    text: str
    word: Word
    repeats: bool
    """Whether it says a wanted phrase once more."""

    @property
    def confidence(self) -> float:
        """How sure the reader was."""
        return self.word.confidence

    @property
    def height_px(self) -> float:
        """Height of the box."""
        _, top, _, bottom = bounds(self.word)
        return bottom - top


@dataclass(frozen=True, slots=True)
class Match:
    """One reading against the contract. `complete` is False where the assignment was too large to finish.

    `left` are the boxes with pieces that no phrase took, whether or not they may stand there.
    """

    reader: str
    shown: tuple[Shown, ...]
    extra: tuple[Extra, ...]
    left: tuple[Word, ...]
    complete: bool

    @property
    def exact(self) -> bool:
        """Whether every phrase stands there to the letter."""
        return all(s.level is Level.EXACT for s in self.shown)


def shows(contract: TextContract, read: TextRead, *, stray_max_characters: int = 2) -> bool:
    """Whether one reading shows the contract to the letter and nothing else: a second look would add nothing."""
    match = match_read(contract, read)
    return match.complete and match.exact and all(weight(e.text) <= stray_max_characters for e in match.extra)


def match_read(contract: TextContract, read: TextRead) -> Match:
    """Assigns what was read to the phrases of the contract."""
    phrases = contract.phrases
    order = Order(once_each(read.words))
    units = units_of(order.words, [*(p.text for p in phrases), *contract.allowed_extra])
    free = set(range(len(units)))
    found: dict[int, Shown] = {}
    complete = True
    for level in (Level.EXACT, Level.LOOKS_LIKE, Level.DIFFERENT):
        waiting = [i for i in range(len(phrases)) if i not in found]
        options = [_options(phrases[i], units, order, free, level) for i in waiting]
        packing = pack([o.candidates for o in options])
        complete = complete and packing.complete and all(o.complete for o in options)
        for i, option, candidate in zip(waiting, options, packing.chosen, strict=True):
            if candidate is not None:
                free -= candidate.units
                run = [units[u] for u in option.runs[candidate.units]]
                found[i] = _shown(phrases[i], level, run, order.words)
    absent = {i: Shown(p, Level.ABSENT, "", 0.0, 0.0) for i, p in enumerate(phrases)}
    return Match(
        reader=read.reader,
        shown=tuple({**absent, **found}[i] for i in range(len(phrases))),
        extra=() if contract.other_text_allowed else _extra(contract, order.words, units, free),
        left=tuple(order.words[box] for box in sorted({units[i].box for i in free})),
        complete=complete,
    )


def _shown(phrase: Phrase, level: Level, run: Sequence[Unit], words: Sequence[Word]) -> Shown:
    pieces = tuple(Piece(words[u.box], u.start, u.text) for u in run)
    seen = " ".join(u.text for u in run)
    return Shown(phrase, level, seen, min(u.confidence for u in run), likeness(phrase.text, seen), pieces)


def likeness(a: str, b: str) -> float:
    """Share of letters that two texts have in common in order, 0 to 1 (normalised indel similarity)."""
    return Indel.normalized_similarity(fold(a, Fold.LOOK), fold(b, Fold.LOOK))


def key(text: str, phrase: Phrase, level: Level = Level.EXACT) -> str:
    """The letters that count for a phrase at a level."""
    if level is Level.LOOKS_LIKE:
        return fold(text, Fold.LOOK)
    if phrase.punctuation_sensitive:
        kept = fold(text, Fold.MARKED)
    else:
        kept = fold(text, Fold.LETTERS if phrase.case_sensitive else Fold.PLAIN)
    return kept if phrase.case_sensitive else unicodedata.normalize("NFKC", kept.casefold())


def _options(phrase: Phrase, units: Sequence[Unit], order: Order, free: set[int], level: Level) -> Options:
    if level is Level.DIFFERENT:
        return _alike(phrase, units, order, free)
    # A dash or a bullet between words says nothing, but where the phrase itself is made of such marks.
    marks = not is_spoken(phrase.text)
    folded = {i: key(units[i].text, phrase, level) if marks or is_spoken(units[i].text) else "" for i in sorted(free)}
    search = _Spelling(units, order, folded)
    out: list[Candidate] = []
    runs: dict[frozenset[int], tuple[int, ...]] = {}
    for run in search.runs(key(phrase.text, phrase, level)):
        gaps = sum(_apart(units[a].box, units[b].box, order) for a, b in pairwise(run))
        # More than any sum of gaps, so that the most phrases are found before the tidiest places.
        out.append(Candidate(frozenset(run), 1000.0 - gaps))
        runs.setdefault(out[-1].units, run)
        if len(out) == CANDIDATES_MAX:
            break
    return Options(out, runs, complete=search.steps < STEPS_MAX)


def _apart(a: int, b: int, order: Order) -> bool:
    return b not in (a, a + 1) and order.next_to(a) != b


class _Spelling:
    """Finds runs of units that spell a phrase, nearest first.

    A phrase is broken only at the end of a box, and goes on where one begins that may be read after it; pieces
    without letters, such as a dash, may stand between.
    """

    def __init__(self, units: Sequence[Unit], order: Order, folded: Mapping[int, str]) -> None:
        self._units, self._order, self._folded = units, order, folded
        self.steps = 0
        first: dict[int, int] = {}
        for i, text in folded.items():
            if text:
                first.setdefault(units[i].box, i)
        self._starts = tuple(first.values())

    def runs(self, wanted: str) -> Iterator[tuple[int, ...]]:
        """Runs whose letters are exactly those of the phrase."""
        for i, text in self._folded.items():
            if text and wanted.startswith(text):
                yield from self._grow((i,), wanted[len(text) :])

    def _grow(self, run: tuple[int, ...], rest: str) -> Iterator[tuple[int, ...]]:
        if not rest:
            yield run
            return
        for i in self._followers(run[-1]):
            self.steps += 1
            if self.steps >= STEPS_MAX:
                return
            if i not in run and rest.startswith(self._folded[i]):
                yield from self._grow((*run, i), rest[len(self._folded[i]) :])

    def _followers(self, i: int) -> Iterator[int]:
        while not self._units[i].last:
            i += 1
            if i not in self._folded:
                return
            if self._folded[i]:
                yield i
                return
        box = self._units[i].box
        for j in self._starts:
            self.steps += 1
            if self._units[j].box != box and self._order.follows(box, self._units[j].box):
                yield j


def _alike(phrase: Phrase, units: Sequence[Unit], order: Order, free: set[int]) -> Options:
    """Stretches of pieces in reading order that are alike enough to be a wrong writing of the phrase."""
    wanted = fold(phrase.text, Fold.LOOK)
    spoken = [i for i in sorted(free) if weight(units[i].text)]
    rings = [[i for i in spoken if start <= units[i].box < end] for start, end in order.rings]
    words = sorted(fold(w, Fold.LOOK) for w in phrase.text.split())
    out: list[Candidate] = []
    runs: dict[frozenset[int], tuple[int, ...]] = {}
    for line, turns in ((spoken, 1), *((ring, 2) for ring in rings)):
        row = line * turns
        folded = [fold(units[i].text, Fold.LOOK) for i in row]
        for a in range(len(line)):
            seen = ""
            for b in range(a, min(len(row), a + len(line))):
                seen += folded[b]
                if len(seen) > len(wanted) * LENGTHS[1] + 2:
                    break
                like = Indel.normalized_similarity(wanted, seen) if len(seen) >= len(wanted) * LENGTHS[0] else 0.0
                if len(seen) == len(wanted) and sorted(folded[a : b + 1]) == words:
                    # The same words in another order are that phrase, however little alike the whole is.
                    like = 1.0
                if like >= LIKENESS:
                    out.append(Candidate(frozenset(row[a : b + 1]), like))
                    runs.setdefault(out[-1].units, tuple(row[a : b + 1]))
    return Options(sorted(out, key=lambda c: -c.value)[:CANDIDATES_MAX], runs, complete=True)


def _extra(contract: TextContract, words: Sequence[Word], units: Sequence[Unit], free: set[int]) -> tuple[Extra, ...]:
    allowed = {fold(w, Fold.LOOK) for text in contract.allowed_extra for w in (text, *text.split())}
    wanted = {fold(p.text, Fold.LOOK) for p in contract.phrases}
    out: list[Extra] = []
    for box in sorted({units[i].box for i in free}):
        pieces = [units[i] for i in sorted(free) if units[i].box == box]
        if fold("".join(p.text for p in pieces), Fold.LOOK) in allowed:
            continue
        text = " ".join(p.text for p in pieces if fold(p.text, Fold.LOOK) not in allowed)
        if weight(text):
            out.append(Extra(text, words[box], fold(text, Fold.LOOK) in wanted))
    return tuple(out)
