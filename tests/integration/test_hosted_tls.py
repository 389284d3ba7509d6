"""Results over https: the connection goes to the checked address, the certificate is held to the link's own name."""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from pydantic import SecretStr

from broker.leases import Slots
from tests.certificates import certificate
from workers.engines import hosted_http
from workers.engines.hosted_http import Away, Host, Talk

NAME = "results.example"


@dataclass(frozen=True)
class Tls:
    """A server for `NAME` with a certificate that only `trusts` knows, and the names it was called by."""

    port: int
    trusts: ssl.SSLContext
    called: list[str]


@pytest.fixture
def tls(tmp_path: Path) -> Iterator[Tls]:
    pem = certificate(tmp_path, NAME)
    called: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            called.append(self.headers["Host"])
            self.send_response(200)
            self.send_header("Content-Type", "image/png")
            self.send_header("Content-Length", "4")
            self.end_headers()
            self.wfile.write(b"done")

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
            pass

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)

    def named(_: ssl.SSLObject, name: str | None, __: ssl.SSLContext) -> None:
        called.append(f"sni {name}")

    context.sni_callback = named
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield Tls(port=server.server_port, trusts=ssl.create_default_context(cafile=str(pem)), called=called)
    server.shutdown()
    server.server_close()
    thread.join(5)


def fetch(link: str, trusts: ssl.SSLContext) -> bytes:
    async def here(host: str, port: int) -> list[str]:
        return ["127.0.0.1"]

    async def run() -> bytes:
        host = Host(
            name="api.example",
            url="https://api.example",
            key=SecretStr("sk-0123456789"),
            key_variable="PRESSCHECK_X",
            loopback=True,
            timeout_s=2,
            resolver=here,
        )
        slots = Slots(SecretStr(""), "none", 1)  # a result takes no slot
        async with hosted_http.client(trusts) as client:
            end = asyncio.get_running_loop().time() + 2
            talk = Talk(host=host, client=client, slots=slots, job_id="job", end=end)
            return (await talk.fetch(link)).body

    return asyncio.run(run())


def test_a_result_comes_from_the_checked_address_under_the_name_of_the_link(tls: Tls) -> None:
    assert fetch(f"https://{NAME}:{tls.port}/a.png", tls.trusts) == b"done"
    assert tls.called == [f"sni {NAME}", f"{NAME}:{tls.port}"]


def test_a_certificate_for_another_name_or_from_nobody_is_not_taken(tls: Tls) -> None:
    with pytest.raises(Away, match="CERTIFICATE_VERIFY_FAILED"):
        fetch(f"https://other.example:{tls.port}/a.png", tls.trusts)
    with pytest.raises(Away, match="CERTIFICATE_VERIFY_FAILED"):
        fetch(f"https://{NAME}:{tls.port}/a.png", ssl.create_default_context())
    assert not [name for name in tls.called if not name.startswith("sni")]
