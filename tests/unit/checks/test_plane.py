"""Lines that run away from the eye: found by edges that converge, and read once they are laid flat."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from workers.checks.boxes import Outline
from workers.checks.port import Pixels, Scene
from workers.checks.readers import open_readers
from workers.checks.view_plane import converging, grown

LINE = "WATERFALLS"


def outline(*corners: tuple[int, int]) -> Outline:
    art = np.zeros((400, 800), np.uint8)
    cv2.fillPoly(art, [np.array(corners, np.int32)], 255)
    (found,), _ = cv2.findContours(art, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    return np.asarray(found, np.int32).reshape(-1, 2)


def receding(far: float) -> Pixels:
    """A line of type whose right end is `far` times as high as its left."""
    flat = Image.new("RGB", (700, 120), (245, 240, 225))
    ImageDraw.Draw(flat).text((20, 15), LINE, font=ImageFont.load_default(92), fill=(30, 20, 60))
    here = np.array([[0, 0], [700, 0], [700, 120], [0, 120]], np.float32)
    there = np.array([[60, 150], [700, 300 - 150 * far], [700, 300 + 150 * far], [60, 450]], np.float32)
    turn = cv2.getPerspectiveTransform(here, there)
    ground = np.full((600, 760, 3), (245, 240, 225), np.uint8)
    return np.asarray(
        cv2.warpPerspective(np.asarray(flat), turn, (760, 600), ground, borderMode=cv2.BORDER_TRANSPARENT), np.uint8
    )


@pytest.mark.parametrize("turned", [False, True])
def test_edges_that_converge_are_found(turned: bool) -> None:
    corners = [(50, 100), (750, 170), (750, 230), (50, 300)]
    if turned:
        corners = [(800 - x, y) for x, y in reversed(corners)]
    quad = converging(outline(*corners))
    assert quad is not None
    left, right = quad[3, 1] - quad[0, 1], quad[2, 1] - quad[1, 1]
    assert sorted((round(float(left), -1), round(float(right), -1))) == pytest.approx([60, 200], abs=20)
    assert (left > right) is not turned


@pytest.mark.parametrize(
    "corners",
    [
        [(50, 100), (750, 100), (750, 200), (50, 200)],
        [(50, 60), (720, 260), (700, 360), (30, 160)],
        [(300, 50), (420, 50), (420, 180), (300, 180)],
        [(50, 100), (400, 20), (750, 100), (750, 180), (400, 100), (50, 180)],
        [(5, 5), (7, 5), (7, 7)],
    ],
    ids=["straight", "slanted", "a square", "bent", "a speck"],
)
def test_what_is_straight_bent_or_too_small_is_left_alone(corners: list[tuple[int, int]]) -> None:
    assert converging(outline(*corners)) is None


def test_boxes_grow_most_near_the_eye() -> None:
    quad = np.array([[0, 0], [300, 40], [300, 60], [0, 100]], np.float32)
    more = grown(quad)
    assert quad[0, 1] - more[0, 1] > 3 * (quad[1, 1] - more[1, 1]) > 0
    assert more[0, 0] < 0
    assert more[1, 0] > 300


def test_a_receding_line_is_read_along_its_own_box() -> None:
    (reader,) = open_readers(["rapidocr@plane"])
    pixels = receding(0.3)
    (read,) = reader.read([Scene(pixels=pixels)])
    (word,) = read.words
    assert word.text == LINE
    assert len(word.centres) == len(LINE)
    left, right = word.box[7] - word.box[1], word.box[5] - word.box[3]
    assert right < 0.6 * left
