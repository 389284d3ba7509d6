"""Pictures, keys and orders as the tests of finishing want them."""

from __future__ import annotations

import datetime as dt
import functools
import hashlib
import io
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from rules.engines import EngineKind, EngineProfile
from schemas.events import Box, Edit, FileRef, ImageFormat
from tests import renders
from workers import colour
from workers.engines import scenes
from workers.engines.palette import from_swatches
from workers.engines.port import Rendered
from workers.finish.credentials import Signer, open_signer
from workers.finish.development_key import KeyFiles, development_key
from workers.finish.finish import Finisher
from workers.finish.port import Order
from workers.finish.upscale import Lanczos

BOTH = ("color-normalize", "content-credentials")


@functools.cache
def key_files() -> KeyFiles:
    """One development key for all tests of a process."""
    return development_key(Path(tempfile.mkdtemp(prefix="presscheck-key-")), dt.datetime.now(dt.UTC))


def signer() -> Signer:
    """Signs with that key."""
    return open_signer(key_files())


def finisher(*, signs: bool = True) -> Finisher:
    """As a render process has it without weights."""
    return Finisher(signer=signer() if signs else None, upscaler=Lanczos(), version="0.0.0")


@functools.cache
def art(size: tuple[int, int] = (256, 256), shift: tuple[float, float, float] = (0.0, 6.0, -6.0)) -> Image.Image:
    """A drawn picture under a cast, in L*, a*, b*."""
    drawn = scenes.draw("a cup of coffee", size, from_swatches(renders.NORTHWIND, 1), 1)
    return Image.fromarray(colour.lab_to_srgb(colour.srgb_to_lab(np.asarray(drawn)) + np.array(shift)))


def encoded(image: Image.Image, form: str = "PNG", **options: object) -> bytes:
    """The file."""
    out = io.BytesIO()
    image.save(out, form, **options)
    return out.getvalue()


def pixels(data: bytes) -> npt.NDArray[np.uint8]:
    """What a file shows."""
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image.convert("RGB"))


def order(
    picture: bytes | Image.Image,
    *,
    steps: Sequence[str] = (),
    upscale: int = 1,
    form: ImageFormat = ImageFormat.PNG,
    media_type: str = "image/png",
    keep: tuple[Box, ...] = (),
    files: Mapping[FileRef, bytes] | None = None,
    source: bytes | None = None,
    profile: EngineProfile | None = None,
    backend: str = "diffusers",
    palette: Sequence[str] = renders.NORTHWIND,
) -> Order:
    """One picture to finish, of the size that it has."""
    data = picture if isinstance(picture, bytes) else encoded(picture)
    size = (256, 256) if isinstance(picture, bytes) else picture.size
    given = files or {}
    wanted = renders.request(size=size, files=tuple(given))
    by_hash = {ref.sha256: content for ref, content in given.items()}
    if source is not None:
        digest = hashlib.sha256(source).hexdigest()
        by_hash[digest] = source
        boxes = (Box(left=0, top=0, right=8, bottom=8),)
        wanted = replace(wanted, edit=Edit(source_sha256=digest, boxes=boxes, strength=0.5))
    return Order(
        rendered=Rendered(picture=data, media_type=media_type, width=size[0], height=size[1], keep=keep),
        request=replace(wanted, job=replace(wanted.job, upscale=upscale, format=form)),
        profile=profile or replace(renders.profile(EngineKind.SD3), model="maker/model", revision="abc123"),
        backend=backend,
        model_digest="digest",
        files=by_hash,
        palette=palette,
        steps=steps,
    )
