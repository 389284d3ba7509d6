"""Text is set to the letter, never clipped, never replaced; logos stay as they are; ink can be read."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from rules.engines import EngineKind
from schemas.events import FailureKind, FileRole, RenderFailure
from tests import renders
from workers.engines import fonts, palette, poster
from workers.engines.breaking import advance, breaks, pieces
from workers.engines.palette import READABLE, from_swatches
from workers.engines.port import Rendered
from workers.engines.typeset import Typeset
from workers.engines.typography import LEAST_PX, NoRoom, set_block

TYPESET = Typeset(renders.profile(EngineKind.TYPESET), lambda _: renders.NORTHWIND, faces=fonts.ALL)
LOOK = poster.LOOKS[0]


def _image(result: Rendered | RenderFailure) -> Image.Image:
    assert isinstance(result, Rendered), result
    return Image.open(io.BytesIO(result.encoded())).convert("RGB")


@pytest.mark.parametrize("text", ["Ελληνικά & Русский", "Łódź, Őrség, İstanbul", "50 % – «Größe» €9,90", "Nguyễn Việt"])
def test_latin_greek_and_cyrillic_are_set(text: str) -> None:
    assert isinstance(TYPESET.render([renders.request(texts=[text])], {})[0], Rendered)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("寿司 BAR", "'寿' (U+5BFF), number 1 of"),
        ("Hi 🎉", "(U+1F389), number 4 of"),
        ("q\u0485 ok", "(U+0485), number 2 of"),
        ("Hi مرحبا", "U+0645), character 4 of 'Hi مرحبا', runs from right to left"),
        ("שלום", "U+05E9), character 1 of 'שלום', runs from right to left"),
    ],
)
def test_a_character_that_cannot_be_set_is_a_failure_that_names_it_and_its_place(text: str, named: str) -> None:
    result = TYPESET.render([renders.request(texts=[text])], {})[0]
    assert isinstance(result, RenderFailure)
    assert result.kind is FailureKind.INVALID_REQUEST
    assert named in result.message


def test_text_that_cannot_be_read_in_the_size_is_refused() -> None:
    result = TYPESET.render([renders.request(texts=["word " * 60], size=(96, 96))], {})[0]
    assert isinstance(result, RenderFailure)
    assert "do not fit" in result.message


@settings(max_examples=60, deadline=None)
@given(
    phrases=st.lists(
        st.text("ABCDEFghijklm 0123,.", min_size=1, max_size=40).filter(str.strip), min_size=1, max_size=5
    ),
    width=st.integers(200, 900),
    height=st.integers(120, 600),
)
def test_a_block_holds_every_letter_in_order_and_stays_in_its_box(phrases: list[str], width: int, height: int) -> None:
    try:
        block = set_block(phrases, poster.styles_for(LOOK, phrases), width, height, 120)
    except NoRoom:
        return
    assert block.width <= width + 1
    assert block.height <= height + 1
    assert min(line.size for line in block.lines) >= LEAST_PX
    assert "".join("".join(line.text.split()) for line in block.lines) == "".join("".join(p.split()) for p in phrases)


def test_lines_are_broken_evenly() -> None:
    assert breaks(pieces("good coffee takes time"), 2, LOOK.head) == ("good coffee", "takes time")


def test_letters_are_kerned() -> None:
    plain = sum(advance(c, LOOK.head) for c in "AV") + LOOK.head.tracking
    assert advance("AV", LOOK.head) < plain


def test_a_brand_of_one_lightness_still_gets_a_readable_pair() -> None:
    for swatches in (["#202020", "#303030"], ["#f0f0f0", "#ffffff"], ["#777777"]):
        colours = from_swatches(swatches, 0)
        assert palette.ratio(colours.paper, colours.ink) >= READABLE


def _logo(mode: str = "RGBA") -> bytes:
    image = Image.new(mode, (200, 100), (0, 0, 0, 0) if mode == "RGBA" else (255, 255, 255))
    ImageDraw.Draw(image).rectangle((0, 0, 199, 99), fill=(10, 200, 90))
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def test_a_logo_keeps_its_colours_and_shape() -> None:
    data = _logo()
    ref = renders.file_ref(data)
    picture = np.asarray(_image(TYPESET.render([renders.request(files=[ref])], {ref.sha256: data})[0]))
    own = np.all(picture == (10, 200, 90), axis=2)
    rows, columns = np.flatnonzero(own.any(axis=1)), np.flatnonzero(own.any(axis=0))
    tall, wide = np.ptp(rows) + 1, np.ptp(columns) + 1
    assert own[rows[0] : rows[-1], columns[0] : columns[-1]].all()
    assert wide / tall == pytest.approx(2.0, abs=0.05)


@pytest.mark.parametrize("data", [b"no picture", _logo()[:60]])
def test_a_logo_that_does_not_decode_fails_alone(data: bytes) -> None:
    ref = renders.file_ref(data)
    results = TYPESET.render([renders.request(files=[ref]), renders.request(seed=8)], {ref.sha256: data})
    assert isinstance(results[0], RenderFailure)
    assert "logo.png" in results[0].message
    assert isinstance(results[1], Rendered)


def test_a_file_it_cannot_use_is_refused_by_name_and_not_left_out() -> None:
    data = _logo()
    ref = renders.file_ref(data, FileRole.STYLE_REFERENCE)
    result = TYPESET.render([renders.request(files=[ref])], {ref.sha256: data})[0]
    assert isinstance(result, RenderFailure)
    assert "logo.png" in result.message
