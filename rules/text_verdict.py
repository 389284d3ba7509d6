"""The verdict on text: what several readings together say about each wanted phrase, and about text nobody wanted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Final

from rules.folding import Fold, fold, weight
from rules.letters import blank_letter, extra_letters, letters_of
from rules.phrase_look import Look, by_model, look_at
from rules.reading import UPRIGHT, baseline
from rules.scripts import unreadable
from rules.spacing import Fault
from rules.text import Extra, Level, Match, likeness, match_read
from rules.text_looks import CHECK, EXTRA, MISSING, WRONG, Ground, blank_faults, judge_phrase
from rules.thresholds import Thresholds
from rules.units import SAME_PLACE, bounds, inside, overlap
from schemas.events import (
    Defect,
    FileRole,
    Lane,
    Letter,
    LetterState,
    PhraseSource,
    RenderRequest,
    TextLikelihood,
    TextRead,
    Word,
)

DETECTED: Final[Mapping[str, str]] = {WRONG: CHECK, MISSING: CHECK, EXTRA: CHECK}
"""Failure modes reported here, with the check that shows them."""
SAME_EXTRA: Final = 0.5
"""Least likeness at which two readings mean the same stray text."""
INSIDE: Final = 0.8
"""Share of a word's box that lies in a logo from which it is a part of it; readers' boxes stand over by a tenth."""
LETTERS_MAX: Final = 2000
"""Most letters that a judgement holds; those of the phrases come first."""
LETTERED: Final = frozenset({FileRole.LAYOUT, FileRole.STYLE_REFERENCE})
"""Files that may bring lettering of their own into the picture: a label, a caption. Nobody wrote it down."""


@dataclass(slots=True)
class TextFinding:
    """Defects, grounds of doubt, and a score of 0 to 1 that ranks and decides nothing.

    letters: Every wanted letter and every letter too many, as the best reading shows them.
    firm: Whether a further look could change nothing.
    """

    score: float = 0.0
    defects: list[Defect] = field(default_factory=list[Defect])
    doubts: list[str] = field(default_factory=list[str])
    letters: tuple[Letter, ...] = ()
    firm: bool = False


def judge_text(
    reads: Sequence[TextRead],
    request: RenderRequest,
    thresholds: Thresholds,
    height_px: int,
    likelihoods: Sequence[TextLikelihood] = (),
    logos: Sequence[Sequence[float]] = (),
) -> TextFinding:
    """All readings against the contract of an attempt.

    A phrase is there where one reading shows it to the letter and no sure reading says otherwise. It is wrong
    or missing where no reading shows it. All between is doubt, and goes to a person. More looks make nothing laxer:
    what one reader is sure is wrong no other reader makes right. A vision-language model confirms or raises doubt, and
    a likelihood turns a reject into doubt. `logos` are corners of supplied logos that are there as their files have
    them: what is lettered inside is the file's own.
    """
    matches = [_outside(match_read(request.text, read), logos) for read in reads]
    finding = _weighed(matches, request, thresholds, height_px, likelihoods)
    finding.letters = _letters(_plain(matches), request, thresholds)
    return finding


def is_sure(reads: Sequence[TextRead], request: RenderRequest, thresholds: Thresholds, height_px: int) -> bool:
    """Whether a further look could change nothing: what was read so far is accepted, or refused, beyond doubt.

    Called after each look with all reads so far; `height_px` is the height of the picture that was read. Accepted is
    sure once every phrase was read with every letter sure; refused, once several looks agree on the same wrong letters.
    """
    return _weighed([match_read(request.text, read) for read in reads], request, thresholds, height_px, ()).firm


def _plain(matches: Sequence[Match]) -> list[Match]:
    return [m for m in matches if not by_model(m.reader)]


def _weighed(
    matches: Sequence[Match],
    request: RenderRequest,
    thresholds: Thresholds,
    height_px: int,
    likelihoods: Sequence[TextLikelihood],
) -> TextFinding:
    plain = _plain(matches)
    if not plain:
        who = "Only a vision-language model" if matches else "No text reader"
        return TextFinding(doubts=[f"{who} has read the picture."])
    best = max(plain, key=_score)
    finding = TextFinding(score=_score(best))
    if not all(m.complete for m in matches):
        finding.doubts.append("There are too many ways to fit the text that was read to the text that was wanted.")
    firm: list[bool] = []
    sure_reject = False
    for i in range(len(request.text.phrases)):
        ground = Ground(
            lane=request.lane,
            limits=thresholds.limits,
            likelihoods=[k for k in likelihoods if k.phrase == i],
            left=[w for m in plain for w in m.left],
            elsewhere=request.text.other_text_allowed,
        )
        said = judge_phrase([look_at(m, i) for m in matches], ground)
        finding.defects += said.defects
        finding.doubts += said.doubts
        firm.append(said.firm)
        sure_reject = sure_reject or (said.firm and bool(said.defects))
    extra = _judge_extra(matches, request, thresholds, height_px)
    finding.defects += extra
    finding.doubts += _out_of_order(best, request)
    agreed = len(plain) >= thresholds["text.agreeing_looks"] and any(d.certain for d in extra)
    finding.firm = sure_reject or agreed or (all(firm) and not finding.defects and not finding.doubts)
    return finding


def _judge_extra(
    matches: Sequence[Match], request: RenderRequest, thresholds: Thresholds, height_px: int
) -> list[Defect]:
    """Text that nobody asked for: certain where two readings saw it, doubtful where one of several did, else texture.

    A logo file whose letters nobody wrote down may say anything, as a layout or a reference may, so there it is only
    doubtful; where they are known, a reader may catch a part of them, drawn as they are. So it is where a phrase has
    letters that no reader knows.
    """
    unknown = any(f.role in LETTERED for f in request.job.files)
    unknown = unknown or (_has_logo(request) and not request.text.allowed_extra)
    # What no reader knows is read as something else.
    unknown = unknown or any(unreadable(p.text) for p in request.text.phrases)
    told: list[str] = []
    out: list[Defect] = []
    for match in matches:
        others = [m for m in matches if m is not match]
        for extra in match.extra:
            if (
                not _is_stray(extra, request, thresholds, height_px)
                or _is_part(extra, others)
                or any(likeness(extra.text, t) >= SAME_EXTRA for t in told)
            ):
                continue
            told.append(extra.text)
            # A view of a part of the picture sees nothing elsewhere, so two looks are enough.
            seen = sum(any(_same(extra, e, thresholds) for e in m.extra) for m in others)
            evidence = f"seen {extra.text!r}{' a second time' if extra.repeats else ', which nobody asked for'}"
            certain = (seen > 0 or not others) and not unknown
            out.append(
                Defect(
                    mode=EXTRA,
                    check=CHECK,
                    value=extra.confidence,
                    threshold=1,
                    evidence=evidence[:2000],
                    certain=certain,
                )
            )
    return out


def at_fault(
    reads: Sequence[TextRead], request: RenderRequest, thresholds: Thresholds, height_px: int
) -> tuple[Word, ...]:
    """The boxes, of every reading, of phrases that no reading shows as they are wanted and of stray text."""
    matches = _plain([match_read(request.text, read) for read in reads])
    wrong = [
        i
        for i in range(len(request.text.phrases))
        if max((m.shown[i].level for m in matches), default=Level.ABSENT) is Level.DIFFERENT
    ]
    words = [w for m in matches for i in wrong for w in m.shown[i].words]
    return (*words, *(e.word for m in matches for e in m.extra if _is_stray(e, request, thresholds, height_px)))


def _outside(match: Match, logos: Sequence[Sequence[float]]) -> Match:
    """The reading without text that nobody asked for where a logo stands."""
    return replace(match, extra=tuple(e for e in match.extra if all(inside(e.word, c) < INSIDE for c in logos)))


def _has_logo(request: RenderRequest) -> bool:
    return any(f.role is FileRole.LOGO for f in request.job.files)


def _is_stray(extra: Extra, request: RenderRequest, thresholds: Thresholds, height_px: int) -> bool:
    """Whether it is legible lettering and no texture, tick, speck or part of a logo."""
    if _has_logo(request) and any(
        likeness(extra.text, a) >= thresholds["text.logo_part"] for a in request.text.allowed_extra
    ):
        return False
    return (
        extra.confidence >= thresholds["text.trusted_confidence"]
        and weight(extra.text) > thresholds["text.stray_max_characters"]
        and extra.height_px >= thresholds["text.stray_max_height_share"] * height_px
    )


def _is_part(extra: Extra, others: Sequence[Match]) -> bool:
    """Whether it is a piece of lettering that another look read whole, as a phrase that is wanted there."""
    text = fold(extra.text, Fold.LOOK)
    return any(
        text in fold(s.seen, Fold.LOOK) and any(overlap(extra.word, w) >= SAME_PLACE for w in s.words)
        for m in others
        for s in m.shown
        if s.level is Level.EXACT and not extra.repeats
    )


def _same(extra: Extra, other: Extra, thresholds: Thresholds) -> bool:
    return other.confidence >= thresholds["text.readable_confidence"] and likeness(extra.text, other.text) >= SAME_EXTRA


def _out_of_order(match: Match, request: RenderRequest) -> Iterator[str]:
    """Phrases that the client listed in one order and the picture plainly shows in another; for a person, in critical.

    Told where the second stands above the first, or left of it on one line. Slanted and curved lettering has no order.
    """
    if request.lane is not Lane.CRITICAL:
        return
    listed = [s for s in match.shown if s.phrase.source is PhraseSource.EXPLICIT and s.level is Level.EXACT]
    for one, other in pairwise(listed):
        if any(abs(baseline(w).tilt) > UPRIGHT for w in (*one.words, *other.words)):
            continue
        left, top, right, bottom = _around(one.words)
        left2, top2, right2, bottom2 = _around(other.words)
        above = bottom2 <= top and left2 < right and left < right2
        before = right2 <= left and top2 < bottom and top < bottom2
        if above or before:
            where = "above" if above else "before"
            yield f"{other.phrase.text!r} stands {where} {one.phrase.text!r}, and was listed after it."


def _around(words: Sequence[Word]) -> tuple[float, float, float, float]:
    boxes = [bounds(w) for w in words]
    lefts, tops, rights, bottoms = zip(*boxes, strict=True)
    return min(lefts), min(tops), max(rights), max(bottoms)


def _letters(matches: Sequence[Match], request: RenderRequest, thresholds: Thresholds) -> tuple[Letter, ...]:
    """Each phrase as the look shows it that shows it best, and the extra text of the best look of all."""
    out: list[Letter] = []
    matches = matches or [match_read(request.text, TextRead(reader="", elapsed_ms=0, words=()))]
    for i, phrase in enumerate(request.text.phrases):
        looks = [look_at(m, i) for m in matches]
        look = max(looks, key=lambda k: k.rank)
        passes = look.shown.level is Level.LOOKS_LIKE and not phrase.strict and request.lane is not Lane.CRITICAL
        letters = letters_of(i, len(phrase.text), _passed(look).pairs if passes else look.pairs)
        # What is exact in one look may have its blanks from another; what is wrong is told by the best alone.
        exact = [k for k in looks if k.shown.level is Level.EXACT]
        out += _with_blanks(i, [*letters], exact or [look], thresholds)
    for extra in max(matches, key=_score).extra:
        out += extra_letters(extra.word, extra.text)
    return tuple(out[:LETTERS_MAX])


def _with_blanks(phrase: int, letters: list[Letter], looks: Sequence[Look], thresholds: Thresholds) -> list[Letter]:
    """Letters of a phrase, with the blanks that a word is torn by and those that two words lack."""
    states = {Fault.SPLIT: LetterState.EXTRA, Fault.JOINED: LetterState.MISSING}
    for fault, blank in blank_faults(looks, thresholds.limits):
        if fault in states:
            at = next((n for n, x in enumerate(letters) if x.place >= blank.place), len(letters))
            letters.insert(at, blank_letter(phrase, blank.place, states[fault], blank.around))
    return letters


def _passed(look: Look) -> Look:
    return replace(look, shown=replace(look.shown, level=Level.EXACT))


def _score(match: Match) -> float:
    """Letters that are right, over letters wanted and letters too many."""
    wanted = sum(weight(s.phrase.text) or 1 for s in match.shown)
    right = sum((weight(s.phrase.text) or 1) * (1.0 if s.level is Level.EXACT else s.likeness) for s in match.shown)
    extra = sum(weight(e.text) for e in match.extra if weight(e.text) > 2)
    return right / (wanted + extra) if wanted else 1.0 / (1.0 + extra / 10)
