"""Exact text stays exact in every format and size that is delivered: read by the readers that inspection uses."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from PIL import Image

from schemas.events import ImageFormat
from tests.corpus import Kind, draw
from tests.unit.finish import orders
from workers.checks.decode import decode
from workers.checks.port import Decoded, Scene, TextReader
from workers.checks.readers import open_readers


@pytest.fixture(scope="module")
def readers() -> Sequence[TextReader]:
    return open_readers(("rapidocr",), 1)


def words(data: bytes, readers: Sequence[TextReader]) -> list[str]:
    seen = decode(data)
    assert isinstance(seen, Decoded)
    return [w.text for w in readers[0].read([Scene(pixels=seen.pixels)])[0].words]


@pytest.mark.parametrize(
    ("form", "upscale"),
    [(ImageFormat.JPEG, 1), (ImageFormat.WEBP, 1), (ImageFormat.PNG, 2), (ImageFormat.JPEG, 2)],
)
def test_what_was_read_before_is_read_after(form: ImageFormat, upscale: int, readers: Sequence[TextReader]) -> None:
    poster = draw(41, Kind.RIGHT, size=(768, 768))
    done = orders.finisher()(
        orders.order(Image.fromarray(poster.pixels), steps=orders.BOTH, form=form, upscale=upscale)
    )
    before = words(poster.png(), readers)
    assert before
    assert words(done.data, readers) == before
