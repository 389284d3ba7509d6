"""The one entry point of inspection: bytes in, measurements out. The inspect worker and the command use it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

from schemas.errors import BadConfig, Poison
from schemas.events import CheckError, Inspection, Rendering, RenderRequest, TextRead
from workers.checks.decode import decode
from workers.checks.port import Check, Decoded, Findings, Subject, TextReader
from workers.checks.registry import CHECKS
from workers.checks.text import look

TEXT: Final = "text"
"""The check that gives reads instead of numbers."""


def inspect_asset(
    data: bytes,
    request: RenderRequest,
    rendering: Rendering,
    *,
    palette: Sequence[str],
    checks: Sequence[str],
    readers: Sequence[TextReader],
    opened: Mapping[str, Check] = CHECKS,
    files: Mapping[str, bytes] = MappingProxyType({}),
) -> Inspection:
    """Measures one asset; judges nothing.

    The bytes are decoded once. Where they do not decode, `bytes` says so and the other pixel checks
    are not measured: that is a finding and no error. Text is read before the checks measure, so that they can look
    at the letters. `palette` holds the brand's swatches as #rrggbb, `readers` look in their order, and a later one
    only where the former left doubt. `opened` are the checks that there are, `checks` the names of those in force,
    `files` the bytes of what came with the prompt, by sha256.
    Raises BadConfig for a check that does not exist.
    """
    started = time.perf_counter()
    for name in checks:
        if name not in opened and name != TEXT:
            raise BadConfig(f"there is no check {name!r}", mend=f"choose from {', '.join([*opened, TEXT])}")
    image = decode(data)
    reads: tuple[TextRead, ...] = ()
    if TEXT in checks and isinstance(image, Decoded):
        reads = look(image.pixels, request.text, readers)
    subject = Subject(
        data=data, image=image, request=request, rendering=rendering, palette=tuple(palette), reads=reads, files=files
    )
    found: list[Findings] = []
    errors: list[CheckError] = []
    for name in checks:
        if name == TEXT:
            continue
        try:
            found.append(opened[name].measure(subject))
        except Poison as e:
            errors.append(CheckError(check=name, message=str(e)[:2000]))
    return Inspection(
        measurements=tuple(m for f in found for m in f.measurements),
        reads=reads,
        errors=tuple(errors),
        elapsed_ms=(time.perf_counter() - started) * 1000,
        glyphs=tuple(g for f in found for g in f.glyphs),
        regions=tuple(r for f in found for r in f.regions),
        logos=tuple(m for f in found for m in f.logos),
        opinions=tuple(o for f in found for o in f.opinions),
        phash=next((f.phash for f in found if f.phash is not None), None),
        neighbour=next((f.neighbour for f in found if f.neighbour is not None), None),
    )
