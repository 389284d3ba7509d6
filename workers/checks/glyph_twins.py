"""Figures drawn as a letter: whether a 0 is an O, a 1 an l, by the faces that the rest of the line is drawn in.

Readers cannot be trusted with these. They were trained to read what makes sense, and a price with an O in it does not:
they read the price. Here nothing is read. A figure is held against renderings of itself and of its look-alikes, each in
the faces that the other letters of the line come nearest to, for what is an O in one face is a 0 in another.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from workers.checks.glyph_bank import filled, soft
from workers.checks.glyph_cut import Cut
from workers.checks.glyph_net import COMPANY, SHAPE, GlyphNet
from workers.checks.glyph_strip import Floats

TWINS: Final[Mapping[str, str]] = {"0": "Oo", "1": "lI", "2": "Zz", "5": "Ss", "6": "b", "8": "B", "9": "g"}
"""Letters that a figure may be drawn as and still be read as the figure."""
AMBIGUOUS: Final = frozenset("".join([*TWINS, *TWINS.values()]))
"""What says nothing of the face: it may itself be drawn as the other."""
CLEAR: Final = 1.0
JOINED: Final = 0.2
"""What a letter counts for in finding the face: one that ran into another says little."""

NONE: Final[tuple[str, float]] = ("", 0.0)


def twins(net: GlyphNet, cuts: Sequence[Cut], lines: Sequence[int]) -> list[tuple[str, float]]:
    """Of each letter its nearest look-alike, and how much nearer that is than the letter itself; ("", 0) for no figure.

    `lines` says which letters stand in one line. Likeness is the product of two softened renderings less SHAPE times
    the difference of their log proportions, plus COMPANY times the mean likeness of the other letters to that face, as
    the network's own choice of a face has it. Every letter must be known.
    """
    out: list[tuple[str, float]] = [NONE] * len(cuts)
    places: dict[int, list[int]] = {}
    for n, line in enumerate(lines):
        places.setdefault(line, []).append(n)
    for line in places.values():
        if any(cuts[n].letter in TWINS for n in line):
            for n, found in zip(line, _line(net, [cuts[n] for n in line]), strict=True):
                out[n] = found
    return out


def _line(net: GlyphNet, cuts: Sequence[Cut]) -> list[tuple[str, float]]:
    own = [filled(c.tile) for c in cuts]
    flat = soft(np.stack([f.ink for f in own]))

    def scores(letters: Sequence[str], places: Sequence[int]) -> tuple[Floats, Floats]:
        like, off = net.likeness(letters, [own[n] for n in places], flat[list(places)])
        return like, np.asarray(like - SHAPE * np.minimum(off, 1.0), np.float32)

    _, score = scores([c.letter for c in cuts], range(len(cuts)))
    telling = [c.letter not in AMBIGUOUS for c in cuts]
    votes = np.array([JOINED if c.joined or c.crowded else CLEAR for c in cuts], np.float32)
    if any(telling):
        votes = np.where(telling, votes, np.float32(0))
    total = votes @ score
    out: list[tuple[str, float]] = []
    for n, cut in enumerate(cuts):
        letters = [cut.letter, *(t for t in TWINS.get(cut.letter, "") if net.knows(t))]
        if len(letters) == 1 or cut.joined:
            out.append(NONE)
            continue
        others = float(votes.sum() - votes[n])
        company = (total - votes[n] * score[n]) / others if others > 0 else np.zeros_like(total)
        like, alone = scores(letters, [n] * len(letters))
        first, *twin = (float(v) for v in np.where(like > -1, alone + COMPANY * company, -np.inf).max(axis=1))
        nearest = int(np.argmax(twin))
        out.append((letters[1 + nearest], twin[nearest] - first))
    return out
