"""The engine `typeset`: exact text from real fonts and logos from their files, over text-free art."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence

from rules.engines import EngineProfile
from schemas.events import RenderFailure, RenderRequest
from workers.checks.port import TextReader
from workers.engines import drawn, fonts, palette, poster
from workers.engines.art import Art, ArtSource, Painter, art_readers, drawn_art, nobody_paints, own_art, paint
from workers.engines.fonts import Face
from workers.engines.logos import BadFile
from workers.engines.port import NOBODY, Rendered, Watch


class Typeset:
    """Sets the text contract to the letter; what it cannot set is a failure that names why, never a box.

    The art is a file of the client's own (role init_image), else painted by the engine that the profile names where
    `art` gives it, else drawn; the manifest's facts say which, and why it was drawn where another was to paint.
    `readers` look painted art over for lettering; `faces` show what the house's own fonts lack.
    """

    backend = "typeset"
    device = "cpu"
    resident_bytes = 0

    def __init__(
        self,
        profile: EngineProfile,
        palette_of: drawn.PaletteOf,
        *,
        art: ArtSource = nobody_paints,
        readers: Callable[[], Sequence[TextReader]] = art_readers,
        faces: tuple[Face, ...] | None = None,
    ) -> None:
        self._profile, self._palette_of, self._art, self._readers = profile, palette_of, art, readers
        self._faces = fonts.here() if faces is None else faces
        self._painted_by = ""

    @property
    def model_digest(self) -> str:
        """Digest of the code, the fonts, the drawing libraries and of what painted last."""
        own = drawn.code_digest("typeset", self._faces)
        if not self._painted_by:
            return own
        return f"typeset:{hashlib.sha256(f'{own} {self._painted_by}'.encode()).hexdigest()}"

    def park(self) -> None:
        """It holds nothing; the art engine is parked by whoever lent it."""

    def batch_key(self, request: RenderRequest) -> str:
        """Requests of one size share a batch; where another engine paints, those of one ruleset, which says how."""
        size = f"{request.job.width}x{request.job.height}"
        return size if self._profile.art is None else f"{size} by {request.ruleset_id}"

    def max_batch(self, request: RenderRequest) -> int:
        """By the profile; 1 for a size that it refuses, so that the refusal is a result."""
        return max(1, self._profile.max_batch(request.job.width, request.job.height))

    def render(
        self, requests: Sequence[RenderRequest], files: Mapping[str, bytes], watch: Watch = NOBODY
    ) -> Sequence[Rendered | RenderFailure]:
        """One result for each request, in order. Raises Cancelled, and what the art engine raises: Transient, Fatal."""
        arts = self._arts(requests, files, watch)
        return drawn.each(
            self._profile, requests, lambda request: self._set(request, files, arts[requests.index(request)]), watch
        )

    def _arts(self, requests: Sequence[RenderRequest], files: Mapping[str, bytes], watch: Watch) -> list[Art | BadFile]:
        """The art of each request, in order; what is wrong with its own stands in its place."""
        arts: list[Art | BadFile | None] = []
        for request in requests:
            try:
                arts.append(own_art(request, files))
            except BadFile as e:
                arts.append(e)
        wanted = [
            n for n, (art, r) in enumerate(zip(arts, requests, strict=True))
            if art is None and not self._profile.refuses(r.sampling, r)
        ]  # fmt: skip
        painter, why = self._painter(requests[wanted[0]].ruleset_id) if wanted else (None, "")
        if painter is not None:
            painted = paint(painter, [requests[n] for n in wanted], self._readers, watch)
            for n, art in zip(wanted, painted, strict=True):
                arts[n] = art
                self._painted_by = art.painted_by or self._painted_by
        return [art or drawn_art(why) for art in arts]

    def _painter(self, ruleset_id: str) -> tuple[Painter | None, str]:
        """What paints for requests of a ruleset: two may have the same engine by another profile."""
        if self._profile.art is None:
            return None, ""
        painter = self._art(self._profile.art, ruleset_id)
        return painter, "" if painter else f"{self._profile.art} is not served by this process"

    def _set(self, request: RenderRequest, files: Mapping[str, bytes], art: Art | BadFile) -> Rendered:
        if isinstance(art, BadFile):
            raise art
        colours = palette.from_swatches(self._palette_of(request), request.sampling.seed)
        phrases = [p.text for p in request.text.phrases]
        made = drawn.compose(request, phrases, files, colours, art=art.image, faces=self._faces)
        own_usd = self._profile.expected_cost_usd
        return Rendered(
            picture=poster.encode(made.image),
            media_type=poster.MEDIA_TYPE,
            width=made.image.width,
            height=made.image.height,
            latents=art.latents,
            cut=art.cut,
            keep=made.logos,
            cost_usd=art.cost_usd + own_usd if art.cost_usd else None,
            facts=art.facts,
        )
