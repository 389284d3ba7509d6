"""Which links of a host's answers are followed, and to which address."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from workers.engines.hosted_links import BadLink, Target, checked, is_loopback, resolve

PUBLIC = "93.184.215.14"


class Names:
    """A resolver that gives other addresses at every call: what a name that is bound anew does."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers, self.asked = list(answers), 0

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked += 1
        return self.answers.pop(0)


def check(link: str, *answers: Sequence[str], loopback: bool = False) -> Target:
    return asyncio.run(checked(link, loopback=loopback, resolver=Names(*answers)))


def test_the_connection_goes_to_the_address_that_was_checked_and_the_certificate_to_the_name() -> None:
    names = Names([PUBLIC], ["10.0.0.1"])
    target = asyncio.run(checked("https://cdn.example/a/b.png?sig=x%2Fy", loopback=False, resolver=names))
    assert names.asked == 1
    assert str(target.url) == f"https://{PUBLIC}/a/b.png?sig=x%2Fy"
    assert (target.host, target.sni) == ("cdn.example", "cdn.example")


def test_an_address_of_version_6_is_written_as_urls_want_it() -> None:
    target = check("https://cdn.example/a", ["2606:2800:21f:cb07:6820:80da:af6b:8b2c"])
    assert target.url.netloc == b"[2606:2800:21f:cb07:6820:80da:af6b:8b2c]"


PRIVATE = [
    "10.0.0.1",
    "127.0.0.1",
    "172.16.9.9",
    "192.168.1.1",
    "169.254.169.254",
    "168.63.129.16",
    "100.64.0.1",
    "0.0.0.0",
    "224.0.0.1",
    "255.255.255.255",
    "::1",
    "::",
    "fe80::1",
    "fd00::1",
    "ff02::1",
    "::ffff:10.0.0.1",
    "::ffff:169.254.169.254",
    "64:ff9b::a9fe:a9fe",
    "2002:a9fe:a9fe::1",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2",
]


@pytest.mark.parametrize("address", PRIVATE)
@pytest.mark.parametrize("others", [[], [PUBLIC]], ids=["alone", "beside a public one"])
def test_an_address_that_is_not_public_is_refused_by_any_name(address: str, others: list[str]) -> None:
    with pytest.raises(BadLink, match="no public address"):
        check("https://cdn.example/a.png?sig=secret", [*others, address])


@pytest.mark.parametrize("address", PRIVATE)
def test_a_loopback_api_opens_this_machine_and_nothing_else(address: str) -> None:
    if is_loopback(address):
        assert check("http://results/a", [address], loopback=True).url.host == address
    else:
        with pytest.raises(BadLink):
            check("https://results/a", [address], loopback=True)
    with pytest.raises(BadLink):
        check("http://results/a", [address, PUBLIC], loopback=True)


@pytest.mark.parametrize(
    "host",
    [
        "a" * 70 + ".example",
        "a..example",
        "127.0.0.1",
        "0x7f.1",
        "2130706433",
        "[::1]",
        "localhost",
        "10.0.0.1",
        "[::ffff:10.0.0.1]",
    ],
)
def test_no_spelling_of_a_private_address_gets_through_the_systems_resolver(host: str) -> None:
    with pytest.raises((BadLink, OSError)):
        asyncio.run(checked(f"https://{host}/a", loopback=False, resolver=resolve))


@pytest.mark.parametrize(
    "link",
    [
        "http://cdn.example/a",
        "https://cdn.example:8443/a",
        "https://cdn.example:22/a",
        "ftp://cdn.example/a",
        "file:///etc/passwd",
        "gopher://cdn.example/a",
        "https://user:word@cdn.example/a",
        "//cdn.example/a",
        "https:///a",
        "/a",
        "",
        "data:image/png;base64,AAAA",
    ],
)
def test_any_other_kind_of_link_is_refused_and_not_repeated(link: str) -> None:
    with pytest.raises(BadLink) as caught:
        check(link, [PUBLIC])
    assert "word" not in str(caught.value)


def test_a_name_without_an_address_may_have_one_later() -> None:
    with pytest.raises(OSError, match="has no address"):
        check("https://cdn.example/a", [])
