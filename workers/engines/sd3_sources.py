"""What an sd3 render starts from: noise, a picture, or a picture of which parts are drawn anew."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from schemas.errors import Poison
from schemas.events import Box, Edit, FileRef, FileRole, RenderRequest
from workers.checks.decode import MEDIA_TYPES, UNREADABLE
from workers.engines.port import Pixels

INIT_STRENGTH: Final = 0.6
"""How far a render may leave its init_image, 0 to 1. The default of diffusers for both SD3 pipelines."""
PAD_PX: Final = 16
"""A box to be mended is widened by this: letters are larger than the boxes that readers draw round them."""
FEATHER_PX: Final = 8
"""Inside the widened box, new pixels fade in over this far; outside it nothing changes."""
CELL_PX: Final = 8
"""Side of what one latent stands for: a cell that is touched is drawn anew as a whole."""
MOST_PIXELS: Final = 67_108_864
"""Larger files are refused before they are decoded, pixels."""

_MODES: Final = frozenset({"1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr"})
"""Modes of 8 bits a channel; Pillow would cut deeper ones off without a word."""

Alpha = npt.NDArray[np.float32]
"""Share of the new picture at each pixel, shape (height, width): 0 keeps the source to the byte."""


class Work(StrEnum):
    """Which pipeline a request needs."""

    TEXT = "text"
    IMAGE = "image"
    INPAINT = "inpaint"


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A picture to start from. `alpha` says what of it is drawn anew; None where all of it is."""

    image: Pixels
    alpha: Alpha | None
    facts: Mapping[str, str]

    def mask(self) -> Image.Image:
        """What the pipeline redraws, white on black, grown to whole latents (it looks at one pixel of each)."""
        height, width = self.image.shape[:2]
        touched = np.ones((height, width), bool) if self.alpha is None else self.alpha > 0
        cells = touched.reshape(height // CELL_PX, CELL_PX, width // CELL_PX, CELL_PX).any(axis=(1, 3))
        return Image.fromarray(np.kron(cells, np.full((CELL_PX, CELL_PX), 255)).astype(np.uint8))

    def laid_over(self, drawn: Pixels) -> Pixels:
        """The new picture, shape as the source, where it belongs; the source everywhere else."""
        if self.alpha is None:
            return drawn
        share = self.alpha[..., None]
        mixed = self.image * (1 - share) + drawn * share
        return np.where(share > 0, np.round(mixed), self.image).astype(np.uint8)


def work(request: RenderRequest) -> tuple[Work, float]:
    """Which pipeline a request needs, and how far it may leave its source, 0 to 1."""
    if request.edit is not None:
        return Work.INPAINT, request.edit.strength
    roles = {f.role for f in request.job.files}
    if FileRole.INIT_IMAGE not in roles:
        return Work.TEXT, 1.0
    return (Work.INPAINT if FileRole.MASK in roles else Work.IMAGE), INIT_STRENGTH


def source(request: RenderRequest, files: Mapping[str, bytes]) -> Source | None:
    """What to start from; None for noise. An edit mends what was made of the job's own files, so it goes first.

    Raises Poison naming the file that cannot be used.
    """
    size = (request.job.width, request.job.height)
    if request.edit is not None:
        return _edited(request.edit, files, size)
    inits, masks = ([f for f in request.job.files if f.role is role] for role in (FileRole.INIT_IMAGE, FileRole.MASK))
    if len(inits) > 1 or len(masks) > 1:
        surplus = (inits if len(inits) > 1 else masks)[1]
        raise Poison(f"{surplus.name}: a job takes one {surplus.role.value}; leave the others away")
    if not inits:
        if masks:
            raise Poison(f"{masks[0].name}: a mask says what of a picture is drawn anew; send an init_image with it")
        return None
    facts = {"source": f"init_image {inits[0].name}"}
    image = _pixels(_decoded(inits[0].name, _bytes(inits[0], files), size))
    if not masks:
        return Source(image=image, alpha=None, facts=facts)
    grey = _decoded(masks[0].name, _bytes(masks[0], files), size).convert("L")
    alpha = np.asarray(grey, np.float32) / np.float32(255)
    if not alpha.any():
        raise Poison(f"{masks[0].name}: the mask is black, so nothing would be drawn anew; white says what is")
    return Source(image=image, alpha=alpha, facts={**facts, "mask": masks[0].name})


def boxed(boxes: Sequence[Box], size: tuple[int, int]) -> Alpha:
    """Boxes, widened by PAD_PX, fading in over FEATHER_PX; an edge of the picture is no edge to fade at."""
    width, height = size
    alpha = np.zeros((height, width), np.float32)
    for box in boxes:
        across, down = (
            np.clip(np.minimum(at - (first - PAD_PX) + 1, last + PAD_PX - at) / FEATHER_PX, 0, 1)
            for at, first, last in (
                (np.arange(width), box.left, box.right),
                (np.arange(height), box.top, box.bottom),
            )
        )
        alpha = np.maximum(alpha, np.minimum(down[:, None], across[None, :])).astype(np.float32)
    return alpha


def as_rendered(image: Image.Image, boxes: Sequence[Box], size: tuple[int, int]) -> tuple[Image.Image, Sequence[Box]]:
    """An asset and the boxes in it, at the size of the job: it was enlarged when it was finished, and will be again.

    As they are where the asset is no whole number of times as large.
    """
    factor = image.width // size[0]
    if factor <= 1 or image.size != (size[0] * factor, size[1] * factor):
        return image, boxes
    return image.resize(size, Image.Resampling.BOX), [
        Box(left=b.left // factor, top=b.top // factor, right=-(-b.right // factor), bottom=-(-b.bottom // factor))
        for b in boxes
    ]


def _edited(edit: Edit, files: Mapping[str, bytes], size: tuple[int, int]) -> Source:
    name = f"asset {edit.source_sha256[:12]}"
    image = _opened(name, files.get(edit.source_sha256))
    facts = {"source": name}
    shrunk, boxes = as_rendered(image, edit.boxes, size)
    if shrunk is not image:
        facts["source"] += f", shrunk from {image.width} x {image.height}"
    image = shrunk
    _sized(name, image, size)
    alpha = boxed(boxes, size)
    if not alpha.any():
        raise Poison(f"{name}: the boxes lie outside its {size[0]} x {size[1]} pixels")
    return Source(image=_pixels(image), alpha=alpha, facts=facts)


def _bytes(file: FileRef, files: Mapping[str, bytes]) -> bytes | None:
    return files.get(file.sha256)


def _decoded(name: str, data: bytes | None, size: tuple[int, int]) -> Image.Image:
    image = _opened(name, data)
    _sized(name, image, size)
    return image


def _sized(name: str, image: Image.Image, size: tuple[int, int]) -> None:
    if image.size != size:
        have, want = (f"{w} x {h}" for w, h in (image.size, size))
        raise Poison(f"{name}: it is {have} pixels and the job {want}; send it at the job's size")


def _opened(name: str, data: bytes | None) -> Image.Image:
    """The picture, decoded to the last byte, upright, transparency laid on white."""
    if data is None:
        raise Poison(f"{name}: its bytes are not here")
    try:
        with Image.open(io.BytesIO(data), formats=tuple(MEDIA_TYPES)) as opened:
            if opened.width * opened.height > MOST_PIXELS:
                raise Poison(f"{name}: it has more than {MOST_PIXELS} pixels")
            if opened.mode not in _MODES:
                raise Poison(f"{name}: its mode is {opened.mode}; send 8 bits a channel")
            opened.load()
            upright = ImageOps.exif_transpose(opened)
    except UNREADABLE as e:
        raise Poison(f"{name}: it does not decode as a picture: {str(e)[:200]}") from e
    if upright.has_transparency_data:
        white = Image.new("RGBA", upright.size, "white")
        return Image.alpha_composite(white, upright.convert("RGBA")).convert("RGB")
    return upright.convert("RGB")


def _pixels(image: Image.Image) -> Pixels:
    return np.asarray(image, dtype=np.uint8)
