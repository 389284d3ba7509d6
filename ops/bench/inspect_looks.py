"""What each look at the text costs and gains, on the pictures of the corpus that the first look leaves in doubt."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from ops.bench.corpus import Sample, sample
from ops.bench.corpus_kinds import OTHER_SCRIPTS, Split
from ops.bench.plain_readers import has_easyocr
from ops.console import print_json, print_table
from rules.contract import phrase
from rules.text import shows
from schemas.events import Lane, PhraseSource, TextContract, TextRead
from workers.checks.port import Scene, TextReader
from workers.checks.reader_easyocr import EasyOcrReader
from workers.checks.readers import VIEWS, open_readers

LIGHT: Final = ("rapidocr", "rapidocr@640", *VIEWS)
"""Every look that the light install has."""


@dataclass(slots=True, kw_only=True)
class LookFigures:
    """One look. Times are of the processor, so that a busy machine does not show in them.

    But EasyOCR's, which has a process of its own, are by the clock.

    cpu_ms: Of each picture, milliseconds.
    right, rescued: Sound pictures that the first look left in doubt (or for the first, all), and how many of them it
        shows to the letter.
    wrong, accepted: The same of damaged ones, whose text differs from what was asked: none should be accepted.
    alone: Sound pictures that no other look rescued.
    """

    name: str
    cpu_ms: list[float] = field(default_factory=list[float])
    right: int = 0
    rescued: int = 0
    wrong: int = 0
    accepted: int = 0
    alone: int = 0

    @property
    def typical_ms(self) -> float:
        """The median."""
        return statistics.median(self.cpu_ms) if self.cpu_ms else 0.0

    @property
    def rescue_s(self) -> float | None:
        """Seconds spent on sound and damaged pictures in doubt for each sound one shown; None where none was."""
        return sum(self.cpu_ms) / 1000 / self.rescued if self.rescued else None


def looks() -> tuple[str, ...]:
    """Those of the light install, and EasyOCR where it is installed."""
    return (*LIGHT, "easyocr") if has_easyocr() else LIGHT


def measure(split: Split, count: int, names: Sequence[str] | None = None) -> Iterator[tuple[int, list[LookFigures]]]:
    """The first `count` pictures of a split, in Latin letters: after each, its number and all figures so far.

    `names` are the looks, every one that is installed where none are given; the first is the one that leaves doubt.

    Pictures without text and those whose damage leaves the text as it is are left out: a look on text cannot tell.
    """
    names = names or looks()
    readers = open_readers(names)
    figures = [LookFigures(name=n) for n in names]
    for index in range(count):
        drawn = sample(split, index)
        if (
            drawn.expected
            and drawn.kind not in OTHER_SCRIPTS
            and (drawn.damage is None) == (drawn.shown == drawn.expected)
        ):
            _one(drawn, readers, figures)
        yield index + 1, figures


def show(measured: Iterator[tuple[int, list[LookFigures]]], *, as_json: bool) -> None:
    """The last figures as a table, or as JSON."""
    *_, (_, figures) = measured
    rows = [
        {
            "look": f.name,
            "cpu_ms": round(f.typical_ms),
            "right": f.right,
            "rescued": f.rescued,
            "rescued_alone": f.alone,
            "s_each_rescue": f.rescue_s and round(f.rescue_s, 1),
            "wrong": f.wrong,
            "wrong_shown": f.accepted,
        }
        for f in figures
    ]
    if as_json:
        print_json({"looks": rows})
    else:
        print_table(list(rows[0]), [["" if v is None else str(v) for v in r.values()] for r in rows])


def _one(drawn: Sample, readers: Sequence[TextReader], figures: Sequence[LookFigures]) -> None:
    phrases = tuple(phrase(t, PhraseSource.EXPLICIT, Lane.CRITICAL, None) for t in drawn.expected)
    contract = TextContract(phrases=phrases, other_text_allowed=False)
    sound = drawn.damage is None
    first: tuple[TextRead, ...] = ()
    winners: list[LookFigures] = []
    for reader, figure in zip(readers, figures, strict=True):
        started = time.process_time()
        (read,) = reader.read([Scene(pixels=drawn.pixels, reads=first)])
        used_ms = (time.process_time() - started) * 1000
        figure.cpu_ms.append(read.elapsed_ms if isinstance(reader, EasyOcrReader) else used_ms)
        shown = shows(contract, read)
        figure.right += sound
        figure.rescued += sound and shown
        figure.wrong += not sound
        figure.accepted += shown and not sound
        if not first:
            first = (read,)
            if shown:
                return
        elif shown and sound:
            winners.append(figure)
    if len(winners) == 1:
        winners[0].alone += 1
