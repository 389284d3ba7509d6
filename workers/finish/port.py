"""The port of finishing: from what an engine made to the very bytes that are inspected and delivered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from rules.engines import EngineProfile
from schemas.events import RenderRequest
from workers.engines.port import Rendered


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One picture to finish.

    files: Bytes of the job's files by sha256.
    palette: Brand swatches as #rrggbb; empty where the brand has none.
    steps: Steps of the ruleset, in order.
    backend: What made the picture: a simulator that stands in says so here, whatever the profile is called.
    model_digest: Digest of what made the picture.
    """

    rendered: Rendered
    request: RenderRequest
    profile: EngineProfile
    backend: str
    model_digest: str
    files: Mapping[str, bytes]
    palette: Sequence[str]
    steps: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """The bytes to deliver.

    picture_sha256: Hash of what the engine gave, before anything was done to it.
    facts: What each step did, in words and numbers, for the manifest.
    """

    data: bytes
    media_type: str
    width: int
    height: int
    picture_sha256: str
    facts: Mapping[str, str]


class Finish(Protocol):
    """Finishes pictures. Several threads may call it at once."""

    def __call__(self, order: Order) -> Finished:
        """The picture as it is delivered; bytes that do not decode pass unchanged, so that inspection sees them.

        Raises Poison where it cannot be finished as asked.
        """
        ...
