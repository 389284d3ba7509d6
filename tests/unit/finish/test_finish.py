"""Finishing as a whole: colours, size, format, and what a broken picture meets."""

from __future__ import annotations

import hashlib
import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageCms

from rules.engines import EngineKind
from schemas.errors import BadConfig, Poison
from schemas.events import Box, FileRole, ImageFormat
from tests import renders
from tests.unit.finish import orders
from workers.checks.decode import decode
from workers.checks.port import Broken, Decoded
from workers.engines.damage import Damage
from workers.engines.port import Rendered
from workers.engines.simulator import Simulator
from workers.finish.encode import LONGEST_SIDE, encode, tag_png
from workers.finish.picture import srgb_profile

MEDIA = {ImageFormat.PNG: "image/png", ImageFormat.JPEG: "image/jpeg", ImageFormat.WEBP: "image/webp"}


@pytest.mark.parametrize("form", list(ImageFormat))
def test_each_format_is_what_it_says_and_tagged_srgb(form: ImageFormat) -> None:
    done = orders.finisher()(orders.order(orders.art(), steps=orders.BOTH, form=form))
    seen = decode(done.data)
    assert isinstance(seen, Decoded)
    assert seen.media_type == done.media_type == MEDIA[form]
    assert seen.pixels.shape == (done.height, done.width, 3) == (256, 256, 3)
    with Image.open(io.BytesIO(done.data)) as image:
        assert image.mode == "RGB"
        tagged = image.info.get("srgb") == 0 if form is ImageFormat.PNG else image.info["icc_profile"] == srgb_profile()
        assert tagged


def test_png_and_webp_lose_nothing_and_jpeg_little() -> None:
    image = orders.art()
    for form in (ImageFormat.PNG, ImageFormat.WEBP):
        assert np.array_equal(orders.pixels(encode(image, form).data), np.asarray(image))
    lost = np.abs(orders.pixels(encode(image, ImageFormat.JPEG).data).astype(int) - np.asarray(image).astype(int))
    assert lost.mean() < 1.5


@pytest.mark.parametrize("form", list(ImageFormat))
def test_noise_can_be_written_too_so_that_inspection_sees_it(form: ImageFormat) -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (512, 512, 3), dtype=np.uint8))
    assert isinstance(decode(encode(noise, form).data), Decoded)


def test_a_mended_picture_keeps_the_colours_that_it_was_finished_with() -> None:
    image = orders.art()
    order = orders.order(image, steps=("color-normalize",))
    assert not np.array_equal(orders.pixels(orders.finisher()(order).data), np.asarray(image))
    mended = orders.order(image, steps=("color-normalize",), source=orders.encoded(image))
    done = orders.finisher()(mended)
    assert np.array_equal(orders.pixels(done.data), np.asarray(image))
    assert done.facts["color-normalize"].startswith("left as it was")


def test_coloured_letters_keep_their_edges_in_a_jpeg() -> None:
    # Red on blue differs in hue alone: with 4:2:0, colour would bleed over the edge.
    stripes = np.zeros((64, 64, 3), dtype=np.uint8)
    stripes[:, ::2], stripes[:, 1::2] = (200, 0, 0), (0, 0, 200)
    back = orders.pixels(encode(Image.fromarray(stripes), ImageFormat.JPEG).data).astype(int)
    assert np.abs(back - stripes).max() < 30


def test_an_untouched_png_is_tagged_and_keeps_the_rest_of_its_bytes() -> None:
    data = orders.encoded(orders.art())
    done = orders.finisher()(orders.order(data))
    assert done.data == data[:33] + done.data[33:46] + data[33:]
    assert done.data[37:41] == b"sRGB"
    assert tag_png(done.data) == done.data
    assert done.picture_sha256 == hashlib.sha256(data).hexdigest()
    assert done.facts["format"] == "png as the engine wrote it, tagged sRGB"
    with Image.open(io.BytesIO(done.data)) as image:
        image.load()


def test_the_same_order_gives_the_same_bytes_before_they_are_signed() -> None:
    order = orders.order(orders.art(), steps=("color-normalize",), form=ImageFormat.JPEG, upscale=2)
    assert orders.finisher()(order) == orders.finisher()(order)


def test_alpha_is_laid_over_white() -> None:
    glass = Image.new("RGBA", (64, 64), (0, 0, 0, 0))
    done = orders.finisher()(orders.order(glass, form=ImageFormat.JPEG))
    assert orders.pixels(done.data).min() == 255


@pytest.mark.parametrize("fate", [Damage.TRUNCATED, Damage.GARBAGE])
@pytest.mark.parametrize("form", list(ImageFormat))
def test_broken_bytes_pass_unchanged_whatever_was_asked(fate: Damage, form: ImageFormat) -> None:
    made = Simulator(renders.profile(EngineKind.SIMULATOR), lambda _request: renders.NORTHWIND, {fate: 1.0}).render(
        [renders.request(size=(256, 256))], {}
    )[0]
    assert isinstance(made, Rendered)
    assert made.injected == (fate.value,)
    order = orders.order(made.encoded(), steps=orders.BOTH, form=form, upscale=4)
    done = orders.finisher()(order)
    assert done.data == made.encoded()
    assert isinstance(decode(done.data), Broken)
    assert done.facts["finish"].startswith("left as it is: the bytes do not decode")
    assert (done.media_type, done.width, done.height) == ("image/png", 256, 256)


def test_a_defect_is_not_hidden() -> None:
    black = Image.new("RGB", (256, 256))
    done = orders.finisher()(orders.order(black, steps=orders.BOTH))
    assert orders.pixels(done.data).max() == 0


def test_a_picture_of_the_wrong_size_stays_wrong() -> None:
    order = orders.order(orders.art((256, 256)), upscale=2)
    job = replace(order.request.job, width=300, height=300)
    done = orders.finisher()(replace(order, request=replace(order.request, job=job)))
    assert (done.width, done.height) == (512, 512)


@pytest.mark.parametrize("times", [2, 4])
def test_an_enlarged_picture_says_its_delivered_size_and_with_what(times: int) -> None:
    done = orders.finisher()(orders.order(orders.art(), upscale=times))
    assert (done.width, done.height) == (256 * times, 256 * times)
    assert orders.pixels(done.data).shape == (256 * times, 256 * times, 3)
    assert "Lanczos, as no upscaler weights are configured" in done.facts["upscale"]


def test_what_an_engine_enlarged_itself_is_not_enlarged_again() -> None:
    order = orders.order(orders.art(), upscale=2)
    job = replace(order.request.job, width=128, height=128)
    done = orders.finisher()(replace(order, request=replace(order.request, job=job)))
    assert (done.width, done.height) == (256, 256)
    assert done.facts["upscale"] == "the engine gave 256 x 256 already"


def test_more_pixels_than_anybody_reads_are_refused() -> None:
    with pytest.raises(Poison, match="at most 67108864 are read"):
        orders.finisher()(orders.order(Image.new("RGB", (4096, 2064)), upscale=4))


def test_a_format_that_cannot_hold_the_picture_is_refused() -> None:
    with pytest.raises(Poison, match="whose longest side is 16383; ask for png"):
        encode(Image.new("RGB", (LONGEST_SIDE[ImageFormat.WEBP] + 1, 1)), ImageFormat.WEBP)


def test_an_unknown_step_is_refused() -> None:
    with pytest.raises(Poison, match="no finishing step 'sharpen'"):
        orders.finisher()(orders.order(orders.art(), steps=("sharpen",)))


def test_credentials_without_a_key_stop_the_process_and_say_what_to_do() -> None:
    unsigned = orders.finisher(signs=False)
    with pytest.raises(BadConfig, match="PRESSCHECK_C2PA_KEY_FILE"):
        unsigned.require(orders.BOTH)
    with pytest.raises(BadConfig, match="no key is configured"):
        unsigned(orders.order(orders.art(), steps=orders.BOTH))
    assert unsigned(orders.order(orders.art(), steps=("color-normalize",))).data


def test_logos_keep_their_colours_and_mask_files_are_heeded() -> None:
    mask = Image.new("L", (256, 256), 255)
    mask.paste(0, (0, 0, 256, 64))
    data = orders.encoded(mask)
    ref = renders.file_ref(data, FileRole.COLOUR_MASK, "sky.png")
    order = orders.order(
        orders.art(),
        steps=("color-normalize",),
        keep=(Box(left=100, top=150, right=140, bottom=190),),
        files={ref: data},
    )
    done = orders.finisher()(order)
    was, now = np.asarray(orders.art()).astype(int), orders.pixels(done.data).astype(int)
    assert np.array_equal(now[:64], was[:64])
    assert np.array_equal(now[150:190, 100:140], was[150:190, 100:140])
    assert not np.array_equal(now, was)
    assert done.facts["color-normalize.mask"] == "one box keeps its colours; mask 'sky.png'"
    assert float(done.facts["color-normalize.delta_e00_after"]) < float(done.facts["color-normalize.delta_e00_before"])


def swapped() -> bytes:
    """An sRGB profile whose red and green are exchanged, under a name of its own: nobody could overlook it."""
    data = bytearray(srgb_profile())
    red, green = data.find(b"rXYZ"), data.find(b"gXYZ")
    data[red : red + 4], data[green : green + 4] = b"gXYZ", b"rXYZ"
    return bytes(data).replace("sRGB".encode("utf-16-be"), "Swap".encode("utf-16-be"))


def test_a_profile_is_converted_to_srgb_and_left_behind() -> None:
    red = Image.new("RGB", (16, 16), (250, 10, 10))
    data = orders.encoded(red, icc_profile=swapped())
    done = orders.finisher()(orders.order(data))
    assert orders.pixels(done.data)[0, 0].tolist() == pytest.approx([10, 250, 10], abs=2)
    assert "Swap" in done.facts["colour-profile"]
    assert "converted to sRGB" in done.facts["colour-profile"]
    with Image.open(io.BytesIO(done.data)) as image:
        assert "icc_profile" not in image.info
        assert image.info["srgb"] == 0


@pytest.mark.parametrize("form", ["JPEG", "WEBP", "TIFF"])
def test_a_profile_is_found_in_every_format(form: str) -> None:
    data = orders.encoded(Image.new("RGB", (16, 16), (250, 10, 10)), form, icc_profile=swapped())
    done = orders.finisher()(orders.order(data))
    assert orders.pixels(done.data)[0, 0].tolist() == pytest.approx([10, 250, 10], abs=12)


def test_a_cmyk_picture_is_converted_by_pillow_where_it_has_no_profile() -> None:
    data = orders.encoded(Image.new("CMYK", (16, 16), (0, 255, 255, 0)), "JPEG")
    done = orders.finisher()(orders.order(data, media_type="image/jpeg"))
    assert orders.pixels(done.data)[0, 0].tolist() == pytest.approx([255, 0, 0], abs=3)


def test_transparent_pictures_with_a_profile_are_laid_over_white() -> None:
    glass = Image.new("RGBA", (16, 16), (250, 10, 10, 0))
    glass.paste((250, 10, 10, 255), (0, 0, 8, 16))
    done = orders.finisher()(orders.order(orders.encoded(glass, icc_profile=swapped())))
    got = orders.pixels(done.data)
    assert got[0, 15].tolist() == [255, 255, 255]
    assert got[0, 0].tolist() == pytest.approx([10, 250, 10], abs=2)


def test_an_srgb_profile_moves_no_pixel() -> None:
    data = orders.encoded(orders.art(), icc_profile=ImageCms.ImageCmsProfile(io.BytesIO(srgb_profile())).tobytes())
    done = orders.finisher()(orders.order(data))
    assert np.array_equal(orders.pixels(done.data), np.asarray(orders.art()))
    assert "sRGB already" in done.facts["colour-profile"]


def test_a_broken_profile_is_a_fact_and_no_crash() -> None:
    data = orders.encoded(orders.art(), icc_profile=b"this is no profile" * 20)
    done = orders.finisher()(orders.order(data))
    assert np.array_equal(orders.pixels(done.data), np.asarray(orders.art()))
    assert "the profile is broken" in done.facts["colour-profile"]
