"""An engine that misbehaves on demand, and requests for it: what the render worker must survive."""

from __future__ import annotations

import hashlib
import io
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from PIL import Image

from schemas import ids
from schemas.errors import Transient
from schemas.events import FailureKind, Preset, RenderFailure, RenderRequest, RenderRequested, Rung
from tests.unit.rules import samples
from workers.engines.pool import Pool
from workers.engines.port import NOBODY, Engine, Rendered, Watch
from workers.finish.port import Finished, Order

ENGINE = "sd3.5-medium"
TRUNCATED = "truncated bytes"
GARBAGE = "garbage bytes"
FAILS = "fails by itself"
THROWS = "throws"
SWALLOWS_MEMORY = "swallows memory"
AWAY = "away"
HANGS = "hangs"
CRAWLS = "crawls"
CRAWL_STEPS = 2000
CRAWL_S = 0.02
"""A crawling job takes so many steps of so many seconds: well over half a minute."""


def picture(seed: int) -> bytes:
    """A small PNG that differs by seed."""
    out = io.BytesIO()
    image = Image.effect_noise((64, 64), 40 + seed % 50).convert("RGB")
    image.save(out, "PNG")
    return out.getvalue()


@dataclass(slots=True)
class Misbehaving:
    """Renders noise; what a prompt says is what goes wrong with its job, unless it is sampled safely."""

    backend: str = "test"
    device: str = "cpu"
    model_digest: str = "misbehaving"
    calls: list[int] = field(default_factory=list[int])
    let_go: threading.Event = field(default_factory=threading.Event)

    def batch_key(self, request: RenderRequest) -> str:
        """One for each size."""
        return f"{request.job.width}x{request.job.height}"

    def max_batch(self, request: RenderRequest) -> int:
        """As the profile allows for 512 x 512."""
        return 24

    resident_bytes = 0

    def park(self) -> None:
        """It holds nothing."""

    def render(
        self, requests: Sequence[RenderRequest], files: Mapping[str, bytes], watch: Watch = NOBODY
    ) -> Sequence[Rendered | RenderFailure]:
        """One result each, or whatever the worst job of the batch makes of it."""
        self.calls.append(len(requests))
        if any(r.prompt == CRAWLS for r in requests):
            for step in range(CRAWL_STEPS):
                self.let_go.wait(CRAWL_S)
                watch.step(step + 1, CRAWL_STEPS)
        return [self._one(r) for r in requests]

    def _one(self, request: RenderRequest) -> Rendered | RenderFailure:
        wrong = request.prompt if request.sampling.preset is Preset.STANDARD else ""
        data = picture(request.sampling.seed)
        match wrong:
            case "truncated bytes":
                data = data[: len(data) // 2]
            case "garbage bytes":
                data = b"\x00\xff" * 500
            case "fails by itself":
                return RenderFailure(kind=FailureKind.BROKEN_LATENTS, message="latents are not finite")
            case "throws":
                raise ValueError("a bug in the engine")
            case "swallows memory":
                raise MemoryError("8 GB wanted")
            case "away":
                raise Transient("503 from upstream")
            case "hangs":
                self.let_go.wait(60)
            case _:
                pass
        return Rendered(picture=data, media_type="image/png", width=64, height=64, injected=())


def only(served: Engine) -> Pool:
    """Serves one engine under the name ENGINE."""
    return Pool(build=lambda _profile: served, serves=frozenset({ENGINE}), budget_bytes=lambda: 0)


def as_is(order: Order) -> Finished:
    """Does nothing to the picture."""
    made = order.rendered
    data = made.encoded()
    return Finished(
        data=data,
        media_type=made.media_type,
        width=made.width,
        height=made.height,
        picture_sha256=hashlib.sha256(data).hexdigest(),
        facts={},
    )


def wanted(n: int, prompt: str = "", *, key: str = "job") -> RenderRequested:
    """The n-th job's first attempt."""
    rules = samples.ruleset()
    job = samples.job(prompt or "a lighthouse", f"{key}-{n}", width=512, height=512, seed=n)
    routed = samples.routed(samples.job("a lighthouse at dawn", f"{key}-{n}", width=512, height=512, seed=n))
    request = replace(
        routed,
        job=job,
        engine=ENGINE,
        prompt=prompt or "a lighthouse",
        sampling=rules.engines[ENGINE].preset(Preset.STANDARD).sampling(Preset.STANDARD, n),
    )
    return RenderRequested(event_id=ids.event_id(job.job_id, "test"), at_ms=1, request=request)


def safer(event: RenderRequested) -> RenderRequested:
    """The attempt that the ladder makes of a broken one."""
    rules = samples.ruleset()
    request = replace(
        event.request,
        attempt=event.request.attempt + 1,
        rung=Rung.SAFER_SAMPLING,
        sampling=rules.engines[ENGINE].preset(Preset.SAFE).sampling(Preset.SAFE, event.request.sampling.seed + 1),
    )
    return RenderRequested(event_id=ids.event_id(event.event_id, "test"), at_ms=2, request=request)
