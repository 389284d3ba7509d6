"""Glyph health on drawn words: malformed letters and look-alikes rank below sound ones, the same way every time."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from schemas.events import Box, TextRead, Word
from tests.corpus import rendering_for, request_for
from tests.unit.checks.lettering import drawn, turned
from workers.checks import glyph_net
from workers.checks.glyph_bank import BANKED, LEVELS, Bank, filled
from workers.checks.glyph_cut import Cut
from workers.checks.glyph_net import CARD, NUMBERS, PLANES, WEIGHTS, GlyphNet, shipped
from workers.checks.glyphs import MOST, GlyphCheck, glyphs_of
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
    assert glyphs[0].health < 0.7 < sound[0].health, "what is left is much like an h"


@pytest.mark.parametrize("place", range(7))
def test_a_letter_torn_in_two_is_the_least_healthy_and_harms_no_other(place: int):
    pixels, word = drawn()
    sound = measured(pixels, reading(word)).glyphs
    box = sound[place].box
    tall = box.bottom - box.top
    torn = pixels.copy()
    torn[box.top + tall * 7 // 20 : box.top + tall * 3 // 5, box.left : box.right] = 255
    glyphs = measured(torn, reading(word)).glyphs
    assert glyphs[place].health < 0.3
    for other, before in zip(glyphs, sound, strict=True):
        assert other.place == before.place
        if other.place != sound[place].place:
            assert other.health == pytest.approx(before.health, abs=0.05)


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
    cuts = [cut_of(t) for t in tiles]
    whole = net.health(cuts, list(range(len(cuts))))
    assert np.allclose(net.health(cuts[-1:], [0]), whole[-1:], atol=1e-5)
    assert ((whole >= 0) & (whole <= 1)).all()


def test_letters_that_cannot_be_parted_are_not_judged():
    pixels, word = drawn()
    assert word.centres[1] < word.centres[2]
    astray = replace(word, centres=(word.centres[0], word.centres[0] + 0.01, *word.centres[2:]))
    judged = [g.place for g in glyphs_of(pixels, (reading(astray),))]
    assert 0 not in judged
    assert 7 in judged


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
    assert not set(card["faces"]["trained"]) & set(card["faces"]["held_out"])


def cut_of(tile: np.typing.NDArray[np.float32], letter: str = "A") -> Cut:
    return Cut(place=0, letter=letter, tile=tile, box=Box(left=0, top=0, right=9, bottom=9), height_px=40)


@cache
def tiny() -> Bank:
    """Two faces: in one an A is a bar on the left and a B one on the right, in the other both lie at the top."""
    ink = np.zeros((4, BANKED, BANKED), np.uint8)
    ink[0, :, :12] = ink[1, :12] = ink[2, :, 12:] = ink[3, :12] = LEVELS
    return Bank(
        letters=["A", "B"],
        rows=np.array([0, 2, 4]),
        face_of=np.array([0, 1, 0, 1]),
        levels=ink.reshape(4, -1),
        aspects=np.zeros(4, np.float32),
    )


def half() -> np.typing.NDArray[np.float32]:
    """Ink over a square, most of it on the left."""
    tile = np.zeros((32, 32), np.float32)
    tile[3:29, 3:16] = 1.0
    tile[3:29, 16:29] = 0.2
    return tile


def test_the_nearest_rendering_stands_beside_a_letter_and_its_own_face_can_be_left_out():
    net = GlyphNet(tiny(), {})
    planes, numbers = net.beside([cut_of(half())], [0])
    assert planes.shape == (1, 32, 32, PLANES)
    assert numbers.shape == (1, NUMBERS)
    assert planes[0, 28, 4, 1] > 0.9
    without, _ = net.beside([cut_of(half())], [0], [[0]])
    assert without[0, 28, 4, 1] < 0.5


def test_the_rest_of_a_line_says_which_face_it_is_in():
    low = np.zeros((32, 32), np.float32)
    low[3:29, 3:29] = 0.2
    low[3:16, 3:29] = 1.0
    net = GlyphNet(tiny(), {})
    line = [cut_of(half()), cut_of(low, "B"), cut_of(low, "B")]
    together, _ = net.beside(line, [0, 0, 0])
    assert together[0, 28, 4, 1] > 0.9, "nearest by itself"
    assert together[0, 28, 4, 2] < 0.5, "in the face of the others"
    assert together[1, 4, 4, 3] > 0.9, "the same letter again"
    assert not together[0, :, :, 3].any(), "there is no other A"
    apart, _ = net.beside(line, [0, 1, 2])
    assert apart[0, 28, 4, 2] > 0.9


def test_an_empty_tile_is_taken_whole():
    got = filled(np.zeros((32, 32), np.float32))
    assert (got.width, got.height, got.aspect) == (32, 32, 0.0)
    assert shipped().health([], []).shape == (0,)
