"""The port every engine implements; `tests/contract/test_engines.py` runs on each of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from schemas.events import LatentStats, RenderFailure, RenderRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """Bytes that an engine made. `injected` lists failure modes that the simulator put in on purpose."""

    data: bytes
    media_type: str
    width: int
    height: int
    latents: LatentStats | None = None
    injected: tuple[str, ...] = ()


class Engine(Protocol):
    """Renders batches. One thread calls it; it holds no Kafka client and reads no settings."""

    @property
    def backend(self) -> str:
        """diffusers, http, typeset or simulator."""
        ...

    @property
    def device(self) -> str:
        """Where it runs, for example cpu."""
        ...

    @property
    def model_digest(self) -> str:
        """Digest of weights and code: the same digest, request and device give the same bytes."""
        ...

    def batch_key(self, request: RenderRequest) -> str:
        """Requests with one key may share a batch."""
        ...

    def max_batch(self, request: RenderRequest) -> int:
        """Largest batch for requests like this one."""
        ...

    def render(
        self, requests: Sequence[RenderRequest], files: Mapping[str, bytes]
    ) -> Sequence[Rendered | RenderFailure]:
        """One result for each request, in order; a job that fails never takes its batch along.

        `requests` share one batch key; `files` holds the bytes of their FileRefs by sha256.
        Raises Transient where the engine is away for now, Fatal where it can never go on.
        """
        ...
