"""Renders the bank of letters that the glyph check compares with: every letter in every face trained on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ops.glyphs.words import LETTERS, Type, rendered
from workers.checks.glyph_bank import BANKED, LEVELS, Bank, filled
from workers.checks.glyph_cut import tile_of


def build(types: Sequence[Type]) -> Bank:
    """The bank of some faces; they are numbered as they come. A face that lacks a letter has no row of it."""
    letters: list[str] = []
    rows = [0]
    faces: list[int] = []
    levels: list[np.typing.NDArray[np.uint8]] = []
    aspects: list[float] = []
    for letter in LETTERS:
        drawn = [(n, r) for n, t in enumerate(types) if (r := rendered(t, letter)) is not None]
        if not drawn:
            continue
        for face, ink in drawn:
            part = filled(tile_of(np.asarray(ink.astype(np.float32) / 255, np.float32)))
            faces.append(face)
            levels.append(np.round(part.ink * LEVELS).astype(np.uint8).reshape(BANKED * BANKED))
            aspects.append(part.aspect)
        letters.append(letter)
        rows.append(len(faces))
    return Bank(
        letters=letters,
        rows=np.array(rows, np.int64),
        face_of=np.array(faces, np.int64),
        levels=np.stack(levels),
        aspects=np.array(aspects, np.float32),
    )
