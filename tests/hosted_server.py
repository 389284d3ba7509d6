"""A server on this machine that speaks the contracts of Ideogram and Stability, and misbehaves as it is told to.

It answers requests it does not understand as the hosts do (400, 401), so that a client that passes here has sent what
the contracts want. `plan` holds what goes wrong next, one entry a request; an empty plan answers well.
"""

from __future__ import annotations

import collections
import email.message
import email.parser
import email.policy
import hashlib
import io
import json
import socket
import struct
import threading
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
from PIL import Image

KEY = "sk-Zq7vWx0tRb1nLm2cKd3pJg4yHf5"
SD3 = "/v2beta/stable-image/generate/sd3"
IDEOGRAM_FIELDS = {
    "prompt",
    "model",
    "aspect_ratio",
    "magic_prompt_option",
    "seed",
    "num_images",
    "negative_prompt",
    "image_weight",
}
STABILITY_FIELDS = {
    "prompt",
    "negative_prompt",
    "model",
    "seed",
    "output_format",
    "mode",
    "aspect_ratio",
    "image",
    "strength",
    "cfg_scale",
}
RATIOS = {"1_1", "10_16", "16_10", "9_16", "16_9", "3_2", "2_3", "4_3", "3_4", "1_3", "3_1"}
STABILITY_RATIOS = {"16:9", "1:1", "21:9", "2:3", "3:2", "4:5", "5:4", "9:16", "9:21"}


@dataclass(frozen=True)
class Answer:
    """What goes back. `cut` leaves bytes away that the length promised; `drip` sends one byte at a time."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    cut: int = 0
    drip: bool = False
    reset: bool = False
    hang: bool = False


Change = Callable[[Answer], Answer]
Plan = Answer | Change
"""An answer instead of the good one, or a change to the good one."""


def half(good: Answer) -> Answer:
    """Half of the body, as if it were all."""
    return replace(good, body=good.body[: len(good.body) // 2])


def cut_off(good: Answer) -> Answer:
    """Half of the body, where all of it was promised."""
    return replace(good, cut=len(good.body) // 2)


def drips(good: Answer) -> Answer:
    """One byte at a time, so that no single read takes long and the whole takes for ever."""
    return replace(good, drip=True)


def well(good: Answer) -> Answer:
    """Nothing wrong."""
    return good


def status(code: int, body: bytes = b"", **headers: str) -> Answer:
    return Answer(status=code, body=body, headers={k.replace("_", "-"): v for k, v in headers.items()})


def ideogram_row(**changed: Any) -> Callable[[Answer], Answer]:
    """The good answer of Ideogram with other values in its one row."""

    def change(good: Answer) -> Answer:
        said = json.loads(good.body)
        said["data"][0].update(changed)
        return Answer(body=json.dumps(said).encode(), headers=good.headers)

    return change


@dataclass
class Server:
    """The server and what it saw. `hold_s` is how long each image takes, `long_side` how large images are."""

    url: str = ""
    plan: collections.deque[Plan] = field(default_factory=collections.deque[Plan])
    result_plan: collections.deque[Plan] = field(default_factory=collections.deque[Plan])
    seen: list[tuple[str, dict[str, Any]]] = field(default_factory=list[tuple[str, dict[str, Any]]])
    result_headers: list[dict[str, str]] = field(default_factory=list[dict[str, str]])
    images: dict[str, bytes] = field(default_factory=dict[str, bytes])
    hold_s: float = 0.0
    long_side: int = 320
    in_flight: int = 0
    most_in_flight: int = 0
    closing: threading.Event = field(default_factory=threading.Event)
    guard: threading.Lock = field(default_factory=threading.Lock)

    def paths(self) -> list[str]:
        return [path for path, _ in self.seen]

    def answer(self, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """The good answer to a request, or the host's complaint about it."""
        if path == SD3:
            return self._stability(path, headers, body)
        if headers.get("api-key") != KEY:
            return status(401, b'{"error": "Not authorized"}')
        if path == "/generate":
            wanted = json.loads(body)
            assert set(wanted) == {"image_request"}
            return self._ideogram(path, wanted["image_request"])
        form = parts(headers["content-type"], body)
        if path == "/remix":
            wanted = json.loads(form["image_request"])
            assert set(form) == {"image_request", "image_file"}
            assert 1 <= wanted["image_weight"] <= 100
            return self._ideogram(path, wanted, form["image_file"])
        if path == "/describe":
            self.seen.append((path, {"bytes": len(form["image_file"])}))
            return Answer(body=b'{"descriptions": [{"text": "a cup"}, {"text": "a cup of coffee"}]}')
        if path == "/upscale":
            assert json.loads(form["image_request"]) == {}
            return self._ideogram(path, {"prompt": "", "seed": 0}, form["image_file"])
        return status(404)

    def _ideogram(self, path: str, wanted: dict[str, Any], start: bytes = b"") -> Answer:
        self.seen.append((path, wanted))
        ratio = wanted.get("aspect_ratio", "ASPECT_1_1").removeprefix("ASPECT_")
        if set(wanted) - IDEOGRAM_FIELDS or ratio not in RATIOS or not 0 <= wanted["seed"] <= 2147483647:
            return status(400, b'{"error": "Invalid input provided"}')
        data = draw(ratio.split("_"), f"{wanted['prompt']}/{wanted['seed']}".encode() + start, self.long_side)
        name = f"/results/{hashlib.sha256(data).hexdigest()}.png"
        self.images[name] = data
        row = {
            "prompt": wanted["prompt"],
            "resolution": "1024x1024",
            "is_image_safe": True,
            "seed": wanted["seed"],
            "url": f"{self.url}{name}?exp=1&sig=abc",
            "style_type": "GENERAL",
        }
        said = {"created": "2026-01-01T00:00:00Z", "data": [row] * wanted.get("num_images", 1)}
        return Answer(body=json.dumps(said).encode(), headers={"content-type": "application/json"})

    def _stability(self, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        if headers.get("authorization") != f"Bearer {KEY}":
            return status(401, b'{"id": "1", "name": "unauthorized", "errors": ["missing or invalid api key"]}')
        form = parts(headers["content-type"], body)
        start = form.pop("image", b"")
        wanted: dict[str, Any] = {name: value.decode() for name, value in form.items()}
        self.seen.append((path, wanted))
        from_image = wanted["mode"] == "image-to-image"
        if (
            set(wanted) - STABILITY_FIELDS
            or from_image != bool(start)
            or from_image == ("aspect_ratio" in wanted)
            or from_image != ("strength" in wanted)
            or wanted.get("aspect_ratio", "1:1") not in STABILITY_RATIOS
            or not 0 < int(wanted["seed"]) <= 4294967294
            or headers.get("accept") != "image/*"
        ):
            return status(400, b'{"id": "1", "name": "bad_request", "errors": ["some-field: is required"]}')
        ratio = wanted.get("aspect_ratio", "1:1").split(":")
        if from_image:
            with Image.open(io.BytesIO(start)) as image:
                ratio = [str(image.width), str(image.height)]
        data = draw(ratio, f"{wanted['prompt']}/{wanted['seed']}".encode() + start, self.long_side)
        return Answer(body=data, headers={"content-type": "image/png", "finish-reason": "SUCCESS", "seed": "1"})


def draw(ratio: list[str], what: bytes, long_side: int) -> bytes:
    """A picture of this shape, another one for other words or another seed."""
    w, h = int(ratio[0]), int(ratio[1])
    size = (long_side, round(long_side * h / w)) if w >= h else (round(long_side * w / h), long_side)
    rng = np.random.default_rng(list(hashlib.sha256(what).digest()))
    small = Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8))
    out = io.BytesIO()
    small.resize(size, Image.Resampling.BICUBIC).save(out, "PNG", compress_level=1)
    return out.getvalue()


def parts(content_type: str, body: bytes) -> dict[str, bytes]:
    """The parts of a multipart/form-data body by name."""
    assert content_type.startswith("multipart/form-data"), content_type
    head = f"Content-Type: {content_type}\r\n\r\n".encode()
    message = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head + body)
    out: dict[str, bytes] = {}
    for part in message.iter_parts():
        assert isinstance(part, email.message.EmailMessage)
        payload = part.get_payload(decode=True)
        assert isinstance(payload, bytes)
        out[str(part.get_param("name", header="content-disposition"))] = payload
    return out


def reply(handler: BaseHTTPRequestHandler, answer: Answer, closing: threading.Event) -> None:
    """Send an answer as it was planned."""
    if answer.hang:
        closing.wait(60)
    if answer.reset or answer.hang:
        handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        handler.connection.close()
        handler.close_connection = True
        return
    try:
        handler.send_response(answer.status)
        for name, value in answer.headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(answer.body)))
        handler.end_headers()
        sent = answer.body[: len(answer.body) - answer.cut]
        for n in range(len(sent) if answer.drip else 0):
            handler.wfile.write(sent[n : n + 1])
            handler.wfile.flush()
            if closing.wait(0.05):
                break
        if not answer.drip:
            handler.wfile.write(sent)
        handler.wfile.flush()
    except OSError:  # the client had enough
        handler.close_connection = True
    handler.close_connection = handler.close_connection or bool(answer.cut) or answer.drip


@contextmanager
def serve() -> Generator[Server]:
    its = Server()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            with its.guard:
                its.in_flight += 1
                its.most_in_flight = max(its.most_in_flight, its.in_flight)
            try:
                if its.hold_s:
                    its.closing.wait(its.hold_s)
                with its.guard:
                    good = its.answer(self.path, {k.lower(): v for k, v in self.headers.items()}, body)
                    planned = its.plan.popleft() if its.plan else good
            finally:
                # Before the answer: a client may be back with the next request before this thread runs on.
                with its.guard:
                    its.in_flight -= 1
            reply(self, planned(good) if callable(planned) else planned, its.closing)

        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            with its.guard:
                its.result_headers.append({k.lower(): v for k, v in self.headers.items()})
                data = its.images.get(path)
                good = Answer(body=data, headers={"content-type": "image/png"}) if data else status(404)
                planned = its.result_plan.popleft() if its.result_plan else good
            reply(self, planned(good) if callable(planned) else planned, its.closing)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    its.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield its
    finally:
        its.closing.set()
        server.shutdown()
        server.server_close()
        thread.join(5)
