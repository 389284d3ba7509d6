"""Glyph health: whether each letter that was read looks like that letter does in fonts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np

from schemas.events import Glyph, Measurement, TextRead, Word
from workers.checks.glyph_cut import SMALLEST_PX, Cut, letters_of
from workers.checks.glyph_net import GlyphNet, shipped
from workers.checks.glyph_twins import twins
from workers.checks.port import NOTHING, Decoded, Findings, Pixels, Subject

MOST: Final = 2000
"""Letters judged in one picture, in reading order; what an Inspection holds."""
SAME_WORD: Final = 0.6
"""Share of the larger box that two looks' boxes of one text have in common where they are the same lettering."""


class GlyphCheck:
    """How well formed the lettering is that was read. Ranks and raises doubt; it never says what a letter is."""

    name = "glyphs"

    def __init__(self, net: GlyphNet | None = None, most: int = MOST) -> None:
        self._net, self._most = net, most

    def measure(self, subject: Subject) -> Findings:
        """A Glyph for each letter large enough to be judged, and `lowest`, `median` and `letters` over all of them.

        Words whose reader does not tell where its characters stand are not measured, nor letters of scripts that the
        network never saw, nor those that could not be parted from their neighbours. Lettering that several looks read
        is measured in the first.
        """
        if not isinstance(subject.image, Decoded):
            return NOTHING
        glyphs = glyphs_of(subject.image.pixels, subject.reads, self._net, self._most)
        if not glyphs:
            return NOTHING
        health = [g.health for g in glyphs]
        return Findings(
            measurements=(
                Measurement(check=self.name, name="lowest", value=min(health)),
                Measurement(check=self.name, name="median", value=float(np.median(health))),
                Measurement(check=self.name, name="letters", value=float(len(glyphs))),
            ),
            glyphs=glyphs,
        )


def glyphs_of(
    pixels: Pixels, reads: Sequence[TextRead], net: GlyphNet | None = None, most: int = MOST
) -> tuple[Glyph, ...]:
    """The letters that were read and can be judged, with health and look-alike; at most `most`, in reading order.

    Letters cut off from a neighbour that they ran into help to judge the others, and are not judged.
    """
    net = net or shipped()
    found = _letters(pixels, reads, net, most)
    lines = list(dict.fromkeys((reader, word) for reader, word, _ in found))
    cuts, of_line = [cut for _, _, cut in found], [lines.index((r, w)) for r, w, _ in found]
    judged = zip(found, net.health(cuts, of_line), twins(net, cuts, of_line), strict=True)
    return tuple(
        Glyph(
            letter=cut.letter,
            reader=reader,
            word=word,
            place=cut.place,
            health=float(health),
            box=cut.box,
            twin=twin,
            twin_excess=excess,
        )
        for (reader, word, cut), health, (twin, excess) in judged
        if not cut.joined
    )


def _letters(pixels: Pixels, reads: Sequence[TextRead], net: GlyphNet, most: int) -> list[tuple[str, int, Cut]]:
    """Reader, number of the word, and the letter, of all that can be judged."""
    out: list[tuple[str, int, Cut]] = []
    for reader, number, word in _words(reads):
        out += [(reader, number, cut) for cut in letters_of(pixels, word) if _judged(cut, net)]
        if len(out) >= most:
            break
    return out[:most]


def _judged(cut: Cut, net: GlyphNet) -> bool:
    return cut.height_px >= SMALLEST_PX and not cut.crowded and net.knows(cut.letter)


def _words(reads: Sequence[TextRead]) -> Iterator[tuple[str, int, Word]]:
    seen: list[Word] = []
    for read in reads:
        fresh: list[Word] = []
        for number, word in enumerate(read.words):
            if word.centres and not any(_same(word, s) for s in seen):
                fresh.append(word)
                yield read.reader, number, word
        seen += fresh


def _same(word: Word, other: Word) -> bool:
    if word.text != other.text:
        return False
    a, b = _bounds(word), _bounds(other)
    wide = min(a[2], b[2]) - max(a[0], b[0])
    tall = min(a[3], b[3]) - max(a[1], b[1])
    larger = max((a[2] - a[0]) * (a[3] - a[1]), (b[2] - b[0]) * (b[3] - b[1]))
    return wide > 0 and tall > 0 and wide * tall >= SAME_WORD * larger


def _bounds(word: Word) -> tuple[float, float, float, float]:
    xs, ys = word.box[0::2], word.box[1::2]
    return min(xs), min(ys), max(xs), max(ys)
