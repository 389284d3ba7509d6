"""Who reads the text, and when a further look is worth its time."""

from __future__ import annotations

from collections.abc import Sequence

from schemas.events import TextContract, TextRead
from workers.checks.port import Pixels, TextReader


def look(pixels: Pixels, contract: TextContract, readers: Sequence[TextReader]) -> tuple[TextRead, ...]:
    """Reads in the order of the readers, up to the first that shows the contract to the letter."""
    return tuple(reader.read(pixels) for reader in readers)
