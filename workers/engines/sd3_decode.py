"""Decodes the latents of one sd3 job to pixels: in tiles where they are large, in fp32 where half precision fails."""

from __future__ import annotations

from typing import Any, Final, cast

import numpy as np
import torch

from workers.engines.port import Pixels

TILE_ABOVE_PIXELS: Final = 2048 * 1024
"""Larger pictures are decoded in tiles of 1024 x 1024 that overlap: the decoder's memory grows with the area."""


class NotFinite(Exception):
    """The VAE gave values that are not finite, in fp32 as well."""


def decode(pipe: Any, latents: torch.Tensor) -> tuple[Pixels, dict[str, str]]:
    """Pixels of one job, and what was out of the usual.

    `latents` has the shape (1, channels, rows, columns). Raises NotFinite, and torch.OutOfMemoryError where even
    tiles do not fit.
    """
    vae = pipe.vae
    unscaled = latents / vae.config.scaling_factor + (vae.config.shift_factor or 0.0)
    area = latents.shape[-1] * latents.shape[-2] * pipe.vae_scale_factor**2
    said: list[str] = []
    tiled = area > TILE_ABOVE_PIXELS
    if not tiled:
        try:
            decoded = _run(vae, unscaled.to(vae.dtype), tiled=False)
        except torch.OutOfMemoryError:
            tiled = True
            said.append("in tiles, for it did not fit whole")
            decoded = None
    else:
        said.append("in tiles")
        decoded = None
    if decoded is None:
        torch.cuda.empty_cache()
        decoded = _run(vae, unscaled.to(vae.dtype), tiled=True)
    if not _finite(decoded):
        decoded = _in_fp32(vae, unscaled, tiled=tiled)
        said.append("fp32 retry")
    floats = pipe.image_processor.postprocess(decoded, output_type="np")[0]
    return cast("Pixels", (floats * 255).round().astype(np.uint8)), {"vae": ", ".join(said)} if said else {}


def _finite(decoded: torch.Tensor) -> bool:
    return bool(torch.isfinite(decoded).all())


def _in_fp32(vae: Any, unscaled: torch.Tensor, *, tiled: bool) -> torch.Tensor:
    """Once more with the weights widened; narrowing them again gives back the very same weights."""
    dtype = vae.dtype
    if dtype == torch.float32:
        raise NotFinite("the VAE decoded the latents to values that are not finite")
    try:
        vae.to(torch.float32)
        decoded = _run(vae, unscaled.float(), tiled=tiled)
    finally:
        vae.to(dtype)
    if not _finite(decoded):
        raise NotFinite("the VAE decoded the latents to values that are not finite, in fp32 as well")
    return decoded


def _run(vae: Any, unscaled: torch.Tensor, *, tiled: bool) -> torch.Tensor:
    vae.enable_tiling() if tiled else vae.disable_tiling()
    with torch.inference_mode():
        return vae.decode(unscaled, return_dict=False)[0]
