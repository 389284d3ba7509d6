"""One phrase in several looks: what they say together, by how sure each is of the letters in which they differ."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final, assert_never

from rules.folding import Fold, fold, weight
from rules.letters import Glyph, Pair, Seen, aligned, told
from rules.spacing import Fault, Gaps, blanks, faults
from rules.text import Level, Match, Shown, key
from rules.units import SAME_PLACE, overlap
from schemas.events import Defect, Lane, LetterState, Phrase, Word

WRONG: Final = "wrong-text"
MISSING: Final = "missing-text"
EXTRA: Final = "extra-text"
CHECK: Final = "text"
VISION: Final = "vision"
"""Name of the reader that is a vision-language model: it corrects spelling, and knows no places."""
UNREAD: Final = 0.4
"""Least length of lettering that no reader is sure of, as a share of a missing phrase, that may be this phrase."""
_BLANKS: Final = {
    Fault.SPLIT: "a blank inside a word",
    Fault.JOINED: "no blank",
    Fault.BROKEN: "a word broken over lines",
}


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What one phrase is judged by.

    `likelihood` is the best log ratio of the phrase, None where none was measured. `left` is lettering that no phrase
    took. `elsewhere` says whether other text may stand in the picture, so that a look may take some for the phrase.
    """

    lane: Lane
    limits: Mapping[str, float]
    likelihood: float | None = None
    left: Sequence[Word] = ()
    elsewhere: bool = False

    def __getitem__(self, name: str) -> float:
        return self.limits[f"text.{name}"]


@dataclass(slots=True)
class Said:
    """What the looks say of one phrase. `firm`: a further look could not change it, to the good or to the bad."""

    defects: list[Defect] = field(default_factory=list[Defect])
    doubts: list[str] = field(default_factory=list[str])
    firm: bool = False


def judge_phrase(looks: Sequence[Look], ground: Ground) -> Said:
    """A phrase in all looks. `looks` holds one at least that is no vision-language model's."""
    said = Said()
    plain = [k for k in looks if not by_model(k.reader)]
    model = [k.shown for k in looks if by_model(k.reader)]
    confirmed = any(s.level is Level.EXACT for s in model)
    best = max(plain, key=lambda k: k.rank)
    phrase = best.shown.phrase
    same = [k for k in plain if k.shown.level is best.shown.level]
    sure = max(k.shown.confidence for k in same)
    letter = ground["letter_confidence"]
    if best.shown.level is Level.EXACT:
        # What shows the phrase is taken at its own measure.
        letter = min(letter, _weakest(same)[1])
    against = [
        k
        for k in plain
        if k not in same
        and k.differs_surely(ground["trusted_confidence"], letter)
        and not _is_part(k.shown)
        and (not ground.elsewhere or _one_place(k, same))
    ]
    match best.shown.level:
        case Level.EXACT | Level.LOOKS_LIKE if against:
            evidence = f"readers disagree: {phrase.text!r} and {against[0].shown.seen!r} were read"
            said.defects.append(_wrong(best, evidence + _where(against[0]), certain=False))
        case Level.EXACT:
            _exact(phrase, same, sure, ground, said, model)
        case Level.LOOKS_LIKE if phrase.strict or ground.lane is Lane.CRITICAL:
            evidence = (
                f"expected {phrase.text!r}, seen {best.shown.seen!r}: a reader cannot tell them apart, a person must"
            )
            said.defects.append(_wrong(best, evidence, certain=False))
        case Level.LOOKS_LIKE:
            said.firm = True
        case Level.DIFFERENT:
            _wrong_letters(best, same, ground, said, confirmed=confirmed)
        case Level.ABSENT:
            _absent(phrase, ground, said, confirmed=confirmed)
        case _:
            assert_never(best.shown.level)
    return said


def _exact(
    phrase: Phrase, looks: Sequence[Look], sure: float, ground: Ground, said: Said, model: Sequence[Shown]
) -> None:
    confirmed = any(s.level is Level.EXACT for s in model)
    letter, confidence = _weakest(looks)
    figure, figure_confidence = _weakest_figure(looks) if phrase.strict else ("", 1.0)
    if sure < ground["readable_confidence"] and not confirmed:
        said.doubts.append(f"{phrase.text!r} was read, but with a confidence of {sure:.2f} only.")
    elif confidence < ground["letter_readable"] and not confirmed:
        said.doubts.append(f"{phrase.text!r} was read, but its {letter!r} with a confidence of {confidence:.2f} only.")
    elif figure_confidence < ground["figure_confidence"] and ground.lane is Lane.CRITICAL:
        said.doubts.append(
            f"{phrase.text!r} was read, but its {figure!r} with a confidence of {figure_confidence:.2f} only."
        )
    others = [s.seen for s in model if s.level is Level.DIFFERENT]
    if others:
        said.doubts.append(f"{phrase.text!r} was read, and {others[0]!r} by a vision-language model.")
    gaps = Gaps(silent_em=ground["split_em"], boxes=ground["split_heights"], joined_em=ground["joined_em"])
    for fault, after in faults([blanks(phrase.text, k.pairs) for k in looks], gaps):
        evidence = f"expected {phrase.text!r}, seen {_BLANKS[fault]} after {after!r}"
        said.defects.append(_wrong(looks[0], evidence, certain=False))
    said.firm = sure >= ground["trusted_confidence"] and confidence >= ground["letter_confidence"]
    said.firm = said.firm and not said.defects and not said.doubts


def _weakest(looks: Sequence[Look]) -> tuple[str, float]:
    """The letter that is least sure, each as sure as in the look that is surest of it."""
    return _least(
        (w, look.shown.confidence if s.confidence is None else s.confidence)
        for look in looks
        for w, s in _letters(look)
    )


def _weakest_figure(looks: Sequence[Look]) -> tuple[str, float]:
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


def _wrong_letters(best: Look, looks: Sequence[Look], ground: Ground, said: Said, *, confirmed: bool) -> None:
    """Certain where a look is sure of the letters that differ, or where the text is nothing like the phrase."""
    phrase, shown = best.shown.phrase, best.shown
    firm = [k for k in looks if k.differs_surely(ground["trusted_confidence"], ground["letter_confidence"])]
    garbled = shown.likeness < ground["similar"] and shown.confidence >= ground["garbled_confidence"]
    # Neighbours in shape may be the reader's fault; a likely phrase or a model that reads it right is a ground to look.
    near = fold(shown.seen, Fold.NEAR) == fold(phrase.text, Fold.NEAR)
    certain = (bool(firm) or garbled) and not near and not confirmed and not _likely(ground)
    said.defects.append(_wrong(best, _different(firm[0] if firm else best), certain=certain))
    spelt = [fold(k.shown.seen, Fold.LOOK) for k in firm]
    said.firm = certain and max((spelt.count(s) for s in spelt), default=0) >= ground["agreeing_looks"]


def _absent(phrase: Phrase, ground: Ground, said: Said, *, confirmed: bool) -> None:
    """Certain unless there is lettering that no reader is sure of, and that could be it."""
    unread = any(
        w.confidence < ground["trusted_confidence"] and weight(w.text) >= UNREAD * weight(phrase.text)
        for w in ground.left
    )
    certain = not unread and not confirmed and not _likely(ground)
    evidence = f"expected {phrase.text!r}, seen nothing like it"
    if unread:
        evidence += ", and lettering that no reader is sure of"
    said.defects.append(
        Defect(mode=MISSING, check=CHECK, value=0, threshold=1, evidence=evidence[:2000], certain=certain)
    )


def _likely(ground: Ground) -> bool:
    return ground.likelihood is not None and ground.likelihood >= ground["likelihood_review"]


def _one_place(look: Look, others: Sequence[Look]) -> bool:
    return any(overlap(a, b) >= SAME_PLACE for a in look.shown.words for k in others for b in k.shown.words)


def _is_part(shown: Shown) -> bool:
    """Whether it is some of the words of its phrase, one after another: a look at a part of it says nothing else."""
    wanted, seen = ([fold(w, Fold.PLAIN) for w in t.split()] for t in (shown.phrase.text, shown.seen))
    return any(wanted[i : i + len(seen)] == seen for i in range(len(wanted) - len(seen) + 1))


def _different(look: Look) -> str:
    shown = look.shown
    wanted, seen = (sorted(fold(w, Fold.LOOK) for w in t.split()) for t in (shown.phrase.text, shown.seen))
    if wanted == seen:
        return f"expected {shown.phrase.text!r}, seen {shown.seen!r}: its words in another order"
    return f"expected {shown.phrase.text!r}, seen {shown.seen!r}" + _where(look)


def _where(look: Look) -> str:
    letters = told(look.pairs)
    return f": {letters}" if letters else ""


def _wrong(look: Look, evidence: str, *, certain: bool) -> Defect:
    value = look.shown.likeness
    return Defect(mode=WRONG, check=CHECK, value=value, threshold=1, evidence=evidence[:2000], certain=certain)
