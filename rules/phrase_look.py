"""One phrase in one reading, letter by letter: how well it stands there, and how sure the reader is of which letter."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from rules.folding import Fold, fold, weight
from rules.letters import Glyph, Pair, Seen, aligned
from rules.text import Level, Match, Shown, key
from schemas.events import LetterState, Word

VISION: Final = "vision"
"""Name of the reader that is a vision-language model: it corrects spelling, and knows no places."""


def by_model(reader: str) -> bool:
    """Whether a reading is a vision-language model's."""
    return reader == VISION or reader.startswith(f"{VISION}@")


@dataclass(frozen=True)
class Look:
    """One phrase in one reading, letter by letter."""

    reader: str
    shown: Shown

    @cached_property
    def pairs(self) -> tuple[Pair, ...]:
        """Every wanted letter beside what was read."""
        phrase = self.shown.phrase
        return aligned(
            phrase.text,
            self.shown.pieces,
            lambda letter: key(letter, phrase),
            marks=phrase.punctuation_sensitive,
            exact=self.shown.level is Level.EXACT,
        )

    @property
    def rank(self) -> tuple[int, float, float]:
        """What makes one look better than another."""
        return self.shown.level, self.shown.likeness, self.shown.confidence

    def differs_surely(self, trusted: float, letter: float) -> bool:
        """Whether it shows other letters and is sure of all; by its whole confidence where it tells no letters.

        A look that is unsure of some letters has not seen the lettering well: it also loses and doubles letters between
        others of which it is sure.
        """
        if self.shown.confidence < trusted:
            return False
        if self.shown.level is Level.DIFFERENT or (self.shown.level is Level.LOOKS_LIKE and self.shown.phrase.strict):
            known = [p.seen.confidence for p in self.pairs if p.seen is not None and weight(p.seen.text)]
            return any(_counts(p) for p in self.pairs) and all(c is None or c >= letter for c in known)
        return False


def _counts(pair: Pair) -> bool:
    """Whether a letter differs by more than its case, or than a mark."""
    if pair.state is LetterState.RIGHT:
        return False
    wanted, seen = pair.wanted, pair.seen
    if wanted is not None and seen is not None and wanted.text.casefold() == seen.text.casefold():
        return False
    return any(g is not None and weight(g.text) > 0 for g in (wanted, seen))


def look_at(match: Match, phrase: int) -> Look:
    """One phrase of a match."""
    return Look(match.reader, match.shown[phrase])


def weakest(looks: Sequence[Look]) -> tuple[str, float]:
    """The letter that is least sure, each as sure as in the look that is surest of it."""
    return _least(
        (w, look.shown.confidence if s.confidence is None else s.confidence)
        for look in looks
        for w, s in _letters(look)
    )


def weakest_figure(looks: Sequence[Look]) -> tuple[str, float]:
    """The same of digits alone, where a look tells how sure it is of each."""
    return _least(
        (w, s.confidence) for look in looks for w, s in _letters(look) if w.text.isdigit() and s.confidence is not None
    )


def _letters(look: Look) -> Iterator[tuple[Glyph, Seen]]:
    return ((p.wanted, p.seen) for p in look.pairs if p.wanted is not None and p.seen is not None)


def _least(letters: Iterable[tuple[Glyph, float]]) -> tuple[str, float]:
    best: dict[Glyph, float] = {}
    for glyph, confidence in letters:
        best[glyph] = max(best.get(glyph, 0.0), confidence)
    weakest = min(best, key=lambda g: best[g], default=None)
    return ("", 1.0) if weakest is None else (weakest.text, best[weakest])


def is_part(shown: Shown) -> bool:
    """Whether it is some of the words of its phrase, one after another: a look at a part of it says nothing else."""
    wanted, seen = ([fold(w, Fold.PLAIN) for w in t.split()] for t in (shown.phrase.text, shown.seen))
    return any(wanted[i : i + len(seen)] == seen for i in range(len(wanted) - len(seen) + 1))


def is_reordered(shown: Shown) -> bool:
    """Whether it has all words of its phrase, whole boxes of them in another order: lines may be read in any order.

    Within a box the order is that of the phrase: there a reader sees it.
    """
    wanted = [fold(w, Fold.LOOK) for w in shown.phrase.text.split()]
    boxes: dict[Word, list[str]] = {}
    for piece in shown.pieces:
        boxes.setdefault(piece.word, []).append(fold(piece.text, Fold.LOOK))
    if len(boxes) < 2 or sorted(wanted) != sorted(w for words in boxes.values() for w in words):
        return False
    return all(any(wanted[i : i + len(b)] == b for i in range(len(wanted))) for b in boxes.values())
