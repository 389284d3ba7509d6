"""The ports of inspection: checks that measure, and readers that read text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from schemas.events import Measurement, RenderRequest, TextRead

Pixels = npt.NDArray[np.uint8]
"""RGB, shape (height, width, 3)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """One asset under inspection. `pixels` is None where the bytes do not decode."""

    data: bytes
    pixels: Pixels | None
    request: RenderRequest
    palette: tuple[str, ...] = ()
    """Brand swatches as #rrggbb; empty where the brand has none."""


class Check(Protocol):
    """Measures one thing; judges nothing."""

    @property
    def name(self) -> str:
        """Name in the failure-mode catalogue."""
        ...

    def measure(self, subject: Subject) -> Sequence[Measurement]:
        """The numbers. Raises Poison where this asset cannot be measured."""
        ...


class TextReader(Protocol):
    """Reads text; `tests/contract/test_readers.py` runs on each reader."""

    @property
    def name(self) -> str:
        """Reader name, for example rapidocr."""
        ...

    def read(self, pixels: Pixels) -> TextRead:
        """Lines in reading order with boxes in pixels of the given image."""
        ...
