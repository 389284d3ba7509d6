"""Enlarges with a model that spandrel can load, tile by tile; the only module of finishing that imports torch."""

from __future__ import annotations

import hashlib
import threading
from pathlib import Path
from typing import Any, Final, cast

import numpy as np
import numpy.typing as npt
import spandrel
import torch
from PIL import Image

from schemas.errors import BadConfig, Transient
from workers.finish.upscale import TIMES, Corners, grown, tiles

CORE: Final = 128
"""Core of a tile, pixels of the source."""
CONTEXT: Final = 16
"""Border that a tile is given to look at, and that is cut away from what comes out."""
FEATHER: Final = 16
"""Border, outside the core, in which a tile fades into its neighbours."""


class SpandrelUpscaler:
    """A model with a scale of 2 or 4; asked for another, it is run again or its picture is reduced.

    It holds the weights, the source, the output, and what one tile of 192 x 192 pixels takes in the model: one
    tile at a time is worked on, whichever thread asks.
    """

    def __init__(self, weights: Path) -> None:
        """Load the weights. Raises BadConfig where they are no upscaler for RGB."""
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        try:
            model = spandrel.ModelLoader(self._device).load_from_file(weights)
        except (spandrel.UnsupportedModelError, ValueError, RuntimeError, OSError, KeyError) as e:
            raise BadConfig(
                f"PRESSCHECK_UPSCALER: {weights.name} does not load: {str(e)[:200]}",
                mend="name a model that spandrel knows",
            ) from e
        if not isinstance(model, spandrel.ImageModelDescriptor):
            raise BadConfig(f"PRESSCHECK_UPSCALER: {weights.name} is no plain upscaler", mend="name another model")
        if model.scale not in TIMES or model.input_channels != 3 or model.output_channels != 3:
            raise BadConfig(
                f"PRESSCHECK_UPSCALER: {weights.name} enlarges {model.scale} times,"
                f" {model.input_channels} channels to {model.output_channels}",
                mend="name a model that enlarges RGB 2 or 4 times",
            )
        self._scale = model.scale
        self._network = cast("spandrel.ImageModelDescriptor[Any]", model.eval())
        self._lock = threading.Lock()
        digest = hashlib.sha256(weights.read_bytes()).hexdigest()
        self.model = weights.name
        self.name = f"{weights.name} ({model.architecture.name}, {model.scale} times, sha256 {digest})"

    def enlarge(self, image: Image.Image, times: int) -> Image.Image:
        """The picture enlarged; where tiles meet, one fades into the other."""
        made = image
        while made.width < image.width * times:
            made = self._once(made)
        wanted = (image.width * times, image.height * times)
        return made if made.size == wanted else made.resize(wanted, Image.Resampling.LANCZOS)

    def _once(self, image: Image.Image) -> Image.Image:
        scale = self._scale
        made = Image.new("RGB", (image.width * scale, image.height * scale))
        for core in tiles(image.size, CORE):
            shown, seen = grown(core, FEATHER, image.size), grown(core, FEATHER + CONTEXT, image.size)
            out = self._run(np.asarray(image.crop(seen), dtype=np.uint8))
            left, top = (shown[0] - seen[0]) * scale, (shown[1] - seen[1]) * scale
            width, height = (shown[2] - shown[0]) * scale, (shown[3] - shown[1]) * scale
            tile = Image.fromarray(out[top : top + height, left : left + width])
            made.paste(tile, (shown[0] * scale, shown[1] * scale), _fade(core, shown, scale))
        return made

    def _run(self, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """One tile through the model, shape (height, width, 3) to scale times that."""
        try:
            with self._lock, torch.inference_mode():
                given = torch.as_tensor(pixels.copy()).to(self._device).permute(2, 0, 1)[None].float() / 255
                out = self._network(given)[0].clamp(0, 1).mul(255).round().to(torch.uint8)
                return out.permute(1, 2, 0).cpu().numpy()
        except torch.OutOfMemoryError as e:
            raise Transient(f"no memory for a tile of the upscaler on {self._device}") from e


def _fade(core: Corners, shown: Corners, scale: int) -> Image.Image:
    """How much of a tile is laid over what is there: it fades in at its left and upper edge, over both borders."""
    across = _ramp(shown[2] - shown[0], 2 * (core[0] - shown[0]), scale)
    down = _ramp(shown[3] - shown[1], 2 * (core[1] - shown[1]), scale)
    return Image.fromarray(np.rint(down[:, None] * across[None] * 255).astype(np.uint8))


def _ramp(length: int, soft: int, scale: int) -> npt.NDArray[np.float64]:
    """From 0 to 1 over the first `soft` pixels of the source, then 1."""
    if soft == 0:
        return np.ones(length * scale)
    return np.clip((np.arange(length * scale) + 0.5) / (soft * scale), 0, 1)
