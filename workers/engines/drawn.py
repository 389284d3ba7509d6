"""What the two drawing engines share: one job at a time, failures as results, the digest of their code."""

from __future__ import annotations

import hashlib
import importlib.resources
from collections.abc import Callable, Mapping, Sequence
from functools import cache

import numpy as np
from PIL import Image, features
from PIL import __version__ as pillow_version

from rules.engines import EngineProfile
from schemas.errors import Poison
from schemas.events import FailureKind, RenderFailure, RenderRequest
from workers.engines import fonts, poster, scenes
from workers.engines.fonts import MissingGlyph
from workers.engines.logos import BadFile, logos_of, place_logos
from workers.engines.palette import Palette
from workers.engines.port import Rendered
from workers.engines.typography import NoRoom

PaletteOf = Callable[[RenderRequest], Sequence[str]]
"""The brand's swatches for a request, #rrggbb; empty where its brand has none."""


def each(
    profile: EngineProfile, requests: Sequence[RenderRequest], draw: Callable[[RenderRequest], Rendered]
) -> list[Rendered | RenderFailure]:
    """Draw one request after the other; what cannot be drawn fails alone."""
    out: list[Rendered | RenderFailure] = []
    for request in requests:
        if refusal := profile.refuses(request.sampling, request):
            out.append(invalid(refusal))
            continue
        try:
            out.append(draw(request))
        except (MissingGlyph, NoRoom, BadFile, Poison) as e:
            out.append(invalid(str(e)))
    return out


def invalid(message: str) -> RenderFailure:
    """A failure that no other seed mends."""
    return RenderFailure(kind=FailureKind.INVALID_REQUEST, message=message[:2000])


def compose(
    request: RenderRequest, phrases: Sequence[str], files: Mapping[str, bytes], palette: Palette
) -> Image.Image:
    """A poster: the scene of the prompt, the logos, the phrases. Raises MissingGlyph, NoRoom, BadFile."""
    seed = request.sampling.seed
    logos = logos_of(request, files)
    size = (request.job.width, request.job.height)
    image = scenes.draw(request.prompt, size, palette, seed, leave_room=bool(phrases or logos))
    taken: list[poster.Box] = []
    if phrases:
        taken.append(poster.place_text(image, phrases, palette, poster.LOOKS[seed % len(poster.LOOKS)]))
    place_logos(image, logos, palette, taken)
    return image


@cache
def code_digest(name: str) -> str:
    """Digest of the drawing code, the fonts and the libraries that decide the bytes."""
    whole = hashlib.sha256(name.encode())
    folder = importlib.resources.files("workers.engines")
    for file in sorted((f for f in folder.iterdir() if f.name.endswith(".py")), key=lambda f: f.name):
        whole.update(file.read_bytes())
    for face in fonts.ALL:
        whole.update(face.path.read_bytes())
    whole.update(f"{pillow_version} {features.version('freetype2')} {np.__version__}".encode())
    return f"{name}:{whole.hexdigest()}"
