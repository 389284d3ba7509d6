"""Views on whole pictures: with a margin, in tiles, turned on the side and on the head, and with more contrast."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, cast

import cv2
import numpy as np

from workers.checks.boxes import Quad, lying, strip_of
from workers.checks.port import Pixels
from workers.checks.reader_rapidocr import boxes_in
from workers.checks.reader_views import Anew
from workers.checks.text_models import Line, TextModels

BOX_THRESHOLD: Final = 0.4
"""Mean heat from which a view reads a box; the plain look takes 0.5."""
PADDING: Final = 0.08
"""Margin on every side, as a share of the long side: the detector shrinks what it finds by about half a letter."""
TILES: Final = 2
"""Tiles along each side; each goes through the detector at the size at which the whole picture did."""
OVERLAP: Final = 0.15
"""How far a tile reaches into the next, as a share of its side: more than the height of small print."""
EDGE: Final = 2.0
"""Boxes nearer than this to an inner edge of a tile are cut off by it, pixels; the next tile holds them whole."""
TURNED_MORE: Final = 0.15
"""How much more confidence lettering that stands on its head must have: "NO" reads as "ON" when turned."""
CLIP: Final = 3.0
"""How much the contrast of one part may be raised (the clip limit of CLAHE, Zuiderveld 1994)."""


def padded(models: TextModels, pixels: Pixels) -> list[Anew]:
    """With a margin in the colour of the border: text that touches the edge is found whole."""
    more = max(1, round(PADDING * max(pixels.shape[:2])))
    border = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    wide = np.empty((pixels.shape[0] + 2 * more, pixels.shape[1] + 2 * more, 3), np.uint8)
    wide[:] = np.median(border, axis=0).astype(np.uint8)
    wide[more:-more, more:-more] = pixels
    return [_moved(a, -more, -more) for a in _read(models, [wide])[0]]


def tiles(models: TextModels, pixels: Pixels) -> list[Anew]:
    """In overlapping tiles: small print is found at nearly twice the size."""
    height, width = pixels.shape[:2]
    places = [(x, y) for y in _spans(height) for x in _spans(width)]
    parts = [np.ascontiguousarray(pixels[y0:y1, x0:x1]) for (x0, x1), (y0, y1) in places]
    out: list[Anew] = []
    for ((x0, x1), (y0, y1)), found in zip(places, _read(models, parts), strict=True):
        for anew in found:
            left, top = anew.box.min(axis=0)
            right, bottom = anew.box.max(axis=0)
            cut = (
                (x0 > 0 and left < EDGE)
                or (y0 > 0 and top < EDGE)
                or (x1 < width and right > x1 - x0 - EDGE)
                or (y1 < height and bottom > y1 - y0 - EDGE)
            )
            if not cut:
                out.append(_moved(anew, x0, y0))
    return out


def turned(models: TextModels, pixels: Pixels) -> list[Anew]:
    """Lying on the left side, and every box on its head too: in whichever way it reads best."""
    found = _read(models, [pixels], heads=True)[0]
    # Turned clockwise, the left edge is up: a point x, y came from y, height - x.
    for anew in _read(models, [np.ascontiguousarray(np.rot90(pixels, -1))], heads=True)[0]:
        back = [np.stack([q[:, 1], pixels.shape[0] - q[:, 0]], axis=1) for q in (anew.box, *anew.pieces)]
        found.append(Anew(anew.line, back[0], tuple(back[1:])))
    return found


def contrast(models: TextModels, pixels: Pixels) -> list[Anew]:
    """In shades along the direction in which the colours differ most, evened out: faint, glowing, embossed letters."""
    flat = pixels.reshape(-1, 3)[:: max(1, pixels.size // 300_000)].astype(np.float32)
    _, _, axes = np.linalg.svd(flat - flat.mean(axis=0), full_matrices=False)
    # The sign that keeps light light.
    axis = axes[0] * (1.0 if axes[0].sum() >= 0 else -1.0)
    shade = pixels.astype(np.float32) @ axis.astype(np.float32)
    low, high = np.percentile(shade, [0.5, 99.5])
    even = np.clip((shade - low) / max(1.0, float(high - low)) * 255, 0, 255).astype(np.uint8)
    clear = cast("Any", cv2).createCLAHE(CLIP, (8, 8)).apply(even)
    return _read(models, [np.repeat(np.asarray(clear, np.uint8)[:, :, None], 3, axis=2)])[0]


def _read(models: TextModels, pictures: Sequence[Pixels], *, heads: bool = False) -> list[list[Anew]]:
    """Every picture as a plain look would read it; with `heads`, every box on its head too."""
    boxes = boxes_in(models, pictures, BOX_THRESHOLD)
    strips = [strip_of(p, q) for p, found in zip(pictures, boxes, strict=True) for q in found]
    lines = models.lines(strips)
    if heads:
        over = models.lines([np.ascontiguousarray(s[::-1, ::-1]) for s in strips])
    else:
        over = [Line("", (), ())] * len(strips)
    both = iter(zip(lines, over, strict=True))
    out: list[list[Anew]] = []
    for found in boxes:
        anew: list[Anew] = []
        for quad in found:
            line, head = next(both)
            box = lying(quad)
            if head.confidence > line.confidence + TURNED_MORE:
                line, box = head, np.roll(box, -2, axis=0)
            anew.append(Anew(line, box, (quad,)))
        out.append(anew)
    return out


def _moved(anew: Anew, x: float, y: float) -> Anew:
    by = np.array([x, y], np.float32)
    return Anew(anew.line, _plus(anew.box, by), tuple(_plus(p, by) for p in anew.pieces))


def _plus(quad: Quad, by: Quad) -> Quad:
    return np.asarray(quad + by, np.float32)


def _spans(side: int) -> list[tuple[int, int]]:
    """Where tiles begin and end along a side."""
    step = side / TILES
    more = OVERLAP * step
    return [(max(0, round(i * step - more)), min(side, round((i + 1) * step + more))) for i in range(TILES)]
