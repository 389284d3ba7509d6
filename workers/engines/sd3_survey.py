"""Tries every scheduler that diffusers ships on one sd3 engine, past the profile, and says what came of each."""

from __future__ import annotations

import inspect
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from rules.engines import SCHEDULERS, EngineProfile
from rules.tree import Scalar
from schemas.events import RenderRequest
from workers.engines import sd3_random
from workers.engines.sd3 import Sd3
from workers.engines.sd3_latents import fault, measure
from workers.engines.sd3_load import make


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """What came of one scheduler.

    configured: Whether it had the configuration that it needs on a flow model, if we know one; it is tried without too.
    ran: Whether the pipeline came to an end; `error` says what it threw.
    std, absmax: Of the final latents; None where it did not run or they are not finite.
    guard: What the latent guard says of the latents; None where it finds no fault.
    repeats: Whether the same seed gave the same latents twice.
    """

    scheduler: str
    configured: bool
    ran: bool
    error: str
    std: float | None
    absmax: float | None
    guard: str | None
    repeats: bool | None


def schedulers() -> tuple[str, ...]:
    """Names of all schedulers of this diffusers, those included for which a library is missing."""
    return tuple(sorted(name for name in dir(make) if name.endswith("Scheduler") and inspect.isclass(_of(name))))


def survey(profile: EngineProfile, asked: RenderRequest) -> Iterator[Tried]:
    """Each scheduler on the tiny pipeline with random weights. `asked` says size, steps, guidance and seed."""
    torch.set_num_threads(1)  # models this small only wait for each other
    with tempfile.TemporaryDirectory() as folder:
        pipe = sd3_random.pipeline("tiny", Path(folder))
        trained = pipe.scheduler
        for name in schedulers():
            plain: Mapping[str, Scalar] = {}
            known = SCHEDULERS.get(name, plain)
            for config in (known, plain) if known else (plain,):
                pipe.scheduler = trained  # each starts from the model's settings, not from the former one's
                yield _tried(profile, pipe, asked, name, config)


def _of(name: str) -> Any:
    return getattr(make, name, None)


def _tried(profile: EngineProfile, pipe: Any, asked: RenderRequest, name: str, config: Mapping[str, Scalar]) -> Tried:
    request = replace(asked, sampling=replace(asked.sampling, scheduler=name))
    engine = Sd3(replace(profile, schedulers={name: config}), pipe, "survey", "cpu")
    said: dict[str, Any] = {"scheduler": name, "configured": config == SCHEDULERS.get(name, {})}
    try:
        first, second = engine.latents(request), engine.latents(request)
    except Exception as e:  # noqa: BLE001 - schedulers made for other models fail in every way there is
        lines = str(e).strip().splitlines()
        error = f"{type(e).__name__}: {lines[0] if lines else ''}"[:200]
        return Tried(**said, ran=False, error=error, std=None, absmax=None, guard=None, repeats=None)
    stats = measure(first)
    return Tried(
        **said,
        ran=True,
        error="",
        std=stats.std if stats.finite else None,
        absmax=stats.absmax if stats.finite else None,
        guard=fault(stats),
        repeats=torch.equal(first, second),
    )
