"""Marks: a crisp one in a calm corner is seen; drawings, plain shapes, lettering and scatter are not taken for one."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw

from schemas.events import RegionKind
from tests.unit.checks.logo_posters import PALETTES, PROMPTS, Mark, logo
from workers.checks.marks import marks
from workers.engines import palette, scenes

GROUND = (236, 228, 214)


def sheet(*at: tuple[int, int], kind: Mark = Mark.EMBLEM, side: int = 70) -> Image.Image:
    image = Image.new("RGB", (512, 640), GROUND)
    mark = logo(kind, 3)
    mark.thumbnail((side, side))
    for x, y in at:
        image.paste(mark, (x, y), mark)
    return image


def seen(image: Image.Image, *known: tuple[float, ...]) -> int:
    return len(marks(np.asarray(image), known, "logo"))


@pytest.mark.parametrize("at", [(24, 24), (410, 24), (24, 540), (410, 540), (225, 24)])
def test_a_mark_in_a_calm_corner_or_the_middle_of_an_edge_is_seen(at: tuple[int, int]):
    (only,) = marks(np.asarray(sheet(at)), (), "logo")
    assert (only.kind, only.check) == (RegionKind.MARK, "logo")
    assert abs(only.box.left - at[0]) < 12
    assert abs(only.box.top - at[1]) < 12
    assert 0.5 <= only.score <= 1


def test_what_is_no_mark_is_not_seen():
    assert seen(Image.new("RGB", (512, 640), GROUND)) == 0
    assert seen(sheet((220, 280))) == 0  # amid the picture
    assert seen(sheet((24, 24), side=14)) == 0
    assert seen(sheet((24, 24), side=300)) == 0
    assert seen(sheet((-20, -20))) == 0  # cut off
    assert seen(sheet((24, 24), (410, 24), (24, 540), (410, 540))) == 0  # a pattern


def test_a_plain_shape_is_no_mark():
    disc = Image.new("RGB", (512, 640), GROUND)
    ImageDraw.Draw(disc).ellipse((24, 24, 90, 90), fill=(200, 60, 20))
    assert seen(disc) == 0


@pytest.mark.parametrize(
    "corners",
    [
        ((30, 80), (60, 20), (90, 80)),
        ((24, 70), (64, 30), (104, 70)),
        ((24, 24), (104, 24), (104, 60), (24, 60)),
        ((20, 60), (60, 30), (110, 60), (60, 90)),
    ],
)
def test_triangles_and_panels_are_no_marks(corners: tuple[tuple[int, int], ...]):
    image = Image.new("RGB", (512, 640), GROUND)
    ImageDraw.Draw(image).polygon(corners, fill=(200, 60, 20))
    assert seen(image) == 0


def test_lettering_and_supplied_logos_are_not_marks():
    assert seen(sheet((24, 24)), (20, 20, 100, 20, 100, 100, 20, 100)) == 0


def test_drawn_scenes_raise_no_alarm():
    alarms = 0
    for seed in range(24):
        swatches = PALETTES[seed % 2]
        picture = scenes.draw(PROMPTS[seed % len(PROMPTS)], (320, 320), palette.from_swatches(swatches, seed), seed)
        alarms += seen(picture.convert("RGB")) > 0
    assert alarms == 0
