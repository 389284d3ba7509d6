"""How well the glyph check tells sound letters from malformed ones: areas under the curve, with their uncertainty."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from ops.bench.intervals import Z_95
from ops.glyphs.tiles import KINDS, Tiles
from workers.checks.glyph_net import GlyphNet
from workers.checks.glyph_strip import Floats


def auc(sound: npt.ArrayLike, bad: npt.ArrayLike) -> float:
    """How often a sound letter's health is above a malformed one's, ties counting half."""
    high, low = np.sort(np.asarray(sound, float)), np.asarray(bad, float)
    below, upto = np.searchsorted(high, low, side="left"), np.searchsorted(high, low, side="right")
    return float(1 - (below + upto).sum() / (2 * len(high) * len(low)))


def interval(area: float, sound: int, bad: int) -> tuple[float, float]:
    """95 % of an area under the curve.

    Source: Hanley and McNeil, The meaning and use of the area under a ROC curve, Radiology 143 (1982), p. 29.
    """
    first, second = area / (2 - area), 2 * area * area / (1 + area)
    variance = area * (1 - area) + (bad - 1) * (first - area * area) + (sound - 1) * (second - area * area)
    half = Z_95 * math.sqrt(max(0.0, variance) / (sound * bad))
    return max(0.0, area - half), min(1.0, area + half)


def healths(net: GlyphNet, tiles: Tiles) -> Floats:
    """Health of each letter, asked for as what it was drawn from."""
    return net.health(tiles.cuts(), [int(n) for n in tiles.lines])


def figures(net: GlyphNet, tiles: Tiles) -> dict[str, Any]:
    """The area for all damage and for each, with 95 % bounds, and what share is seen where 1 sound one in 100 is."""
    health = healths(net, tiles)
    sound = health[tiles.kinds == 0]
    line = float(np.quantile(sound, 0.01)) if len(sound) else 0.0
    out: dict[str, Any] = {"sound_letters": len(sound)}
    for number, name in enumerate(("all", *KINDS[1:])):
        bad = health[tiles.kinds == number] if number else health[tiles.kinds > 0]
        if not len(bad) or not len(sound):
            continue
        area = auc(sound, bad)
        low, high = interval(area, len(sound), len(bad))
        out[name] = {
            "letters": len(bad),
            "auc": round(area, 4),
            "low": round(low, 4),
            "high": round(high, 4),
            "seen_at_1_percent": round(float((bad < line).mean()), 3),
        }
    return out
