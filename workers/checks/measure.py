"""The one entry point of inspection: bytes in, measurements out. The inspect worker and the command use it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Final

from schemas.errors import BadConfig, Poison
from schemas.events import CheckError, Inspection, Measurement, Rendering, RenderRequest, TextRead
from workers.checks.aesthetic import AestheticCheck
from workers.checks.decode import decode
from workers.checks.file import BytesCheck, LatentsCheck, SizeCheck
from workers.checks.palette import PaletteCheck
from workers.checks.pixels import BlankCheck, NoiseCheck
from workers.checks.port import Check, Decoded, Subject, TextReader
from workers.checks.text import look

CHECKS: Final[Mapping[str, Check]] = {
    check.name: check
    for check in (
        BytesCheck(),
        SizeCheck(),
        LatentsCheck(),
        BlankCheck(),
        NoiseCheck(),
        PaletteCheck(),
        AestheticCheck(),
    )
}
"""Every check that gives numbers, by its name in the failure-mode catalogue."""
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
) -> Inspection:
    """Measures one asset; judges nothing.

    The bytes are decoded once. Where they do not decode, `bytes` says so and the other pixel checks
    are not measured: that is a finding and no error. `palette` holds the brand's swatches as #rrggbb,
    `readers` look in their order, and a later one only where the former left doubt.
    Raises BadConfig for a check that does not exist.
    """
    started = time.perf_counter()
    for name in checks:
        if name not in CHECKS and name != TEXT:
            raise BadConfig(f"there is no check {name!r}", mend=f"choose from {', '.join([*CHECKS, TEXT])}")
    image = decode(data)
    subject = Subject(data=data, image=image, request=request, rendering=rendering, palette=tuple(palette))
    measurements: list[Measurement] = []
    errors: list[CheckError] = []
    for name in checks:
        if name == TEXT:
            continue
        try:
            measurements += CHECKS[name].measure(subject)
        except Poison as e:
            errors.append(CheckError(check=name, message=str(e)[:2000]))
    reads: tuple[TextRead, ...] = ()
    if TEXT in checks and isinstance(image, Decoded):
        reads = look(image.pixels, request.text, readers)
    return Inspection(
        measurements=tuple(measurements),
        reads=reads,
        errors=tuple(errors),
        elapsed_ms=(time.perf_counter() - started) * 1000,
    )
