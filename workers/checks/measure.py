"""The one entry point of inspection: bytes in, measurements out. The inspect worker and the command use it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from broker.logs import about_job
from rules.text import shows
from rules.text_verdict import is_sure
from rules.thresholds import Thresholds
from schemas.errors import BadConfig, Poison
from schemas.events import CheckError, Inspection, Rendering, RenderRequest, TextLikelihood, TextRead
from workers.checks.decode import decode
from workers.checks.port import Broken, Check, Decoded, Findings, Subject, TextReader, Weighs
from workers.checks.registry import CHECKS
from workers.checks.text import Asked, look

TEXT: Final = "text"
"""The check that gives reads instead of numbers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """One asset to be inspected. `palette` holds the brand's swatches as #rrggbb, `files` what came with the prompt."""

    data: bytes
    request: RenderRequest
    rendering: Rendering
    palette: Sequence[str] = ()
    files: Mapping[str, bytes] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True, kw_only=True)
class Looks:
    """How assets are looked at.

    checks: Names of the checks in force; `opened` are those that there are.
    readers: They look in their order, a later one only where the former left doubt.
    thresholds: By them doubt is told; None takes a first look that shows the text to the letter as sure.
    threads: How many assets are measured at once; their text is read together before.
    """

    checks: Sequence[str]
    readers: Sequence[TextReader]
    opened: Mapping[str, Check] = field(default_factory=lambda: CHECKS)
    thresholds: Thresholds | None = None
    threads: int = 1


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
    """Measures one asset by looks without thresholds; see `inspect_assets`."""
    asset = Given(data=data, request=request, rendering=rendering, palette=palette, files=files)
    looks = Looks(checks=checks, readers=readers, opened=opened)
    return inspect_assets([asset], looks)[0]


def inspect_assets(assets: Sequence[Given], looks: Looks) -> list[Inspection]:
    """Measures assets together; judges nothing. What is found in one does not depend on the others.

    The bytes of each are decoded once. Where they do not decode, `bytes` says so and the other pixel checks
    are not measured: that is a finding and no error. Text is read before the checks measure, so that they can look
    at the letters. Raises BadConfig for a check that does not exist.
    """
    for name in looks.checks:
        if name not in looks.opened and name != TEXT:
            raise BadConfig(f"there is no check {name!r}", mend=f"choose from {', '.join([*looks.opened, TEXT])}")
    with ThreadPoolExecutor(max(1, min(looks.threads, len(assets)))) as pool:
        decoded = list(pool.map(_decoded, assets))
        started = time.perf_counter()
        read = _read([(a, image) for a, (image, _) in zip(assets, decoded, strict=True)], looks)
        each_ms = (time.perf_counter() - started) * 1000 / max(1, len(assets))
        running = [
            pool.submit(_measured, asset, image, text, looks, spent_ms + each_ms)
            for asset, (image, spent_ms), text in zip(assets, decoded, read, strict=True)
        ]
        return [r.result() for r in running]


def _decoded(asset: Given) -> tuple[Decoded | Broken, float]:
    """The image, and the milliseconds that it took."""
    started = time.perf_counter()
    return decode(asset.data), (time.perf_counter() - started) * 1000


@dataclass(frozen=True, slots=True)
class _Text:
    """What was read in one asset."""

    reads: tuple[TextRead, ...] = ()
    likelihoods: tuple[TextLikelihood, ...] = ()
    errors: tuple[CheckError, ...] = ()


def _read(images: Sequence[tuple[Given, Decoded | Broken]], looks: Looks) -> list[_Text]:
    if TEXT not in looks.checks:
        return [_Text() for _ in images]
    whole = [(a, image.pixels) for a, image in images if isinstance(image, Decoded)]
    asked = [Asked(pixels=p, contract=a.request.text, sure=_sure(a.request, looks, p.shape[0])) for a, p in whole]
    found = iter(
        [
            _Text(
                looked.reads,
                _likelihoods(one, looked.reads, looks.readers),
                tuple(CheckError(check=TEXT, message=why[:2000]) for why in looked.errors),
            )
            for one, looked in zip(asked, look(asked, looks.readers), strict=True)
        ]
    )
    return [next(found) if isinstance(image, Decoded) else _Text() for _, image in images]


def _sure(request: RenderRequest, looks: Looks, height_px: int) -> Callable[[Sequence[TextRead]], bool]:
    if looks.thresholds is None:
        return lambda reads: shows(request.text, reads[-1])
    thresholds = looks.thresholds
    return lambda reads: is_sure(reads, request, thresholds, height_px)


def _likelihoods(asked: Asked, reads: Sequence[TextRead], readers: Sequence[TextReader]) -> tuple[TextLikelihood, ...]:
    """By the first reader that can tell."""
    weigh = next((r for r in readers if isinstance(r, Weighs)), None)
    return () if weigh is None else weigh.likelihoods(asked.pixels, asked.contract, reads)


def _measured(given: Given, image: Decoded | Broken, text: _Text, looks: Looks, spent_ms: float) -> Inspection:
    started = time.perf_counter()
    subject = Subject(
        data=given.data,
        image=image,
        request=given.request,
        rendering=given.rendering,
        palette=tuple(given.palette),
        reads=text.reads,
        files=given.files,
    )
    found: list[Findings] = []
    errors = [*text.errors]
    # The checks' own lines carry the job too.
    with about_job(given.request.job.job_id):
        for name in looks.checks:
            if name == TEXT:
                continue
            try:
                found.append(looks.opened[name].measure(subject))
            except Poison as e:
                errors.append(CheckError(check=name, message=str(e)[:2000]))
    return Inspection(
        measurements=tuple(m for f in found for m in f.measurements),
        reads=text.reads,
        likelihoods=text.likelihoods,
        errors=tuple(errors),
        elapsed_ms=spent_ms + (time.perf_counter() - started) * 1000,
        glyphs=tuple(g for f in found for g in f.glyphs),
        regions=tuple(r for f in found for r in f.regions),
        logos=tuple(m for f in found for m in f.logos),
        opinions=tuple(o for f in found for o in f.opinions),
        phash=next((f.phash for f in found if f.phash is not None), None),
        neighbour=next((f.neighbour for f in found if f.neighbour is not None), None),
    )
