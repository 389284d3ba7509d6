"""The engine `simulator`: draws posters and spoils a stated share of them, and says so of every one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from PIL import Image

from rules.engines import EngineProfile
from schemas.events import Edit, RenderFailure, RenderRequest
from workers.checks.decode import decode
from workers.checks.port import Broken
from workers.engines import damage, drawn, palette, poster
from workers.engines.damage import Damage
from workers.engines.logos import BadFile
from workers.engines.palette import Palette
from workers.engines.port import NOBODY, Rendered, Watch
from workers.engines.sd3_sources import as_rendered


class Simulator:
    """Stands in for an engine nobody serves here. It claims nothing about that engine's quality.

    `rates` is the share of seeds for each damage, see `damage.RATES`; a guidance that is set too high adds to them.
    """

    backend = "simulator"
    device = "cpu"
    resident_bytes = 0

    def __init__(
        self,
        profile: EngineProfile,
        palette_of: drawn.PaletteOf,
        rates: Mapping[Damage, float] = damage.RATES,
    ) -> None:
        self._profile, self._palette_of, self._rates = profile, palette_of, rates

    @property
    def model_digest(self) -> str:
        """Digest of the code, the fonts and the drawing libraries."""
        return drawn.code_digest("simulator")

    def park(self) -> None:
        """It holds nothing."""

    def batch_key(self, request: RenderRequest) -> str:
        """Requests of one size share a batch."""
        return f"{request.job.width}x{request.job.height}"

    def max_batch(self, request: RenderRequest) -> int:
        """By the profile; 1 for a size that it refuses, so that the refusal is a result."""
        return max(1, self._profile.max_batch(request.job.width, request.job.height))

    def render(
        self, requests: Sequence[RenderRequest], files: Mapping[str, bytes], watch: Watch = NOBODY
    ) -> Sequence[Rendered | RenderFailure]:
        """One result for each request, in order; `injected` names the damage, if any. Raises Cancelled."""
        return drawn.each(self._profile, requests, lambda request: self._draw(request, files), watch)

    def _draw(self, request: RenderRequest, files: Mapping[str, bytes]) -> Rendered:
        swatches = self._palette_of(request)
        seed = request.sampling.seed
        colours = palette.from_swatches(swatches, seed)
        wanted = [p.text for p in request.text.phrases]
        fate = damage.broken_by(request.sampling.guidance, seed) or damage.drawn_for(seed, self._rates)
        phrases = wanted
        if fate is not None and fate in damage.IN_TEXT:
            phrases = damage.spoil_text(wanted, fate, damage.generator(seed))
        image = drawn.compose(request, phrases, files, colours).image
        if request.edit is not None:
            image = _kept_but(image, request.edit, files)
        if not _applies(fate, request, swatches, spoilt=phrases != wanted):
            fate = None
        image = _spoil_pixels(image, fate, colours, seed)
        data = poster.encode(image)
        if fate is not None and fate in damage.IN_BYTES:
            data = damage.spoil_bytes(data, fate, damage.generator(seed))
        return Rendered(
            picture=data,
            media_type=poster.MEDIA_TYPE,
            width=request.job.width,
            height=request.job.height,
            injected=() if fate is None else (fate.value,),
        )


def _kept_but(image: Image.Image, edit: Edit, files: Mapping[str, bytes]) -> Image.Image:
    """The source of an edit with only its boxes drawn anew. Raises BadFile where it does not fit."""
    name = f"the asset {edit.source_sha256[:12]}"
    seen = decode(files.get(edit.source_sha256, b""))
    if isinstance(seen, Broken):
        raise BadFile(f"{name} cannot be mended: {seen.reason}")
    source, boxes = as_rendered(Image.fromarray(seen.pixels), edit.boxes, image.size)
    if source.size != image.size:
        raise BadFile(f"{name} is {source.width} x {source.height}, not {image.width} x {image.height}")
    for box in boxes:
        place = (box.left, box.top, box.right, box.bottom)
        source.paste(image.crop(place), place)
    return source


def _applies(fate: Damage | None, request: RenderRequest, swatches: Sequence[str], *, spoilt: bool) -> bool:
    """Whether the request gives the damage a hold, so that nothing is claimed that was not done."""
    if fate in damage.IN_TEXT:
        return spoilt
    if fate is Damage.STRAY_TEXT:
        return not request.text.other_text_allowed
    if fate is Damage.COLOUR_CAST:
        return bool(swatches)
    return True


def _spoil_pixels(image: Image.Image, fate: Damage | None, colours: Palette, seed: int) -> Image.Image:
    rng = damage.generator(seed)
    if fate is Damage.STRAY_TEXT:
        damage.add_stray_text(image, colours, rng)
    elif fate is Damage.COLOUR_CAST:
        return damage.cast(image, rng)
    elif fate is Damage.BLACK_FRAME:
        # What a decoder makes of latents that are not a number: black, and a valid PNG.
        return Image.new("RGB", image.size)
    elif fate is Damage.NOISE:
        return damage.noise(image.size, rng)
    elif fate is Damage.WRONG_SIZE:
        smaller = (max(1, image.width * 3 // 4), max(1, image.height * 3 // 4))
        return image.resize(smaller, Image.Resampling.BILINEAR)
    return image
