"""Colour normalise: nearer to the brand, within bounds, inside its mask, and never a changed defect."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image, ImageDraw

from schemas.errors import Poison
from schemas.events import Box
from tests import renders
from tests.unit.finish import orders
from workers import colour
from workers.engines import damage
from workers.finish.color_normalize import MOST_SHIFT, color_normalize
from workers.finish.colour_mask import colour_mask

PINK = (230, 20, 120)


def lab(image: Image.Image) -> npt.NDArray[np.float64]:
    return colour.srgb_to_lab(np.asarray(image))


@pytest.mark.parametrize("shift", [(0.0, 6.0, -6.0), (-5.0, 0.0, 7.0), (4.0, -7.0, 0.0)])
def test_a_slight_cast_is_taken_off(shift: tuple[float, float, float]) -> None:
    image = orders.art(shift=shift)
    done = color_normalize(image, renders.NORTHWIND)
    assert done.changed
    assert done.before is not None
    assert done.after is not None
    assert done.after.whole < done.before.whole
    assert done.share == 1.0
    clean, was, now = (lab(i).mean(axis=(0, 1)) for i in (orders.art(shift=(0.0, 0.0, 0.0)), image, done.image))
    assert np.linalg.norm(now - clean) < np.linalg.norm(was - clean)


def test_the_move_is_bounded_so_that_a_strong_cast_is_still_seen() -> None:
    image = orders.art(shift=(0.0, 18.0, -16.0))
    done = color_normalize(image, renders.NORTHWIND)
    assert np.all(np.abs(done.shift) <= MOST_SHIFT)
    # 1.5: rounding to bytes and the steps of the colour table.
    assert np.abs((lab(done.image) - lab(image)).mean(axis=(0, 1))).max() <= MOST_SHIFT.max() + 1.5


def test_the_same_picture_gives_the_same_picture() -> None:
    one, two = (color_normalize(orders.art(), renders.NORTHWIND) for _ in range(2))
    assert (one.image.tobytes(), one.facts()) == (two.image.tobytes(), two.facts())
    assert (one.image.size, one.image.mode) == ((256, 256), "RGB")


def test_white_and_black_stay() -> None:
    pixels = np.asarray(orders.art()).copy()
    pixels[:20], pixels[-20:] = 255, 0
    done = color_normalize(Image.fromarray(pixels), renders.NORTHWIND)
    assert done.changed
    assert np.asarray(done.image)[:20].min() >= 254
    assert np.asarray(done.image)[-20:].max() <= 1


def test_no_swatches_no_change() -> None:
    done = color_normalize(orders.art(), ())
    assert (done.image, done.changed) == (orders.art(), False)
    assert done.facts() == {"color-normalize": "the brand has no swatches"}


def test_one_flat_colour_is_a_defect_and_stays_one() -> None:
    black = Image.new("RGB", (64, 64))
    assert color_normalize(black, renders.NORTHWIND).image is black


def test_a_strong_injected_cast_stays_far_from_the_palette() -> None:
    clean = orders.art(shift=(0.0, 0.0, 0.0))
    kept = color_normalize(clean, renders.NORTHWIND)
    done = color_normalize(damage.cast(clean, damage.generator(3)), renders.NORTHWIND)
    assert done.after is not None
    assert kept.after is not None
    assert done.after.whole > kept.after.whole + 3


def test_a_kept_box_stays_to_the_last_bit_and_the_rest_moves() -> None:
    image = orders.art().copy()
    ImageDraw.Draw(image).rectangle((40, 60, 99, 119), fill=PINK)
    box = Box(left=40, top=60, right=100, bottom=120)
    mask = colour_mask(image.size, (box,), ())
    assert mask is not None
    assert mask.note == "one box keeps its colours"
    done = color_normalize(image, renders.NORTHWIND, mask.image)
    was, now = np.asarray(image).astype(int), np.asarray(done.image).astype(int)
    assert np.array_equal(now[60:120, 40:100], was[60:120, 40:100])
    assert np.abs(now[:20] - was[:20]).max() > 2
    # The whole picture, unmasked, would have moved the logo too.
    free = color_normalize(image, renders.NORTHWIND)
    assert not np.array_equal(np.asarray(free.image)[60:120, 40:100], was[60:120, 40:100])


def test_the_edge_of_a_kept_box_is_soft_outside_it() -> None:
    mask = colour_mask((200, 200), (Box(left=80, top=80, right=120, bottom=120),), ())
    assert mask is not None
    row = np.asarray(mask.image)[100].astype(int)
    assert row[80:120].max() == 0
    assert row[60] == row[140] == 255
    assert np.abs(np.diff(row[121:160])).max() < 128
    assert 0 < row[122] < 255


def test_a_mask_file_says_where_colours_may_move_and_facts_say_by_how_much() -> None:
    halves = Image.new("L", (256, 256), 0)
    halves.paste(255, (128, 0, 256, 256))
    mask = colour_mask((256, 256), (), [("halves.png", orders.encoded(halves))])
    assert mask is not None
    done = color_normalize(orders.art(), renders.NORTHWIND, mask.image)
    was, now = np.asarray(orders.art()).astype(int), np.asarray(done.image).astype(int)
    assert np.array_equal(now[:, :128], was[:, :128])
    assert np.abs(now[:, 128:] - was[:, 128:]).max() > 2
    facts = done.facts()
    assert facts["color-normalize.moved_share"] == "0.500"
    moved = [float(facts[f"color-normalize.moved_delta_e00_{when}"]) for when in ("before", "after")]
    whole = [float(facts[f"color-normalize.delta_e00_{when}"]) for when in ("before", "after")]
    assert moved[1] < moved[0]
    assert whole[1] < whole[0]


def test_grey_in_a_mask_moves_in_part() -> None:
    def moved(level: int) -> float:
        mask = Image.new("L", (256, 256), level)
        done = color_normalize(orders.art(), renders.NORTHWIND, mask)
        return float(np.abs(np.asarray(done.image).astype(int) - np.asarray(orders.art()).astype(int)).mean())

    assert 0 < moved(150) < moved(255)


def test_a_mask_that_leaves_nothing_leaves_everything() -> None:
    done = color_normalize(orders.art(), renders.NORTHWIND, Image.new("L", (256, 256), 0))
    assert (done.changed, done.note) == (False, "the mask leaves nothing to move")


def test_a_mask_of_another_size_is_resized_and_says_so() -> None:
    mask = colour_mask((256, 256), (), [("small.png", orders.encoded(Image.new("L", (64, 32), 255)))])
    assert mask is not None
    assert mask.image.size == (256, 256)
    assert mask.note == "mask 'small.png', resized from 64 x 32"


def test_several_masks_each_keep_what_they_keep() -> None:
    left, right = Image.new("L", (8, 8), 255), Image.new("L", (8, 8), 255)
    left.paste(0, (0, 0, 2, 8))
    right.paste(0, (6, 0, 8, 8))
    mask = colour_mask((8, 8), (), [("l", orders.encoded(left)), ("r", orders.encoded(right))])
    assert mask is not None
    assert np.asarray(mask.image)[0].tolist() == [0, 0, 255, 255, 255, 255, 0, 0]


def test_a_mask_that_is_no_picture_is_refused() -> None:
    with pytest.raises(Poison, match=r"'notes\.txt' is no picture"):
        colour_mask((8, 8), (), [("notes.txt", b"where the sky is")])
