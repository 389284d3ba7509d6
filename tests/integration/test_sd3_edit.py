"""The engine sd3 on pictures that are there already: image-to-image, inpainting, and mending boxes of an asset."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from rules.engines import FLOW_CONFIG
from schemas.events import Box, Edit, FailureKind, FileRole, RenderFailure, RenderRequest
from tests import renders
from workers.engines.port import Rendered

pytest.importorskip("diffusers")
pytestmark = pytest.mark.models

from tests import sd3_tiny  # noqa: E402  # only where the extras are installed
from tests.sd3_tiny import ask, pixels  # noqa: E402
from workers.engines import sd3  # noqa: E402
from workers.engines.sd3_sources import FEATHER_PX, PAD_PX, boxed  # noqa: E402

SIZE = (128, 96)
UNIPC = "UniPCMultistepScheduler"
BOX = Box(left=40, top=40, right=60, bottom=50)


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> sd3.Sd3:
    folder = sd3_tiny.build(tmp_path_factory.mktemp("sd3"))
    schedulers = {renders.EULER: {}, sd3_tiny.HEUN: {}, UNIPC: dict(FLOW_CONFIG)}
    return sd3_tiny.engine(folder, sd3_tiny.profile(schedulers=schedulers))[0]


def picture(size: tuple[int, int] = SIZE, kind: str = "PNG", mode: str = "RGB") -> bytes:
    """A picture in which every pixel can be told apart from its neighbours."""
    across, down = np.meshgrid(np.arange(size[0]), np.arange(size[1]))
    plain = np.stack([across * 7 % 256, down * 5 % 256, (across + down) * 3 % 256], -1).astype(np.uint8)
    out = io.BytesIO()
    Image.fromarray(plain).convert(mode).save(out, kind)
    return out.getvalue()


def mask(white: Box, size: tuple[int, int] = SIZE) -> bytes:
    image = Image.new("L", size, 0)
    image.paste(255, (white.left, white.top, white.right, white.bottom))
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def job(*files: tuple[FileRole, str, bytes], **given: Any) -> tuple[RenderRequest, dict[str, bytes]]:
    refs = [renders.file_ref(data, role, name) for role, name, data in files]
    asked = ask(files=refs, size=SIZE, **given)
    return asked, {hashlib.sha256(data).hexdigest(): data for _, _, data in files}


def mend(source: bytes, boxes: Sequence[Box] = (BOX,), strength: float = 0.8, **given: Any) -> RenderRequest:
    edit = Edit(source_sha256=hashlib.sha256(source).hexdigest(), boxes=tuple(boxes), strength=strength)
    return replace(ask(size=SIZE, **given), edit=edit)


def original(data: bytes) -> np.ndarray[Any, np.dtype[np.int16]]:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"), dtype=np.int16)


def test_a_picture_to_start_from_changes_what_is_painted(engine: sd3.Sd3) -> None:
    asked, files = job((FileRole.INIT_IMAGE, "start.png", picture()))
    result = engine.render([asked], files)[0]
    assert isinstance(result, Rendered), result
    assert result.facts["work"] == "image, strength 0.6"
    assert result.facts["source"] == "init_image start.png"
    other, more = job((FileRole.INIT_IMAGE, "start.png", picture(kind="JPEG")))
    assert not np.array_equal(pixels(result), pixels(engine.render([other], more)[0]))
    assert np.array_equal(pixels(result), pixels(engine.render([asked], files)[0]))
    assert not np.array_equal(pixels(result), pixels(engine.render([ask(size=SIZE)], {})[0]))


def test_a_mask_says_what_is_drawn_anew_and_the_rest_stays_to_the_byte(engine: sd3.Sd3) -> None:
    white = Box(left=48, top=16, right=96, bottom=64)
    start = picture()
    asked, files = job((FileRole.INIT_IMAGE, "start.png", start), (FileRole.MASK, "mask.png", mask(white)))
    result = engine.render([asked], files)[0]
    assert isinstance(result, Rendered), result
    changed = np.abs(pixels(result) - original(start)).max(axis=2) > 0
    inside = np.zeros_like(changed)
    inside[white.top : white.bottom, white.left : white.right] = True
    assert not changed[~inside].any()
    assert changed[inside].mean() > 0.9


def test_mending_leaves_every_pixel_outside_the_widened_boxes_as_it_was(engine: sd3.Sd3) -> None:
    source = picture()
    asked = mend(source)
    result = engine.render([asked], {hashlib.sha256(source).hexdigest(): source})[0]
    assert isinstance(result, Rendered), result
    assert result.facts["work"] == "inpaint, strength 0.8"
    changed = np.abs(pixels(result) - original(source)).max(axis=2) > 0
    widened = np.zeros_like(changed)
    widened[BOX.top - PAD_PX : BOX.bottom + PAD_PX, BOX.left - PAD_PX : BOX.right + PAD_PX] = True
    assert not changed[~widened].any()
    assert changed[BOX.top : BOX.bottom, BOX.left : BOX.right].mean() > 0.9


def test_new_pixels_fade_in_inside_a_box_but_not_at_the_edge_of_the_picture() -> None:
    alpha = boxed([Box(left=0, top=40, right=20, bottom=60)], (100, 100))
    row, column = alpha[50], alpha[:, 5]
    assert (row[: 20 + PAD_PX - FEATHER_PX] == 1).all()
    assert (np.diff(row[20 + PAD_PX - FEATHER_PX : 20 + PAD_PX + 1]) < 0).all()
    assert (row[20 + PAD_PX :] == 0).all()
    assert column[40 - PAD_PX - 1] == 0
    assert 0 < column[40 - PAD_PX] < 1
    assert column[40 - PAD_PX + FEATHER_PX - 1] == 1


def test_an_asset_that_was_enlarged_is_mended_at_the_jobs_size(engine: sd3.Sd3) -> None:
    source = picture((SIZE[0] * 2, SIZE[1] * 2))
    twice = Box(left=BOX.left * 2, top=BOX.top * 2, right=BOX.right * 2, bottom=BOX.bottom * 2)
    result = engine.render([mend(source, [twice])], {hashlib.sha256(source).hexdigest(): source})[0]
    assert isinstance(result, Rendered), result
    assert (result.width, result.height) == SIZE
    assert "shrunk from 256 x 192" in result.facts["source"]
    small = np.asarray(Image.open(io.BytesIO(source)).resize(SIZE, Image.Resampling.BOX), dtype=np.int16)
    assert np.array_equal(pixels(result)[80:], small[80:])


def test_jobs_with_different_pictures_and_boxes_share_a_batch(engine: sd3.Sd3) -> None:
    sources = [picture(), picture(kind="JPEG"), picture(kind="WEBP")]
    files = {hashlib.sha256(s).hexdigest(): s for s in sources}
    boxes = [BOX, Box(left=80, top=10, right=100, bottom=20), Box(left=0, top=80, right=20, bottom=96)]
    asked = [mend(s, [b], seed=n) for n, (s, b) in enumerate(zip(sources, boxes, strict=True))]
    assert len({engine.batch_key(a) for a in asked}) == 1
    for one, result in zip(asked, engine.render(asked, files), strict=True):
        assert np.abs(pixels(result) - pixels(engine.render([one], files)[0])).max() <= 1


def test_the_batch_key_knows_the_kind_of_work_and_its_strength(engine: sd3.Sd3) -> None:
    source = picture()
    start = (FileRole.INIT_IMAGE, "start.png", source)
    asked = [
        ask(size=SIZE),
        job(start)[0],
        job(start, (FileRole.MASK, "mask.png", mask(BOX)))[0],
        mend(source, strength=0.8),
        mend(source, strength=0.7),
    ]
    assert len({engine.batch_key(a) for a in asked}) == len(asked)


def test_a_solver_of_second_order_mends_too(engine: sd3.Sd3) -> None:
    source = picture()
    result = engine.render([mend(source, scheduler=sd3_tiny.HEUN)], {hashlib.sha256(source).hexdigest(): source})[0]
    assert isinstance(result, Rendered), result


def _refused(engine: sd3.Sd3, asked: RenderRequest, files: dict[str, bytes]) -> str:
    bad, good = engine.render([asked, ask(size=SIZE)], files)
    assert isinstance(good, Rendered)
    assert isinstance(bad, RenderFailure), bad
    assert bad.kind is FailureKind.INVALID_REQUEST
    return bad.message


def test_a_scheduler_that_cannot_start_from_a_picture_is_refused(engine: sd3.Sd3) -> None:
    source = picture()
    files = {hashlib.sha256(source).hexdigest(): source}
    assert "cannot start from a picture" in _refused(engine, mend(source, scheduler=UNIPC), files)


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ([(FileRole.INIT_IMAGE, "half.png", picture()[: len(picture()) // 2])], "half.png: it does not decode"),
        ([(FileRole.INIT_IMAGE, "notes.txt", b"no picture")], "notes.txt: it does not decode"),
        ([(FileRole.INIT_IMAGE, "small.png", picture((64, 64)))], "small.png: it is 64 x 64 pixels and the job 128"),
        ([(FileRole.INIT_IMAGE, "deep.png", picture(mode="I;16"))], "deep.png: its mode is I;16"),
        ([(FileRole.MASK, "mask.png", mask(BOX))], "mask.png: a mask says what of a picture"),
        (
            [(FileRole.INIT_IMAGE, "a.png", picture()), (FileRole.INIT_IMAGE, "b.png", picture(kind="JPEG"))],
            "b.png: a job takes one init_image",
        ),
        (
            [(FileRole.INIT_IMAGE, "a.png", picture()), (FileRole.MASK, "m.png", mask(BOX, (64, 64)))],
            "m.png: it is 64 x 64",
        ),
        (
            [
                (FileRole.INIT_IMAGE, "a.png", picture()),
                (FileRole.MASK, "m.png", mask(Box(left=0, top=0, right=0, bottom=0))),
            ],
            "m.png: the mask is black",
        ),
    ],
)
def test_a_file_that_cannot_be_used_fails_its_own_job_by_name(
    engine: sd3.Sd3, files: list[tuple[FileRole, str, bytes]], said: str
) -> None:
    assert said in _refused(engine, *job(*files))


def test_boxes_outside_the_asset_and_an_asset_that_is_gone_are_named(engine: sd3.Sd3) -> None:
    source = picture()
    sha256 = hashlib.sha256(source).hexdigest()
    far = Box(left=500, top=500, right=600, bottom=600)
    assert "the boxes lie outside" in _refused(engine, mend(source, [far]), {sha256: source})
    assert f"asset {sha256[:12]}: its bytes are not here" in _refused(engine, mend(source), {})


def test_a_file_in_a_role_it_has_no_use_for_is_refused(engine: sd3.Sd3) -> None:
    asked, files = job((FileRole.STYLE_REFERENCE, "mood.png", picture()))
    assert "mood.png" in _refused(engine, asked, files)


def test_transparency_lies_on_white_and_a_turned_photo_stands_upright(engine: sd3.Sd3) -> None:
    clear = Image.new("RGBA", SIZE, (0, 0, 0, 0))
    white = Image.new("RGB", SIZE, "white")
    turned = Image.open(io.BytesIO(picture())).transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[0x0112] = 6  # shown turned by a quarter clockwise
    pairs: list[tuple[bytes, bytes]] = [(_png(clear), _png(white)), (_png(turned, exif), picture())]
    for given, meant in pairs:
        one, other = job((FileRole.INIT_IMAGE, "a.png", given)), job((FileRole.INIT_IMAGE, "a.png", meant))
        first, second = engine.render([one[0]], one[1])[0], engine.render([other[0]], other[1])[0]
        assert np.array_equal(pixels(first), pixels(second))


def _png(image: Image.Image, exif: Image.Exif | None = None) -> bytes:
    out = io.BytesIO()
    image.save(out, "PNG", exif=exif or Image.Exif())
    return out.getvalue()
