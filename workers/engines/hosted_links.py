"""Which links of a host's answers may be followed: to public addresses only, and to the very address that was checked.

A host names where its result lies. Followed as it stands, such a link could lead into our own network, or to the
metadata service of a cloud; checked by name, it could change its address between the check and the call.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

import httpx

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""Addresses of a host, at most a few; raises OSError where it has none."""
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_NAT64: Final = ipaddress.ip_network("64:ff9b::/96")
_METADATA: Final = frozenset({ipaddress.ip_address("168.63.129.16")})
"""A cloud's own service under an address that the registries call public."""


class BadLink(Exception):
    """A link that is not followed. Says why, and never the whole link: it may be signed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where to connect: `url` names the checked address, `host` is what the server and its certificate are called."""

    url: httpx.URL
    host: str
    sni: str


async def resolve(host: str, port: int) -> Sequence[str]:
    """Addresses of a host by the system's resolver. Raises OSError, BadLink where it can be no host's name."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError:
        raise BadLink("the link to the result names no host") from None
    return [str(address[0]) for *_, address in found]


def is_loopback(host: str) -> bool:
    """Whether a host of a URL is this machine by its very name."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


async def checked(link: str, *, loopback: bool, resolver: Resolve) -> Target:
    """Where to fetch a link from. Raises BadLink, and OSError where the name has no address for now.

    https on its own port, to a host all of whose addresses are public. With `loopback` (an API that itself runs on
    this machine, as in tests) also http, to this machine alone.
    """
    try:
        url = httpx.URL(link)
    except (httpx.InvalidURL, ValueError):
        raise BadLink("the link to the result is no URL") from None
    if url.scheme not in {"https", "http"} or not url.host:
        raise BadLink(f"the link to the result is {url.scheme or 'no scheme'}, want https")
    if url.userinfo:
        raise BadLink(f"the link to the result on {url.host} holds a user name")
    port = url.port or (443 if url.scheme == "https" else 80)
    addresses = [_address(a) for a in await resolver(url.host, port)]
    if not addresses:
        raise OSError(f"{url.host} has no address")
    if loopback and all(a.is_loopback for a in addresses):
        return _target(url, addresses[0])
    if url.scheme != "https" or port != 443:
        raise BadLink(f"the link to the result on {url.host} is {url.scheme} on port {port}, want https on 443")
    for address in addresses:
        if not is_public(address):
            raise BadLink(f"the link to the result on {url.host} leads to {address}, which is no public address")
    return _target(url, addresses[0])


def is_public(address: Address) -> bool:
    """Whether an address lies on the open internet, whatever it is wrapped in."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return is_public(address.ipv4_mapped)
        if address.sixtofour is not None or address.teredo is not None or address in _NAT64:
            return False
    return address.is_global and not address.is_multicast and not address.is_reserved and address not in _METADATA


def _address(text: str) -> Address:
    return ipaddress.ip_address(text)


def _target(url: httpx.URL, address: Address) -> Target:
    # The certificate is checked against the name, and the connection made to the address that was checked.
    return Target(url=url.copy_with(host=str(address)), host=url.netloc.decode("ascii"), sni=url.host)
