"""Places logo files as they are: their own colours, clear space round them, never stretched or cropped."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

import numpy as np
from PIL import Image, ImageCms, ImageDraw, ImageOps, UnidentifiedImageError

from schemas.events import FileRef, FileRole, RenderRequest
from workers import colour
from workers.checks.decode import UNREADABLE
from workers.engines import placement
from workers.engines.palette import Palette, lightness
from workers.engines.placement import Box, Calm

MOST_PIXELS: Final = 40_000_000
"""Pictures above this are refused before they are decoded."""
_FORMATS: Final = ("PNG", "JPEG", "WEBP")
"""Formats that are read: for others Pillow may start programs of the machine."""
CLEAR: Final = 0.25
"""Clear space on every side of a logo, as a share of its height."""
_ALONE: Final = (0.40, 0.32, 0.25, 0.19, 0.14, 0.10)
_AMID: Final = (0.25, 0.19, 0.14, 0.10)
"""Longest side of a logo as a share of the picture's shorter one, alone and beside text; the first that is calm."""
_FLOATING: Final = 30.0
"""What it costs a logo to stand off the upper and lower margin: it belongs into a corner or the middle of an edge."""
_GAP: Final = 0.03
"""Free room between a logo's clear space and text, as a share of the picture's shorter side."""
LEAST_PX: Final = 16
"""Shortest side, pixels, below which a logo cannot be made out."""
SEEN: Final = 3.0
"""Least contrast of a logo's colours to its ground: WCAG 2.2, success criterion 1.4.11."""


class BadFile(Exception):
    """A file that came with the prompt cannot be used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Logo:
    """A decoded logo, RGBA in sRGB, cut to what can be seen of it."""

    name: str
    image: Image.Image


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """Where a logo stands, and the box that its clear space takes with it, pixels."""

    box: Box
    clear: Box


def logos_of(request: RenderRequest, files: Mapping[str, bytes]) -> list[Logo]:
    """The request's logos. Raises BadFile naming the one that cannot be used."""
    return [_logo(ref, files) for ref in request.job.files if ref.role is FileRole.LOGO]


def _logo(ref: FileRef, files: Mapping[str, bytes]) -> Logo:
    image = open_picture(ref, files).convert("RGBA")
    seen = image.getchannel("A").getbbox()
    if seen is None:
        raise BadFile(f"the logo {ref.name!r} is wholly transparent")
    return Logo(name=ref.name, image=image.crop(seen))


def open_picture(ref: FileRef, files: Mapping[str, bytes]) -> Image.Image:
    """A picture that came with a request: upright, RGB or RGBA, its colours brought to sRGB. Raises BadFile."""
    what = f"the {ref.role.value.replace('_', ' ')} {ref.name!r}"
    data = files.get(ref.sha256)
    if data is None:
        raise BadFile(f"{what} ({ref.sha256[:12]}…) did not come with the request")
    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as opened:
            if opened.width * opened.height > MOST_PIXELS:
                raise BadFile(f"{what} has {opened.width} x {opened.height} pixels, at most {MOST_PIXELS}")
            return _in_srgb(ImageOps.exif_transpose(opened))
    except UnidentifiedImageError as e:
        raise BadFile(f"{what} is no PNG, JPEG or WebP") from e
    except UNREADABLE as e:
        raise BadFile(f"{what} is no picture that can be read: {e}") from e


def _in_srgb(opened: Image.Image) -> Image.Image:
    """The picture by its own colour profile; without one its numbers are sRGB already."""
    mode = "RGBA" if opened.has_transparency_data else "RGB"
    profile = cast("bytes | None", opened.info.get("icc_profile"))
    if not profile or opened.mode not in {"RGB", "RGBA", "CMYK", "L"}:
        return opened.convert(mode)
    alpha = opened.convert("RGBA").getchannel("A") if mode == "RGBA" else None
    flat = opened.convert("RGB") if opened.mode == "RGBA" else opened
    target = cast("Any", ImageCms).createProfile("sRGB")
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        moved = ImageCms.profileToProfile(flat, source, target, ImageCms.Intent.RELATIVE_COLORIMETRIC, "RGB")
    except (OSError, ImageCms.PyCMSError) as e:
        raise ValueError(f"its colour profile is broken ({e}); save it as sRGB") from e
    image = cast("Image.Image", moved)
    if alpha is not None:
        image.putalpha(alpha)
    return image


def place_logos(
    image: Image.Image, logos: Sequence[Logo], palette: Palette, taken: Sequence[Box], calm: Calm
) -> list[Placed]:
    """Put logos on a picture, off the boxes taken, as large as the calm of its art allows.

    Raises BadFile for want of room.
    """
    gap = round(_GAP * min(image.size))
    boxes, out = [(b[0] - gap, b[1] - gap, b[2] + gap, b[3] + gap) for b in taken], list[Placed]()
    for logo in logos:
        tries = [_spot(image, logo, share, calm, boxes) for share in (_AMID if boxes else _ALONE)]
        free = [t for t in tries if not math.isinf(t[1].cost) and min(t[0].size) >= min(LEAST_PX, *logo.image.size)]
        if not free:
            raise BadFile(f"no room is left for the logo {logo.name!r} with its clear space; ask for a larger size")
        fitted, spot = next((t for t in free if calm.is_calm(t[1].box)), free[min(1, len(free) - 1)])
        out.append(_put(image, fitted, spot.box, palette))
        boxes.append(spot.box)
    return out


def place_in(image: Image.Image, logo: Logo, palette: Palette, box: Box) -> Placed:
    """Put a logo as large as fits, with its clear space, into the middle of a box that a layout gives.

    Raises BadFile where it would be too small to be made out.
    """
    wide, high = box[2] - box[0], box[3] - box[1]
    scale = min(wide / (logo.image.width + 2 * CLEAR * logo.image.height), high / (logo.image.height * (1 + 2 * CLEAR)))
    fitted = resized(logo.image, scale)
    if min(fitted.size) < min(LEAST_PX, *logo.image.size):
        raise BadFile(
            f"the logo {logo.name!r} would be {fitted.width} x {fitted.height} pixels in its box of {wide} x {high};"
            " make the box larger"
        )
    clear = clear_space(fitted)
    left = box[0] + (wide - fitted.width) // 2 - clear
    top = box[1] + (high - fitted.height) // 2 - clear
    whole = (left, top, left + fitted.width + 2 * clear, top + fitted.height + 2 * clear)
    return _put(image, fitted, whole, palette)


def clear_space(logo: Image.Image) -> int:
    """Free room on every side of a logo, pixels."""
    return max(1, round(CLEAR * logo.height))


def resized(logo: Image.Image, scale: float) -> Image.Image:
    """The logo at a scale, its proportions kept."""
    size = (max(1, round(logo.width * scale)), max(1, round(logo.height * scale)))
    return logo.resize(size, Image.Resampling.LANCZOS)


def _spot(
    image: Image.Image, logo: Logo, share: float, calm: Calm, taken: Sequence[Box]
) -> tuple[Image.Image, placement.Spot]:
    """The logo at a size, and the calmest box for it with its clear space."""
    short = min(image.size)
    fitted = resized(logo.image, share * short / max(logo.image.size))
    clear = clear_space(fitted)
    need = (fitted.width + 2 * clear, fitted.height + 2 * clear)
    spot = placement.calmest(calm, need, image.size, edge=0.045 * short, taken=taken, floating=_FLOATING)
    left, top, right, bottom = spot.box
    if left < 0 or top < 0 or right > image.width or bottom > image.height:
        spot = placement.Spot(box=spot.box, cost=math.inf)
    return fitted, spot


def _put(image: Image.Image, logo: Image.Image, whole: Box, palette: Palette) -> Placed:
    """Paste a logo into its box, on a plate where it could not be told from what lies there."""
    clear = (whole[2] - whole[0] - logo.width) // 2
    left, top = whole[0] + clear, whole[1] + clear
    box = (left, top, left + logo.width, top + logo.height)
    if not (placement.measure(image).is_calm(whole) and _stands_out(image, logo, box)):
        _plate(image, logo, whole, palette)
    image.paste(logo, (left, top), logo)
    return Placed(box=box, clear=whole)


def _stands_out(image: Image.Image, logo: Image.Image, box: Box) -> bool:
    """Whether nine tenths of the logo's solid pixels can be told from what lies under them."""
    pixels = np.asarray(logo)
    solid = pixels[..., 3] > 200
    if not solid.any() or solid.all():
        return True
    over = colour.contrast(pixels[..., :3][solid], np.asarray(image.crop(box))[solid])
    return float(np.mean(over >= SEEN)) >= 0.9


def _plate(image: Image.Image, logo: Image.Image, box: Box, palette: Palette) -> None:
    """A panel in paper or ink, whichever more of the logo can be told from."""
    pixels = np.asarray(logo)
    solid = pixels[..., 3] > 200
    seen = pixels[..., :3][solid] if solid.any() else pixels[..., :3].reshape(-1, 3)

    def told(ground: tuple[int, int, int]) -> tuple[float, float]:
        share = float(np.mean(colour.contrast(seen, np.array(ground, dtype=np.uint8)) >= SEEN))
        red, green, blue = (int(v) for v in seen.mean(axis=0))
        return share, abs(lightness(ground) - lightness((red, green, blue)))

    panel = max((palette.paper, palette.ink), key=told)
    left, top, right, bottom = box
    ImageDraw.Draw(image).rounded_rectangle(
        (left, top, right - 1, bottom - 1), radius=round(0.10 * min(right - left, bottom - top)), fill=panel
    )
