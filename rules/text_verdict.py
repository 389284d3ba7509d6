"""The verdict on text: what several readings together say about each wanted phrase, and about text nobody wanted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, assert_never

from rules.folding import weight
from rules.text import Extra, Level, Match, Shown, likeness, match_read
from rules.thresholds import Thresholds
from schemas.events import Defect, FileRole, Lane, Phrase, RenderRequest, TextRead, Word

WRONG: Final = "wrong-text"
MISSING: Final = "missing-text"
EXTRA: Final = "extra-text"
CHECK: Final = "text"
DETECTED: Final[Mapping[str, str]] = {WRONG: CHECK, MISSING: CHECK, EXTRA: CHECK}
"""Failure modes reported here, with the check that shows them."""
SAME_EXTRA: Final = 0.5
"""Least likeness at which two readings mean the same stray text."""


@dataclass(frozen=True, slots=True)
class TextFinding:
    """Defects, grounds of doubt, and a score of 0 to 1 that ranks and decides nothing."""

    defects: list[Defect]
    doubts: list[str]
    score: float


def judge_text(
    reads: Sequence[TextRead], request: RenderRequest, thresholds: Thresholds, height_px: int
) -> TextFinding:
    """All readings against the contract of an attempt.

    A phrase is there where one reading shows it to the letter and no sure reading says otherwise. It is wrong
    or missing where no reading shows it. All between is doubt, and goes to a person.
    """
    if not reads:
        return TextFinding([], ["No text reader has read the picture."], 0.0)
    matches = [match_read(request.text, read) for read in reads]
    finding = TextFinding([], [], _score(matches))
    if not all(m.complete for m in matches):
        finding.doubts.append("There are too many ways to fit the text that was read to the text that was wanted.")
    for i, phrase in enumerate(request.text.phrases):
        _judge_phrase(phrase, [m.shown[i] for m in matches], request.lane, thresholds, finding)
    _judge_extra(matches, request, thresholds, height_px, finding)
    return finding


def is_sure(reads: Sequence[TextRead], request: RenderRequest, thresholds: Thresholds, height_px: int) -> bool:
    """Whether a further look could change nothing: what was read so far is accepted, or refused, beyond doubt.

    Called after each look with all reads so far; `height_px` is the height of the picture that was read.
    """
    if not reads:
        return False
    finding = judge_text(reads, request, thresholds, height_px)
    return not finding.defects and not finding.doubts


def _judge_phrase(
    phrase: Phrase, shown: Sequence[Shown], lane: Lane, thresholds: Thresholds, finding: TextFinding
) -> None:
    trusted, readable = thresholds["text.trusted_confidence"], thresholds["text.readable_confidence"]
    best = max(shown, key=lambda s: (s.level, s.likeness, s.confidence))
    sure = max((s.confidence for s in shown if s.level is best.level), default=0.0)
    against = [s for s in shown if s.level is Level.DIFFERENT and s.confidence >= trusted]
    match best.level:
        case Level.EXACT if sure < readable:
            finding.doubts.append(f"{phrase.text!r} was read, but with a confidence of {sure:.2f} only.")
        case Level.EXACT | Level.LOOKS_LIKE if against:
            seen = against[0].seen
            finding.defects.append(
                _defect(
                    WRONG, best.likeness, f"readers disagree: {phrase.text!r} and {seen!r} were read", certain=False
                )
            )
        case Level.EXACT:
            pass
        case Level.LOOKS_LIKE if phrase.strict or lane is Lane.CRITICAL:
            evidence = f"expected {phrase.text!r}, seen {best.seen!r}: a reader cannot tell them apart, a person must"
            finding.defects.append(_defect(WRONG, best.likeness, evidence, certain=False))
        case Level.LOOKS_LIKE:
            pass
        case Level.DIFFERENT:
            # Nearly right and hardly legible: perhaps the lettering is right and the reader is not.
            certain = sure >= trusted or best.likeness < thresholds["text.similar"]
            evidence = f"expected {phrase.text!r}, seen {best.seen!r}"
            finding.defects.append(_defect(WRONG, best.likeness, evidence, certain=certain))
        case Level.ABSENT:
            evidence = f"expected {phrase.text!r}, seen nothing like it"
            finding.defects.append(_defect(MISSING, 0.0, evidence, certain=True))
        case _:
            assert_never(best.level)


def _judge_extra(
    matches: Sequence[Match], request: RenderRequest, thresholds: Thresholds, height_px: int, finding: TextFinding
) -> None:
    """Text that nobody asked for: certain where every reading saw it, doubtful where one did, else texture.

    A logo file whose letters nobody wrote down may say anything, so there it is only doubtful; where they are
    known, a reader may catch a part of them, drawn as they are.
    """
    allowed = request.text.allowed_extra
    has_logo = _has_logo(request)
    told: list[str] = []
    for match in matches:
        for extra in match.extra:
            if not _is_stray(extra, request, thresholds, height_px) or any(
                likeness(extra.text, t) >= SAME_EXTRA for t in told
            ):
                continue
            told.append(extra.text)
            others = [m for m in matches if m is not match]
            everywhere = all(any(_same(extra, e, thresholds) for e in m.extra) for m in others)
            word = "a second time" if extra.repeats else "though nobody asked for it"
            evidence = f"expected no such text, seen {extra.text!r} {word}"
            finding.defects.append(
                _defect(EXTRA, extra.confidence, evidence, certain=everywhere and (bool(allowed) or not has_logo))
            )


def at_fault(
    reads: Sequence[TextRead], request: RenderRequest, thresholds: Thresholds, height_px: int
) -> tuple[Word, ...]:
    """The boxes, of every reading, of phrases that no reading shows as they are wanted and of stray text."""
    matches = [match_read(request.text, read) for read in reads]
    wrong = [
        i
        for i in range(len(request.text.phrases))
        if max((m.shown[i].level for m in matches), default=Level.ABSENT) is Level.DIFFERENT
    ]
    words = [w for m in matches for i in wrong for w in m.shown[i].words]
    return (*words, *(e.word for m in matches for e in m.extra if _is_stray(e, request, thresholds, height_px)))


def _has_logo(request: RenderRequest) -> bool:
    return any(f.role is FileRole.LOGO for f in request.job.files)


def _is_stray(extra: Extra, request: RenderRequest, thresholds: Thresholds, height_px: int) -> bool:
    """Whether it is legible lettering and no texture, tick, speck or part of a logo."""
    if _has_logo(request) and any(
        likeness(extra.text, a) >= thresholds["text.similar"] for a in request.text.allowed_extra
    ):
        return False
    return (
        extra.confidence >= thresholds["text.trusted_confidence"]
        and weight(extra.text) > thresholds["text.stray_max_characters"]
        and extra.height_px >= thresholds["text.stray_max_height_share"] * height_px
    )


def _same(extra: Extra, other: Extra, thresholds: Thresholds) -> bool:
    return other.confidence >= thresholds["text.readable_confidence"] and likeness(extra.text, other.text) >= SAME_EXTRA


def _score(matches: Sequence[Match]) -> float:
    """Of the best reading: letters that are right, over letters wanted and letters too many."""

    def one(match: Match) -> float:
        wanted = sum(weight(s.phrase.text) or 1 for s in match.shown)
        right = sum((weight(s.phrase.text) or 1) * (1.0 if s.level is Level.EXACT else s.likeness) for s in match.shown)
        extra = sum(weight(e.text) for e in match.extra if weight(e.text) > 2)
        return right / (wanted + extra) if wanted else 1.0 / (1.0 + extra / 10)

    return max(one(m) for m in matches)


def _defect(mode: str, likeness_seen: float, evidence: str, *, certain: bool) -> Defect:
    return Defect(mode=mode, check=CHECK, value=likeness_seen, threshold=1, evidence=evidence[:2000], certain=certain)
