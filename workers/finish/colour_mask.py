"""Where finishing may move colours: all of the picture but its logos, or what the job's colour mask leaves open."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from PIL import Image, ImageChops, ImageDraw, ImageFilter

from schemas.errors import Poison
from schemas.events import Box
from workers.checks.decode import decode
from workers.checks.port import Broken

FEATHER: Final = 0.02
"""Width of the soft edge round a kept box, as a share of the picture's shorter side: a hard one would show."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mask:
    """A mode L picture, 255 where colours may move and 0 where they stay; `note` says how it came about."""

    image: Image.Image
    note: str


def colour_mask(size: tuple[int, int], keep: Sequence[Box], files: Sequence[tuple[str, bytes]]) -> Mask | None:
    """What the boxes and the mask files (name, bytes) leave open; None where that is everything.

    White in a file may move, black stays, grey moves in part; several files each keep what they keep. The edge of a
    kept box is soft outside the box. Raises Poison for a file that is no picture.
    """
    notes: list[str] = []
    whole: Image.Image | None = None
    if keep:
        whole = _round(size, keep)
        notes.append("one box keeps its colours" if len(keep) == 1 else f"{len(keep)} boxes keep their colours")
    for name, data in files:
        seen = decode(data)
        if isinstance(seen, Broken):
            raise Poison(f"the colour mask {name!r} is no picture ({seen.reason}); send a PNG, white where it may move")
        mask = Image.fromarray(seen.pixels).convert("L")
        note = f"mask {name!r}"
        if mask.size != size:
            note += f", resized from {mask.width} x {mask.height}"
            mask = mask.resize(size, Image.Resampling.BILINEAR)
        notes.append(note)
        whole = mask if whole is None else ImageChops.darker(whole, mask)
    return None if whole is None else Mask(image=whole, note="; ".join(notes))


def _round(size: tuple[int, int], keep: Sequence[Box]) -> Image.Image:
    """White, with black boxes that fade outwards."""
    soft = max(2, round(FEATHER * min(size)))
    mask = Image.new("L", size, 255)
    draw = ImageDraw.Draw(mask)
    for box in keep:
        draw.rectangle((box.left - soft, box.top - soft, box.right - 1 + soft, box.bottom - 1 + soft), fill=0)
    mask = mask.filter(ImageFilter.GaussianBlur(soft / 2))
    draw = ImageDraw.Draw(mask)
    for box in keep:
        draw.rectangle((box.left, box.top, box.right - 1, box.bottom - 1), fill=0)
    return mask
