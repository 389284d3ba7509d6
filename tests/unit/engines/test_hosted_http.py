"""What is said about a host, and how long it is waited for."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from workers.engines import hosted_links
from workers.engines.hosted_fit import MOST_OFF, fit, nearest_shape, off, refuses_shape
from workers.engines.hosted_http import KEY_PART, MOST_SAID, STRUCK, Host, retry_after_s
from workers.engines.ideogram import SHAPES

letters = st.text(alphabet="abc01-_", min_size=1, max_size=40)


def host(key: str) -> Host:
    return Host(
        name="api.example",
        url="https://api.example",
        key=SecretStr(key),
        key_variable="PRESSCHECK_X",
        loopback=False,
        timeout_s=1,
        resolver=hosted_links.resolve,
    )


@given(key=letters, before=letters, after=letters, data=st.data())
def test_no_longer_part_of_the_key_is_ever_said(key: str, before: str, after: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(key)))
    text = before + key[start:] + after + key + before
    said = host(key).struck(text).split(STRUCK)
    longest = min(KEY_PART, len(key))
    parts = {key[n : n + longest] for n in range(len(key) - longest + 1)}
    assert not any(part in piece for part in parts for piece in said)


def test_what_does_not_hold_the_key_is_said_as_it_is_in_one_short_line() -> None:
    assert host("sk-0123456789").struck("all is well") == "all is well"
    assert host("").struck("all is well") == "all is well"
    assert host("sk-0123456789").said(b'{"a":\n "b\x00c\xff"}') == '{"a": "b?c\N{REPLACEMENT CHARACTER}"}'
    assert len(host("k").said(b"x" * 10_000)) == MOST_SAID


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": " 7 "}, 7.0),
        ({"retry-after": "-7"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "\N{SUPERSCRIPT TWO}"}, None),
        ({"retry-after": "9" * 400}, 999_999_999.0),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:30 GMT", "date": "Wed, 21 Oct 2026 07:28:00 GMT"}, 30.0),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT", "date": "Wed, 21 Oct 2026 07:28:30 GMT"}, 0.0),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"}, None),
    ],
)
def test_retry_after_is_a_number_or_a_date(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after_s(headers) == seconds


sides = st.integers(64, 8192)


@given(width=sides, height=sides)
def test_the_nearest_shape_loses_least_and_a_far_one_is_refused_with_one_that_is_near(width: int, height: int) -> None:
    name, lost = nearest_shape(SHAPES, width, height)
    assert lost == min(off(shape, width, height) for shape in SHAPES.values())
    assert 0 <= off(SHAPES[name], width, height) < 1
    refusal = refuses_shape(SHAPES, width, height)
    assert (refusal is not None) == (lost > MOST_OFF)
    if refusal is not None:
        near = [int(side) for side in refusal.rpartition("ask for ")[2].split(" x ")]
        assert refuses_shape(SHAPES, near[0], near[1]) is None
        assert near[0] <= width
        assert near[1] <= height


def test_a_picture_is_cut_evenly_and_not_stretched() -> None:
    pixels = np.zeros((100, 110, 3), np.uint8)
    pixels[:, 5:105] = 255
    made = fit(pixels, 200, 200)
    assert made is not None
    assert made.scale == 2
    assert made.lost == pytest.approx(1 / 11)
    assert made.pixels.shape == (200, 200, 3)
    assert made.pixels[:, 3:-3].min() > 240
    assert fit(pixels, 200, 100) is None
