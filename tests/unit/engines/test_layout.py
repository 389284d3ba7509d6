"""Layout files place what they name and are refused with the mend; logos keep their pixels and their clear space."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from typing import Any, cast

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageCms, ImageDraw

from rules.engines import EngineKind
from schemas.events import FileRef, FileRole, RenderFailure, RenderRequest
from tests import renders
from workers.engines import contrast, layout, logos, placement
from workers.engines.layout import For
from workers.engines.logos import CLEAR, BadFile, Logo
from workers.engines.palette import from_swatches
from workers.engines.port import Rendered
from workers.engines.typeset import Typeset

TYPESET = Typeset(
    replace(renders.profile(EngineKind.TYPESET), file_roles=(FileRole.LOGO, FileRole.LAYOUT, FileRole.INIT_IMAGE)),
    lambda _: renders.HALDEN,
)
PALETTE = from_swatches(renders.HALDEN, 0)
TEXT: dict[str, Any] = {"for": "text", "phrase": 0, "left": 0.1, "top": 0.6, "right": 0.9, "bottom": 0.8}
LOGO: dict[str, Any] = {"for": "logo", "logo": 0, "left": 0.7, "top": 0.05, "right": 0.95, "bottom": 0.2}


def _file(*boxes: dict[str, Any]) -> bytes:
    return json.dumps({"boxes": boxes}).encode()


def _logo() -> Image.Image:
    image = Image.new("RGBA", (240, 90), (0, 0, 0, 0))
    draw = ImageDraw.Draw(image)
    draw.ellipse((0, 0, 89, 89), fill=(10, 200, 90, 255))
    draw.rectangle((100, 20, 239, 70), fill=(200, 40, 160, 255))
    return image


def _png(image: Image.Image, **given: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, "PNG", **given)
    return out.getvalue()


def _asked(
    *files: tuple[bytes, FileRole, str], texts: tuple[str, ...] = ("Open day", "10-16")
) -> tuple[RenderRequest, dict[str, bytes]]:
    refs: list[FileRef] = [renders.file_ref(data, role, name) for data, role, name in files]
    request = renders.request("a harbour", texts, size=(600, 800), files=refs)
    return request, {ref.sha256: data for ref, (data, _, _) in zip(refs, files, strict=True)}


def _made(result: Rendered | RenderFailure) -> tuple[Rendered, np.ndarray[tuple[int, ...], np.dtype[np.uint8]]]:
    assert isinstance(result, Rendered), result
    return result, np.asarray(Image.open(io.BytesIO(result.encoded())).convert("RGB"))


def test_phrases_and_logos_stand_where_the_layout_says() -> None:
    request, files = _asked(
        (_file(TEXT), FileRole.LAYOUT, "text.json"),
        (_file(LOGO), FileRole.LAYOUT, "logo.json"),
        (_png(_logo()), FileRole.LOGO, "logo.png"),
    )
    made, pixels = _made(TYPESET.render([request], files)[0])
    (kept,) = made.keep
    assert 0.7 * 600 <= kept.left < kept.right <= 0.95 * 600
    assert 0.05 * 800 <= kept.top < kept.bottom <= 0.2 * 800
    bare, _ = _asked(texts=())
    _, art = _made(TYPESET.render([bare], {})[0])
    changed = np.abs(pixels.astype(np.int16) - art).max(axis=2) > 40
    assert changed[480:640, 60:540].any()


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"{", "l.json is no JSON"),
        (b"\xff\xfe", "is no JSON"),
        (b"[]", 'want one field "boxes"'),
        (b'{"boxes": [], "x": 1}', 'want one field "boxes"'),
        (_file(), "at least one box"),
        (_file(*[TEXT] * 65), "65 boxes, at most 64"),
        (_file({**TEXT, "for": "picture"}), 'boxes[0].for is "picture", want "text" or "logo"'),
        (_file({**TEXT, "for": ["text"]}), 'boxes[0].for is ["text"], want "text" or "logo"'),
        (_file({**TEXT, "align": {}}), "boxes[0].align is {}, want left, centre or right"),
        (_file({**TEXT, "colour": "red"}), "boxes[0].colour is not known"),
        (_file({**TEXT, "phrase": 2}), "boxes[0].phrase is 2, want 0 to 1"),
        (_file({**TEXT, "phrase": True}), "boxes[0].phrase is true"),
        (_file(LOGO), "boxes[0].logo is 0, want none: the job has no logo"),
        (_file({**TEXT, "align": "middle"}), 'boxes[0].align is "middle", want left, centre or right'),
        (_file({**TEXT, "left": 1.5}), "boxes[0].left is 1.5, want a fraction"),
        (_file({**TEXT, "left": float("nan")}), "boxes[0].left is NaN"),
        (_file({k: v for k, v in TEXT.items() if k != "top"}), "boxes[0].top is null"),
        (_file({**TEXT, "left": 0.95}), "left must be less than right"),
        (b" " * 70_000, "at most 65536"),
    ],
)
def test_a_wrong_layout_is_refused_with_its_place_and_mend(data: bytes, said: str) -> None:
    request, files = _asked((data, FileRole.LAYOUT, "l.json"))
    result = TYPESET.render([request], files)[0]
    assert isinstance(result, RenderFailure)
    assert said in result.message


def test_two_files_may_not_place_one_phrase_or_share_room() -> None:
    request, files = _asked((_file(TEXT), FileRole.LAYOUT, "a.json"), (_file(TEXT, TEXT), FileRole.LAYOUT, "b.json"))
    with pytest.raises(BadFile, match=r"b\.json: boxes\[0\] places text 0 again; a\.json has it already"):
        layout.slots_of(request, files)
    over = {**TEXT, "phrase": 1, "top": 0.7}
    request, files = _asked((_file(TEXT), FileRole.LAYOUT, "a.json"), (_file(over), FileRole.LAYOUT, "b.json"))
    with pytest.raises(BadFile, match=r"text 0 of a\.json and text 1 of b\.json overlap"):
        layout.slots_of(request, files)


def test_alignment_and_sides_are_read() -> None:
    (slot,) = layout.parse(_file({**TEXT, "align": "right"}), "l.json", phrases=1, logos=0)
    assert (slot.what, slot.number, slot.align) == (For.TEXT, 0, 1.0)
    assert slot.box((600, 800)) == (60, 480, 540, 640)


def test_every_solid_pixel_of_a_logo_is_the_files_own_resized() -> None:
    request, files = _asked((_png(_logo()), FileRole.LOGO, "logo.png"))
    made, pixels = _made(TYPESET.render([request], files)[0])
    (kept,) = made.keep
    expected = logos.resized(_logo(), (kept.right - kept.left) / 240)
    assert expected.size == (kept.right - kept.left, kept.bottom - kept.top)
    wanted = np.asarray(expected)
    solid = wanted[..., 3] == 255
    assert solid.mean() > 0.5
    found = pixels[kept.top : kept.bottom, kept.left : kept.right]
    assert np.array_equal(found[solid], wanted[..., :3][solid])


def test_a_logo_keeps_its_clear_space_to_the_text_and_the_border() -> None:
    image = Image.new("RGB", (600, 600), (240, 240, 235))
    text = (40, 40, 560, 320)
    calm = placement.measure(image)
    placed = logos.place_logos(image, [Logo(name="l", image=_logo())] * 2, PALETTE, [text], calm)
    for one in placed:
        space = round(CLEAR * (one.box[3] - one.box[1]))
        assert one.box[0] - one.clear[0] == one.box[1] - one.clear[1] == space
        assert not placement.overlap(one.clear, text)
        assert 0 <= one.clear[0] < one.clear[2] <= 600
        assert 0 <= one.clear[1] < one.clear[3] <= 600
    assert not placement.overlap(placed[0].clear, placed[1].clear)


def test_no_room_for_a_logo_is_a_failure_that_says_so() -> None:
    image = Image.new("RGB", (300, 300))
    with pytest.raises(BadFile, match="no room is left for the logo 'l'"):
        logos.place_logos(image, [Logo(name="l", image=_logo())], PALETTE, [(0, 0, 300, 300)], placement.measure(image))


def test_a_box_too_small_for_its_logo_is_a_failure_that_says_so() -> None:
    small = {**LOGO, "right": 0.72, "bottom": 0.06}
    request, files = _asked((_file(small), FileRole.LAYOUT, "l.json"), (_png(_logo()), FileRole.LOGO, "logo.png"))
    result = TYPESET.render([request], files)[0]
    assert isinstance(result, RenderFailure)
    assert "the logo 'logo.png' would be 10 x 4 pixels in its box of 12 x 8; make the box larger" in result.message


def test_a_logo_that_its_ground_would_swallow_stands_on_a_plate() -> None:
    ground = (12, 190, 88)
    image = Image.new("RGB", (600, 600), ground)
    logo = Image.new("RGBA", (200, 80), (0, 0, 0, 0))
    ImageDraw.Draw(logo).ellipse((0, 0, 199, 79), fill=(10, 200, 90, 255))
    (placed,) = logos.place_logos(image, [Logo(name="l", image=logo)], PALETTE, [], placement.measure(image))
    plate = image.getpixel((placed.box[0] + 1, placed.box[1] + 1))
    assert plate in {PALETTE.paper, PALETTE.ink}


def test_no_scrim_lies_over_a_logo() -> None:
    busy = np.random.default_rng(2).integers(0, 255, (100, 75, 3), dtype=np.uint8)
    art = _png(Image.fromarray(busy).resize((600, 800), Image.Resampling.NEAREST))
    below = {**TEXT, "left": 0.3, "top": 0.22, "right": 0.97, "bottom": 0.5}
    request, files = _asked(
        (art, FileRole.INIT_IMAGE, "a.png"),
        (_png(_logo()), FileRole.LOGO, "logo.png"),
        (_file(LOGO, below), FileRole.LAYOUT, "l.json"),
        texts=("Open day",),
    )
    made, pixels = _made(TYPESET.render([request], files)[0])
    (kept,) = made.keep
    wanted = np.asarray(logos.resized(_logo(), (kept.right - kept.left) / 240))
    solid = wanted[..., 3] == 255
    assert np.array_equal(pixels[kept.top : kept.bottom, kept.left : kept.right][solid], wanted[..., :3][solid])


def test_a_logo_in_another_colour_space_is_brought_to_srgb() -> None:
    flat = Image.new("RGB", (64, 32), (200, 40, 160))
    plain, tagged = (
        _png(flat),
        _png(flat, icc_profile=ImageCms.ImageCmsProfile(cast("Any", ImageCms).createProfile("sRGB")).tobytes()),
    )
    for data in (plain, tagged):
        ref = renders.file_ref(data)
        seen = logos.open_picture(ref, {ref.sha256: data}).getpixel((5, 5))
        assert isinstance(seen, tuple)
        assert max(abs(int(a) - b) for a, b in zip(seen, (200, 40, 160), strict=False)) <= 1
    broken = _png(flat, icc_profile=b"no profile")
    ref = renders.file_ref(broken)
    with pytest.raises(BadFile, match="colour profile"):
        logos.open_picture(ref, {ref.sha256: broken})


def test_a_photograph_held_sideways_is_set_upright() -> None:
    turned = Image.Exif()
    turned[ExifTags.Base.Orientation] = 6
    data = _png(Image.new("RGB", (64, 32)), exif=turned)
    ref = renders.file_ref(data)
    assert logos.open_picture(ref, {ref.sha256: data}).size == (32, 64)


@pytest.mark.parametrize("data", [b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", b"nothing", b""])
def test_what_is_no_picture_of_the_web_is_refused_unread(data: bytes) -> None:
    ref = renders.file_ref(data or b"x")
    with pytest.raises(BadFile, match="is no PNG, JPEG or WebP"):
        logos.open_picture(ref, {ref.sha256: data})


def test_text_in_a_given_box_can_be_read_as_well() -> None:
    image = Image.fromarray(np.random.default_rng(3).integers(0, 255, (400, 400, 3), dtype=np.uint8))
    ink, shade = contrast.legible(image, [(40, 40, 360, 120)], PALETTE)
    assert shade is not None
    contrast.scrim(image, (40, 40, 360, 120), *shade)
    assert contrast.ground(image, [(40, 40, 360, 120)]).readable(ink)
