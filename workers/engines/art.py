"""Text-free art for typeset: painted by another engine and read for lettering, or a picture of the client's own."""

from __future__ import annotations

import hashlib
import io
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Final

import numpy as np
import structlog
from PIL import Image

from rules.art import art_prompt
from rules.engines import EngineProfile
from rules.folding import weight
from schemas.errors import Transient
from schemas.events import FileRole, LatentStats, Preset, PromptCut, RenderFailure, RenderRequest, Rung, TextContract
from workers.checks.decode import UNREADABLE
from workers.checks.port import Scene, TextReader
from workers.checks.readers import open_readers
from workers.engines.logos import open_picture
from workers.engines.port import Engine, Rendered, Watch

PAINTS: Final = 2
"""Times one piece of art is painted, each with a seed of its own, before drawn art takes its place."""
NO_LETTERING: Final = "text, letters, words, writing, captions, signage, watermark, logo, signature, numbers"
"""Negative prompt where the art engine takes one."""
READERS: Final = ("rapidocr", "rapidocr@640")
MARKS: Final = 2
"""Letters and digits that a reader may see in texture; as `text.stray_max_characters` of the verdict."""
SURE: Final = 0.5
"""Least confidence of a reader to call something lettering."""
LEAST_PIXELS: Final = 512 * 512
"""Art is painted no smaller, where the engine allows: diffusion models make a mess of thumbnails."""
_SEEDS: Final = 2**53 - 1
"""Seeds are whole numbers that JSON keeps exactly."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Painter:
    """An engine that may paint for typeset, ready to render, and the profile it was built by."""

    profile: EngineProfile
    engine: Engine


ArtSource = Callable[[str, str], Painter | None]
"""Gives the engine of an id as the ruleset of an id has it, ready to render; None where this process does not have it.
A stand-in is not it."""


def nobody_paints(_engine: str, _ruleset_id: str) -> None:
    """The source where no engine is at hand."""


@cache
def art_readers() -> tuple[TextReader, ...]:
    """The readers that look art over, loaded once."""
    return open_readers(READERS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Art:
    """What lies under the text. `image` is RGB in the size asked for, None where drawn art is to be taken.

    `facts` say how it was made; `latents`, `cut` and `cost_usd` are the painting engine's.
    """

    image: Image.Image | None
    facts: Mapping[str, str]
    latents: LatentStats | None = None
    cut: tuple[PromptCut, ...] = ()
    cost_usd: float = 0.0
    painted_by: str = ""


@dataclass(slots=True)
class _Try:
    """A request on its way: whether it was painted and what was spent, and why no art came of it yet."""

    request: RenderRequest
    painted: bool = False
    cost_usd: float = 0.0
    why: str = ""
    done: Art | None = None
    stop: bool = False
    facts: dict[str, str] = field(default_factory=dict[str, str])


def own_art(request: RenderRequest, files: Mapping[str, bytes]) -> Art | None:
    """The client's own picture, in the size asked for; None where none came. Raises BadFile."""
    found = [ref for ref in request.job.files if ref.role is FileRole.INIT_IMAGE]
    if not found:
        return None
    picture = open_picture(found[0], files)
    facts = {"art": "init_image", "art_file": found[0].name}
    if max(request.job.width / picture.width, request.job.height / picture.height) > 1:
        facts["art_enlarged"] = f"from {picture.width} x {picture.height}"
    if picture.mode == "RGBA":
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, (255, 255, 255, 255)), picture)
    return Art(image=covering(picture.convert("RGB"), (request.job.width, request.job.height)), facts=facts)


def drawn_art(why: str, *, cost_usd: float = 0.0) -> Art:
    """Word that drawn art is to be taken, and why."""
    return Art(image=None, facts={"art": "drawn", "art_why": why} if why else {"art": "drawn"}, cost_usd=cost_usd)


def paint(
    painter: Painter, requests: Sequence[RenderRequest], readers: Callable[[], Sequence[TextReader]], watch: Watch
) -> list[Art]:
    """Art for each request, in order. Raises what the engine raises.

    Where it goes away after it painted some, the rest gets drawn art: asked again whole, those would be paid twice.
    """
    tries = [_Try(request) for request in requests]
    for attempt in range(PAINTS):
        waiting = [t for t in tries if t.done is None and not t.stop]
        for group in _batches(painter, waiting, attempt):
            asked = [request for _, request in group]
            try:
                results = painter.engine.render(asked, {}, watch)
            except Transient as e:
                if not any(t.painted for t in tries):
                    raise
                for one, _ in group:
                    one.why, one.stop = f"{painter.profile.id} went away: {e}"[:500], True
                continue
            for (one, request), result in zip(group, results, strict=True):
                _look(one, request, painter, result, readers)
    return [t.done or drawn_art(t.why, cost_usd=t.cost_usd) for t in tries]


def _batches(painter: Painter, waiting: Sequence[_Try], attempt: int) -> list[list[tuple[_Try, RenderRequest]]]:
    """What may be painted together; a request that the engine refuses is stopped here, with the reason."""
    groups: dict[str, list[tuple[_Try, RenderRequest]]] = {}
    out: list[list[tuple[_Try, RenderRequest]]] = []
    for one in waiting:
        request = art_request(one.request, painter.profile, attempt)
        if refusal := painter.profile.refuses(request.sampling, request):
            one.why, one.stop = refusal, True
            continue
        groups.setdefault(painter.engine.batch_key(request), []).append((one, request))
    for group in groups.values():
        size = painter.engine.max_batch(group[0][1])
        out += [group[n : n + size] for n in range(0, len(group), size)]
    return out


def _look(
    one: _Try,
    request: RenderRequest,
    painter: Painter,
    result: Rendered | RenderFailure,
    readers: Callable[[], Sequence[TextReader]],
) -> None:
    """Take a painting, or note why not."""
    log = structlog.get_logger(__name__).bind(job_id=request.job.job_id, engine=painter.profile.id)
    if isinstance(result, RenderFailure):
        one.why = f"{painter.profile.id} failed: {result.kind.value}: {result.message}"[:500]
        log.warning("art failed", error=one.why)
        return
    one.painted = True
    one.cost_usd += painter.profile.expected_cost_usd if result.cost_usd is None else result.cost_usd
    try:
        image = _image(result)
    except UNREADABLE as e:
        one.why = f"{painter.profile.id} gave bytes that do not decode: {e}"
        log.warning("art failed", error=one.why)
        return
    if seen := lettering(image, readers()):
        one.why = f"{painter.profile.id} painted lettering: {seen[:80]!r}"
        log.info("art shows lettering", seen=seen[:80], seed=request.sampling.seed)
        return
    one.done = Art(
        image=covering(image, (one.request.job.width, one.request.job.height)),
        facts={
            "art": painter.profile.id,
            "art_backend": painter.engine.backend,
            "art_device": painter.engine.device,
            "art_model_digest": painter.engine.model_digest,
            "art_prompt": request.prompt,
            "art_seed": str(request.sampling.seed),
            "art_size": f"{image.width} x {image.height}",
            **{f"art_{name}": value for name, value in result.facts.items()},
        },
        latents=result.latents,
        cut=result.cut,
        cost_usd=one.cost_usd,
        painted_by=painter.engine.model_digest,
    )


def _image(result: Rendered) -> Image.Image:
    if not isinstance(result.picture, bytes):
        return Image.fromarray(result.picture)
    with Image.open(io.BytesIO(result.picture)) as opened:
        return opened.convert("RGB")


def lettering(image: Image.Image, readers: Sequence[TextReader]) -> str:
    """What readers read in a picture that should hold no text; empty where that is nothing of note."""
    pixels = np.asarray(image, dtype=np.uint8)
    for reader in readers:
        (read,) = reader.read([Scene(pixels=pixels)])
        words = [w.text for w in read.words if w.confidence >= SURE and weight(w.text) > MARKS]
        if words:
            return " ".join(words)
    return ""


def art_request(request: RenderRequest, profile: EngineProfile, attempt: int = 0) -> RenderRequest:
    """The same job for the art engine: its size, no text, no files, its standard preset, a seed for each attempt."""
    width, height = painted_size(profile, request.job.width, request.job.height)
    negative = ", ".join(part for part in (request.negative_prompt, NO_LETTERING) if part)
    return replace(
        request,
        job=replace(request.job, width=width, height=height, required_text=(), files=()),
        rung=Rung.FIRST,
        engine=profile.id,
        prompt=art_prompt(request.prompt, [p.text for p in request.text.phrases]),
        negative_prompt=negative if profile.negative_prompt else "",
        sampling=profile.standard.sampling(Preset.STANDARD, _seed(request.sampling.seed, attempt)),
        edit=None,
        text=TextContract(phrases=(), other_text_allowed=False),
    )


def _seed(seed: int, attempt: int) -> int:
    """The job's own seed first, then one derived from it for each further attempt."""
    if attempt == 0:
        return seed
    return int.from_bytes(hashlib.sha256(f"art/{seed}/{attempt}".encode()).digest()[:8], "big") % _SEEDS


def painted_size(profile: EngineProfile, width: int, height: int) -> tuple[int, int]:
    """A size that an engine paints, of nearly the proportions asked for and as large as it may be, pixels."""
    step = profile.size_multiple
    area = min(profile.max_pixels, max(width * height, LEAST_PIXELS))
    scale = math.sqrt(area / (width * height))
    wide = max(step, round(width * scale / step) * step)
    high = max(step, round(height * scale / step) * step)
    while wide * high > profile.max_pixels and max(wide, high) > step:
        wide, high = (wide - step, high) if wide >= high else (wide, high - step)
    return max(wide, 64), max(high, 64)


def covering(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """The picture scaled to cover a size and cut evenly on the sides that stand over."""
    if image.size == size:
        return image
    scale = max(size[0] / image.width, size[1] / image.height)
    wide, high = size[0] / scale, size[1] / scale
    left, top = (image.width - wide) / 2, (image.height - high) / 2
    box = (left, top, left + wide, top + high)
    return image.resize(size, Image.Resampling.LANCZOS, box=box, reducing_gap=3)
