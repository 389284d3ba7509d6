"""The view for lettering on arcs and rings: every arc unrolled, and read in both directions."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np

from workers.checks.arcs import Strip, arcs, unroll
from workers.checks.boxes import Outline, Quad, components, strip_of
from workers.checks.port import Pixels
from workers.checks.reader_rapidocr import boxes_in, heat_of
from workers.checks.reader_views import Anew
from workers.checks.text_models import Line, TextModels

BOX_THRESHOLD: Final = 0.4
PIECES: Final = 8
"""Quadrilaterals that follow one line round its arc."""
TURNED_MORE: Final = 0.15
"""How much more confidence lettering that stands on its head must have: "NO" reads as "ON" when turned."""


def curve(models: TextModels, pixels: Pixels) -> list[Anew]:
    """Lines that stand on arcs."""
    heat = heat_of(models, pixels)
    scale = np.array(pixels.shape[1::-1]) / np.array(heat.shape[::-1])
    outlines: list[Outline] = [np.round(o * scale).astype(np.int32) for o in components(heat)]
    strips = [unroll(pixels, arc) for arc in arcs(pixels, outlines)]
    boxes = boxes_in(models, [s.pixels for s in strips], BOX_THRESHOLD)
    places = [(s, q) for s, found in zip(strips, boxes, strict=True) for q in found if _lies(q)]
    crops = [strip_of(s.pixels, q) for s, q in places]
    both = models.lines([*crops, *(np.ascontiguousarray(c[::-1, ::-1]) for c in crops)])
    out: list[Anew] = []
    for (strip, quad), upright, turned in zip(places, both[: len(crops)], both[len(crops) :], strict=True):
        line = turned if turned.confidence > upright.confidence + TURNED_MORE else upright
        out.append(_anew(strip, quad, line))
    return out


def _lies(quad: Quad) -> bool:
    """Whether a box runs along the arc: what stands across is no line of it."""
    return bool(np.linalg.norm(quad[0] - quad[1]) > 0.8 * np.linalg.norm(quad[0] - quad[3]))


def _anew(strip: Strip, quad: Quad, line: Line) -> Anew:
    along = np.linspace(0, 1, PIECES + 1)[:, None]
    top = strip.back(quad[0] + along * (quad[1] - quad[0]))
    foot = strip.back(quad[3] + along * (quad[2] - quad[3]))
    pieces = tuple(np.array([top[i], top[i + 1], foot[i + 1], foot[i]], np.float32) for i in range(PIECES))
    whole = cv2.boxPoints(cv2.minAreaRect(np.concatenate([top, foot]).astype(np.float32)))
    # Letters do not stand along a straight box, so nothing is said about their middles.
    return Anew(Line(line.text, (), line.confidences), _upright(np.asarray(whole, np.float32)), pieces)


def _upright(corners: Quad) -> Quad:
    """Clockwise from the corner nearest to the top left."""
    first = int(corners.sum(axis=1).argmin())
    return np.roll(corners, -first, axis=0)
