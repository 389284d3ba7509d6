"""Who reads the text, and when a further look is worth its time."""

from __future__ import annotations

from collections.abc import Sequence

from rules.text import shows
from schemas.events import TextContract, TextRead
from workers.checks.port import Pixels, Scene, TextReader


def look(pixels: Pixels, contract: TextContract, readers: Sequence[TextReader]) -> tuple[TextRead, ...]:
    """Reads in the order of the readers, up to the first that shows the contract to the letter.

    A later look costs as much as the first and could only add doubt to what is sure. What the contract
    does not settle is read by every reader, and the ruleset judges the reads together.
    """
    reads: list[TextRead] = []
    for reader in readers:
        reads += reader.read([Scene(pixels=pixels, reads=tuple(reads))])
        if shows(contract, reads[-1]):
            break
    return tuple(reads)
