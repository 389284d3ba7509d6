"""The port every engine implements; `tests/contract/test_engines.py` runs on each of them."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt
from PIL import Image

from schemas.events import Box, LatentStats, PromptCut, RenderFailure, RenderRequest

Pixels = npt.NDArray[np.uint8]
"""RGB, shape (height, width, 3)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """A picture that an engine made.

    picture: Encoded bytes, or pixels that are encoded while the engine works on the next batch.
    injected: Failure modes that the simulator put in on purpose.
    cut: Text encoders that did not see the whole prompt.
    keep: Boxes whose colours finishing leaves as they are, such as a logo from its file.
    cost_usd: What the host charged, US dollars; None counts by the profile's prices.
    facts: What else the manifest should say of how it was made, for people.
    """

    picture: bytes | Pixels
    media_type: str = "image/png"
    width: int
    height: int
    latents: LatentStats | None = None
    injected: tuple[str, ...] = ()
    cut: tuple[PromptCut, ...] = ()
    keep: tuple[Box, ...] = ()
    cost_usd: float | None = None
    facts: Mapping[str, str] = field(default_factory=dict[str, str])

    def encoded(self) -> bytes:
        """The bytes of the picture; pixels become a PNG, the same bytes every time."""
        if isinstance(self.picture, bytes):
            return self.picture
        out = io.BytesIO()
        Image.fromarray(self.picture).save(out, "PNG", compress_level=1)
        return out.getvalue()


class Cancelled(Exception):
    """The batch under way is no longer wanted; what a Watch raises, an engine lets through."""


class Watch(Protocol):
    """Looks on while an engine works."""

    def step(self, done: int, of: int) -> None:
        """Told after every step of a batch. Raises Cancelled where the engine should stop now."""
        ...


class NobodyWatches:
    """A Watch that looks away."""

    def step(self, done: int, of: int) -> None:
        """Nothing."""


NOBODY: Final = NobodyWatches()


class Engine(Protocol):
    """Renders batches. One thread calls it; it holds no Kafka client and reads no settings."""

    @property
    def backend(self) -> str:
        """diffusers, ideogram, stability, typeset or simulator."""
        ...

    @property
    def device(self) -> str:
        """Where it runs, for example cpu."""
        ...

    @property
    def model_digest(self) -> str:
        """Digest of weights and code: the same digest, request and device give the same bytes."""
        ...

    @property
    def resident_bytes(self) -> int:
        """What it holds on the accelerator now; 0 where it holds nothing there."""
        ...

    def park(self) -> None:
        """Leave the accelerator to others; the next render comes back by itself."""
        ...

    def batch_key(self, request: RenderRequest) -> str:
        """Requests with one key may share a batch."""
        ...

    def max_batch(self, request: RenderRequest) -> int:
        """Largest batch for requests like this one."""
        ...

    def render(
        self, requests: Sequence[RenderRequest], files: Mapping[str, bytes], watch: Watch = NOBODY
    ) -> Sequence[Rendered | RenderFailure]:
        """One result for each request, in order; a job that fails never takes its batch along.

        `requests` share one batch key; `files` holds the bytes of their FileRefs, and of what their edits mend, by
        sha256. Raises Transient where the engine is away for now, Fatal where it can never go on, Cancelled.
        """
        ...
