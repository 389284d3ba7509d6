"""How we speak to a host: bounded tries, bounded bytes, no redirects, and no word of the key in anything said."""

from __future__ import annotations

import asyncio
import json
import random
import ssl
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any, Final, Protocol

import httpx
import structlog
from pydantic import SecretStr

from schemas.errors import Transient
from schemas.events import FailureKind
from workers.engines.hosted_links import BadLink, Resolve, checked

TRIES: Final = 3
TRY_SHARE: Final = 0.25
"""One try takes at most this share of a job's time: three of them and the pauses between fit into it."""
MOST_ANSWER_BYTES: Final = 1024 * 1024
MOST_IMAGE_BYTES: Final = 64 * 1024 * 1024
MOST_SAID: Final = 300
"""Characters of a host's own words that go into a message."""
AGAIN: Final = frozenset({408, 425, 429})
"""Answers below 500 that another try may mend; those from 500 on always may."""
KEY_PART: Final = 6
"""Characters of the key in a row that are struck out of whatever is said."""
STRUCK: Final = "[key]"


class Failed(Exception):
    """This job fails, whatever becomes of the others."""

    def __init__(self, kind: FailureKind, message: str) -> None:
        self.kind, self.message = kind, message
        super().__init__(message)


class Away(Exception):
    """The host cannot be used for now."""


class Slots(Protocol):
    """A bound on what is asked at once; `broker.leases.Slots` shares one between processes."""

    def slot(self, within_s: float, /) -> AbstractAsyncContextManager[None]:
        """Hold one slot inside. Raises Transient where none is free in that time."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer, read whole. `media_type` is without parameters, in lower case."""

    status: int
    headers: Mapping[str, str]
    media_type: str
    body: bytes

    def json(self) -> Any:
        """The body as JSON. Raises Failed where it is none."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            said = f"answered {self.media_type or 'something'} of {len(self.body)} bytes that is no JSON"
            raise Failed(FailureKind.ENGINE_ERROR, said) from None


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """Whom we speak to. `key_variable` names the setting with the key, `loopback` says that it is this machine."""

    name: str
    url: str
    key: SecretStr
    key_variable: str
    loopback: bool
    timeout_s: float
    resolver: Resolve

    def struck(self, text: str) -> str:
        """The text without the key, or any longer part of it: hosts echo what they were sent."""
        key = self.key.get_secret_value()
        parts = {key[n : n + KEY_PART] for n in range(max(1, len(key) - KEY_PART + 1))} - {""}
        hit = [False] * len(text)
        for part in parts:
            at = text.find(part)
            while at >= 0:
                hit[at : at + len(part)] = [True] * len(part)
                at = text.find(part, at + 1)
        out: list[str] = []
        for n, char in enumerate(text):
            if not hit[n]:
                out.append(char)
            elif n == 0 or not hit[n - 1]:
                out.append(STRUCK)
        return "".join(out)

    def said(self, body: bytes) -> str:
        """The first words of an answer, in one line."""
        text = " ".join(self.struck(body[: 8 * MOST_SAID].decode("utf-8", "replace")).split())
        return "".join(c if c.isprintable() else "?" for c in text)[:MOST_SAID]


def client(tls: ssl.SSLContext) -> httpx.AsyncClient:
    """A client that follows nothing and reads no proxy from the environment: addresses are checked here."""
    headers = {"accept-encoding": "identity", "user-agent": "presscheck"}
    return httpx.AsyncClient(verify=tls, trust_env=False, follow_redirects=False, headers=headers)


@dataclass(slots=True, kw_only=True)
class Talk:
    """All that is said to a host about one job, until the loop's time `end`.

    `charged` counts its good answers, `unanswered` the requests that it took and did not answer in time: it may have
    made a picture for each, and want to be paid.
    """

    host: Host
    client: httpx.AsyncClient
    slots: Slots
    job_id: str
    end: float
    charged: int = 0
    unanswered: int = 0
    _draw: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self._draw = random.Random(self.job_id)  # noqa: S311 - spreads tries out, guards nothing

    async def ask(
        self,
        path: str,
        *,
        headers: Mapping[str, str],
        most_bytes: int,
        refused: Callable[[Reply], bool] = lambda reply: reply.status == 422,
        **content: Any,
    ) -> Reply:
        """Ask for one image under a slot, again where that may help. `content` is httpx's json, data or files.

        `refused` tells a refusal of the content from other errors. Raises Failed, Away.
        """

        async def once() -> Reply:
            async with self.slots.slot(max(0.0, self._left() - self._try_s)):
                request = self.client.build_request("POST", self.host.url + path, headers=headers, **content)
                try:
                    reply = await self._send(request, most_bytes)
                except (TimeoutError, httpx.ReadTimeout):
                    self.unanswered += 1
                    raise
            self.charged += reply.status == 200
            return reply

        reply = await self._tried(once)
        if reply.status != 200:
            self._raise(reply, is_refusal=refused(reply))
        return reply

    async def fetch(self, link: str) -> Reply:
        """Fetch a result at once, before its link expires. The key is not sent. Raises Failed, Away."""

        async def once() -> Reply:
            try:
                target = await checked(link, loopback=self.host.loopback, resolver=self.host.resolver)
            except BadLink as e:
                raise Failed(FailureKind.ENGINE_ERROR, f"{self.host.name}: {e}") from None
            request = self.client.build_request(
                "GET", target.url, headers={"host": target.host}, extensions={"sni_hostname": target.sni}
            )
            return await self._send(request, MOST_IMAGE_BYTES)

        reply = await self._tried(once)
        if reply.status in {401, 403, 404, 410}:
            raise Failed(FailureKind.UNAVAILABLE, f"{self.host.name}: the link to the result is gone ({reply.status})")
        if reply.status != 200:
            kind = "a redirect, which is not followed" if 300 <= reply.status < 400 else "no result"
            raise Failed(FailureKind.ENGINE_ERROR, f"{self.host.name}: the link led to {kind} ({reply.status})")
        return reply

    @property
    def _try_s(self) -> float:
        return self.host.timeout_s * TRY_SHARE

    def _left(self) -> float:
        return self.end - asyncio.get_running_loop().time()

    async def _tried(self, once: Callable[[], Awaitable[Reply]]) -> Reply:
        """The first answer that another try would not mend. Raises Away after the last try, or without time for it."""
        log = structlog.get_logger(__name__).bind(job_id=self.job_id, host=self.host.name)
        pause_s, why = self.host.timeout_s / 120, ""
        for number in range(1, TRIES + 1):
            wait_s = self._draw.uniform(0.5, 1.5) * pause_s
            try:
                async with asyncio.timeout(self._left()):
                    reply = await once()
                if reply.status not in AGAIN and reply.status < 500:
                    return reply
                why = f"{reply.status} {self.host.said(reply.body)}".strip()
                wait_s = max(wait_s, retry_after_s(reply.headers) or 0.0)
            except TimeoutError:
                why = "it did not answer in time"
            except (httpx.TransportError, OSError) as e:
                why = self.host.struck(f"{type(e).__name__}: {e}")[:MOST_SAID]
            except Transient as e:
                raise Away(str(e)) from None
            if number == TRIES:
                break
            if wait_s + self._try_s > self._left():
                raise Away(f"{self.host.name}: {why}; another try would come too late")
            log.warning("host asked again", tried=number, why=why, wait_s=round(wait_s, 2))
            await asyncio.sleep(wait_s)
            pause_s *= 2
        raise Away(f"{self.host.name} was asked {TRIES} times: {why}")

    async def _send(self, request: httpx.Request, most_bytes: int) -> Reply:
        """One exchange. Raises TimeoutError, httpx.TransportError, Failed where the answer is too large."""
        async with asyncio.timeout(self._try_s):
            request.extensions["timeout"] = httpx.Timeout(self._try_s).as_dict()
            response = await self.client.send(request, stream=True)
            try:
                body = bytearray()
                async for chunk in response.aiter_raw():
                    body += chunk
                    if len(body) > most_bytes:
                        raise Failed(
                            FailureKind.ENGINE_ERROR, f"{self.host.name} answered more than {most_bytes} bytes: refused"
                        )
            finally:
                await response.aclose()
        media_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        return Reply(status=response.status_code, headers=response.headers, media_type=media_type, body=bytes(body))

    def _raise(self, reply: Reply, *, is_refusal: bool) -> None:
        name, status = self.host.name, reply.status
        if is_refusal:
            said = self.host.said(reply.body)
            raise Failed(FailureKind.REFUSED_BY_ENGINE, f"{name} refused the content ({status}): {said}")
        if status in {401, 403}:
            # Not Away: that is asked again, and no further try makes a key right.
            said = f"{name} does not take our key ({status}); look at {self.host.key_variable}"
            raise Failed(FailureKind.UNAVAILABLE, said)
        if status == 402:
            raise Failed(
                FailureKind.UNAVAILABLE, f"{name} wants to be paid first (402): the account has no credit left"
            )
        if 300 <= status < 400:
            raise Away(f"{name} redirects ({status}), which is not followed; set the url that it leads to")
        if 400 <= status < 500:
            said = self.host.said(reply.body)
            raise Failed(FailureKind.INVALID_REQUEST, f"{name} does not understand the request ({status}): {said}")
        raise Failed(FailureKind.ENGINE_ERROR, f"{name} answered {status}")


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Seconds that an answer asks to wait: a number, or a date measured from the answer's own date. None without."""
    asked = headers.get("retry-after", "").strip()
    if asked.isascii() and asked.isdigit():
        return float(asked[:9])
    try:
        until, now = parsedate_to_datetime(asked), parsedate_to_datetime(headers.get("date", ""))
        return max(0.0, (until - now).total_seconds())
    except (ValueError, TypeError):
        return None
