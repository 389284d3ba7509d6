"""A model hub over real HTTP: the part of its contract that huggingface_hub's client uses, with its faults."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

LARGE = 1000
"""Files of this many bytes and more are kept apart, known by sha256 and reached by a redirect."""


@dataclass
class Hub:
    """One repository. `lies` are stated lengths that are not so; `ranges` are the Range headers that came in.

    `cut` closes the connection of a download once so many bytes of a file went out; `held` keeps it open instead, for
    as long as the server runs; `busy` answers the next requests with a status. Each entry of `cut` and `busy` serves
    once.
    """

    repo: str
    revision: str
    files: dict[str, bytes]
    url: str = ""
    gated: bool = False
    accepted: frozenset[str] = frozenset()
    lies: dict[str, int] = field(default_factory=dict[str, int])
    spoilt: frozenset[str] = frozenset()
    cut: dict[str, int] = field(default_factory=dict[str, int])
    held: dict[str, int] = field(default_factory=dict[str, int])
    busy: list[int] = field(default_factory=list[int])
    requests: list[str] = field(default_factory=list[str])
    ranges: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    tokens: set[str] = field(default_factory=set[str])
    holding: threading.Event = field(default_factory=threading.Event)
    over: threading.Event = field(default_factory=threading.Event)

    def info(self) -> dict[str, object]:
        return {
            "_id": "1",
            "id": self.repo,
            "modelId": self.repo,
            "sha": self.revision,
            "tags": [],
            "siblings": [self._sibling(name, data) for name, data in self.files.items()],
        }

    def _sibling(self, name: str, data: bytes) -> dict[str, object]:
        size = self.lies.get(name, len(data))
        stated: dict[str, object] = {"rfilename": name, "size": size, "blobId": git_sha1(data)}
        if len(data) >= LARGE:
            stated["lfs"] = {"sha256": hashlib.sha256(data).hexdigest(), "size": size, "pointerSize": 130}
        return stated


def git_sha1(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: Hub

    def do_GET(self) -> None:
        self._answer()

    def do_HEAD(self) -> None:
        self._answer()

    def _answer(self) -> None:
        hub, path = self.hub, unquote(urlsplit(self.path).path)
        hub.requests.append(f"{self.command} {path}")
        token = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
        hub.tokens.add(token)
        if hub.busy:
            self._say(hub.busy.pop(0))
        elif found := re.fullmatch(r"/api/models/(\w+/[\w.-]+)/revision/(.+)", path):
            if self._known(found[1], found[2]):
                self._say(200, json.dumps(hub.info()).encode())
        elif found := re.fullmatch(r"/(\w+/[\w.-]+)/resolve/([^/]+)/(.+)", path):
            self._resolve(found[1], found[2], found[3], token)
        elif found := re.fullmatch(r"/large/(.+)", path):
            self._send(found[1])
        else:
            self._say(404)

    def _known(self, repo: str, revision: str) -> bool:
        if repo != self.hub.repo:
            self._say(404, headers={"X-Error-Code": "RepoNotFound"})
        elif revision != self.hub.revision:
            self._say(404, headers={"X-Error-Code": "RevisionNotFound"})
        else:
            return True
        return False

    def _resolve(self, repo: str, revision: str, name: str, token: str) -> None:
        hub = self.hub
        if not self._known(repo, revision):
            return
        if hub.gated and token not in hub.accepted:
            self._say(403 if token else 401, headers={"X-Error-Code": "GatedRepo"})
        elif name not in hub.files:
            self._say(404, headers={"X-Error-Code": "EntryNotFound"})
        elif len(data := hub.files[name]) >= LARGE:
            linked = {"X-Linked-Etag": f'"{hashlib.sha256(data).hexdigest()}"', "X-Linked-Size": str(len(data))}
            there = {"Location": f"{hub.url}/large/{name}", "X-Repo-Commit": hub.revision}
            self._say(302, headers={**linked, **there})
        elif self.command == "HEAD":
            self._headers(200, len(data), {"ETag": f'"{git_sha1(data)}"', "X-Repo-Commit": hub.revision})
        else:
            self._send(name)

    def _send(self, name: str) -> None:
        hub, data = self.hub, self.hub.files[name]
        if name in hub.spoilt:
            data = bytes(len(data))
        asked = self.headers.get("Range")
        if asked:
            hub.ranges.setdefault(name, []).append(asked)
            start = int(asked.removeprefix("bytes=").rstrip("-"))
            self._headers(206, len(data) - start, {"Content-Range": f"bytes {start}-{len(data) - 1}/{len(data)}"})
            data = data[start:]
        else:
            self._headers(200, len(data), {})
        if name in hub.held:
            self.wfile.write(data[: hub.held[name]])
            hub.holding.set()
            hub.over.wait()
        elif name in hub.cut:
            self.wfile.write(data[: hub.cut.pop(name)])
            self.close_connection = True
        else:
            self.wfile.write(data)

    def _say(self, status: int, body: bytes = b"", headers: dict[str, str] | None = None) -> None:
        self._headers(status, len(body), headers or {})
        if self.command != "HEAD":
            self.wfile.write(body)

    def _headers(self, status: int, length: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(length), **headers}.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
        pass


@contextmanager
def serve(hub: Hub) -> Generator[Hub]:
    handler = type("Handler", (_Handler,), {"hub": hub})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    hub.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        hub.over.set()
        server.shutdown()
        server.server_close()
        thread.join(5)
