"""Which text readers there are, and how each is opened."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import Final

from schemas.errors import BadConfig
from workers.checks.port import TextReader
from workers.checks.reader_easyocr import open_easyocr
from workers.checks.reader_rapidocr import open_rapidocr, open_rapidocr_640
from workers.checks.reader_views import View, ViewReader
from workers.checks.reader_vision import open_vision_reader
from workers.checks.text_models import TextModels
from workers.checks.view_curve import curve
from workers.checks.view_plane import plane
from workers.checks.views import contrast, padded, tiles, turned
from workers.checks.vision import Vision

VIEWS: Final[Mapping[str, View]] = {
    "rapidocr@curve": curve,
    "rapidocr@plane": plane,
    "rapidocr@turned": turned,
    "rapidocr@padded": padded,
    "rapidocr@contrast": contrast,
    "rapidocr@tiles": tiles,
}
"""Looks that read parts of a picture anew."""
READERS: Final = ("rapidocr", "rapidocr@640", *VIEWS, "easyocr", "vision")
"""Every reader there is."""


def open_readers(names: Sequence[str], threads: int = 1, vision: Vision | None = None) -> tuple[TextReader, ...]:
    """Readers in the order of their names, which is the order in which they look; loads their weights.

    `vision` is the endpoint of the settings. Raises BadConfig for a reader that does not exist, is not installed, or
    has no endpoint.
    """
    for name in names:
        if name not in READERS:
            raise BadConfig(f"there is no text reader {name!r}", mend=f"choose from {', '.join(READERS)}")
    shared = TextModels(threads) if any(n.startswith("rapidocr") for n in names) else None
    return tuple(open_vision_reader(vision) if name == "vision" else _open(name, shared, threads) for name in names)


def lacking(names: Sequence[str], *, vision: bool) -> Mapping[str, str]:
    """Readers that cannot be opened here, each with why; `vision` says whether an endpoint is set. Loads nothing."""
    why: dict[str, str] = {}
    for name in names:
        package = "easyocr" if name == "easyocr" else "rapidocr"
        if name not in READERS:
            why[name] = f"there is no text reader {name!r}"
        elif name == "vision":
            if not vision:
                why[name] = "the reader vision has no endpoint"
        elif find_spec(package) is None:
            why[name] = f"the reader {name} needs the package {package}"
    return why


def _open(name: str, shared: TextModels | None, threads: int) -> TextReader:
    if shared is None or name == "easyocr":
        return open_easyocr(threads)
    if name in VIEWS:
        return ViewReader(name, shared, VIEWS[name])
    return open_rapidocr(shared) if name == "rapidocr" else open_rapidocr_640(shared)
