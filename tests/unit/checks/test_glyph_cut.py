"""Letters out of a picture: whatever the ink and the ground, each stands alone, upright, in its place."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from schemas.events import Word
from tests.unit.checks.lettering import drawn, turned
from workers.checks.glyph_cut import INK_SIDE, SIDE, Cut, letters_of, tile_of


def alike(cuts: list[Cut], others: list[Cut]) -> float:
    """Least likeness of two cuts of the same letters."""
    assert [c.letter for c in cuts] == [c.letter for c in others]
    a, b = (np.stack([c.tile.ravel() for c in some]) for some in (cuts, others))
    return float(((a * b).sum(axis=1) / (np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1))).min())


def test_every_letter_is_cut_and_blanks_are_not():
    cuts = letters_of(*drawn())
    assert "".join(c.letter for c in cuts) == "HOUSE27"
    assert [c.place for c in cuts] == [0, 1, 2, 3, 4, 6, 7]
    for cut in cuts:
        assert cut.tile.shape == (SIDE, SIDE)
        assert 0 <= cut.tile.min() <= cut.tile.max() <= 1
        assert cut.tile.max() > 0.9


@pytest.mark.parametrize(("right", "down"), [(-2000, 0), (0, -2000), (2000, 0), (0, 2000)])
def test_a_box_outside_of_the_picture_holds_no_letters(right: int, down: int):
    pixels, word = drawn()
    away = tuple(v + (down if n % 2 else right) for n, v in enumerate(word.box))
    assert not letters_of(pixels, replace(word, box=away))


def test_boxes_stand_round_their_letters_in_the_picture():
    pixels, word = drawn()
    for cut in letters_of(pixels, word):
        inside = pixels[cut.box.top : cut.box.bottom, cut.box.left : cut.box.right]
        assert inside.min() < 30, "no ink in the box"
        assert cut.height_px == pytest.approx(40, abs=6)
    lefts = [c.box.left for c in letters_of(pixels, word)]
    assert lefts == sorted(lefts)


@pytest.mark.parametrize(
    ("ink", "ground"), [("white", "black"), ("#ffdd00", "#204080"), ("#303030", "#707070"), ("#c00000", "#00a000")]
)
def test_ink_is_told_from_ground_whatever_their_colours(ink: str, ground: str):
    assert alike(letters_of(*drawn(ink, ground)), letters_of(*drawn())) > 0.97


@pytest.mark.parametrize("degrees", [-25, -90, 12, 30])
def test_turned_words_are_straightened(degrees: float):
    pixels, word = drawn()
    assert alike(letters_of(*turned(pixels, word, degrees)), letters_of(pixels, word)) > 0.93


def test_a_blend_and_a_shadow_do_not_count_as_ink():
    pixels, word = drawn("white", "black")
    ramp = np.linspace(0, 110, pixels.shape[1])[None, :, None]
    ink = pixels[:, :, :1].astype(float) / 255
    dark = np.roll(ink, (3, 3), (0, 1))
    shaded = ((30 + ramp) * (1 - 0.8 * dark) * (1 - ink) + 250 * ink).repeat(1, axis=2)
    picture = np.repeat(shaded, 3, axis=2).clip(0, 255).astype(np.uint8)
    assert alike(letters_of(picture, word), letters_of(pixels, word)) > 0.9


def test_centres_that_are_a_little_off_change_nothing():
    pixels, word = drawn()
    moved = Word(text=word.text, confidence=1.0, box=word.box, centres=tuple(min(1.0, c + 0.03) for c in word.centres))
    assert alike(letters_of(pixels, moved), letters_of(pixels, word)) > 0.99


def test_touching_letters_are_cut_between_their_centres_and_say_so():
    pixels, word = drawn()
    bridged = pixels.copy()
    bridged[75:80, 45:250] = 0
    cuts = letters_of(bridged, word)
    assert "".join(c.letter for c in cuts) == "HOUSE27"
    assert all(c.joined for c in cuts[:4])
    assert not any(c.joined or c.crowded for c in letters_of(pixels, word))


def test_ink_that_may_be_two_letters_is_told():
    pixels, word = drawn()
    gone = pixels.copy()
    box = letters_of(pixels, word)[1].box
    gone[box.top : box.bottom, box.left : box.right] = 255
    crowded = [c.place for c in letters_of(gone, word) if c.crowded]
    assert crowded == [0, 2], "a letter without ink of its own may stand in a neighbour's"


def test_ink_far_from_every_letter_is_nobodys():
    pixels, word = drawn()
    framed = pixels.copy()
    framed[30:110, 2:5] = 0
    wide = Word(
        text=word.text,
        confidence=1.0,
        box=(0.0, *word.box[1:6], 0.0, word.box[7]),
        centres=tuple((c * (word.box[2] - word.box[0]) + word.box[0]) / word.box[2] for c in word.centres),
    )
    assert alike(letters_of(framed, wide), letters_of(pixels, word)) > 0.9


@pytest.mark.parametrize("lean", [-0.25, 0.2, 0.35])
def test_slanted_words_are_set_upright(lean: float):
    pixels, word = drawn(text="HOUSE 27 FLATS")
    height, width = pixels.shape[:2]
    wide = np.pad(pixels, ((0, 0), (40, 40), (0, 0)), mode="edge")
    move = np.array([[1, -lean, lean * height / 2], [0, 1, 0]])
    slanted = cv2.warpAffine(wide, move, (width + 80, height), borderValue=(255, 255, 255)).astype(np.uint8)
    corners = np.array(word.box).reshape(4, 2) + np.array([40, 0])
    moved = Word(text=word.text, confidence=1.0, box=tuple(map(float, corners.ravel())), centres=word.centres)
    assert alike(letters_of(slanted, moved), letters_of(pixels, word)) > 0.85


@pytest.mark.parametrize(
    "change",
    [
        {"centres": ()},
        {"centres": (0.5,)},
        {"text": "", "centres": ()},
        {"box": (40.0, 40, 41, 40, 41, 41, 40, 41)},
        {"box": (40.0, 10, 60, 10, 60, 200, 40, 200)},
        {"box": (0.0, 10, 900, 10, 900, 20, 0, 20)},
    ],
)
def test_words_that_cannot_be_parted_are_left_alone(change: dict[str, tuple[float, ...]]):
    pixels, word = drawn()
    fields = {"text": word.text, "confidence": 1.0, "box": word.box, "centres": word.centres} | change
    assert letters_of(pixels, Word(**fields)) == []  # type: ignore[arg-type]


def test_blanks_alone_and_even_ground_hold_no_letters():
    pixels, word = drawn()
    assert letters_of(pixels, Word(text="  ", confidence=1.0, box=word.box, centres=(0.2, 0.8))) == []
    assert letters_of(np.full_like(pixels, 120), word) == []


def test_a_box_beyond_the_picture_is_read_as_far_as_it_goes():
    pixels, word = drawn()
    for cut in letters_of(pixels[:, : pixels.shape[1] - 60], word):
        assert 0 <= cut.box.left < cut.box.right <= pixels.shape[1] - 60


def test_a_tile_keeps_proportions():
    tall = tile_of(np.ones((100, 20), np.float32))
    rows, cols = np.flatnonzero(tall.any(axis=1)), np.flatnonzero(tall.any(axis=0))
    assert len(rows) == INK_SIDE
    assert len(cols) == round(INK_SIDE / 5)
