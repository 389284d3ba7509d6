"""What a host cannot take as it is: a size where it only knows aspect ratios, and a seed out of its range.

A job names pixels, a host a shape. The nearest shape is asked for; the picture is then scaled to cover the job's size
and loses at its edges, evenly, what does not fit. Where too much would be lost the job is refused, or the picture left
as it came, for inspection to find.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from PIL import Image

from workers.engines.port import Pixels

MOST_OFF: Final = 0.07
"""Share of a side that may be lost to the nearest shape. 4:5, the poster of social media, is 6.3 % away from 3:4."""
MOST_LOST: Final = 0.10
"""The same for the picture that came: hosts round their shapes to sizes that their model likes, by up to 3 %."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """A picture at the size asked for. `lost` is the share of one side that was cut away, `scale` the enlargement."""

    pixels: Pixels
    lost: float
    scale: float


def off(shape: float, width: int, height: int) -> float:
    """Share of one side that is lost where a picture of a shape (width ÷ height) covers this size."""
    return 1 - math.exp(-abs(math.log(shape * height / width)))


def nearest_shape(shapes: Mapping[str, float], width: int, height: int) -> tuple[str, float]:
    """Name of the nearest shape, and what is lost to it."""
    name = min(shapes, key=lambda n: off(shapes[n], width, height))
    return name, off(shapes[name], width, height)


def refuses_shape(shapes: Mapping[str, float], width: int, height: int) -> str | None:
    """Why no shape of the host comes near this size, with a size that does, or None."""
    name, lost = nearest_shape(shapes, width, height)
    if lost <= MOST_OFF:
        return None
    shape = shapes[name]
    near = f"{round(height * shape)} x {height}" if shape * height <= width else f"{width} x {round(width / shape)}"
    return f"the host has no shape near {width} x {height}: {lost:.0%} of a side would be lost; ask for {near}"


def fit(pixels: Pixels, width: int, height: int) -> Fitted | None:
    """The picture at this size, cut evenly at two edges; None where more than MOST_LOST would be cut away."""
    rows, columns = pixels.shape[:2]
    lost = off(columns / rows, width, height)
    if lost > MOST_LOST:
        return None
    scale = max(width / columns, height / rows)
    left, top = (columns - width / scale) / 2, (rows - height / scale) / 2
    box = (max(0.0, left), max(0.0, top), min(columns, columns - left), min(rows, rows - top))
    image = Image.fromarray(pixels).resize((width, height), Image.Resampling.LANCZOS, box=box)
    return Fitted(pixels=np.asarray(image, dtype=np.uint8), lost=lost, scale=scale)


def seed_for(seed: int, first: int, count: int) -> tuple[int, Mapping[str, str]]:
    """A seed of the range that a host takes (`count` seeds from `first`), and how it came about.

    A seed below `count` stays as near as can be, a larger one is taken modulo: the same job always gets the same.
    """
    asked = first + seed % count
    return asked, {"seed": str(asked)} if asked == seed else {"seed": f"{asked} for {seed}"}
