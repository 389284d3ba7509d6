"""The engine of `bench duty`: every batch takes the same time, and gives pixels that look like pictures."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from schemas.events import RenderRequest
from workers.engines import palette, scenes
from workers.engines.port import NOBODY, Pixels, Rendered, Watch

SIZE: Final = (1024, 1024)
GRAIN: Final = 3.0
"""Standard deviation of the grain, of 255: a PNG of such a picture takes about as much as one of a photograph."""
STEPS: Final = 4


def _drawn() -> Pixels:
    """A drawn scene with grain, shape (1024, 1024, 3)."""
    colours = palette.from_swatches((), 7)
    scene = scenes.draw("a quiet harbour at dusk", SIZE, colours, 7, leave_room=False).convert("RGB")
    grain = np.random.default_rng(7).normal(0.0, GRAIN, (SIZE[1], SIZE[0], 3))
    return np.clip(np.asarray(scene, dtype=np.float64) + grain, 0, 255).astype(np.uint8)


@dataclass(slots=True)
class FixedEngine:
    """Waits `batch_s` seconds a batch, in steps. `spans` holds when calls began and ended, monotonic seconds."""

    batch: int
    batch_s: float
    backend: str = "none"
    device: str = "none"
    model_digest: str = "bench-duty"
    resident_bytes: int = 0
    spans: list[tuple[float, float]] = field(default_factory=list[tuple[float, float]])
    sizes: list[int] = field(default_factory=list[int])
    _picture: Pixels = field(default_factory=_drawn)

    def park(self) -> None:
        """It holds nothing."""

    def batch_key(self, request: RenderRequest) -> str:
        """All share batches."""
        return "any"

    def max_batch(self, request: RenderRequest) -> int:
        """As told."""
        return self.batch

    def render(
        self, requests: Sequence[RenderRequest], files: Mapping[str, bytes], watch: Watch = NOBODY
    ) -> Sequence[Rendered]:
        """One picture each, every one with bytes of its own."""
        began = time.monotonic()
        made = [
            Rendered(picture=np.roll(self._picture, r.sampling.seed, axis=1), width=SIZE[0], height=SIZE[1])
            for r in requests
        ]
        for step in range(1, STEPS + 1):
            time.sleep(max(0.0, began + self.batch_s * step / STEPS - time.monotonic()))
            watch.step(step, STEPS)
        self.spans.append((began, time.monotonic()))
        self.sizes.append(len(requests))
        return made
