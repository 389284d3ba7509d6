"""How likely the recogniser finds a wanted phrase where it read something else.

A rank, no proof: a misspelt poster can score as high as a right one in ornate letters. It may send an asset to a
person instead of the bin, and never accepts one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from rules.text import Level, likeness, match_read
from schemas.events import Phrase, TextContract, TextLikelihood, TextRead, Word
from workers.checks.boxes import strip_of
from workers.checks.ctc import log_likelihood
from workers.checks.port import Pixels
from workers.checks.text_models import TextModels

LIKE_MIN: Final = 0.3
"""Least likeness of what was read to what is wanted: below it another text stands there."""
LIKELIHOODS_MAX: Final = 32
"""Most phrases of one picture that are looked at; each costs a strip of the recogniser, some 20 ms."""


def likelihoods(
    models: TextModels, pixels: Pixels, contract: TextContract, reads: Sequence[TextRead]
) -> tuple[TextLikelihood, ...]:
    """For each phrase that no look shows: log P(wanted) - log P(read) on the box that is most like it.

    Only straight boxes are looked at, those whose reader says where each character stands.
    """
    matches = [match_read(contract, read) for read in reads]
    out: list[TextLikelihood] = []
    for i, phrase in enumerate(contract.phrases):
        if any(m.shown[i].level is Level.EXACT for m in matches):
            continue
        nearest = _nearest(phrase, reads)
        if nearest is not None and len(out) < LIKELIHOODS_MAX:
            reader, word = nearest
            ratio = log_ratio(models, pixels, word, phrase.text)
            if ratio is not None:
                out.append(
                    TextLikelihood(phrase=i, reader=reader, seen=word.text, log_ratio=ratio, box=tuple(word.box))
                )
    return tuple(out)


def log_ratio(models: TextModels, pixels: Pixels, word: Word, wanted: str) -> float | None:
    """Natural logarithm of P(wanted) / P(read) of a word's box; None where the recogniser lacks one of the characters.

    Both are summed over all ways to spell them (see `ctc.log_likelihood`).
    """
    asked, seen = models.entries(wanted), models.entries(word.text)
    if asked is None or seen is None:
        return None
    strip = strip_of(pixels, np.array(word.box, np.float32).reshape(4, 2))
    (table,) = models.tables([strip])
    return log_likelihood(table, asked) - log_likelihood(table, seen)


def _nearest(phrase: Phrase, reads: Sequence[TextRead]) -> tuple[str, Word] | None:
    """The straight box whose text is most like the phrase; of equal ones the first."""
    words = [(read.reader, w) for read in reads for w in read.words if w.centres]
    best = max(words, key=lambda rw: likeness(phrase.text, rw[1].text), default=None)
    return best if best is not None and likeness(phrase.text, best[1].text) >= LIKE_MIN else None
