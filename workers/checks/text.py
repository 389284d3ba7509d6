"""The cascade: who reads the text of which pictures, and when a further look is not worth its time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from rules.folding import Fold, fold
from rules.text import Level, match_read
from schemas.errors import Poison
from schemas.events import TextContract, TextRead
from workers.checks.port import Pixels, Scene, TextReader

AGREED: Final = 0.95
"""Confidence from which two looks that read the same are believed: print reads above it, letters misread below."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Asked:
    """A picture and the text that it must show. `sure` says whether the reads so far settle what becomes of it."""

    pixels: Pixels
    contract: TextContract
    sure: Callable[[Sequence[TextRead]], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """What was read in one picture, in the order of the looks, and why a look gave nothing."""

    reads: tuple[TextRead, ...]
    errors: tuple[str, ...] = ()


def look(asked: Sequence[Asked], readers: Sequence[TextReader]) -> list[Looked]:
    """Reads of each picture in the order of the readers, up to the look after which it is sure what stands there.

    Each look takes all pictures that are still in doubt together. Cheap looks come first: a later one costs as much
    as the first and could only add doubt to what is sure. A look that cannot be had is an error of its picture.
    """
    reads: list[list[TextRead]] = [[] for _ in asked]
    errors: list[list[str]] = [[] for _ in asked]
    open_ones = list(range(len(asked)))
    for reader in readers:
        scenes = [Scene(pixels=asked[i].pixels, reads=tuple(reads[i])) for i in open_ones]
        for i, read in zip(open_ones, _each(reader, scenes), strict=True):
            if isinstance(read, TextRead):
                reads[i].append(read)
            else:
                errors[i].append(str(read))
        open_ones = [
            i for i in open_ones if not reads[i] or not (asked[i].sure(reads[i]) or agreed(asked[i].contract, reads[i]))
        ]
    return [Looked(reads=tuple(r), errors=tuple(e)) for r, e in zip(reads, errors, strict=True)]


def _each(reader: TextReader, scenes: Sequence[Scene]) -> Sequence[TextRead | Poison]:
    """A read for each picture, or why there is none; where one fails the others are read by themselves."""
    try:
        return reader.read(scenes) if scenes else ()
    except Poison as e:
        return [e] if len(scenes) == 1 else [read for scene in scenes for read in _each(reader, [scene])]


def agreed(contract: TextContract, reads: Sequence[TextRead]) -> bool:
    """Whether the last two looks read the same everywhere, sure of every line, and something for every phrase.

    What is misspelt then is misspelt, and further looks would only say so again. Where a phrase is missing, a
    view may still find it.
    """
    if len(reads) < 2 or any(w.confidence < AGREED for r in reads[-2:] for w in r.words):
        return False
    one, two = (Counter(fold(w.text, Fold.CASED) for w in r.words) for r in reads[-2:])
    return one == two and all(s.level is not Level.ABSENT for s in match_read(contract, reads[-1]).shown)
