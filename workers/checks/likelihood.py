"""How likely the recogniser finds another text than the one it read: a wanted phrase, or a look-alike of one.

Where it read something else, a phrase that it finds likely all the same is a ground to ask a person before the picture
is thrown away. A rank, no proof: a misspelt poster can score as high as a right one in ornate letters, so it never
accepts. Where it read a figure, an address or a name to the letter, it may still have seen an O and said 0, for it
knows what stands in prices; how little it prefers what it said over the same with one look-alike tells.

Only words that were read off a straight box are weighed, those whose reader says where each character stands. What was
read off an arc has lost its strip: a Word holds one box round the whole arc, and to unroll it once more takes the
detector over the picture and over every strip, as much as the look itself did, for a phrase that goes to a person more
often than to the bin anyway.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

import numpy as np

from rules.phrase_look import by_model
from rules.text import Level, Match, likeness, match_read
from rules.text_looks import SMALL
from schemas.events import Phrase, TextContract, TextLikelihood, TextRead, Word
from workers.checks.boxes import strip_of
from workers.checks.ctc import Table, log_likelihood, log_likelihoods
from workers.checks.port import Pixels
from workers.checks.text_models import TextModels

LIKE_MIN: Final = 0.3
"""Least likeness of what was read to what is wanted: below it another text stands there."""
LIKELIHOODS_MAX: Final = 32
"""Most phrases of one picture that are looked at; each costs a strip of the recogniser, some 20 ms."""
_CLASSES: Final = ("0Oo", "1lI|", "5Ss", "8B", "2Zz", "6b", "9g")
TWINS: Final[Mapping[str, str]] = MappingProxyType(
    {a: "".join(b for b in alike if b != a) for alike in _CLASSES for a in alike}
)
"""Characters that are drawn alike; each with those that it is taken for."""


def likelihoods(
    models: TextModels, pixels: Pixels, contract: TextContract, reads: Sequence[TextRead]
) -> tuple[TextLikelihood, ...]:
    """For each phrase that no look shows, how likely it is; for each strict one that a look does, its look-alikes.

    Of a phrase that no look shows: log P(wanted) - log P(read) on the box that is most like it. Of a strict one that a
    look shows to the letter: log P(read) - log P(the same with one look-alike), the least over its figures, the least
    of a small letter for a figure, and the least over its other characters; `seen` is then that look-alike, which
    nobody read.
    """
    plain = [read for read in reads if not by_model(read.reader)]
    matches = [match_read(contract, read) for read in plain]
    out: list[TextLikelihood] = []
    for i, phrase in enumerate(contract.phrases):
        if any(m.shown[i].level is Level.EXACT for m in matches):
            out += _twins(models, pixels, matches, i) if phrase.strict else []
            continue
        nearest = _nearest(phrase, plain)
        if nearest is not None:
            reader, word = nearest
            ratio = log_ratio(models, pixels, word, phrase.text)
            if ratio is not None:
                out.append(
                    TextLikelihood(phrase=i, reader=reader, seen=word.text, log_ratio=ratio, box=tuple(word.box))
                )
        if len(out) >= LIKELIHOODS_MAX:
            break
    return tuple(out[:LIKELIHOODS_MAX])


def twin_ratios(models: TextModels, pixels: Pixels, word: Word, places: Sequence[int]) -> list[tuple[float, str, str]]:
    """For each look-alike of the characters at some places: log P(read) - log P(twin), the character, and the twin.

    Nothing where the recogniser lacks one of the characters.
    """
    texts = [
        (word.text[at], word.text[:at] + c + word.text[at + 1 :]) for at in places for c in TWINS.get(word.text[at], "")
    ]
    found = [models.entries(text) for text in (word.text, *(t for _, t in texts))]
    known = [e for e in found if e is not None]
    if not texts or len(known) < len(found):
        return []
    own, *others = log_likelihoods(_table(models, pixels, word), known)
    return [(own - other, letter, text) for other, (letter, text) in zip(others, texts, strict=True)]


def _twins(models: TextModels, pixels: Pixels, matches: Sequence[Match], phrase: int) -> list[TextLikelihood]:
    """By the first look that shows the phrase and tells where its letters stand: no later one looks more finely."""
    exact = [
        m for m in matches if m.shown[phrase].level is Level.EXACT and all(w.centres for w in m.shown[phrase].words)
    ]
    if not exact:
        return []
    least: dict[tuple[bool, bool], TextLikelihood] = {}
    shown = exact[0].shown[phrase]
    for word in shown.words:
        places = [p.start + k for p in shown.pieces if p.word is word for k in range(len(p.text))]
        for ratio, letter, text in twin_ratios(models, pixels, word, places):
            kind = (letter.isdigit(), letter.isdigit() and not SMALL.isdisjoint(_other(word.text, text)))
            if kind not in least or ratio < least[kind].log_ratio:
                least[kind] = TextLikelihood(
                    phrase=phrase, reader=exact[0].reader, seen=text, log_ratio=ratio, box=tuple(word.box)
                )
    return list(least.values())


def _other(read: str, twin: str) -> set[str]:
    """The character in which a look-alike differs."""
    return {b for a, b in zip(read, twin, strict=True) if a != b}


def log_ratio(models: TextModels, pixels: Pixels, word: Word, wanted: str) -> float | None:
    """Natural logarithm of P(wanted) / P(read) of a word's box; None where the recogniser lacks one of the characters.

    Both are summed over all ways to spell them (see `ctc.log_likelihood`).
    """
    asked, seen = models.entries(wanted), models.entries(word.text)
    if asked is None or seen is None:
        return None
    table = _table(models, pixels, word)
    return log_likelihood(table, asked) - log_likelihood(table, seen)


def _table(models: TextModels, pixels: Pixels, word: Word) -> Table:
    (table,) = models.tables([strip_of(pixels, np.array(word.box, np.float32).reshape(4, 2))])
    return table


def _nearest(phrase: Phrase, reads: Sequence[TextRead]) -> tuple[str, Word] | None:
    """The straight box whose text is most like the phrase; of equal ones the first."""
    words = [(read.reader, w) for read in reads for w in read.words if w.centres]
    best = max(words, key=lambda rw: likeness(phrase.text, rw[1].text), default=None)
    return best if best is not None and likeness(phrase.text, best[1].text) >= LIKE_MIN else None
