"""Measures the glyph check where it works: `python -m ops.glyphs.threshold --count 660`.

Draws pictures of the corpus' tune half, sound ones and the same with one malformed letter, reads them with the first
look, and asks the check of those that read right. For each limit on how far a letter stands out it prints how many
sound ones it would send to a person, and how many malformed ones it finds, by the height of what was malformed.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from ops.bench.corpus import ORDER, Sample, sample
from ops.bench.corpus_kinds import Damage, Kind, Split
from ops.bench.intervals import wilson
from ops.console import print_table
from ops.rulesets.publish import read_config
from rules.contract import phrase
from rules.glyphs import glyph_defects
from rules.text import match_read
from schemas.events import Inspection, Lane, PhraseSource, TextContract, TextRead
from workers.checks.glyphs import glyphs_of
from workers.checks.port import Scene, TextReader
from workers.checks.readers import open_readers

APART: Final = (3.0, 3.5, 4.0, 4.25, 4.5, 4.75, 5.0, 5.5)
"""Values of apart_min that are tried; the other limits are those in force."""
HEIGHTS_PX: Final = (0, 30, 45, 65, 10_000)
"""Bounds between which heights are told apart, pixels."""
LOOK: Final = "rapidocr"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """One picture that read right. `height_px` is that of what was malformed; None of a sound one."""

    contract: TextContract
    inspection: Inspection
    height_px: int | None

    def doubted(self, limits: Mapping[str, float]) -> bool:
        """Whether the check would send it to a person."""
        return bool(glyph_defects(self.inspection, self.contract, ("glyphs",), limits))


def pictures(count: int, reader: TextReader) -> Iterator[Shown]:
    """Of the first `count` numbers of the tune half; none of those without Latin, Cyrillic or Greek letters."""
    for number in range(count):
        if ORDER[number % len(ORDER)] in (Kind.NO_TEXT, Kind.CJK):
            continue
        sound, bad = (sample(Split.TUNE, 2 * number + n, damage=Damage.MALFORMED) for n in (0, 1))
        yield from _read(sound, reader, None)
        changed = np.flatnonzero((sound.pixels != bad.pixels).any(axis=(1, 2)))
        yield from _read(bad, reader, int(changed[-1] - changed[0] + 1) if len(changed) else 0)


def _read(drawn: Sample, reader: TextReader, height_px: int | None) -> Iterator[Shown]:
    phrases = tuple(phrase(t, PhraseSource.EXPLICIT, Lane.CRITICAL, None) for t in drawn.expected)
    contract = TextContract(phrases=phrases, other_text_allowed=False)
    (read,) = reader.read([Scene(pixels=drawn.pixels)])
    if match_read(contract, read).exact:
        yield Shown(contract=contract, inspection=_inspected(drawn, read), height_px=height_px)


def _inspected(drawn: Sample, read: TextRead) -> Inspection:
    return Inspection(
        measurements=(), reads=(read,), errors=(), glyphs=glyphs_of(drawn.pixels, (read,)), elapsed_ms=0.0
    )


def rows(shown: Sequence[Shown], limits: Mapping[str, float]) -> list[list[str]]:
    """For each limit: sound pictures doubted, with 95 % bounds, and malformed ones found, of all and by height."""
    sound = [s for s in shown if s.height_px is None]
    bad = [s for s in shown if s.height_px is not None]
    out: list[list[str]] = []
    for apart in APART:
        tried = {**limits, "glyphs.apart_min": apart}
        false = wilson(sum(s.doubted(tried) for s in sound), len(sound))
        found = [s.height_px or 0 for s in bad if s.doubted(tried)]
        shares = [
            f"{sum(a <= h < b for h in found)} of {sum(a <= (s.height_px or 0) < b for s in bad)}"
            for a, b in pairwise(HEIGHTS_PX)
        ]
        share = 100 * false.hits / max(1, false.total)
        doubted = f"{share:.1f} ({100 * false.low:.1f} to {100 * false.high:.1f}) of {false.total}"
        out.append([f"{apart:g}", doubted, f"{len(found)} of {len(bad)}", *shares])
    return out


def main() -> None:
    """Draws, reads, asks and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=660, help="numbers of the tune half, two pictures each")
    given = parser.parse_args()
    cv2.setNumThreads(1)
    (reader,) = open_readers([LOOK])
    limits = read_config(Path("config")).thresholds.limits
    shown: list[Shown] = []
    for one in pictures(given.count, reader):
        shown.append(one)
        sys.stderr.write(f"\r{len(shown)} pictures read right")
    sys.stderr.write("\n")
    heights = [f"{a} to {b} px" for a, b in pairwise(HEIGHTS_PX)]
    print_table(["apart_min", "sound doubted, %", "malformed found", *heights], rows(shown, limits))


if __name__ == "__main__":
    main()
