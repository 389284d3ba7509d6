"""One suite for every text reader: what the port promises."""

from __future__ import annotations

import gc
import sys
import weakref
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from schemas.errors import BadConfig
from schemas.events import TextRead
from tests import vision_server
from workers.checks.port import Pixels, Scene, TextReader
from workers.checks.readers import READERS, open_readers
from workers.checks.text_models import TextModels

LINES = ("SUMMER SALE", "Fresh Coffee 60% OFF", "Saturday 14 June")


def poster(lines: tuple[str, ...] = LINES, size: tuple[int, int] = (640, 480), points: int = 44) -> Pixels:
    art = Image.new("RGB", size, (250, 244, 230))
    pen = ImageDraw.Draw(art)
    for i, line in enumerate(lines):
        pen.text((points, points + i * points * 2), line, font=ImageFont.load_default(points), fill=(25, 30, 70))
    return np.asarray(art)


def read(reader: TextReader, pixels: Pixels) -> TextRead:
    (only,) = reader.read([Scene(pixels=pixels)])
    return only


@pytest.fixture(
    scope="module",
    params=[pytest.param(name, marks=pytest.mark.models if name == "easyocr" else ()) for name in READERS],
)
def reader(request: pytest.FixtureRequest) -> Generator[TextReader]:
    name: str = request.param
    if name != "vision":
        yield open_readers([name])[0]
        return
    with vision_server.serve() as server:
        # What it says is what another reader reads in the picture that was sent.
        server.says = vision_server.reads_with(open_readers(["rapidocr"])[0])
        yield open_readers([name], vision=server.vision(vision_timeout_s=120.0))[0]


def test_it_is_called_what_it_was_opened_as(reader: TextReader) -> None:
    assert reader.name in READERS
    assert read(reader, poster(())).reader == reader.name


def test_it_reads_plain_lettering_to_the_letter_and_in_order(reader: TextReader) -> None:
    assert " ".join(w.text for w in read(reader, poster()).words) == " ".join(LINES)


def test_boxes_lie_in_the_picture_and_on_the_letters(reader: TextReader) -> None:
    pixels = poster()
    for word in read(reader, pixels).words:
        xs, ys = word.box[0::2], word.box[1::2]
        assert 0 <= min(xs) < max(xs) <= 640
        assert 0 <= min(ys) < max(ys) <= 480
        inside = pixels[int(min(ys)) : int(max(ys)) + 1, int(min(xs)) : int(max(xs)) + 1]
        assert inside.min() < 60
        assert 0 <= word.confidence <= 1


def test_boxes_are_in_pixels_of_the_given_picture(reader: TextReader) -> None:
    (small,) = read(reader, poster(("SALE",), (800, 400), 72)).words
    (large,) = read(reader, poster(("SALE",), (2400, 1200), 216)).words
    assert np.allclose(np.array(large.box) / 3, small.box, atol=15)


@pytest.mark.parametrize("level", [0, 128, 255])
def test_an_empty_picture_has_no_words(reader: TextReader, level: int) -> None:
    assert read(reader, np.full((300, 400, 3), level, dtype=np.uint8)).words == ()


def test_it_reads_the_same_twice(reader: TextReader) -> None:
    assert read(reader, poster()).words == read(reader, poster()).words


@pytest.mark.parametrize("size", [(2400, 300), (420, 1800), (360, 200), (3000, 3000)])
def test_it_reads_wide_tall_small_and_large_pictures(reader: TextReader, size: tuple[int, int]) -> None:
    points = max(24, min(size) // 7)
    assert [w.text for w in read(reader, poster(("SALE",), size, points)).words] == ["SALE"]


@pytest.mark.parametrize("size", [(1, 1), (8, 500), (500, 8), (31, 31)])
def test_pictures_too_small_to_read_are_read_as_empty(reader: TextReader, size: tuple[int, int]) -> None:
    assert read(reader, np.zeros((*size, 3), dtype=np.uint8)).words == ()


def test_several_threads_may_read_at_once(reader: TextReader) -> None:
    pictures = [poster((text,), (400, 200), 48) for text in ("ONE", "TWO", "THREE", "FOUR")]
    alone = [read(reader, p).words for p in pictures]
    with ThreadPoolExecutor(4) as pool:
        assert [r.words for r in pool.map(read, [reader] * 4, pictures)] == alone


def test_a_batch_is_read_as_one_by_one(reader: TextReader) -> None:
    """To the last bit: a verdict must not depend on what else was inspected at that time."""
    pictures = [poster(), poster(("SALE",), (900, 500), 120), poster(("OPEN", "DAILY"), (500, 700), 60), poster(())]
    together = reader.read([Scene(pixels=p) for p in pictures])
    assert [r.words for r in together] == [read(reader, p).words for p in pictures]


def test_what_is_said_of_letters_is_said_of_each(reader: TextReader) -> None:
    """A reader may leave it out, but not say it of some."""
    for word in read(reader, poster()).words:
        assert len(word.centres) in {0, len(word.text)}
        assert len(word.confidences) in {0, len(word.text)}
        assert all(0 <= c <= 1 for c in (*word.centres, *word.confidences))
        assert list(word.centres) == sorted(word.centres)


def test_letters_stand_where_they_were_drawn(reader: TextReader) -> None:
    face, text, points, left = ImageFont.load_default(60), "Fresh Coffee", 60, 60
    (word,) = read(reader, poster((text,), (640, 300), points)).words
    if reader.name in {"easyocr", "vision"}:
        assert word.centres == (), "it has begun to say where letters stand"
        return
    drawn = [left + face.getlength(text[:i]) + sum(face.getbbox(c)[0::2]) / 2 for i, c in enumerate(text)]
    width, height = word.box[2] - word.box[0], word.box[5] - word.box[1]
    off = [(word.box[0] + c * width - d) / height for c, d in zip(word.centres, drawn, strict=True)]
    letters = [o for o, c in zip(off, text, strict=True) if c != " "]
    assert abs(float(np.mean(letters))) < 0.04
    assert max(abs(o) for o in letters) < 0.2


def test_a_reader_that_does_not_exist_is_named_with_those_that_do() -> None:
    with pytest.raises(BadConfig, match="rapidocr@640"):
        open_readers(["tesseract"])


def test_a_reader_without_its_endpoint_is_not_opened() -> None:
    with pytest.raises(BadConfig, match="no endpoint"):
        open_readers(["vision"])


def test_opening_the_light_reader_loads_no_torch() -> None:
    code = "import sys; from workers.checks.readers import open_readers; open_readers(['rapidocr']);"
    code += "sys.exit('torch' in sys.modules)"
    import subprocess

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_models_that_nobody_holds_are_freed() -> None:
    """A ruleset with other readers opens others: those before must not stay in memory, 200 MB a set."""
    models = TextModels(threads=1)
    assert models.lines([np.full((48, 300, 3), 255, np.uint8)])
    gone = weakref.ref(models)
    del models
    gc.collect()
    assert gone() is None
