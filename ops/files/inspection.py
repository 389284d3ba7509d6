"""Inspects files that lie on disk: the checks and the verdict of the pipeline, with no broker and no job."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Final

from ops.files.credentials import credentials_of
from rules.composition import ratio_of
from rules.contract import text_contract
from rules.ruleset import Ruleset
from rules.sanity import examine
from rules.tree import nearest
from rules.verdict import judge
from schemas import ids
from schemas.errors import BadConfig, Poison
from schemas.events import (
    Asset,
    FileRef,
    FileRole,
    Inspection,
    Job,
    Judgement,
    Lane,
    Outcome,
    Preset,
    Rendering,
    RenderRequest,
    Risk,
    Rung,
    Sampling,
    Verdict,
)
from workers.checks.decode import MAX_BYTES, media_type_of
from workers.checks.measure import Given, Looks, inspect_assets
from workers.checks.port import Check, TextReader
from workers.checks.registry import CHECKS

JOB_SIDES: Final = (64, 8192)
"""Smallest and largest side that a job may ask for, pixels."""
BLEED_MOST: Final = 2048
"""Most pixels that may be trimmed at an edge."""
LISTED: Final = 16
"""Most logos, and most crops, of one file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """One file and what it must show.

    expect: Phrases in reading order; empty means that no text may appear, None that text is not judged.
    width, height: Size wanted, pixels; None takes the picture's own.
    logos: Files of logos that must be in the picture.
    crops: Ratios such as 4:5 that it will be cropped to. bleed_px: Pixels at every edge that may be trimmed.
    prompt: What it was made from: whether people, flat areas or a mark were asked for. Its quotes ask for no text here.
    """

    file: Path
    expect: tuple[str, ...] | None
    lane: Lane = Lane.CRITICAL
    brand: str = ""
    width: int | None = None
    height: int | None = None
    logos: tuple[Path, ...] = ()
    crops: tuple[str, ...] = ()
    bleed_px: int = 0
    prompt: str = ""

    def __post_init__(self) -> None:
        for crop in self.crops:
            if ratio_of(crop) is None:
                raise Poison(f'"{crop}" is no crop, want width:height such as "4:5", 1:20 to 20:1')
        if not 0 <= self.bleed_px <= BLEED_MOST:
            raise Poison(f"{self.bleed_px} pixels of bleed, want 0 to {BLEED_MOST}")
        if max(len(self.logos), len(self.crops)) > LISTED:
            raise Poison(f"at most {LISTED} logos and {LISTED} crops are taken for one file")


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspected:
    """What came of one file. `inspection` and `judgement` are None where it could not be read at all.

    `credentials` are its content credentials in short, None where it carries none.
    """

    wanted: Wanted
    inspection: Inspection | None
    judgement: Judgement | None
    credentials: Mapping[str, str] | None = None
    error: str = ""

    @property
    def verdict(self) -> Verdict:
        """A file that cannot be read is no asset that could pass."""
        return self.judgement.verdict if self.judgement else Verdict.REJECT


class FileInspector:
    """Inspects one file after another with the same ruleset and readers.

    `opened` are the checks that there are. `open_readers` is called once, for the first file that can be read: loading
    the models takes a second.
    """

    def __init__(
        self,
        ruleset: Ruleset,
        open_readers: Callable[[], Sequence[TextReader]],
        opened: Mapping[str, Check] = CHECKS,
    ) -> None:
        self._ruleset = ruleset
        self._opened = opened
        self._readers = cache(open_readers)

    def inspect(self, wanted: Wanted) -> Inspected:
        """Measures and judges one file.

        Raises BadConfig for a brand that does not exist, Poison for a wrong phrase or a logo that cannot be read.
        """
        if wanted.brand and wanted.brand not in self._ruleset.brands:
            raise BadConfig(f"there is no brand {wanted.brand!r}", mend=nearest(wanted.brand, self._ruleset.brands))
        try:
            if wanted.file.stat().st_size > MAX_BYTES:
                raise OSError(f"larger than {MAX_BYTES} bytes")
            data = wanted.file.read_bytes()
        except OSError as e:
            return Inspected(wanted=wanted, inspection=None, judgement=None, error=e.strerror or str(e))
        return self.inspect_bytes(wanted, data)

    def inspect_bytes(self, wanted: Wanted, data: bytes) -> Inspected:
        """Measures and judges bytes in place of those of `wanted.file`. Raises Poison for a wrong phrase."""
        logos = _logos(wanted.logos)
        request, rendering = _request(wanted, self._ruleset, tuple(logos)), _rendering(data)
        given = Given(
            data=data,
            request=request,
            rendering=rendering,
            palette=self._ruleset.palette(wanted.brand),
            files={ref.sha256: logo for ref, logo in logos.items()},
        )
        (inspection,) = inspect_assets(
            [given],
            Looks(
                checks=self._ruleset.checks,
                readers=self._readers(),
                opened=self._opened,
                thresholds=self._ruleset.thresholds,
            ),
        )
        request, rendering = _sized(request, rendering, wanted, inspection)
        judgement = judge(inspection, rendering, request, self._ruleset)
        return Inspected(wanted=wanted, inspection=inspection, judgement=judgement, credentials=credentials_of(data))


def _logos(paths: Sequence[Path]) -> dict[FileRef, bytes]:
    """The logo files as they would travel with a prompt. Raises Poison for one that cannot be read."""
    out: dict[FileRef, bytes] = {}
    for path in paths:
        try:
            data = path.read_bytes()
        except OSError as e:
            raise Poison(f"the logo {path} cannot be read: {e.strerror or e}") from e
        media_type = media_type_of(data)
        if media_type is None or not 0 < len(data) <= MAX_BYTES:
            raise Poison(f"the logo {path} is no picture of at most {MAX_BYTES} bytes; want PNG, JPEG or WebP")
        ref = FileRef(
            role=FileRole.LOGO,
            name=path.name[-255:],
            sha256=hashlib.sha256(data).hexdigest(),
            media_type=media_type,
            size_bytes=len(data),
        )
        out[ref] = data
    return out


def _request(wanted: Wanted, ruleset: Ruleset, files: tuple[FileRef, ...]) -> RenderRequest:
    """The attempt that would have made this file: its contract, lane, brand, size and tags matter to checks."""
    key = f"inspect {wanted.file}"[:255]
    job = Job(
        job_id=ids.job_id(key),
        idempotency_key=key,
        prompt=wanted.prompt,
        brand=wanted.brand,
        lane=wanted.lane,
        required_text=wanted.expect or (),
        crops=wanted.crops,
        bleed_px=wanted.bleed_px,
        files=files,
        seed=0,
        submitted_at_ms=time.time_ns() // 1_000_000,
    )
    brand = ruleset.brands.get(wanted.brand)
    contract = text_contract(job, (), brand, wanted.lane, other_text_allowed=wanted.expect is None)
    tags = examine(job, ruleset, wanted.lane).tags if wanted.prompt else ()
    return RenderRequest(
        job=job,
        attempt=0,
        rung=Rung.FIRST,
        engine="file",
        lane=wanted.lane,
        prompt=wanted.prompt,
        sampling=Sampling(preset=Preset.STANDARD, scheduler="none", steps=1, guidance=0.0, seed=0),
        text=contract,
        tags=tags,
        risk=Risk.LOW,
        rule="inspect",
        ruleset_id=ruleset.id,
        cost_spent_usd=0.0,
    )


def _rendering(data: bytes) -> Rendering:
    """Nobody declared anything: the declared type is what the first bytes say, a file's name is no promise."""
    digest = hashlib.sha256(data).hexdigest()
    declared = media_type_of(data) or "application/octet-stream"
    return Rendering(
        outcome=Outcome.RENDERED,
        asset=Asset(sha256=digest, media_type=declared, size_bytes=len(data), width=0, height=0),
        manifest_sha256=digest,
        backend="file",
        model_digest="",
        device="",
        engine_ms=0.0,
        batch_size=1,
        cost_usd=0.0,
    )


def _sized(
    request: RenderRequest, rendering: Rendering, wanted: Wanted, inspection: Inspection
) -> tuple[RenderRequest, Rendering]:
    """The size wanted, or the picture's own as far as a job may ask for it."""
    seen = {m.name: int(m.value) for m in inspection.measurements if m.check == "size"}
    low, high = JOB_SIDES
    width = wanted.width or min(high, max(low, seen.get("width_px", low)))
    height = wanted.height or min(high, max(low, seen.get("height_px", low)))
    asset = rendering.asset
    if asset is not None:
        asset = replace(asset, width=seen.get("width_px", 0), height=seen.get("height_px", 0))
    return replace(request, job=replace(request.job, width=width, height=height)), replace(rendering, asset=asset)
