"""Whether what was read is what was wanted: exact after folding, never by likeness.

Every wanted phrase takes the pieces that spell it, over as many boxes as it was broken into; no piece is taken
twice. Likeness only says which piece a phrase that is not there was probably meant to be.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from itertools import pairwise
from typing import Final

from rapidfuzz.distance import Indel

from rules.folding import Fold, fold, weight
from rules.packing import Candidate, pack
from rules.units import Unit, bounds, once_each, units_of
from schemas.events import Phrase, TextContract, TextRead

CANDIDATES_MAX: Final = 48
"""Most ways to show one phrase that are weighed."""
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
    """One phrase in one reading: what was seen in its place and how sure the reader was. Likeness is 0 to 1."""

    phrase: Phrase
    level: Level
    seen: str
    confidence: float
    likeness: float


@dataclass(frozen=True, slots=True)
class Extra:
    """Text that nobody asked for. `height_px` is the height of its box."""

    text: str
    confidence: float
    height_px: float
    repeats: bool
    """Whether it says a wanted phrase once more."""


@dataclass(frozen=True, slots=True)
class Match:
    """One reading against the contract. `complete` is False where the assignment was too large to finish."""

    reader: str
    shown: tuple[Shown, ...]
    extra: tuple[Extra, ...]
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
    units = units_of(read, [*(p.text for p in phrases), *contract.allowed_extra])
    free = set(range(len(units)))
    found: dict[int, Shown] = {}
    complete = True
    for level in (Level.EXACT, Level.LOOKS_LIKE, Level.DIFFERENT):
        waiting = [i for i in range(len(phrases)) if i not in found]
        packing = pack([_options(phrases[i], units, free, level) for i in waiting])
        complete = complete and packing.complete
        for i, candidate in zip(waiting, packing.chosen, strict=True):
            if candidate is not None:
                free -= candidate.units
                found[i] = _shown(phrases[i], level, [units[u] for u in sorted(candidate.units)])
    absent = {i: Shown(p, Level.ABSENT, "", 0.0, 0.0) for i, p in enumerate(phrases)}
    return Match(
        reader=read.reader,
        shown=tuple({**absent, **found}[i] for i in range(len(phrases))),
        extra=() if contract.other_text_allowed else _extra(contract, read, units, free),
        complete=complete,
    )


def _shown(phrase: Phrase, level: Level, units: Sequence[Unit]) -> Shown:
    seen = _joined(units)
    return Shown(phrase, level, seen, min(u.confidence for u in units), likeness(phrase.text, seen))


def likeness(a: str, b: str) -> float:
    """Share of letters that two texts have in common in order, 0 to 1 (normalised indel similarity)."""
    return Indel.normalized_similarity(fold(a, Fold.LOOK), fold(b, Fold.LOOK))


def _joined(units: Sequence[Unit]) -> str:
    return " ".join(u.text for u in units)


def _options(phrase: Phrase, units: Sequence[Unit], free: set[int], level: Level) -> list[Candidate]:
    if level is Level.DIFFERENT:
        return _alike(phrase, units, free)
    exact = Fold.CASED if phrase.strict else Fold.PLAIN
    kind = Fold.LOOK if level is Level.LOOKS_LIKE else exact
    cased = kind is Fold.CASED and not phrase.case_sensitive
    folded = {i: _key(units[i].text, kind, lower=cased) for i in sorted(free)}
    wanted = _key(phrase.text, kind, lower=cased)
    if kind is Fold.PLAIN and phrase.case_sensitive:
        folded = {i: _letters(units[i].text) for i in sorted(free)}
        wanted = _letters(phrase.text)
    out: list[Candidate] = []
    for run in _runs(wanted, units, folded):
        gaps = sum(units[b].box - units[a].box > 1 for a, b in pairwise(run))
        # More than any sum of gaps, so that the most phrases are found before the tidiest places.
        out.append(Candidate(frozenset(run), 1000.0 - gaps))
        if len(out) == CANDIDATES_MAX:
            break
    return out


def _key(text: str, kind: Fold, *, lower: bool) -> str:
    return fold(text, kind).casefold() if lower else fold(text, kind)


def _letters(text: str) -> str:
    """Without punctuation, with its case."""
    kept = [c for c in fold(text, Fold.CASED) if fold(c, Fold.PLAIN) != c or weight(c)]
    return "".join(kept)


def _runs(wanted: str, units: Sequence[Unit], folded: Mapping[int, str]) -> Iterator[tuple[int, ...]]:
    """Runs of units that spell a phrase. A phrase is broken only at the end of a box, and goes on where one begins."""

    def grow(run: tuple[int, ...], rest: str) -> Iterator[tuple[int, ...]]:
        if not rest:
            yield run
            return
        for i in _next(run[-1], units, folded):
            if folded[i] and rest.startswith(folded[i]):
                yield from grow((*run, i), rest[len(folded[i]) :])

    for i, text in folded.items():
        if text and wanted.startswith(text):
            yield from grow((i,), wanted[len(text) :])


def _next(i: int, units: Sequence[Unit], folded: Mapping[int, str]) -> Iterator[int]:
    if not units[i].last:
        follower = i + 1
        # A piece without letters, such as a dash, may stand between.
        while follower in folded and not folded[follower] and not units[follower].last:
            follower += 1
        if follower in folded:
            yield follower
        return
    for j in folded:
        if j > i and units[j].place == 0:
            yield j


def _alike(phrase: Phrase, units: Sequence[Unit], free: set[int]) -> list[Candidate]:
    wanted = len(fold(phrase.text, Fold.LOOK))
    order = sorted(free)
    out: list[Candidate] = []
    for a in range(len(order)):
        for b in range(a + 1, len(order) + 1):
            run = [units[i] for i in order[a:b]]
            seen = _joined(run)
            length = len(fold(seen, Fold.LOOK))
            if length > wanted * LENGTHS[1] + 2:
                break
            like = likeness(phrase.text, seen) if length >= wanted * LENGTHS[0] else 0.0
            if like >= LIKENESS and weight(seen):
                out.append(Candidate(frozenset(order[a:b]), like))
    return sorted(out, key=lambda c: -c.value)[:CANDIDATES_MAX]


def _extra(contract: TextContract, read: TextRead, units: Sequence[Unit], free: set[int]) -> tuple[Extra, ...]:
    allowed = {fold(w, Fold.LOOK) for text in contract.allowed_extra for w in (text, *text.split())}
    wanted = {fold(p.text, Fold.LOOK) for p in contract.phrases}
    words = once_each(read.words)
    out: list[Extra] = []
    for box in sorted({units[i].box for i in free}):
        pieces = [units[i] for i in sorted(free) if units[i].box == box]
        if fold(_joined(pieces), Fold.LOOK) in allowed:
            continue
        left = [p for p in pieces if fold(p.text, Fold.LOOK) not in allowed]
        if left and weight(_joined(left)):
            _, top, _, bottom = bounds(words[box])
            text = _joined(left)
            out.append(Extra(text, words[box].confidence, bottom - top, fold(text, Fold.LOOK) in wanted))
    return tuple(out)
