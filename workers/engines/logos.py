"""Places logo files as they are: their own colours, clear space round them, never stretched or cropped."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from PIL import Image, ImageDraw, UnidentifiedImageError

from schemas.events import FileRef, FileRole, RenderRequest
from workers import colour
from workers.engines.palette import Palette, lightness
from workers.engines.poster import Box, Floats, calmest, is_calm, unrest

MOST_PIXELS: Final = 40_000_000
"""Logos above this are refused before they are decoded."""
CLEAR: Final = 0.12
"""Clear space round a logo, as a share of its longer side."""
_ALONE: Final = (0.40, 0.32, 0.25, 0.19)
_AMID: Final = (0.25, 0.19)
"""Longest side of a logo as a share of the picture's shorter one, alone and beside text; the first that is calm."""
SEEN: Final = 3.0
"""Least contrast of a logo's colours to its ground: WCAG 2.2, success criterion 1.4.11."""


class BadFile(Exception):
    """A file that came with the prompt cannot be used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Logo:
    """A decoded logo, RGBA, cut to what can be seen of it."""

    name: str
    image: Image.Image


def logos_of(request: RenderRequest, files: Mapping[str, bytes]) -> list[Logo]:
    """The request's logos. Raises BadFile naming the one that cannot be used."""
    return [_open(ref, files) for ref in request.job.files if ref.role is FileRole.LOGO]


def _open(ref: FileRef, files: Mapping[str, bytes]) -> Logo:
    data = files.get(ref.sha256)
    if data is None:
        raise BadFile(f"the logo {ref.name!r} ({ref.sha256[:12]}…) did not come with the request")
    try:
        with Image.open(io.BytesIO(data)) as opened:
            if opened.width * opened.height > MOST_PIXELS:
                raise BadFile(
                    f"the logo {ref.name!r} has {opened.width} x {opened.height} pixels, at most {MOST_PIXELS}"
                )
            image = opened.convert("RGBA")
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError) as e:
        raise BadFile(f"the logo {ref.name!r} is no picture that can be read: {e}") from e
    seen = image.getchannel("A").getbbox()
    if seen is None:
        raise BadFile(f"the logo {ref.name!r} is wholly transparent")
    return Logo(name=ref.name, image=image.crop(seen))


def place_logos(image: Image.Image, logos: Sequence[Logo], palette: Palette, taken: Sequence[Box]) -> list[Box]:
    """Put logos on a picture, off the boxes taken, as large as the calm allows; returns their boxes."""
    boxes = list(taken)
    short = min(image.size)
    for logo in logos:
        busy = unrest(image)
        tries = [_spot(logo.image, share * short, busy, boxes, short) for share in (_AMID if boxes else _ALONE)]
        fitted, box, clear = next((t for t in tries if is_calm(busy, t[1])), tries[-1])
        if not (is_calm(busy, box) and _stands_out(image, fitted, box, clear)):
            _plate(image, fitted, box, palette)
        image.paste(fitted, (box[0] + clear, box[1] + clear), fitted)
        boxes.append(box)
    return boxes[len(taken) :]


def _spot(
    logo: Image.Image, longest: float, busy: Floats, taken: Sequence[Box], short: int
) -> tuple[Image.Image, Box, int]:
    """The logo at a size, the calmest box for it with its clear space, and that space in pixels."""
    fitted = _fit(logo, longest)
    clear = round(CLEAR * max(fitted.size))
    need = (fitted.width + 2 * clear, fitted.height + 2 * clear)
    return fitted, calmest(busy, need, edge=0.045 * short, taken=taken), clear


def _fit(logo: Image.Image, longest: float) -> Image.Image:
    scale = longest / max(logo.size)
    size = (max(1, round(logo.width * scale)), max(1, round(logo.height * scale)))
    return logo.resize(size, Image.Resampling.LANCZOS)


def _stands_out(image: Image.Image, logo: Image.Image, box: Box, clear: int) -> bool:
    """Whether nine tenths of the logo's solid pixels can be told from what lies under them."""
    pixels = np.asarray(logo)
    solid = pixels[..., 3] > 200
    if not solid.any() or solid.all():
        return True
    spot = image.crop((box[0] + clear, box[1] + clear, box[0] + clear + logo.width, box[1] + clear + logo.height))
    over = colour.contrast(pixels[..., :3][solid], np.asarray(spot)[solid])
    return float(np.mean(over >= SEEN)) >= 0.9


def _plate(image: Image.Image, logo: Image.Image, box: Box, palette: Palette) -> None:
    """A panel in paper or ink, whichever the logo differs from more."""
    pixels = np.asarray(logo)
    mean = pixels[..., :3][pixels[..., 3] > 200].mean(axis=0)
    red, green, blue = (int(v) for v in mean)
    middle = lightness((red, green, blue))
    ground = max((palette.paper, palette.ink), key=lambda c: abs(lightness(c) - middle))
    ImageDraw.Draw(image).rounded_rectangle(box, radius=round(0.06 * (box[2] - box[0])), fill=ground)
