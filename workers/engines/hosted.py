"""Engines behind somebody's API: one request for each job, all of a batch at once, under slots that all workers share.

What every API has in common is here; `ideogram` and `stability` say how each is spoken to. A picture passes as it came
where its size is the one asked for, also where it does not decode: inspection must see that. The cost is the profile's
price for each good answer: what a host charges for a refusal, or an answer that never came, no contract says.
"""

from __future__ import annotations

import asyncio
import hashlib
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Final, Protocol, TypeVar
from urllib.parse import urlsplit

import httpx
from PIL import __version__ as pillow_version
from pydantic import SecretStr

from broker.leases import Slots
from rules.engines import EngineProfile, Hosted
from schemas.errors import BadConfig, Poison, Transient
from schemas.events import FailureKind, FileRef, FileRole, RenderFailure, RenderRequest
from workers.checks.decode import decode
from workers.checks.port import Broken
from workers.engines import hosted_http, hosted_links
from workers.engines.hosted_fit import fit, nearest_shape, refuses_shape
from workers.engines.hosted_http import Away, Failed, Host, Talk
from workers.engines.hosted_links import Resolve
from workers.engines.port import NOBODY, Rendered, Watch

MOST_INPUT_BYTES: Final = 10_000_000
"""Both APIs take pictures, or whole requests, of up to 10 MB."""
T = TypeVar("T")
PICTURE_TYPES: Final = frozenset({"image/png", "image/jpeg", "image/webp"})
TIME_SHARE: Final = 0.95
"""Share of the profile's time-out after which a batch is given up: whoever looks on waits for all of it."""
REMIX: Final = "remix"
"""The operation that starts from a picture instead of from noise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """What a host made: the file as it came, and what should be known of it."""

    data: bytes
    media_type: str
    facts: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One job as an API is asked for it. `shape` is an aspect ratio of the API, `start` a picture to start from."""

    request: RenderRequest
    model: str
    shape: str
    start: tuple[FileRef, bytes] | None = None
    negative_prompt: str = ""
    guidance: float = 0.0


class Api(Protocol):
    """How one API is spoken to. Holds no key."""

    @property
    def name(self) -> str:
        """The API's name: ideogram or stability."""
        ...

    @property
    def shapes(self) -> Mapping[str, float]:
        """Aspect ratios by the API's own names, width ÷ height."""
        ...

    async def picture(self, talk: Talk, asked: Asked) -> Picture:
        """Make one picture. Raises Failed, Away."""
        ...


class HostedEngine:
    """An engine of the port on top of an Api. `slots` makes the pool's slots for one batch.

    `timeout_s` of the profile bounds a whole batch, waiting for slots included.
    """

    resident_bytes = 0

    def __init__(
        self, profile: EngineProfile, hosted: Hosted, api: Api, host: Host, slots: Callable[[], Slots]
    ) -> None:
        self._profile, self._hosted, self._api, self._host, self._slots = profile, hosted, api, host, slots

    @property
    def backend(self) -> str:
        """The API's name."""
        return self._api.name

    @property
    def device(self) -> str:
        """The host's name."""
        return self._host.name

    @property
    def model_digest(self) -> str:
        """Digest of the API, the model's name and our code. The host may change its model without a word."""
        return self._digest

    def park(self) -> None:
        """It holds nothing."""

    def batch_key(self, request: RenderRequest) -> str:
        """Every request is sent by itself, so that any may share a batch; those of one size do."""
        return f"{request.job.width}x{request.job.height}"

    def max_batch(self, request: RenderRequest) -> int:
        """By the profile, and no more than may be in flight; 1 for a size that it refuses."""
        return max(1, min(self._hosted.in_flight, self._profile.max_batch(request.job.width, request.job.height)))

    def render(
        self, requests: Sequence[RenderRequest], files: Mapping[str, bytes], watch: Watch = NOBODY
    ) -> Sequence[Rendered | RenderFailure]:
        """One result for each request, in order. Raises Transient where the host is away for every job that was sent.

        Where it was away for some of them those fail alone, as unavailable: what the others cost is not paid twice.
        """
        out: list[Rendered | RenderFailure | None] = [self._refused(r, files) for r in requests]
        sent = [n for n, result in enumerate(out) if result is None]
        if sent:
            answers = asyncio.run(self._all([self._asked(requests[n], files) for n in sent], watch))
            away = [a for a in answers if isinstance(a, Away)]
            if len(away) == len(sent):
                raise Transient(str(away[0]))
            for n, answer in zip(sent, answers, strict=True):
                out[n] = _unavailable(str(answer)) if isinstance(answer, Away) else answer
        return [result for result in out if result is not None]

    def aside(self, operation: str, do: Callable[[Talk], Awaitable[T]]) -> T:
        """Ask the host for something beside rendering, under a slot as any other call.

        Raises BadConfig where the profile does not list the operation, Poison where the host refuses, Transient.
        """
        if operation not in self._hosted.operations:
            raise BadConfig(f"{self._profile.id} may not be asked to {operation}", mend="add it to hosted.operations")

        async def run() -> T:
            end = asyncio.get_running_loop().time() + self._profile.timeout_s
            async with hosted_http.client(self._tls) as client, self._slots() as slots:
                return await do(Talk(host=self._host, client=client, slots=slots, job_id=operation, end=end))

        try:
            return asyncio.run(run())
        except Failed as e:
            raise Poison(self._host.struck(e.message)) from None
        except Away as e:
            raise Transient(str(e)) from None

    def _refused(self, request: RenderRequest, files: Mapping[str, bytes]) -> RenderFailure | None:
        why = self._profile.refuses(request.sampling, request) or self._refuses(request, files)
        return RenderFailure(kind=FailureKind.INVALID_REQUEST, message=why[:2000]) if why else None

    def _refuses(self, request: RenderRequest, files: Mapping[str, bytes]) -> str | None:
        """Why the API cannot be asked for this, or None."""
        if request.edit is not None:
            return f"{self._profile.id} cannot redo parts of a picture"
        starts = _starts(request)
        if starts and REMIX not in self._hosted.operations:
            return f"{self._profile.id} may not be asked to start from a picture: `{REMIX}` is not in its operations"
        if len(starts) > 1:
            return f"{self._profile.id} starts from one picture, not from {len(starts)}"
        for start in starts:
            if start.media_type not in PICTURE_TYPES:
                return f"{self._profile.id} starts from PNG, JPEG or WebP, not from {start.media_type}"
            if len(files[start.sha256]) > MOST_INPUT_BYTES:
                return f"{self._profile.id} takes pictures of up to {MOST_INPUT_BYTES} bytes"
        return refuses_shape(self._api.shapes, request.job.width, request.job.height)

    def _asked(self, request: RenderRequest, files: Mapping[str, bytes]) -> Asked:
        start = next(iter(_starts(request)), None)
        return Asked(
            request=request,
            model=self._hosted.model,
            shape=nearest_shape(self._api.shapes, request.job.width, request.job.height)[0],
            start=(start, files[start.sha256]) if start else None,
            negative_prompt=request.negative_prompt if self._profile.negative_prompt else "",
            guidance=0.0 if self._profile.distilled else request.sampling.guidance,
        )

    async def _all(self, batch: Sequence[Asked], watch: Watch) -> list[Rendered | RenderFailure | Away]:
        """Every job at once, as slots come free. Raises what the watch raises, and what the slots do."""
        end = asyncio.get_running_loop().time() + TIME_SHARE * self._profile.timeout_s
        async with hosted_http.client(self._tls) as client, self._slots() as slots:
            tasks = [asyncio.create_task(self._one(asked, client, slots, end)) for asked in batch]
            try:
                for done, ended in enumerate(asyncio.as_completed(tasks), 1):
                    await ended
                    watch.step(done, len(tasks))
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
        return [task.result() for task in tasks]

    async def _one(
        self, asked: Asked, client: httpx.AsyncClient, slots: Slots, end: float
    ) -> Rendered | RenderFailure | Away:
        talk = Talk(host=self._host, client=client, slots=slots, job_id=asked.request.job.job_id, end=end)
        try:
            async with asyncio.timeout_at(end):
                picture = await self._api.picture(talk, asked)
        except TimeoutError:
            return _away(talk, f"{self._host.name} was not done in {self._profile.timeout_s:g} s")
        except Failed as e:
            return RenderFailure(kind=e.kind, message=self._host.struck(e.message)[:2000])
        except Away as e:
            return _away(talk, str(e))
        return await asyncio.to_thread(self._rendered, asked, picture, talk.charged)

    def _rendered(self, asked: Asked, picture: Picture, charged: int) -> Rendered:
        """The picture at the size asked for; as it came where it has that size, or cannot be brought to it."""
        job = asked.request.job
        facts = {**picture.facts, "shape": asked.shape, "model": asked.model}
        cost_usd = charged * self._profile.price_per_image_usd
        image = decode(picture.data)
        if isinstance(image, Broken):
            return _as_it_came(picture, (job.width, job.height), facts, cost_usd)
        rows, columns = image.pixels.shape[:2]
        facts["size_made"] = f"{columns} x {rows}"
        fitted = None if (columns, rows) == (job.width, job.height) else fit(image.pixels, job.width, job.height)
        if fitted is None:
            return _as_it_came(picture, (columns, rows), facts, cost_usd)
        facts["fitted"] = f"scaled by {fitted.scale:.3f}, {fitted.lost:.1%} of a side cut away"
        facts["sha256_made"] = hashlib.sha256(picture.data).hexdigest()
        return Rendered(picture=fitted.pixels, width=job.width, height=job.height, cost_usd=cost_usd, facts=facts)

    @cached_property
    def _digest(self) -> str:
        whole = hashlib.sha256(f"{self.backend} {self._hosted.url} {self._hosted.model} {pillow_version}".encode())
        for file in sorted(Path(__file__).parent.glob("hosted*.py")):
            whole.update(file.read_bytes())
        whole.update((Path(__file__).parent / f"{self.backend}.py").read_bytes())
        return f"{self.backend}:{whole.hexdigest()}"

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        return httpx.create_ssl_context(trust_env=False)


def host_of(
    hosted: Hosted, key: SecretStr, key_variable: str, timeout_s: float, resolver: Resolve = hosted_links.resolve
) -> Host:
    """Whom a profile speaks to, and with which key; `key_variable` names the setting that holds it."""
    name = urlsplit(hosted.url).hostname or ""
    return Host(
        name=name,
        url=hosted.url,
        key=key,
        key_variable=key_variable,
        loopback=hosted_links.is_loopback(name),
        timeout_s=timeout_s,
        resolver=resolver,
    )


def _starts(request: RenderRequest) -> list[FileRef]:
    return [ref for ref in request.job.files if ref.role is FileRole.INIT_IMAGE]


def _away(talk: Talk, why: str) -> RenderFailure | Away:
    """A host that is away. Where it made the picture, or may have, this job fails: asked again, it is paid again."""
    if not (talk.charged or talk.unanswered):
        return Away(why)
    return _unavailable(f"{why}; the picture {'was made and is lost' if talk.charged else 'may have been made'}")


def _unavailable(why: str) -> RenderFailure:
    return RenderFailure(kind=FailureKind.UNAVAILABLE, message=why[:2000])


def _as_it_came(picture: Picture, size: tuple[int, int], facts: Mapping[str, str], cost_usd: float) -> Rendered:
    return Rendered(
        picture=picture.data,
        media_type=picture.media_type,
        width=size[0],
        height=size[1],
        cost_usd=cost_usd,
        facts=facts,
    )
