"""Which text readers there are, and how each is opened."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from schemas.errors import BadConfig
from workers.checks.port import TextReader
from workers.checks.reader_easyocr import open_easyocr
from workers.checks.reader_rapidocr import open_rapidocr, open_rapidocr_640
from workers.checks.text_models import TextModels

READERS: Final = ("rapidocr", "rapidocr@640", "easyocr")
"""Every reader there is."""


def open_readers(names: Sequence[str], threads: int = 1) -> tuple[TextReader, ...]:
    """Readers in the order of their names, which is the order in which they look; loads their weights.

    Raises BadConfig for a reader that does not exist or is not installed.
    """
    for name in names:
        if name not in READERS:
            raise BadConfig(f"there is no text reader {name!r}", mend=f"choose from {', '.join(READERS)}")
    shared = TextModels(threads) if any(n.startswith("rapidocr") for n in names) else None
    return tuple(_open(name, shared, threads) for name in names)


def _open(name: str, shared: TextModels | None, threads: int) -> TextReader:
    if shared is None or name == "easyocr":
        return open_easyocr(threads)
    return open_rapidocr(shared) if name == "rapidocr" else open_rapidocr_640(shared)
