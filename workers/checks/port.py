"""The ports of inspection: checks that measure, and readers that read text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from schemas.events import Measurement, Rendering, RenderRequest, TextRead

Pixels = npt.NDArray[np.uint8]
"""RGB, shape (height, width, 3)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoded:
    """An image that decoded whole.

    pixels: RGB after EXIF orientation, alpha laid over white.
    media_type: What the bytes are, whatever was declared.
    profile: ICC profile that the file carries, as it stands there; the pixels are not converted by it.
    as_stored: Whether the file holds exactly these pixels: RGB, upright, opaque.
    """

    pixels: Pixels
    media_type: str
    profile: bytes | None = None
    as_stored: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """Bytes that do not decode, and why."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """One asset under inspection.

    data: The bytes as they lie in the store.
    image: What decoding gave; decoded once, shared by every check.
    request: The attempt, with the text contract.
    rendering: What the renderer declared.
    palette: Brand swatches as #rrggbb; empty where the brand has none.
    """

    data: bytes
    image: Decoded | Broken
    request: RenderRequest
    rendering: Rendering
    palette: tuple[str, ...] = ()


class Check(Protocol):
    """Measures one thing; judges nothing."""

    @property
    def name(self) -> str:
        """Name in the failure-mode catalogue."""
        ...

    def measure(self, subject: Subject) -> Sequence[Measurement]:
        """The numbers; none where there is nothing to measure. Raises Poison where it cannot measure."""
        ...


class TextReader(Protocol):
    """Reads text; `tests/contract/test_readers.py` runs on each reader."""

    @property
    def name(self) -> str:
        """Reader and look, for example rapidocr@640."""
        ...

    def read(self, pixels: Pixels) -> TextRead:
        """Lines in reading order with boxes in pixels of the given image.

        Safe to call from several threads: a reader that is not lets one in at a time.
        """
        ...
