"""Finishes a picture by the ruleset's steps and the job's wishes: what is inspected is what is delivered."""

from __future__ import annotations

import hashlib
import importlib.metadata
import threading
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from typing import Final

from PIL import Image

from broker.settings import Settings
from schemas.errors import BadConfig, Poison
from schemas.events import FileRole
from workers.checks.decode import MAX_PIXELS
from workers.checks.port import Broken
from workers.finish.claim import Step, claim_of
from workers.finish.color_normalize import color_normalize
from workers.finish.colour_mask import Mask, colour_mask
from workers.finish.credentials import MEND, STEP, Signer, signer_of
from workers.finish.encode import MEDIA_TYPES, Encoded, encode, tag_png
from workers.finish.picture import Picture, open_picture
from workers.finish.port import Finished, Order
from workers.finish.upscale import Upscaler, open_upscaler

COLOUR: Final = "color-normalize"
STEPS: Final = (COLOUR, STEP)
"""Steps that a ruleset may ask for; format and size are the job's."""
LARGE_PIXELS: Final = 4096 * 4096
"""Pictures that end up larger are finished one at a time: each takes several times its 4 bytes a pixel."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finisher:
    """Finishes pictures; one for a process. `signer` is None where no key is configured."""

    signer: Signer | None
    upscaler: Upscaler
    version: str
    _large: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @classmethod
    def from_settings(cls, settings: Settings) -> Finisher:
        """With the key and the upscaler of the settings. Raises BadConfig where they cannot be used."""
        return cls(
            signer=signer_of(settings),
            upscaler=open_upscaler(settings.upscaler),
            version=importlib.metadata.version("presscheck"),
        )

    def require(self, steps: Sequence[str]) -> None:
        """Raises BadConfig where these steps cannot be taken here: better at the start than at the first picture."""
        if STEP in steps and self.signer is None:
            raise BadConfig("pipeline.yml asks for content-credentials, and no key is configured", mend=MEND)

    def __call__(self, order: Order) -> Finished:
        """The picture as it is delivered; bytes that do not decode pass unchanged, so that inspection sees them.

        First its colours (profile, then the step), then its size, then its format, and the credentials last.
        Raises Poison where it cannot be finished as asked, BadConfig where a step needs a key that is not there.
        """
        self.require(order.steps)
        for step in order.steps:
            if step not in STEPS:
                raise Poison(f"there is no finishing step {step!r}")
        data = order.rendered.encoded()
        work = _Work(order=order, data=data, sha256=hashlib.sha256(data).hexdigest())
        picture = open_picture(data)
        if isinstance(picture, Broken):
            return work.unchanged(f"left as it is: the bytes do not decode ({picture.reason[:200]})")
        with self._room(picture.image.width * picture.image.height * order.request.job.upscale**2):
            return self._finished(work, picture)

    def _room(self, pixels: int) -> AbstractContextManager[object]:
        return self._large if pixels > LARGE_PIXELS else nullcontext()

    def _finished(self, work: _Work, picture: Picture) -> Finished:
        order = work.order
        work.note("colour-profile", picture.profile, "c2pa.color_adjustments" if picture.converted else "")
        image = picture.image
        if COLOUR in order.steps:
            image = _normalised(work, image)
        image = self._enlarged(work, image)
        encoded = _encoded(work, picture, image)
        if STEP in order.steps and self.signer is not None:
            claim = claim_of(order, work.steps, self.version)
            signed = self.signer.sign(encoded.data, encoded.media_type, claim)
            work.facts.update(signed.facts)
            encoded = replace(encoded, data=signed.data)
        return Finished(
            data=encoded.data,
            media_type=encoded.media_type,
            width=image.width,
            height=image.height,
            picture_sha256=work.sha256,
            facts=work.facts,
        )

    def _enlarged(self, work: _Work, image: Image.Image) -> Image.Image:
        job = work.order.request.job
        if job.upscale == 1:
            return image
        if image.size == (job.width * job.upscale, job.height * job.upscale):
            work.note("upscale", f"the engine gave {image.width} x {image.height} already")
            return image
        pixels = image.width * image.height * job.upscale**2
        if pixels > MAX_PIXELS:
            raise Poison(f"enlarged {job.upscale} times it has {pixels} pixels, at most {MAX_PIXELS} are read")
        made = self.upscaler.enlarge(image, job.upscale)
        said = f"{job.upscale} times, to {made.width} x {made.height}, with {self.upscaler.name}"
        work.note("upscale", said, "c2pa.resized", model=self.upscaler.model)
        return made


@dataclass(frozen=True, slots=True, kw_only=True)
class _Work:
    """One picture on its way, with what was done to it."""

    order: Order
    data: bytes
    sha256: str
    facts: dict[str, str] = field(default_factory=dict[str, str])
    steps: list[Step] = field(default_factory=list[Step])

    def note(self, fact: str, said: str, action: str = "", *, model: str = "") -> None:
        """A fact, and where an action is named, a step of the credentials."""
        self.facts[fact] = said
        if action:
            self.steps.append(Step(action=action, description=said, model=model))

    def unchanged(self, why: str) -> Finished:
        """The bytes as the engine gave them."""
        made = self.order.rendered
        return Finished(
            data=self.data,
            media_type=made.media_type,
            width=made.width,
            height=made.height,
            picture_sha256=self.sha256,
            facts={"finish": why},
        )


def _normalised(work: _Work, image: Image.Image) -> Image.Image:
    order = work.order
    if order.request.edit is not None:
        # Once more would move what was to be kept, and twice as far as one picture may be moved.
        work.note(COLOUR, "left as it was: only boxes of a finished picture were redone")
        return image
    mask: Mask | None = None
    if order.palette:
        files = [
            (file.name, order.files[file.sha256])
            for file in order.request.job.files
            if file.role is FileRole.COLOUR_MASK
        ]
        mask = colour_mask(image.size, order.rendered.keep, files)
    done = color_normalize(image, order.palette, mask.image if mask else None)
    work.note(COLOUR, done.note, "c2pa.color_adjustments" if done.changed else "")
    work.facts.update(done.facts())
    if mask is not None:
        work.note(f"{COLOUR}.mask", mask.note)
    return done.image


def _encoded(work: _Work, picture: Picture, image: Image.Image) -> Encoded:
    """The picture in the job's format; the engine's own PNG where nothing changed it."""
    wanted = work.order.request.job.format
    media_type = MEDIA_TYPES[wanted]
    if picture.as_stored and image is picture.image and picture.media_type == media_type == "image/png":
        made = Encoded(data=tag_png(work.data), media_type=media_type, note="png as the engine wrote it, tagged sRGB")
    else:
        made = encode(image, wanted)
    converted = picture.media_type != media_type
    work.note("format", made.note, "c2pa.converted" if converted else "")
    return made
