"""Logos are found where they stand, whatever their size and turn, and what was done to them shows in the numbers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from schemas.errors import Poison
from schemas.events import LogoMatch
from tests.unit.checks.logo_posters import Change, Mark, logo, overlap, png, poster, subject
from workers.checks.logo import LogoCheck
from workers.checks.logo_compare import distortion, rotation_degrees, scale_of
from workers.checks.logo_file import open_logo
from workers.checks.port import NOTHING, Broken, Pixels


def match(pixels: Pixels, mark: Image.Image) -> LogoMatch:
    (only,) = LogoCheck().measure(subject(pixels, png(mark))).logos
    return only


@pytest.mark.parametrize(
    ("kind", "share", "turn"),
    [(Mark.WORDMARK, 0.38, 6), (Mark.FLAT, 0.1, 0), (Mark.BADGE, 0.16, -8), (Mark.EMBLEM, 0.25, 15)],
)
def test_a_sound_logo_is_found_at_its_size_and_turn(kind: Mark, share: float, turn: float):
    mark = logo(kind, 1)
    pixels, place = poster(mark, 8, Change.TURNED, share=share, turn=turn, size=768)
    found = match(pixels, mark)
    assert found.found
    assert found.score > 0.85
    assert overlap(found, place) > 0.75
    assert found.scale == pytest.approx(share * 768 / max(mark.size), rel=0.05)
    assert found.rotation_degrees == pytest.approx(turn, abs=1)
    assert found.distortion is not None
    assert found.distortion < 0.06
    assert found.delta_e00 is not None
    assert found.delta_e00 < 7
    assert found.difference is not None
    assert found.difference < 0.1


def test_what_was_done_to_a_logo_shows():
    mark = logo(Mark.BADGE, 2)
    seen = {c: match(poster(mark, 3, c, share=0.3, size=640)[0], mark) for c in Change}
    assert not seen[Change.ABSENT].found
    assert seen[Change.ABSENT].box == ()
    stretched, recoloured, gone = (seen[c] for c in (Change.STRETCHED, Change.RECOLOURED, Change.PART_GONE))
    assert stretched.distortion == pytest.approx(0.25, abs=0.04)
    assert recoloured.delta_e00 is not None
    assert recoloured.delta_e00 > 15
    assert gone.score < 0.85
    assert gone.difference is None or gone.difference > 0.15
    assert seen[Change.REDRAWN].score < 0.85


def test_room_about_a_logo_is_measured_in_its_shorter_side():
    mark = logo(Mark.EMBLEM, 0).resize((160, 160))
    sheet = Image.new("RGB", (640, 640), (240, 235, 225))
    sheet.paste(mark, (240, 240), mark)
    calm = match(np.asarray(sheet), mark)
    assert calm.clear_space == pytest.approx(0.6, abs=0.02)
    crowded = sheet.copy()
    crowded.paste((10, 10, 30), (180, 430, 460, 470))  # 30 pixels below it
    near = match(np.asarray(crowded), mark)
    assert near.clear_space == pytest.approx(30 / 160, abs=0.05)


def test_an_opaque_file_is_compared_by_its_ink():
    mark = logo(Mark.BADGE, 4)
    card = Image.new("RGB", (mark.width + 60, mark.height + 60), "white")
    card.paste(mark, (30, 30), mark)
    asked = subject(np.zeros((8, 8, 3), dtype=np.uint8), png(card))
    opened = open_logo(asked.request.job.files[0], asked.files)
    assert opened.opaque
    assert 0 < (opened.mask > 0).mean() < 0.95
    noise = np.random.default_rng(1).integers(0, 255, (40, 40, 3), dtype=np.uint8)
    asked = subject(noise, png(Image.fromarray(noise)))
    assert open_logo(asked.request.job.files[0], asked.files).mask.all()
    plain = Image.new("RGB", (40, 40), "white")
    asked = subject(noise, png(plain))
    assert open_logo(asked.request.job.files[0], asked.files).mask.all()


def test_a_file_that_cannot_be_used_is_an_error_of_the_check():
    asked = subject(np.zeros((64, 64, 3), dtype=np.uint8), png(logo(Mark.FLAT)))
    with pytest.raises(Poison, match="could not be fetched"):
        LogoCheck().measure(replace(asked, files={}))
    with pytest.raises(Poison, match=r"logo0\.png"):
        LogoCheck().measure(subject(np.zeros((64, 64, 3), dtype=np.uint8), b"no picture"))
    with pytest.raises(Poison, match="shows nothing"):
        LogoCheck().measure(
            subject(np.zeros((64, 64, 3), dtype=np.uint8), png(Image.new("RGBA", (30, 30), (0, 0, 0, 0))))
        )
    assert LogoCheck().measure(replace(asked, image=Broken(reason="cut"))) is NOTHING


def test_in_an_even_picture_there_is_no_logo():
    assert not match(np.full((200, 300, 3), 128, dtype=np.uint8), logo(Mark.FLAT, 1)).found


def test_the_numbers_of_an_affine_map():
    turned = np.array([[0.0, -2.0, 5.0], [2.0, 0.0, 7.0]])
    assert (rotation_degrees(turned), scale_of(turned), distortion(turned)) == pytest.approx((90, 2, 0))
    assert distortion(np.array([[2.0, 0, 0], [0, 1.0, 0]])) == pytest.approx(1)
    assert distortion(np.array([[1.0, 0.1, 0], [0, 1.0, 0]])) == pytest.approx(0.1, abs=0.01)
