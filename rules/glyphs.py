"""Malformed lettering: what is read right and drawn wrong. It asks a person, and neither rejects nor accepts."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final

from rules.text import match_read
from schemas.events import Defect, Glyph, Inspection, TextContract

MALFORMED: Final = "malformed-letter"
CHECK: Final = "glyphs"
DETECTED: Final[Mapping[str, str]] = {MALFORMED: CHECK}
"""Failure mode reported here, with the check that shows it."""
NEXT: Final = 3
"""Letters that the least healthy is held against."""
TINY: Final = 1e-6
"""Healths nearer to 0 or 1 say no more: the network's numbers are not finer."""


def glyph_defects(
    inspection: Inspection, contract: TextContract, checks: Sequence[str], limits: Mapping[str, float]
) -> list[Defect]:
    """At most two defects, never certain: of what was wanted the figure most like a letter, the least healthy letter.

    A figure is told where it is more like its look-alike than like itself by more than `twin_max`. The least healthy
    is told where it is below `health_min` whatever the others are, or below `odd_max` and stands out from the next
    least healthy by `apart_min`. Where the lettering as a whole is not like a font's (letters of leaves, tubes, drips),
    one letter that is not says nothing, and none is reported.
    """
    odd = max(limits["glyphs.health_min"], limits["glyphs.odd_max"])
    most = limits["glyphs.twin_max"]
    if CHECK not in checks or all(g.health >= odd and g.twin_excess <= most for g in inspection.glyphs):
        return []
    wanted = _wanted(inspection, contract)
    return [*_twins(wanted, most), *_malformed(wanted, odd, limits)]


def _twins(wanted: Sequence[Glyph], most: float) -> list[Defect]:
    like = sorted((g for g in wanted if g.twin_excess > most), key=lambda g: -g.twin_excess)
    if not like:
        return []
    worst = like[0]
    evidence = f"the {worst.letter!r} at {worst.box.left}, {worst.box.top} is drawn as {worst.twin!r} is in such a face"
    value = worst.twin_excess
    return [Defect(mode=MALFORMED, check=CHECK, value=value, threshold=most, evidence=evidence, certain=False)]


def _malformed(wanted: Sequence[Glyph], odd: float, limits: Mapping[str, float]) -> list[Defect]:
    judged = sorted(wanted, key=lambda g: g.health)
    if not judged or judged[len(judged) // 2].health < limits["glyphs.typical_min"]:
        return []
    worst = judged[0]
    least = odd if _apart(judged) >= limits["glyphs.apart_min"] else limits["glyphs.health_min"]
    low = [g for g in judged if g.health < least]
    if not low:
        return []
    where = f"at {worst.box.left}, {worst.box.top}"
    counted = {1: "", 2: ", and one more letter is not"}
    more = counted.get(len(low), f", and {len(low) - 1} more letters are not")
    evidence = f"the {worst.letter!r} {where} is not formed as a font forms it{more}"
    return [Defect(mode=MALFORMED, check=CHECK, value=worst.health, threshold=least, evidence=evidence, certain=False)]


def _apart(judged: Sequence[Glyph]) -> float:
    """How far the odds of soundness of the first lie below those of the next three, as a logarithm; 0 of too few."""
    if len(judged) <= NEXT:
        return 0.0
    first, *others = (_log_odds(g.health) for g in judged[: NEXT + 1])
    return sum(others) / NEXT - first


def _log_odds(health: float) -> float:
    kept = min(max(health, TINY), 1 - TINY)
    return math.log(kept / (1 - kept))


def _wanted(inspection: Inspection, contract: TextContract) -> list[Glyph]:
    """The letters in the boxes in which their reading shows a wanted phrase."""
    wanted: set[tuple[str, int]] = set()
    for read in inspection.reads:
        shown = {word for s in match_read(contract, read).shown for word in s.words}
        wanted |= {(read.reader, n) for n, word in enumerate(read.words) if word in shown}
    return [g for g in inspection.glyphs if (g.reader, g.word) in wanted]
