"""The manifest of an attempt: what made an image. Found again on redelivery, it saves a second render."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from schemas.codec import build, plain
from schemas.errors import Poison
from schemas.events import Asset, LatentStats, Outcome, PromptCut, RenderFailure, Rendering, RenderRequest
from store.artifacts import ArtifactStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """All that made one attempt's image, or made it fail. JSON in the store, hashed as written.

    `request` is all that was asked, so that the attempt can be made again. `at_ms` is when the render ended
    (milliseconds since 1970 UTC); `timings_ms` names steps and their milliseconds; `injected` are failure modes that
    the simulator put in on purpose; `picture_sha256` is the hash of what the engine gave, before it was finished;
    `facts` say how the engine made it, and `finish` what was done to it since. The rest is as in Rendering.
    """

    request: RenderRequest
    at_ms: int
    injected: tuple[str, ...]
    timings_ms: Mapping[str, float]
    picture_sha256: str | None
    facts: Mapping[str, str]
    finish: Mapping[str, str]
    outcome: Outcome
    asset: Asset | None
    latents: LatentStats | None
    cut: tuple[PromptCut, ...]
    failure: RenderFailure | None
    backend: str
    model_digest: str
    device: str
    engine_ms: float
    batch_size: int
    cost_usd: float

    def rendering(self, manifest_sha256: str) -> Rendering:
        """The Rendering that this manifest, stored at an address, stands for."""
        return Rendering(
            outcome=self.outcome,
            asset=self.asset,
            latents=self.latents,
            cut=self.cut,
            failure=self.failure,
            manifest_sha256=manifest_sha256,
            backend=self.backend,
            model_digest=self.model_digest,
            device=self.device,
            engine_ms=self.engine_ms,
            batch_size=self.batch_size,
            cost_usd=self.cost_usd,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """A manifest in the store, and its address."""

    manifest: Manifest
    sha256: str

    @property
    def rendering(self) -> Rendering:
        """What came of the attempt."""
        return self.manifest.rendering(self.sha256)


def _same(one: RenderRequest, other: RenderRequest) -> bool:
    """Whether two requests ask for the same in everything."""
    return _canonical(plain(one)) == _canonical(plain(other))


ATTEMPTS = "attempts"
"""Prefix of the keys under which attempts find their manifests."""


def key_of(job_id: str, replay_id: str | None, attempt: int) -> str:
    """Key under which the address of an attempt's manifest lies. A job's own run is kept apart from replays."""
    run = "run" if replay_id is None else f"replay-{replay_id}"
    return f"{ATTEMPTS}/{job_id}/{run}/{attempt}.json"


def find(store: ArtifactStore, request: RenderRequest) -> Attempt | None:
    """The attempt already made for this very request; None where there is none, or only one for another request.

    Raises Poison where the manifest is damaged or gone, Transient and Fatal as the store does.
    """
    said = store.objects.read(key_of(request.job.job_id, request.replay_id, request.attempt))
    if said is None:
        return None
    attempt = load(store, _address(said))
    return attempt if _same(attempt.manifest.request, request) else None


def load(store: ArtifactStore, sha256: str) -> Attempt:
    """The manifest at an address. Raises Poison where the bytes there are no manifest."""
    data = store.get(sha256)
    try:
        return Attempt(manifest=build(Manifest, json.loads(data)), sha256=sha256)
    except (ValueError, KeyError, TypeError, Poison) as e:
        raise Poison(f"artifact {sha256} is no manifest: {e!r}") from e


def record(store: ArtifactStore, manifest: Manifest) -> Attempt:
    """Store a manifest, after its asset; the first one for a request stays, and is what is given back.

    Two workers may render one attempt (a worker frozen past its session); both then tell the same story.
    Raises as the store does.
    """
    sha256 = store.put(_canonical(plain(manifest)))
    request = manifest.request
    key = key_of(request.job.job_id, request.replay_id, request.attempt)
    pointer = _canonical({"manifest_sha256": sha256})
    if not store.objects.write_new(key, pointer):
        first = store.objects.read(key)
        if first is not None:
            attempt = load(store, _address(first))
            if _same(attempt.manifest.request, manifest.request):
                return attempt
        store.objects.write(key, pointer)
    return Attempt(manifest=manifest, sha256=sha256)


def _address(pointer: bytes) -> str:
    try:
        return cast("str", json.loads(pointer)["manifest_sha256"])
    except (ValueError, KeyError, TypeError) as e:
        raise Poison(f"the attempt's pointer {pointer[:80]!r} names no manifest") from e


def _canonical(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
