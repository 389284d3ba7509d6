"""Asks a vision-language model about a picture, over an OpenAI-compatible API, and takes nothing it says on trust.

The question is fixed and the answer is one JSON object. Whatever else comes back (prose, a refusal, a cut answer) is no
answer, and whoever asked must take it for doubt. A picture may hold writing that speaks to the model; the question says
what to make of it, and no question is proof against that: see docs/people.md.
"""

from __future__ import annotations

import asyncio
import base64
import io
import ipaddress
import ssl
import time
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import httpx
import structlog
from PIL import Image
from pydantic import SecretStr

from broker.settings import Settings
from schemas.errors import BadConfig, Poison
from workers.checks.port import Pixels
from workers.checks.vision_answer import Unclear, object_in, words_of
from workers.engines import hosted_http, hosted_links
from workers.engines.hosted_http import Away, Failed, Host, Reply, Talk
from workers.engines.hosted_links import Address, Resolve

KEY_VARIABLE: Final = "PRESSCHECK_VISION_API_KEY"
MOST_PICTURE_BYTES: Final = 3_000_000
"""A picture whose JPEG is larger is sent smaller: base64 makes it 4 MB, which every known host takes."""
QUALITY: Final = 92
MOST_TOKENS: Final = 2_000
"""Of an answer. A poster's words take some hundred; one that runs on is cut, and a cut answer is none."""
PROBE_S: Final = 5.0
PRIVATE: Final = tuple(
    ipaddress.ip_network(net) for net in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")
)
"""Where plain http may go if the settings say so. Link-local addresses, a cloud's metadata among them, are not here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked of every picture. `schema` is the JSON schema of the answer, `name` what it is called there."""

    name: str
    words: str
    schema: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back: `said` is the object, None where there was none, and `unclear` says why in that case."""

    said: Mapping[str, Any] | None
    unclear: str
    elapsed_ms: float


class _Free:
    """No bound on what is asked at once: each inspect process asks one thing at a time."""

    def slot(self, _within_s: float, /) -> AbstractAsyncContextManager[None]:
        return nullcontext()


@dataclass(frozen=True, slots=True, kw_only=True)
class Vision:
    """One endpoint and model. Safe to share between threads: each question has its own connection.

    `answer` is what response_format asks for: json_schema, json_object or text. `private` allows plain http to private
    addresses. `tls` holds the authorities that are trusted. Its text form holds no key.
    """

    host: Host = field(repr=False)
    tls: ssl.SSLContext = field(repr=False)
    model: str
    answer: str
    seed: int
    max_side_px: int
    private: bool

    def ask(self, question: Question, pixels: Pixels, job_id: str = "") -> Answer:
        """Ask about a picture. Raises Poison where the endpoint is away, refuses the request, or talks nonsense.

        An answer that is not what was asked for is an Answer without an object, never an error and never a yes.
        `job_id` is for the log.
        """
        started = time.perf_counter()
        try:
            reply = asyncio.run(self._posted(self._body(question, pixels), job_id))
            content = words_of(reply.json())
        except Failed as e:
            raise Poison(f"vision endpoint: {self.host.struck(e.message)}"[:1000]) from None
        except (Away, OSError) as e:
            raise Poison(f"vision endpoint: {self.host.struck(str(e))}"[:1000]) from None
        except Unclear as e:
            return Answer(said=None, unclear=self.shown(str(e)), elapsed_ms=_ms(started))
        try:
            return Answer(said=object_in(content), unclear="", elapsed_ms=_ms(started))
        except Unclear as e:
            return Answer(said=None, unclear=self.shown(str(e)), elapsed_ms=_ms(started))

    def models(self) -> tuple[str, ...]:
        """Models that the endpoint lists; empty where it lists none. Raises Poison where it is of no use."""
        try:
            reply = asyncio.run(self._listed())
        except (Failed, Away, TimeoutError, httpx.TransportError, OSError) as e:
            raise Poison(self.host.struck(f"{self.host.name}: {type(e).__name__} {e}".strip())[:300]) from None
        if reply.status in {401, 403}:
            raise Poison(f"{self.host.name} does not take our key ({reply.status})")
        if reply.status >= 500 or 300 <= reply.status < 400:
            raise Poison(f"{self.host.name} answers {reply.status}")
        try:
            return tuple(str(row["id"]) for row in reply.json()["data"])
        except (Failed, LookupError, TypeError):
            return ()

    def shown(self, text: str) -> str:
        """Words of the endpoint in one line, printable, without the key."""
        line = " ".join(self.host.struck(text).split())
        return "".join(c if c.isprintable() else "?" for c in line)

    def _body(self, question: Question, pixels: Pixels) -> dict[str, Any]:
        link = "data:image/jpeg;base64," + base64.b64encode(jpeg(pixels, self.max_side_px)).decode("ascii")
        body: dict[str, Any] = {
            "model": self.model,
            "temperature": 0,
            "max_tokens": MOST_TOKENS,
            "messages": [
                {"role": "system", "content": question.words},
                {
                    "role": "user",
                    "content": [
                        {"type": "text", "text": "This is the picture. Answer by the JSON object alone."},
                        {"type": "image_url", "image_url": {"url": link}},
                    ],
                },
            ],
        }
        if self.seed >= 0:
            body["seed"] = self.seed
        if self.answer == "json_schema":
            wanted = {"name": question.name, "strict": True, "schema": dict(question.schema)}
            body["response_format"] = {"type": "json_schema", "json_schema": wanted}
        elif self.answer == "json_object":
            body["response_format"] = {"type": "json_object"}
        return body

    async def _posted(self, body: Mapping[str, Any], job_id: str) -> Reply:
        end = asyncio.get_running_loop().time() + self.host.timeout_s
        job_id = job_id or str(structlog.contextvars.get_contextvars().get("job_id", ""))
        host, headers = await self._target()
        async with hosted_http.client(self.tls) as client:
            talk = Talk(host=host, client=client, slots=_Free(), job_id=job_id, end=end)
            return await talk.ask(
                "/chat/completions",
                headers=headers,
                most_bytes=hosted_http.MOST_ANSWER_BYTES,
                json=body,
            )

    async def _listed(self) -> Reply:
        host, headers = await self._target()
        async with (
            asyncio.timeout(PROBE_S),
            hosted_http.client(self.tls) as client,
            client.stream("GET", host.url + "/models", headers=headers) as response,
        ):
            body = bytearray()
            async for chunk in response.aiter_raw():
                body += chunk
                if len(body) > hosted_http.MOST_ANSWER_BYTES:
                    break
        return Reply(status=response.status_code, headers=response.headers, media_type="", body=bytes(body))

    async def _target(self) -> tuple[Host, dict[str, str]]:
        """Where to connect, and what to send. Plain http goes to the very address that was checked."""
        key = self.host.key.get_secret_value()
        headers = {"authorization": f"Bearer {key}"} if key else {}
        url = httpx.URL(self.host.url)
        if url.scheme == "https":
            return self.host, headers
        addresses = [ipaddress.ip_address(a) for a in await self.host.resolver(url.host, url.port or 80)]
        if not addresses:
            raise Away(f"{self.host.name} has no address")
        for address in addresses:
            if not _is_near(address, private=self.private):
                raise Away(
                    f"{self.host.name} is {address}: plain http goes to this machine, or a private address, alone"
                )
        pinned = str(url.copy_with(host=str(addresses[0]))).rstrip("/")
        return replace(self.host, url=pinned), {**headers, "host": url.netloc.decode("ascii")}


def open_vision(settings: Settings, resolver: Resolve = hosted_links.resolve) -> Vision | None:
    """The endpoint of the settings, None where there is none. Raises BadConfig naming the variable."""
    if not settings.vision_url:
        return None
    try:
        url = httpx.URL(settings.vision_url)
    except httpx.InvalidURL as e:
        raise BadConfig(f"PRESSCHECK_VISION_URL is no URL: {e}") from None
    if url.scheme not in {"https", "http"} or not url.host or url.userinfo or url.query or url.fragment:
        raise BadConfig("PRESSCHECK_VISION_URL must be a plain https URL", mend="write it as https://host/v1")
    here = hosted_links.is_loopback(url.host)
    if url.scheme == "http" and not here and not settings.vision_plain_http:
        raise BadConfig(
            f"PRESSCHECK_VISION_URL speaks plain http to {url.host}",
            mend="use https, or set PRESSCHECK_VISION_PLAIN_HTTP=true for a host in your own network",
        )
    if not settings.vision_model:
        raise BadConfig("PRESSCHECK_VISION_URL is set and PRESSCHECK_VISION_MODEL is not", mend="name the model there")
    return Vision(
        tls=_tls(settings.vision_ca_file),
        host=_host(url, settings.vision_api_key, settings.vision_timeout_s, resolver),
        model=settings.vision_model,
        answer=settings.vision_answer,
        seed=settings.vision_seed,
        max_side_px=settings.vision_max_side_px,
        private=settings.vision_plain_http and not here,
    )


def jpeg(pixels: Pixels, side: int) -> bytes:
    """The picture with a long side of at most `side` pixels, and of at most MOST_PICTURE_BYTES."""
    art = Image.fromarray(pixels)
    while True:
        ratio = min(1.0, side / max(art.size))
        size = (max(1, round(art.width * ratio)), max(1, round(art.height * ratio)))
        small = art if size == art.size else art.resize(size, Image.Resampling.LANCZOS, reducing_gap=3)
        out = io.BytesIO()
        small.save(out, "JPEG", quality=QUALITY, subsampling=0)
        if len(data := out.getvalue()) <= MOST_PICTURE_BYTES:
            return data
        side = max(size) * 3 // 4


def _host(url: httpx.URL, key: SecretStr, timeout_s: float, resolver: Resolve) -> Host:
    return Host(
        name=url.host,
        url=str(url).rstrip("/"),
        key=key,
        key_variable=KEY_VARIABLE,
        loopback=hosted_links.is_loopback(url.host),
        timeout_s=timeout_s,
        resolver=resolver,
    )


def _tls(authority: Path | None) -> ssl.SSLContext:
    """Raises BadConfig for a file that holds no certificate."""
    if authority is None:
        return httpx.create_ssl_context(trust_env=False)
    try:
        return ssl.create_default_context(cafile=str(authority))
    except (OSError, ssl.SSLError) as e:
        raise BadConfig(
            f"PRESSCHECK_VISION_CA_FILE: {authority} holds no certificate that can be read ({type(e).__name__})",
            mend="name the PEM file of the authority that signed the endpoint's certificate",
        ) from None


def _is_near(address: Address, *, private: bool) -> bool:
    """Whether an address is this machine or, where these are allowed, a private one."""
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return _is_near(address.ipv4_mapped, private=private)
    return address.is_loopback or (private and any(address in net for net in PRIVATE))


def _ms(started: float) -> float:
    return (time.perf_counter() - started) * 1000
