"""Glyph health on drawn words: malformed letters and look-alikes rank below sound ones, the same way every time."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from schemas.events import TextRead, Word
from tests.corpus import rendering_for, request_for
from tests.unit.checks.lettering import drawn, turned
from workers.checks import glyph_net
from workers.checks.glyph_net import CARD, WEIGHTS, Bank, GlyphNet, filled, shipped
from workers.checks.glyphs import MOST, GlyphCheck
from workers.checks.port import NOTHING, Broken, Decoded, Findings, Pixels, Subject

FOLDER = Path(str(glyph_net.__file__)).parent


def reading(*words: Word, reader: str = "rapidocr") -> TextRead:
    return TextRead(reader=reader, elapsed_ms=1, words=words)


def subject(pixels: Pixels, *reads: TextRead) -> Subject:
    image = Decoded(pixels=pixels, media_type="image/png")
    return Subject(data=b"", image=image, request=request_for(()), rendering=rendering_for(b""), reads=reads)


def measured(pixels: Pixels, *reads: TextRead) -> Findings:
    return GlyphCheck().measure(subject(pixels, *reads))


def numbers(found: Findings) -> dict[str, float]:
    return {m.name: m.value for m in found.measurements}


def test_every_letter_that_was_read_gets_its_health():
    pixels, word = drawn()
    found = measured(pixels, reading(word))
    assert "".join(g.letter for g in found.glyphs) == "HOUSE27"
    assert [g.place for g in found.glyphs] == [0, 1, 2, 3, 4, 6, 7]
    assert {(g.reader, g.word) for g in found.glyphs} == {("rapidocr", 0)}
    assert numbers(found)["letters"] == 7
    assert numbers(found)["lowest"] == min(g.health for g in found.glyphs) <= numbers(found)["median"]


@pytest.mark.parametrize(
    ("ink", "ground", "degrees"), [("black", "white", 0), ("#ffdd00", "#203060", 0), ("black", "white", 20)]
)
def test_sound_lettering_is_healthy(ink: str, ground: str, degrees: float):
    pixels, word = turned(*drawn(ink, ground), degrees)
    assert numbers(measured(pixels, reading(word)))["lowest"] > 0.5


def test_a_letter_with_a_stroke_missing_is_the_least_healthy():
    pixels, word = drawn()
    sound = measured(pixels, reading(word)).glyphs
    box = sound[0].box
    broken = pixels.copy()
    middle = (box.left + box.right) // 2
    broken[box.top : (box.top + box.bottom) // 2 - 6, middle : box.right] = 255
    glyphs = measured(broken, reading(word)).glyphs
    assert min(glyphs, key=lambda g: g.health).place == 0
    assert glyphs[0].health < 0.3 < sound[0].health


@pytest.mark.parametrize(("seen", "read"), [("S", "5"), ("B", "8"), ("Z", "2"), ("l", "1")])
def test_a_letter_that_was_read_as_its_look_alike_is_less_healthy(seen: str, read: str):
    pixels, word = drawn(text=f"47{seen}")
    right = measured(pixels, reading(word)).glyphs[-1]
    wrong = measured(pixels, reading(replace(word, text=f"47{read}"))).glyphs[-1]
    assert (right.letter, wrong.letter) == (seen, read)
    assert wrong.health < right.health


def test_the_same_picture_gives_the_same_numbers_alone_or_among_others():
    pixels, word = drawn()
    once = measured(pixels, reading(word)).glyphs
    assert measured(pixels, reading(word)).glyphs == once
    net = shipped()
    tiles = np.random.default_rng(3).random((glyph_net.BATCH + 9, 32, 32)).astype(np.float32)
    whole = net.health(tiles, ["A"] * len(tiles))
    assert np.allclose(net.health(tiles[-1:], ["A"]), whole[-1:], atol=1e-5)
    assert ((whole >= 0) & (whole <= 1)).all()


def test_lettering_that_two_looks_read_is_measured_once():
    pixels, word = drawn()
    other = replace(word, box=tuple(v + 1 for v in word.box))
    found = measured(pixels, reading(word), reading(other, reader="rapidocr@640"))
    assert {g.reader for g in found.glyphs} == {"rapidocr"}
    twice = measured(pixels, reading(word), reading(replace(word, text="HOUSE 21"), reader="rapidocr@640"))
    assert {g.reader for g in twice.glyphs} == {"rapidocr", "rapidocr@640"}


def test_no_more_letters_are_judged_than_a_record_holds():
    pixels, word = drawn()
    found = GlyphCheck(most=10).measure(subject(pixels, reading(word, word, word)))
    assert len(found.glyphs) == numbers(found)["letters"] == 10
    assert MOST == 2000, "as Inspection.glyphs in the schema"


@pytest.mark.parametrize("text", ["夏夏", "— …"])
def test_letters_that_it_never_saw_are_not_judged(text: str):
    pixels, word = drawn(text="HO")
    centres = tuple((n + 0.5) / len(text) for n in range(len(text)))
    assert measured(pixels, reading(replace(word, text=text, centres=centres))) == NOTHING


def test_small_print_is_not_judged():
    pixels, word = drawn(size=14)
    assert measured(pixels, reading(word)) == NOTHING


def test_nothing_to_read_is_nothing_to_judge():
    pixels, word = drawn()
    assert measured(pixels) == NOTHING
    assert measured(pixels, reading(replace(word, centres=()))) == NOTHING
    broken = replace(subject(pixels, reading(word)), image=Broken(reason="cut off"))
    assert GlyphCheck().measure(broken) == NOTHING


def test_the_weights_are_those_of_their_card_and_small():
    data = (FOLDER / WEIGHTS).read_bytes()
    card = json.loads((FOLDER / CARD).read_text(encoding="utf-8"))
    assert card["sha256"] == hashlib.sha256(data).hexdigest()
    assert len(data) < 5_000_000
    assert not set(card["families"]) & set(card["families_held_out"])


@cache
def tiny() -> Bank:
    ink = np.zeros((2, 24, 24), np.float32)
    ink[0, :, :12] = ink[1, :12] = 1.0
    return Bank(letters=["A", "A"], families=np.array([0, 1]), ink=ink, aspects=np.zeros(2, np.float32))


def test_the_nearest_rendering_stands_beside_a_letter_and_its_own_family_can_be_left_out():
    tile = np.zeros((1, 32, 32), np.float32)
    tile[0, 3:29, 3:16] = 1.0
    tile[0, 3:29, 16:29] = 0.2
    net = GlyphNet(tiny(), {})
    planes, likeness = net.beside(tile, ["A"])
    assert planes.shape == (1, 32, 32, 3)
    assert planes[0, 28, 4, 1] > 0.9
    assert planes[0, 28, 4, 2] < 0.5
    assert likeness[0, 0] > likeness[0, 1]
    without, _ = net.beside(tile, ["A"], [[0]])
    assert without[0, 28, 4, 1] < 0.5
    only, _ = net.beside(tile, ["A"], [[0, 1]])
    assert np.array_equal(only, planes), "a letter of one family is compared with that"


def test_an_empty_tile_is_taken_whole():
    got = filled(np.zeros((32, 32), np.float32))
    assert (got.width, got.height, got.aspect) == (32, 32, 0.0)
    assert shipped().health(np.zeros((0, 32, 32), np.float32), []).shape == (0,)
