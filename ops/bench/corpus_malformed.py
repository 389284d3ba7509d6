"""Malformed letters of the drawn corpus: what image models do to a letter that is still the right one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
from PIL import Image, ImageDraw

from ops.bench.corpus_letters import Box, Mask, Placed, box_of, raster
from ops.bench.corpus_words import Random, pick

CHANGED: Final = (0.22, 0.8)
"""Least and most of a letter's ink that a malformation may change: less is not seen, more is another letter."""
_TRIES: Final = 16
_SMALLEST: Final = 26.0
"""Pixels per em below which nobody would see it, where there is larger lettering."""


def where(lines: Sequence[Sequence[Placed]], rng: Random) -> int:
    """A phrase whose letters are large enough for a malformed one to be seen, or the largest; -1 of none."""
    if not lines:
        return -1
    sizes = [max((p.size for p in line), default=0.0) for line in lines]
    large = [i for i, size in enumerate(sizes) if size >= _SMALLEST] or [sizes.index(max(sizes))]
    return pick(rng, large)


def with_malformed(rng: Random, placed: Sequence[Placed], size: tuple[int, int]) -> Mask:
    """The ink of glyphs, one of them with a stroke cut, moved or too many, bent, or with its halves astray."""
    sizes = sorted(p.size for p in placed)
    large = [i for i, p in enumerate(placed) if p.size >= sizes[len(sizes) // 2]]
    for at in rng.permutation(large):
        alone = raster([placed[int(at)]], size)
        if (box := box_of(alone)) is None or box[3] - box[1] < 0.3 * placed[int(at)].size:
            continue  # a blank, a full stop: nothing that could be malformed
        bad = _malformed(rng, alone, box)
        rest = raster([p for i, p in enumerate(placed) if i != int(at)], size)
        return np.maximum(rest, bad)
    return raster(placed, size)


def _malformed(rng: Random, alone: Mask, box: Box) -> Mask:
    left, top, right, bottom = (round(v) for v in box)
    glyph = alone[top:bottom, left:right]
    pad = max(2, (bottom - top) // 4)
    glyph = np.pad(glyph, pad)
    best, far = glyph, math.inf
    for _ in range(_TRIES):
        bad = pick(rng, (_cut, _moved, _stroke, _bent))(rng, glyph)
        changed = np.abs(bad.astype(np.int16) - glyph).sum() / max(1, int(glyph.sum(dtype=np.int64)))
        off = max(CHANGED[0] - changed, changed - CHANGED[1], 0.0)
        if off < far:
            best, far = bad, off
        if far == 0:
            break
    out = np.zeros_like(alone)
    height, width = alone.shape
    y0, x0 = max(0, top - pad), max(0, left - pad)
    y1, x1 = min(height, bottom + pad), min(width, right + pad)
    out[y0:y1, x0:x1] = best[y0 - top + pad : y1 - top + pad, x0 - left + pad : x1 - left + pad]
    return out


def _stripe(rng: Random, glyph: Mask, share: float) -> Mask:
    """A bar across the middle of a glyph, at any slant."""
    height, width = glyph.shape
    out = Image.new("L", (width, height))
    angle, reach = float(rng.uniform(0, math.pi)), height + width
    x, y = width * float(rng.uniform(0.35, 0.65)), height * float(rng.uniform(0.3, 0.7))
    ends = [(x + s * reach * math.cos(angle), y + s * reach * math.sin(angle)) for s in (-1, 1)]
    ImageDraw.Draw(out).line(ends, fill=255, width=max(2, round(share * height)))
    return np.asarray(out)


def _cut(rng: Random, glyph: Mask) -> Mask:
    return np.minimum(glyph, 255 - _stripe(rng, glyph, float(rng.uniform(0.14, 0.22))))


def _stroke(rng: Random, glyph: Mask) -> Mask:
    inner = np.zeros_like(glyph)
    edge = min(glyph.shape) // 6
    inner[edge:-edge, edge:-edge] = _stripe(rng, glyph, float(rng.uniform(0.07, 0.11)))[edge:-edge, edge:-edge]
    return np.maximum(glyph, inner)


def _moved(rng: Random, glyph: Mask) -> Mask:
    """The upper part beside where it belongs."""
    at = round(glyph.shape[0] * float(rng.uniform(0.4, 0.6)))
    by = round(glyph.shape[0] * float(rng.uniform(0.12, 0.18))) * pick(rng, (-1, 1))
    out = glyph.copy()
    out[:at] = np.roll(glyph[:at], by, axis=1)
    return out


def _bent(rng: Random, glyph: Mask) -> Mask:
    """Its rows pushed aside along a wave, as if it had melted."""
    height = glyph.shape[0]
    begin, waves = float(rng.uniform(0, 2 * math.pi)), float(rng.uniform(1.2, 2.2))
    angles = np.linspace(begin, begin + 2 * math.pi * waves, height)
    by = np.rint(np.sin(angles) * height * float(rng.uniform(0.08, 0.13))).astype(np.int64)
    places = np.arange(glyph.shape[1], dtype=np.int64)
    columns = (places[None, :] - by[:, None]) % glyph.shape[1]
    return np.take_along_axis(glyph, columns, axis=1)
