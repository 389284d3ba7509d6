"""Colour normalise: nearer to the brand, within bounds, and never a changed defect."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from rules.engines import EngineKind
from tests import renders
from workers import colour
from workers.checks.port import Pixels
from workers.engines import damage, poster, scenes
from workers.engines.damage import Damage
from workers.engines.palette import from_swatches
from workers.engines.port import Rendered
from workers.engines.simulator import Simulator
from workers.finish.color_normalize import MOST_SHIFT, color_normalize


def _tinted(shift: tuple[float, float, float]) -> bytes:
    art = scenes.draw("a cup of coffee", (256, 256), from_swatches(renders.NORTHWIND, 1), 1)
    lab = colour.srgb_to_lab(np.asarray(art)) + np.array(shift)
    return poster.encode(Image.fromarray(colour.lab_to_srgb(lab)))


def _pixels(data: bytes) -> Pixels:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


@pytest.mark.parametrize("shift", [(0.0, 6.0, -6.0), (-5.0, 0.0, 7.0), (4.0, -7.0, 0.0)])
def test_a_slight_cast_is_taken_off(shift: tuple[float, float, float]) -> None:
    done = color_normalize(_tinted(shift), renders.NORTHWIND)
    assert done.changed
    assert done.before is not None
    assert done.after is not None
    assert done.after < done.before
    clean = colour.srgb_to_lab(_pixels(_tinted((0.0, 0.0, 0.0)))).mean(axis=(0, 1))
    was = colour.srgb_to_lab(_pixels(_tinted(shift))).mean(axis=(0, 1))
    now = colour.srgb_to_lab(_pixels(done.data)).mean(axis=(0, 1))
    assert np.linalg.norm(now - clean) < np.linalg.norm(was - clean)


def test_the_move_is_bounded_so_that_a_strong_cast_is_still_seen() -> None:
    done = color_normalize(_tinted((0.0, 18.0, -16.0)), renders.NORTHWIND)
    assert np.all(np.abs(done.shift) <= MOST_SHIFT)
    moved = colour.srgb_to_lab(_pixels(done.data)) - colour.srgb_to_lab(_pixels(_tinted((0.0, 18.0, -16.0))))
    # 1.5: rounding to bytes and the steps of the colour table.
    assert np.abs(moved.mean(axis=(0, 1))).max() <= MOST_SHIFT.max() + 1.5


def test_the_same_bytes_give_the_same_bytes() -> None:
    data = _tinted((0.0, 6.0, -6.0))
    assert color_normalize(data, renders.NORTHWIND) == color_normalize(data, renders.NORTHWIND)


def test_size_and_mode_stay() -> None:
    image = Image.open(io.BytesIO(color_normalize(_tinted((0.0, 6.0, -6.0)), renders.NORTHWIND).data))
    assert (image.size, image.mode, image.format) == ((256, 256), "RGB", "PNG")


def test_white_and_black_stay() -> None:
    pixels = _pixels(_tinted((0.0, 6.0, -6.0))).copy()
    pixels[:20], pixels[-20:] = 255, 0
    done = color_normalize(poster.encode(Image.fromarray(pixels)), renders.NORTHWIND)
    assert done.changed
    assert _pixels(done.data)[:20].min() >= 254
    assert _pixels(done.data)[-20:].max() <= 1


@pytest.mark.parametrize("fate", [Damage.TRUNCATED, Damage.GARBAGE, Damage.BLACK_FRAME])
def test_a_broken_picture_passes_through_untouched(fate: Damage) -> None:
    made = Simulator(renders.profile(EngineKind.SIMULATOR), lambda _request: renders.NORTHWIND, {fate: 1.0}).render(
        [renders.request(size=(256, 256))], {}
    )[0]
    assert isinstance(made, Rendered)
    assert made.injected == (fate.value,)
    done = color_normalize(made.encoded(), renders.NORTHWIND)
    assert done.data == made.encoded()
    assert not done.changed


def test_no_swatches_no_change() -> None:
    data = _tinted((0.0, 6.0, -6.0))
    assert color_normalize(data, ()).data == data


def test_a_strong_injected_cast_stays_far_from_the_palette() -> None:
    clean = Image.open(io.BytesIO(_tinted((0.0, 0.0, 0.0))))
    spoilt = poster.encode(damage.cast(clean, damage.generator(3)))
    kept = color_normalize(poster.encode(clean), renders.NORTHWIND)
    done = color_normalize(spoilt, renders.NORTHWIND)
    assert done.after is not None
    assert done.after > (kept.after or 0.0) + 3
