"""The cascade's stop, what a view may replace, and the way back from a view to the picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from rules.contract import phrase
from schemas.events import Lane, PhraseSource, TextContract, TextRead, Word
from workers.checks.boxes import Quad
from workers.checks.likelihood import TWINS, likelihoods, log_ratio, twin_ratios
from workers.checks.port import Pixels, Scene, TextReader
from workers.checks.reader_views import Anew, View, merged
from workers.checks.readers import open_readers
from workers.checks.text import Asked, agreed, look
from workers.checks.text_models import Line, TextModels
from workers.checks.views import contrast, padded, tiles, turned

SIZE: Final = (800, 600)


def contract(*texts: str) -> TextContract:
    phrases = tuple(phrase(t, PhraseSource.EXPLICIT, Lane.EXPLORATORY, None) for t in texts)
    return TextContract(phrases=phrases, other_text_allowed=False)


def quad(x: float, y: float, width: float = 200, height: float = 40) -> Quad:
    return np.array([[x, y], [x + width, y], [x + width, y + height], [x, y + height]], np.float32)


def word(text: str, confidence: float = 0.99, box: Quad | None = None) -> Word:
    corners = quad(10, 10) if box is None else box
    return Word(text=text, confidence=confidence, box=tuple(float(v) for v in corners.ravel()))


def read(*words: Word, reader: str = "a") -> TextRead:
    return TextRead(reader=reader, elapsed_ms=1.0, words=words)


def anew(text: str, confidence: float, box: Quad) -> Anew:
    return Anew(Line(text, (), (confidence,) * len(text)), box, (box,))


class Told:
    """A reader that says what it was told, and remembers how many pictures it saw."""

    def __init__(self, name: str, *texts: str, confidence: float = 0.99) -> None:
        self.name, self._texts, self._confidence = name, texts, confidence
        self.seen = 0

    def read(self, scenes: Sequence[Scene]) -> Sequence[TextRead]:
        self.seen += len(scenes)
        words = [word(t, self._confidence, quad(10, 60 * i)) for i, t in enumerate(self._texts)]
        return [read(*words, reader=self.name) for _ in scenes]


def asked(*texts: str, sure_after: int) -> Asked:
    return Asked(
        pixels=np.zeros((9, 9, 3), np.uint8), contract=contract(*texts), sure=lambda reads: len(reads) >= sure_after
    )


def test_each_look_takes_only_the_pictures_that_are_in_doubt() -> None:
    readers = [Told("a", "SALE", confidence=0.6), Told("b", "SALE"), Told("c", "SALE")]
    found = look([asked("SALE", sure_after=n) for n in (1, 3, 2)], readers)
    assert [[r.reader for r in one.reads] for one in found] == [["a"], ["a", "b", "c"], ["a", "b"]]
    assert [r.seen for r in readers] == [3, 2, 1]


@pytest.mark.parametrize(
    ("reads", "settled"),
    [
        ([read(word("SLAE"))], False),
        ([read(word("SLAE")), read(word("SLAE"))], True),
        ([read(word("SLAE")), read(word("SLAE", 0.9))], False),
        ([read(word("SLAE")), read(word("SALE"))], False),
        ([read(), read()], False),
    ],
    ids=["one look", "two say the same", "one is unsure", "they differ", "the phrase is missing"],
)
def test_two_looks_that_are_sure_of_the_same_end_it(reads: list[TextRead], settled: bool) -> None:
    assert agreed(contract("SALE"), reads) is settled


@pytest.mark.parametrize(
    ("found", "texts"),
    [
        (anew("SALE NOW", 0.99, quad(10, 10)), ["SALE NOW"]),
        (anew("SALE NOW", 0.5, quad(10, 10)), ["SALF NOW"]),
        (anew("SALE", 0.99, quad(10, 10, width=90)), ["SALF NOW"]),
        (anew("FRESH", 0.9, quad(10, 200)), ["SALF NOW", "FRESH"]),
        (anew("xkcq", 0.5, quad(10, 200)), ["SALF NOW"]),
    ],
    ids=["better", "worse", "a part only", "new", "new and unsure"],
)
def test_a_view_replaces_what_it_reads_better_and_no_more(found: Anew, texts: list[str]) -> None:
    assert [w.text for w in merged([word("SALF NOW", 0.8)], [found], SIZE)] == texts


def poster() -> Pixels:
    art = Image.new("RGB", SIZE, (245, 240, 228))
    pen = ImageDraw.Draw(art)
    for i, line in enumerate(("SUMMER SALE", "Fresh Coffee")):
        pen.text((70, 80 + 200 * i), line, font=ImageFont.load_default(60), fill=(20, 20, 70))
    return np.asarray(art)


@pytest.fixture(scope="module")
def models() -> TextModels:
    return TextModels(1)


@pytest.mark.parametrize("view", [padded, contrast, turned])
def test_boxes_of_a_view_are_those_of_the_plain_look(models: TextModels, view: View) -> None:
    reader: TextReader = open_readers(["rapidocr"])[0]
    (plain,) = reader.read([Scene(pixels=poster())])
    found = {a.line.text: a.box for a in view(models, poster())}
    for one in plain.words:
        assert found[one.text] == pytest.approx(np.array(one.box).reshape(4, 2), abs=14)


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_turned_lettering_is_read_and_its_box_begins_at_its_own_top_left(models: TextModels, turns: int) -> None:
    found = {a.line.text: a.box for a in turned(models, np.ascontiguousarray(np.rot90(poster(), turns)))}
    box = found["SUMMER SALE"]
    along = box[1] - box[0]
    # Turned left once, text runs upwards.
    wanted = {1: (0, -1), 2: (-1, 0), 3: (0, 1)}[turns]
    assert along / np.linalg.norm(along) == pytest.approx(wanted, abs=0.1)


def test_what_stands_there_is_likelier_than_what_does_not(models: TextModels) -> None:
    (reader,) = open_readers(["rapidocr"])
    first = reader.read([Scene(pixels=poster())])[0].words[0]
    assert log_ratio(models, poster(), first, "SUMMER SALE") == 0
    near, far = (log_ratio(models, poster(), first, t) for t in ("SUMMER SALF", "WINTER COATS"))
    assert near is not None
    assert far is not None
    assert far < near < -1
    assert log_ratio(models, poster(), first, "SUMMER \ue000") is None


def test_look_alikes_of_what_was_read_are_weighed_for_strict_phrases_alone(models: TextModels) -> None:
    art = Image.new("RGB", SIZE, (245, 240, 228))
    pen = ImageDraw.Draw(art)
    for i, line in enumerate(("Only $80.50", "SUMMER SALE")):
        pen.text((70, 80 + 200 * i), line, font=ImageFont.load_default(60), fill=(20, 20, 70))
    pixels = np.asarray(art)
    (reader,) = open_readers(["rapidocr"])
    reads = reader.read([Scene(pixels=pixels)])
    texts = ("Only $80.50", "SUMMER SALE")
    strict, loose = (
        TextContract(
            phrases=tuple(phrase(t, PhraseSource.EXPLICIT, lane, None) for t in texts), other_text_allowed=False
        )
        for lane in (Lane.CRITICAL, Lane.EXPLORATORY)
    )
    assert likelihoods(models, pixels, loose, reads) == ()
    found = likelihoods(models, pixels, strict, reads)
    assert [x.phrase for x in found] == [0, 0, 0]
    for one in found:
        differing = [(a, b) for a, b in zip("Only $80.50", one.seen, strict=True) if a != b]
        assert len(differing) == 1
        assert differing[0][1] in TWINS[differing[0][0]]
        assert one.log_ratio > 2
    figures = twin_ratios(models, pixels, reads[0].words[0], [6])
    assert [(letter, text) for _, letter, text in figures] == [("8", "Only $B0.50")]
    # A model that reads places no letters.
    vision = TextRead(reader="vision", elapsed_ms=1, words=reads[0].words)
    assert likelihoods(models, pixels, strict, [vision]) == ()


def test_a_letter_drawn_for_a_figure_is_nearly_as_likely(models: TextModels) -> None:
    ratios: list[float] = []
    for text in ("Only $80.50", "Only $8O.50"):
        art = Image.new("RGB", SIZE, (245, 240, 228))
        ImageDraw.Draw(art).text((70, 80), text, font=ImageFont.load_default(60), fill=(20, 20, 70))
        (reader,) = open_readers(["rapidocr"])
        drawn = reader.read([Scene(pixels=np.asarray(art))])[0].words[0]
        sound = replace(drawn, text="Only $80.50")
        ratios += [r for r, _, t in twin_ratios(models, np.asarray(art), sound, [7]) if t == "Only $8O.50"]
    assert ratios[1] < ratios[0] - 2


def test_twins_are_those_of_each_other() -> None:
    assert all(a in TWINS[b] for a, twins in TWINS.items() for b in twins)
    assert all(a not in twins for a, twins in TWINS.items())


def test_small_print_in_a_tile_stands_where_it_stands_in_the_picture(models: TextModels) -> None:
    art = Image.new("RGB", SIZE, (245, 240, 228))
    pen = ImageDraw.Draw(art)
    pen.text((480, 420), "Terms apply", font=ImageFont.load_default(16), fill=(20, 20, 70))
    found = {a.line.text: a.box for a in tiles(models, np.asarray(art))}
    assert found["Terms apply"][0] == pytest.approx((480, 420), abs=12)
