"""Enlarges a picture 2 or 4 times, tile by tile, so that memory follows the tile and not the picture."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from PIL import Image

from schemas.errors import BadConfig

TIMES: Final = (2, 4)
"""Enlargements there are."""
LANCZOS_TILE: Final = 256
"""Core of a tile, pixels of the source: at 4 times it makes 1024 x 1024 pixels, 4 MiB in memory."""
_REACH: Final = 3
"""Pixels of the source to each side that a pixel of the result depends on: the lobes of the filter."""

Corners = tuple[int, int, int, int]
"""Left, top, right, bottom; pixels, right and bottom exclusive."""


class Upscaler(Protocol):
    """Enlarges pictures. Several threads may call it at once."""

    @property
    def name(self) -> str:
        """What it works with, for the manifest."""
        ...

    @property
    def model(self) -> str:
        """The trained model that makes up detail; empty where there is none."""
        ...

    def enlarge(self, image: Image.Image, times: int) -> Image.Image:
        """An RGB picture 2 or 4 times as wide and as high. Raises Transient where memory is short for now."""
        ...


@dataclass(frozen=True, slots=True)
class Lanczos:
    """No model: the windowed sinc of three lobes. Tiled or whole, the pixels are the same.

    Above its source and its output (4 bytes a pixel each) it holds one tile, and what lies between the two passes
    over it: 16 MiB at most.
    """

    tile: int = LANCZOS_TILE
    model: str = ""

    @property
    def name(self) -> str:
        """What it is, and why it is used."""
        return "Lanczos, as no upscaler weights are configured"

    def enlarge(self, image: Image.Image, times: int) -> Image.Image:
        """The picture enlarged. Each tile is filtered from all the source that it depends on, so there are no seams."""
        made = Image.new("RGB", (image.width * times, image.height * times))
        for box in tiles(image.size, self.tile):
            made.paste(_filtered(image, box, times), (box[0] * times, box[1] * times))
        return made


def _filtered(image: Image.Image, box: Corners, times: int) -> Image.Image:
    """One tile: across, then down. Pillow picks the order by a tile's shape, and rounding makes that visible."""
    left, top, right, bottom = box
    _, first, _, last = grown(box, _REACH, image.size)
    rows, lanczos = last - first, Image.Resampling.LANCZOS
    wide = image.crop((0, first, image.width, last)).resize(
        ((right - left) * times, rows), lanczos, box=(left, 0, right, rows)
    )
    return wide.resize((wide.width, (bottom - top) * times), lanczos, box=(0, top - first, wide.width, bottom - first))


def tiles(size: tuple[int, int], core: int) -> Iterator[Corners]:
    """Boxes of at most `core` pixels a side that cover a picture, row by row."""
    width, height = size
    for top, left in itertools.product(range(0, height, core), range(0, width, core)):
        yield left, top, min(left + core, width), min(top + core, height)


def grown(box: Corners, by: int, size: tuple[int, int]) -> Corners:
    """A box with a border round it, as far as the picture goes."""
    return (max(0, box[0] - by), max(0, box[1] - by), min(size[0], box[2] + by), min(size[1], box[3] + by))


def open_upscaler(weights: Path | None) -> Upscaler:
    """The upscaler that the settings name, else Lanczos.

    Raises BadConfig where the weights are no upscaler that can be used, or the model extra is not installed.
    """
    if weights is None:
        return Lanczos()
    if not weights.is_file():
        raise BadConfig(f"PRESSCHECK_UPSCALER: there is no file {weights}", mend="name a .safetensors or .pth file")
    try:
        from workers.finish.upscale_spandrel import SpandrelUpscaler
    except ModuleNotFoundError as e:
        raise BadConfig(
            f"PRESSCHECK_UPSCALER needs {e.name}, which is not installed", mend="install presscheck[models]"
        ) from e
    return SpandrelUpscaler(weights)
