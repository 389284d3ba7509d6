"""What the two drawing engines share: one job at a time, failures as results, the digest of their code."""

from __future__ import annotations

import hashlib
import importlib.resources
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import uharfbuzz as hb
from PIL import Image
from PIL import __version__ as pillow_version

from rules.engines import EngineProfile
from schemas.errors import Poison
from schemas.events import Box, FailureKind, RenderFailure, RenderRequest
from workers.engines import fonts, placement, poster, scenes
from workers.engines.fonts import Face
from workers.engines.layout import For, slots_of
from workers.engines.logos import BadFile, logos_of, place_in, place_logos
from workers.engines.palette import Palette
from workers.engines.port import NOBODY, Rendered, Watch
from workers.engines.shaping import CannotSet

PaletteOf = Callable[[RenderRequest], Sequence[str]]
"""The brand's swatches for a request, #rrggbb; empty where its brand has none."""


def each(
    profile: EngineProfile,
    requests: Sequence[RenderRequest],
    draw: Callable[[RenderRequest], Rendered],
    watch: Watch = NOBODY,
) -> list[Rendered | RenderFailure]:
    """Draw one request after the other; what cannot be drawn fails alone. Raises Cancelled as the watch does.

    Of a cancelled batch nothing is kept: after a stop the next owner draws the same bytes again, for nothing.
    """
    out: list[Rendered | RenderFailure] = []
    for request in requests:
        out.append(_drawn(profile, request, draw))
        watch.step(len(out), len(requests))
    return out


def _drawn(
    profile: EngineProfile, request: RenderRequest, draw: Callable[[RenderRequest], Rendered]
) -> Rendered | RenderFailure:
    if refusal := profile.refuses(request.sampling, request):
        return invalid(refusal)
    try:
        return draw(request)
    except (CannotSet, BadFile, Poison) as e:
        return invalid(str(e))


def invalid(message: str) -> RenderFailure:
    """A failure that no other seed mends."""
    return RenderFailure(kind=FailureKind.INVALID_REQUEST, message=message[:2000])


@dataclass(frozen=True, slots=True, kw_only=True)
class Composed:
    """A finished picture, and the boxes of the logos in it."""

    image: Image.Image
    logos: tuple[Box, ...]


def compose(
    request: RenderRequest,
    phrases: Sequence[str],
    files: Mapping[str, bytes],
    palette: Palette,
    *,
    art: Image.Image | None = None,
    faces: Sequence[Face] | None = None,
) -> Composed:
    """A poster: the art (drawn by the prompt where none is given), the phrases, the logos as their files have them.

    Raises CannotSet, BadFile.
    """
    seed = request.sampling.seed
    logos = logos_of(request, files)
    slots = slots_of(request, files)
    size = (request.job.width, request.job.height)
    image = art.copy() if art else scenes.draw(request.prompt, size, palette, seed, leave_room=bool(phrases or logos))
    calm = placement.measure(image)
    look = poster.LOOKS[seed % len(poster.LOOKS)].among(fonts.here() if faces is None else faces)
    texts = {s.number: s for s in slots if s.what is For.TEXT}
    marks = {s.number: s for s in slots if s.what is For.LOGO}
    settings = [
        poster.arranged_in(image, [phrases[n]], look, slot.box(size), slot.align) for n, slot in sorted(texts.items())
    ]
    taken = [slot.box(size) for slot in slots]
    if rest := [p for n, p in enumerate(phrases) if n not in texts]:
        settings.append(poster.arranged(image, rest, look, calm, taken))
        taken.append(settings[-1].box)
    poster.draw(image, settings, palette)
    # Last, so that no scrim lies over their colours.
    placed = [place_in(image, logos[n], palette, slot.box(size)) for n, slot in sorted(marks.items())]
    placed += place_logos(image, [logo for n, logo in enumerate(logos) if n not in marks], palette, taken, calm)
    return Composed(
        image=image, logos=tuple(Box(left=b[0], top=b[1], right=b[2], bottom=b[3]) for b in (p.box for p in placed))
    )


@cache
def code_digest(name: str, faces: tuple[Face, ...] | None = None) -> str:
    """Digest of the drawing code, the fonts and the libraries that decide the bytes."""
    whole = hashlib.sha256(name.encode())
    folder = importlib.resources.files("workers.engines")
    for file in sorted((f for f in folder.iterdir() if f.name.endswith(".py")), key=lambda f: f.name):
        whole.update(file.read_bytes())
    whole.update(fonts.digest_of(fonts.here() if faces is None else faces))
    whole.update(f"{pillow_version} {hb.version_string()} {np.__version__}".encode())
    return f"{name}:{whole.hexdigest()}"
