"""One phrase in several looks: what they say together, by how sure each is of the letters in which they differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, assert_never

from rules.folding import Fold, fold, weight
from rules.phrase_look import Look, by_model, is_part, is_reordered, weakest, weakest_figure
from rules.scripts import foreign, unreadable
from rules.spacing import Blank, Fault, Gaps, blanks, faults
from rules.text import Level, Shown
from rules.told import told
from rules.units import SAME_PLACE, overlap
from schemas.events import Defect, Lane, Phrase, TextLikelihood, Word

WRONG: Final = "wrong-text"
MISSING: Final = "missing-text"
EXTRA: Final = "extra-text"
CHECK: Final = "text"
UNREAD: Final = 0.4
"""Least length of lettering that no reader is sure of, as a share of a missing phrase, that may be this phrase."""
SMALL: Final = frozenset("osz")
"""Small letters that a figure is taken for, though they are lower than one."""
NAMED_MAX: Final = 3
"""Most letters that no reader knows which one sentence names."""
_BLANKS: Final = {
    Fault.SPLIT: "a blank inside a word",
    Fault.JOINED: "no blank",
    Fault.BROKEN: "a word broken over lines",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What one phrase is judged by.

    `likelihoods` are those of the phrase: of what was read, or where it was read, of a look-alike. `left` is lettering
    that no phrase took. `elsewhere` says whether other text may stand in the picture, so that a look may take some for
    the phrase.
    """

    lane: Lane
    limits: Mapping[str, float]
    likelihoods: Sequence[TextLikelihood] = ()
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
        letter = min(letter, weakest(same)[1])
    against = [
        k
        for k in plain
        if k not in same
        and k.differs_surely(ground["trusted_confidence"], letter)
        and not is_part(k.shown)
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
                f"{_unread(unreadable(phrase.text))}"
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
    letter, confidence = weakest(looks)
    figure, figure_confidence = weakest_figure(looks) if phrase.strict else ("", 1.0)
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
    for twin in ground.likelihoods:
        least = ground[f"look_alike_{_kind(twin, looks)}"]
        if twin.log_ratio < least:
            said.doubts.append(f"{phrase.text!r} was read, and {twin.seen!r} is nearly as likely: a person must look.")
    if strange := foreign(phrase.text):
        said.doubts.append(f"{phrase.text!r} was read, but no reader was made for {_listed(strange)}.")
    for fault, blank in blank_faults(looks, ground.limits):
        evidence = f"expected {phrase.text!r}, seen {_BLANKS[fault]} after {blank.after!r}"
        said.defects.append(_wrong(looks[0], evidence, certain=False))
    said.firm = sure >= ground["trusted_confidence"] and confidence >= ground["letter_confidence"]
    said.firm = said.firm and not said.defects and not said.doubts


def _kind(twin: TextLikelihood, looks: Sequence[Look]) -> str:
    """Whether a look-alike has another letter for a figure, a small one that is told by its height, or for a letter."""
    words = (w for k in looks if k.reader == twin.reader for w in k.shown.words)
    read = next((w.text for w in words if tuple(w.box) == twin.box and len(w.text) == len(twin.seen)), "")
    others = [b for a, b in zip(read, twin.seen, strict=False) if a != b and a.isdigit()]
    return "letter" if not others else "small" if others[0] in SMALL else "figure"


def blank_faults(looks: Sequence[Look], limits: Mapping[str, float]) -> list[tuple[Fault, Blank]]:
    """What is wrong with the blanks of a phrase, over looks that show its letters."""
    gaps = Gaps(
        silent_em=limits["text.split_em"], boxes=limits["text.split_heights"], joined_em=limits["text.joined_em"]
    )
    return faults([blanks(k.shown.phrase.text, k.pairs) for k in looks], gaps)


def _wrong_letters(best: Look, looks: Sequence[Look], ground: Ground, said: Said, *, confirmed: bool) -> None:
    """Certain where a look is sure of the letters that differ, or where the text is nothing like the phrase."""
    phrase, shown = best.shown.phrase, best.shown
    firm = [k for k in looks if k.differs_surely(ground["trusted_confidence"], ground["letter_confidence"])]
    garbled = shown.likeness < ground["similar"] and shown.confidence >= ground["garbled_confidence"]
    # Neighbours in shape may be the reader's fault; a likely phrase or a model that reads it right is a ground to look.
    near = fold(shown.seen, Fold.NEAR) == fold(phrase.text, Fold.NEAR)
    strange = unreadable(phrase.text)
    doubt = near or confirmed or _likely(ground) or bool(strange) or any(is_reordered(k.shown) for k in looks)
    certain = (bool(firm) or garbled) and not doubt
    said.defects.append(_wrong(best, _different(firm[0] if firm else best) + _unread(strange), certain=certain))
    spelt = [fold(k.shown.seen, Fold.LOOK) for k in firm]
    said.firm = certain and max((spelt.count(s) for s in spelt), default=0) >= ground["agreeing_looks"]


def _absent(phrase: Phrase, ground: Ground, said: Said, *, confirmed: bool) -> None:
    """Certain unless there is lettering that no reader is sure of, and that could be it."""
    unread = any(
        w.confidence < ground["trusted_confidence"] and weight(w.text) >= UNREAD * weight(phrase.text)
        for w in ground.left
    )
    strange = unreadable(phrase.text)
    certain = not unread and not confirmed and not _likely(ground) and not strange
    evidence = f"expected {phrase.text!r}, seen nothing like it{_unread(strange)}"
    if unread:
        evidence += ", and lettering that no reader is sure of"
    said.defects.append(
        Defect(mode=MISSING, check=CHECK, value=0, threshold=1, evidence=evidence[:2000], certain=certain)
    )


def _likely(ground: Ground) -> bool:
    return any(x.log_ratio >= ground["likelihood_review"] for x in ground.likelihoods)


def _unread(letters: Sequence[str]) -> str:
    return f"; no reader knows {_listed(letters)}, so a person must look" if letters else ""


def _listed(letters: Sequence[str]) -> str:
    more = " and others" if len(letters) > NAMED_MAX else ""
    return ", ".join(repr(c) for c in letters[:NAMED_MAX]) + more


def _one_place(look: Look, others: Sequence[Look]) -> bool:
    return any(overlap(a, b) >= SAME_PLACE for a in look.shown.words for k in others for b in k.shown.words)


def _different(look: Look) -> str:
    shown = look.shown
    wanted, seen = (sorted(fold(w, Fold.LOOK) for w in t.split()) for t in (shown.phrase.text, shown.seen))
    if wanted == seen:
        return f"expected {shown.phrase.text!r}, seen {shown.seen!r}: its words in another order"
    return f"expected {shown.phrase.text!r}, seen {shown.seen!r}" + _where(look)


def _where(look: Look) -> str:
    letters = told(look.shown.phrase.text, look.pairs)
    return f": {letters}" if letters else ""


def _wrong(look: Look, evidence: str, *, certain: bool) -> Defect:
    value = look.shown.likeness
    return Defect(mode=WRONG, check=CHECK, value=value, threshold=1, evidence=evidence[:2000], certain=certain)
