"""A server on this machine that speaks the chat completions of OpenAI with pictures, and misbehaves as it is told to.

It refuses requests that it does not understand as hosts do (400, 401), so that a client that passes here has sent what
the contract wants. `plan` holds what goes wrong next, one entry a request; an empty plan answers well, with what `says`
makes of the picture.
"""

from __future__ import annotations

import base64
import collections
import io
import json
import ssl
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from broker.settings import Settings
from tests.hosted_server import Answer, Plan, reply, status
from workers.checks.port import Pixels, Scene, TextReader
from workers.checks.vision import MOST_PICTURE_BYTES, Vision, open_vision

KEY = "sk-vQ9zLw3XbT7nRk5Jd2Hs8Gm1"
MODEL = "looker-7b"
SOUND: dict[str, Any] = {"people": 1, "hands": 2, "faults": [], "verdict": "sound"}
WANTED = {"model", "temperature", "max_tokens", "messages", "seed", "response_format"}


def completion(content: Any, finish_reason: str | None = "stop", **message: Any) -> Answer:
    """A chat completion with this content."""
    said = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "model": MODEL,
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": content, **message},
                "finish_reason": finish_reason,
            }
        ],
        "usage": {"prompt_tokens": 900, "completion_tokens": 40, "total_tokens": 940},
    }
    return Answer(body=json.dumps(said).encode(), headers={"content-type": "application/json"})


def sound(_question: str, _pixels: Pixels) -> str:
    """Nothing wrong with anybody."""
    return json.dumps(SOUND)


def reads_with(reader: TextReader) -> Callable[[str, Pixels], str]:
    """The lines that a reader reads, said as a model would."""

    def says(_question: str, pixels: Pixels) -> str:
        (read,) = reader.read([Scene(pixels=pixels)])
        return json.dumps({"lines": [{"text": w.text, "confidence": w.confidence} for w in read.words]})

    return says


@dataclass
class Server:
    """The server and what it saw: each request's body, its headers, and the picture in it."""

    url: str = ""
    says: Callable[[str, Pixels], str] = sound
    plan: collections.deque[Plan] = field(default_factory=collections.deque[Plan])
    seen: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    headers: list[dict[str, str]] = field(default_factory=list[dict[str, str]])
    pictures: list[Pixels] = field(default_factory=list[Pixels])
    closing: threading.Event = field(default_factory=threading.Event)
    guard: threading.Lock = field(default_factory=threading.Lock)

    def settings(self, **changed: Any) -> Settings:
        """Settings that lead here, with short time-outs."""
        given = {
            "vision_url": f"{self.url}/v1",
            "vision_model": MODEL,
            "vision_api_key": KEY,
            "vision_timeout_s": 20.0,
            **changed,
        }
        return Settings.model_validate(given)

    def vision(self, **changed: Any) -> Vision:
        """The client, as production opens it."""
        opened = open_vision(self.settings(**changed))
        assert opened is not None
        return opened

    def listed(self, headers: dict[str, str]) -> Answer:
        if headers.get("authorization") != f"Bearer {KEY}":
            return status(401)
        return Answer(body=json.dumps({"object": "list", "data": [{"id": MODEL}, {"id": "other"}]}).encode())

    def answer(self, path: str, headers: dict[str, str], body: bytes) -> Answer:
        """The good answer, or the host's complaint."""
        if path != "/v1/chat/completions":
            return status(404)
        if headers.get("authorization") != f"Bearer {KEY}":
            return status(401, b'{"error": {"message": "Incorrect API key provided: ' + KEY.encode() + b'"}}')
        wanted = json.loads(body)
        system, user = wanted["messages"]
        text, picture = user["content"]
        kind, _, data = picture["image_url"]["url"].partition(",")
        raw = base64.b64decode(data, validate=True)
        if (
            set(wanted) - WANTED
            or wanted["model"] != MODEL
            or wanted["temperature"] != 0
            or (system["role"], user["role"]) != ("system", "user")
            or (text["type"], picture["type"]) != ("text", "image_url")
            or kind != "data:image/jpeg;base64"
            or len(raw) > MOST_PICTURE_BYTES
        ):
            return status(400, b'{"error": {"message": "invalid request"}}')
        with Image.open(io.BytesIO(raw)) as image:
            pixels = np.asarray(image.convert("RGB"))
        with self.guard:
            self.seen.append(wanted)
            self.pictures.append(pixels)
        return completion(self.says(system["content"], pixels))


@contextmanager
def serve(pem: Path | None = None) -> Generator[Server]:
    """The server; over https where a certificate with its key is given."""
    its = Server()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            headers = {k.lower(): v for k, v in self.headers.items()}
            with its.guard:
                its.headers.append(headers)
            good = its.answer(self.path, headers, body)
            self._reply(good)

        def do_GET(self) -> None:
            headers = {k.lower(): v for k, v in self.headers.items()}
            self._reply(its.listed(headers) if self.path == "/v1/models" else status(404))

        def _reply(self, good: Answer) -> None:
            with its.guard:
                planned = its.plan.popleft() if its.plan else good
            reply(self, planned(good) if callable(planned) else planned, its.closing)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    its.url = f"http://127.0.0.1:{server.server_port}"
    if pem is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pem)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        its.url = f"https://localhost:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield its
    finally:
        its.closing.set()
        server.shutdown()
        server.server_close()
        thread.join(5)
