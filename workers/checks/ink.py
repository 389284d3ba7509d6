"""Letters as blots of ink: what stands out from its ground in a part of a picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from workers.checks.port import Pixels

INK_MAX: Final = 0.5
"""Ink covers less of its ground than this; where it seems to cover more, the ground is the ink."""
SIZES: Final = (0.4, 2.2)
"""Height of a letter as a share of the middle one: what is smaller is a dot or a speck, what is larger a frame."""
BLOTS_MAX: Final = 400
"""Most blots that are looked at: more are texture."""


@dataclass(frozen=True, slots=True)
class Blots:
    """Letters of like size. `middles` are x, y in pixels, shape (n, 2); `size` is the middle one of their sizes."""

    middles: npt.NDArray[np.float64]
    size: float


def blots(part: Pixels) -> Blots:
    """What could be letters in a part of a picture, in its pixels; none where it holds texture."""
    channel = max((np.ascontiguousarray(part[:, :, c]) for c in range(3)), key=lambda c: float(c.std()))
    _, mask = cv2.threshold(channel, 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
    if (np.asarray(mask) > 0).mean() > INK_MAX:
        mask = cv2.bitwise_not(mask)
    _, _, stats, middles = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    boxes, places = np.asarray(stats)[1:], np.asarray(middles, float)[1:]
    height, width = part.shape[:2]
    fair = (
        (boxes[:, 4] >= 12)
        & (boxes[:, 2] < 0.5 * width)
        & (boxes[:, 3] < 0.8 * height)
        & (boxes[:, 0] > 0)
        & (boxes[:, 1] > 0)
        & (boxes[:, 0] + boxes[:, 2] < width)
        & (boxes[:, 1] + boxes[:, 3] < height)
    )
    boxes, places = boxes[fair], places[fair]
    if not len(boxes) or len(boxes) > BLOTS_MAX:
        return Blots(np.empty((0, 2)), 0.0)
    sizes = np.sqrt(boxes[:, 2].astype(float) * boxes[:, 3])
    # Specks would pull the middle down: letters are what covers most.
    middle = float(np.median(np.repeat(sizes, np.maximum(1, boxes[:, 4] // 12))))
    kept = (sizes >= SIZES[0] * middle) & (sizes <= SIZES[1] * middle)
    return Blots(places[kept], middle)
