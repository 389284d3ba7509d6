"""Reads the hosted part of an engine profile: whose API, where, how much at once, and what may be asked of it."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping, Sequence
from typing import Final

from rules.engines import Hosted, HostedApi
from rules.tree import Node
from schemas.events import FileRole

OPERATIONS: Final[Mapping[HostedApi, tuple[str, ...]]] = {
    HostedApi.IDEOGRAM: ("describe", "remix", "upscale"),
    HostedApi.STABILITY: ("remix",),
}
"""What each API offers beside generating. Remix makes a picture from one that is given."""
IN_FLIGHT_MAX: Final[Mapping[HostedApi, int]] = {HostedApi.IDEOGRAM: 10, HostedApi.STABILITY: 150}
"""Images at once. Ideogram's documented default is ten in flight; Stability documents 150 requests in ten seconds."""
USABLE: Final = frozenset({FileRole.INIT_IMAGE})
"""Files that some hosted API here takes."""
_URL: Final = re.compile(
    r"(?P<scheme>https?)://(?P<host>\[[0-9a-f:.]+\]|[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?)(?::(?P<port>[0-9]{1,5}))?"
    r"(?:/[A-Za-z0-9._~-]+)*/?"
)
PORT_MAX: Final = 65535


def parse_hosted(node: Node, roles: Sequence[FileRole]) -> Hosted:
    """The hosted part of a profile that promises to use files of these roles. Raises BadConfig."""
    f = node.fields(["api", "model", "url", "in_flight"], ["operations"])
    api = HostedApi(f["api"].choice(list(HostedApi), "hosted API"))
    operations = f["operations"].choices(OPERATIONS[api], f"operation of {api.value}") if "operations" in f else ()
    if FileRole.INIT_IMAGE in roles and "remix" not in operations:
        raise node.bad("the profile takes an init_image, and its API may not remix", "add remix to operations")
    for role in roles:
        if role not in USABLE:
            raise node.bad(f"the profile takes files as {role.value}, which {api.value} cannot use", "remove the role")
    return Hosted(
        api=api,
        model=f["model"].text(),
        url=_root(f["url"]),
        in_flight=f["in_flight"].integer(1, IN_FLIGHT_MAX[api]),
        operations=operations,
    )


def _root(node: Node) -> str:
    """The root of an API without a slash at its end: a key travels there, so nobody must be able to listen."""
    text = node.text()
    if any(c in text for c in "@?#"):
        raise node.bad("holds more than scheme, host, port and path", "keys come from the settings; remove the rest")
    found = _URL.fullmatch(text)
    if found is None or int(found["port"] or 0) > PORT_MAX:
        raise node.bad(f"{text!r} is no address of the web", "write it as https://host")
    if found["scheme"] == "http" and not _is_loopback(found["host"].strip("[]")):
        raise node.bad("is not encrypted, and the key would travel in the open", "write https")
    return text.rstrip("/")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
