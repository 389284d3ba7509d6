"""The engine `typeset`: exact text from real fonts and logos from their files, over text-free drawn art."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rules.engines import EngineProfile
from schemas.events import RenderFailure, RenderRequest
from workers.engines import drawn, palette, poster
from workers.engines.port import NOBODY, Rendered, Watch


class Typeset:
    """Sets the text contract to the letter; what it cannot set is a failure that names why, never a box."""

    backend = "typeset"
    device = "cpu"
    resident_bytes = 0

    def __init__(self, profile: EngineProfile, palette_of: drawn.PaletteOf) -> None:
        self._profile, self._palette_of = profile, palette_of

    @property
    def model_digest(self) -> str:
        """Digest of the code, the fonts and the drawing libraries."""
        return drawn.code_digest("typeset")

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
        """One result for each request, in order."""

        def draw(request: RenderRequest) -> Rendered:
            colours = palette.from_swatches(self._palette_of(request), request.sampling.seed)
            phrases = [p.text for p in request.text.phrases]
            image = drawn.compose(request, phrases, files, colours)
            return Rendered(
                picture=poster.encode(image), media_type=poster.MEDIA_TYPE, width=image.width, height=image.height
            )

        return drawn.each(self._profile, requests, draw)
