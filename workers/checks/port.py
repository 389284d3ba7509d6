"""The ports of inspection: checks that measure, and readers that read text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from schemas.events import (
    Glyph,
    LogoMatch,
    Measurement,
    Neighbour,
    Opinion,
    Region,
    Rendering,
    RenderRequest,
    TextContract,
    TextLikelihood,
    TextRead,
)

Pixels = npt.NDArray[np.uint8]
"""RGB, shape (height, width, 3)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoded:
    """An image that decoded whole.

    pixels: RGB after EXIF orientation, alpha laid over white.
    media_type: What the bytes are, whatever was declared.
    profile: ICC profile that the file carries, as it stands there; the pixels are not converted by it.
    as_stored: Whether the file holds exactly these pixels: RGB, upright, opaque.
    mode: Pillow's name of how the file stores colours, such as RGB, L or CMYK.
    bits: Bits of each channel in the file.
    transparent_share: Share of pixels that are not opaque, 0 to 1.
    pictures: Pictures in the file; telephones put a second one behind a JPEG, and only the first counts.
    """

    pixels: Pixels
    media_type: str
    profile: bytes | None = None
    as_stored: bool = False
    mode: str = "RGB"
    bits: int = 8
    transparent_share: float = 0.0
    pictures: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """Bytes that do not decode, and why.

    facts: The same in numbers, where it is of a kind that has a name: `known` 0 for bytes of no kind that is read,
        `ends` 0 for a file that is cut off, `frames` of an animation, `too_large` 1 for more than is unpacked.
    """

    reason: str
    facts: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """One asset under inspection.

    data: The bytes as they lie in the store.
    image: What decoding gave; decoded once, shared by every check.
    request: The attempt, with the text contract.
    rendering: What the renderer declared.
    palette: Brand swatches as #rrggbb; empty where the brand has none.
    reads: What the text readers read; empty where text is not read.
    files: Bytes of the files that came with the prompt, by their sha256; those that nobody could fetch are missing.
    """

    data: bytes
    image: Decoded | Broken
    request: RenderRequest
    rendering: Rendering
    palette: tuple[str, ...] = ()
    reads: tuple[TextRead, ...] = ()
    files: Mapping[str, bytes] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What one check found. All is measured, nothing judged; boxes are in pixels of the decoded image."""

    measurements: tuple[Measurement, ...] = ()
    glyphs: tuple[Glyph, ...] = ()
    regions: tuple[Region, ...] = ()
    logos: tuple[LogoMatch, ...] = ()
    opinions: tuple[Opinion, ...] = ()
    phash: str | None = None
    neighbour: Neighbour | None = None


NOTHING: Final = Findings()


class Check(Protocol):
    """Measures one thing; judges nothing."""

    @property
    def name(self) -> str:
        """Name in the failure-mode catalogue."""
        ...

    def measure(self, subject: Subject) -> Findings:
        """What it finds; NOTHING where there is nothing to measure. Raises Poison where it cannot measure.

        Text has been read by then: `subject.reads` holds it.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scene:
    """A picture to be read, and what earlier looks read in it: a look that only reads some places anew starts there."""

    pixels: Pixels
    reads: tuple[TextRead, ...] = ()


class TextReader(Protocol):
    """Reads text; `tests/contract/test_readers.py` runs on each reader and each look."""

    @property
    def name(self) -> str:
        """Reader and look, for example rapidocr@640."""
        ...

    def read(self, scenes: Sequence[Scene]) -> Sequence[TextRead]:
        """One read for each picture: lines in reading order, with boxes in pixels of the picture as given.

        What is read in one does not depend on the others; they go together for speed alone. A box begins at the top
        left of its lettering, which is another corner of the picture where the lettering is turned. Safe to call from
        several threads: a reader that is not lets one in at a time. Raises Poison where it cannot read; the cascade
        then asks for each picture by itself.
        """
        ...


@runtime_checkable
class Weighs(Protocol):
    """A reader that can say how likely it finds a text that it did not read."""

    def likelihoods(
        self, pixels: Pixels, contract: TextContract, reads: Sequence[TextRead]
    ) -> tuple[TextLikelihood, ...]:
        """For each phrase that no read shows, where one is like it."""
        ...
