"""The latent guard of sd3: what no exception and no decoder tells, the final latents do."""

from __future__ import annotations

from typing import Final

import torch

from schemas.events import LatentStats

STD_LIMITS: Final = (0.4, 3.0)
ABSMAX_LIMITS: Final = (2.0, 20.0)
"""Final latents outside these are broken. Measured on SD3: schedulers that suit end at a std of 1.05 to 1.2 and a
largest value of about 5; those that do not, at a std of 35 to 284, or (DDIM, DDPM) clipped at exactly 1.00. On the tiny
pipeline (`presscheck bench schedulers`) those that suit end at a largest value of 3.5 or more, those made for other
models below 1.8: EDM, the inverse solvers, consistency models."""


def measure(latents: torch.Tensor) -> LatentStats:
    """Statistics of one job's final latents."""
    values = latents.float()
    if not bool(torch.isfinite(values).all()):
        return LatentStats(finite=False, std=0.0, absmax=0.0)
    return LatentStats(finite=True, std=float(values.std()), absmax=float(values.abs().max()))


def fault(stats: LatentStats, *, from_picture: bool = False) -> str | None:
    """What is wrong with final latents, or None. The limits are STD_LIMITS and ABSMAX_LIMITS.

    Latents that began as a picture may be as flat as the picture was: for them only the upper limits hold.
    """
    if not stats.finite:
        return "the final latents hold values that are not finite"
    for name, value, (lowest, high) in (("std", stats.std, STD_LIMITS), ("absmax", stats.absmax, ABSMAX_LIMITS)):
        low = 0.0 if from_picture else lowest
        if not low <= value <= high:
            return f"the final latents have a {name} of {value:.3g}, want {low:g} to {high:g}"
    return None
