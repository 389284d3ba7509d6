"""A Schema Registry over real HTTP: the part of the REST contract that the codec uses, kept in memory."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Registry:
    """What the server holds. `broken` answers every request with that status and body instead."""

    url: str = ""
    schemas: dict[int, str] = field(default_factory=dict[int, str])
    config: dict[str, str] = field(default_factory=dict[str, str])
    requests: list[str] = field(default_factory=list[str])
    broken: tuple[int, str] | None = None
    first_id: int = 1000

    def answer(self, method: str, path: str, body: dict[str, str]) -> tuple[int, object]:
        self.requests.append(f"{method} {path}")
        if found := re.fullmatch(r"/config/(.+)", path):
            self.config[found[1]] = body["compatibility"]
            return 200, body
        if re.fullmatch(r"/subjects/.+/versions", path):
            for wire_id, schema in self.schemas.items():
                if schema == body["schema"]:
                    return 200, {"id": wire_id}
            wire_id = self.first_id + len(self.schemas)
            self.schemas[wire_id] = body["schema"]
            return 200, {"id": wire_id}
        wire_id = int(path.removeprefix("/schemas/ids/"))
        if wire_id not in self.schemas:
            return 404, {"error_code": 40403, "message": "Schema not found"}
        return 200, {"schema": self.schemas[wire_id]}


@contextmanager
def serve() -> Generator[Registry]:
    registry = Registry()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # one packet an answer

        def _reply(self) -> None:
            size = int(self.headers.get("Content-Length", "0"))
            body = json.loads(self.rfile.read(size) or b"{}")
            if registry.broken is not None:
                status, text = registry.broken
            else:
                status, value = registry.answer(self.command, self.path, body)
                text = json.dumps(value)
            data = text.encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/vnd.schemaregistry.v1+json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_PUT = _reply  # noqa: N815 - the names http.server calls

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    registry.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield registry
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
