"""Inspects files that lie on disk: the checks and the verdict of the pipeline, with no broker and no job."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Final, cast

from ops.file_credentials import credentials_of
from rules.contract import text_contract
from rules.ruleset import Ruleset
from rules.tree import nearest
from rules.verdict import judge
from schemas import ids
from schemas.errors import BadConfig, Poison
from schemas.events import (
    Asset,
    Defect,
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
from workers.checks.measure import inspect_asset
from workers.checks.port import TextReader

FIELDS: Final = ("file", "expect", "lane", "brand", "width", "height")
MAX_LINE_CHARS: Final = 100_000
JOB_SIDES: Final = (64, 8192)
"""Smallest and largest side that a job may ask for, pixels."""
NOT_JUDGED: Final = "no text was expected or forbidden: text is read and not judged"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """One file and what it must show.

    expect: Phrases in reading order; empty means that no text may appear, None that text is not judged.
    width, height: Size wanted, pixels; None takes the picture's own.
    """

    file: Path
    expect: tuple[str, ...] | None
    lane: Lane = Lane.CRITICAL
    brand: str = ""
    width: int | None = None
    height: int | None = None


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


def parse_lines(lines: Iterable[str], default: Wanted) -> Iterator[Wanted]:
    """One Wanted for each JSON line that is not blank. Raises Poison naming the line, its fault and the mend."""
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            yield _parse(line, default)
        except Poison as e:
            raise Poison(f"line {number}: {e}") from e


def _parse(line: str, default: Wanted) -> Wanted:
    if len(line) > MAX_LINE_CHARS:
        raise Poison(f"has {len(line)} characters, at most {MAX_LINE_CHARS} are read")
    try:
        data: Any = json.loads(line)
    except ValueError as e:
        raise Poison(f'is no JSON ({e}); write {{"file": "poster.png", "expect": ["TEXT"]}}') from e
    if not isinstance(data, dict):
        raise Poison('is no object; write {"file": "poster.png", "expect": ["TEXT"]}')
    row = cast("dict[str, Any]", data)
    for name in row:
        if name not in FIELDS:
            raise Poison(f"has the unknown field {name!r}; {nearest(name, FIELDS)}")
    file, expect = row.get("file"), row.get("expect", [])
    if not isinstance(file, str) or not file:
        raise Poison('has no "file"')
    if not isinstance(expect, list) or not all(isinstance(t, str) for t in cast("list[Any]", expect)):
        raise Poison('"expect" must be a list of strings; an empty one means that no text may appear')
    lane, brand = row.get("lane", default.lane.value), row.get("brand", default.brand)
    if lane not in tuple(Lane) or not isinstance(brand, str):
        raise Poison(f'"lane" must be {" or ".join(Lane)} and "brand" a string')
    return Wanted(
        file=Path(file),
        expect=tuple(cast("list[str]", expect)),
        lane=Lane(lane),
        brand=brand,
        width=_pixels(row, "width", default.width),
        height=_pixels(row, "height", default.height),
    )


def _pixels(row: Mapping[str, Any], name: str, default: int | None) -> int | None:
    value = row.get(name, default)
    low, high = JOB_SIDES
    if value is not None and (not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high):
        raise Poison(f'"{name}" must be a whole number of pixels from {low} to {high}')
    return value


class FileInspector:
    """Inspects one file after another with the same ruleset and readers.

    `open_readers` is called once, for the first file that can be read: loading the models takes a second.
    """

    def __init__(self, ruleset: Ruleset, open_readers: Callable[[], Sequence[TextReader]]) -> None:
        self._ruleset = ruleset
        self._readers = cache(open_readers)

    def inspect(self, wanted: Wanted) -> Inspected:
        """Measures and judges one file. Raises BadConfig for a brand that does not exist, Poison for a wrong phrase."""
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
        request, rendering = _request(wanted, self._ruleset), _rendering(data)
        inspection = inspect_asset(
            data,
            request,
            rendering,
            palette=self._ruleset.palette(wanted.brand),
            checks=self._ruleset.checks,
            readers=self._readers(),
        )
        request, rendering = _sized(request, rendering, wanted, inspection)
        judgement = judge(inspection, rendering, request, self._ruleset)
        return Inspected(wanted=wanted, inspection=inspection, judgement=judgement, credentials=credentials_of(data))


def _request(wanted: Wanted, ruleset: Ruleset) -> RenderRequest:
    """The attempt that would have made this file: only its contract, lane, brand and size matter to checks."""
    key = f"inspect {wanted.file}"[:255]
    job = Job(
        job_id=ids.job_id(key),
        idempotency_key=key,
        prompt="",
        brand=wanted.brand,
        lane=wanted.lane,
        required_text=wanted.expect or (),
        seed=0,
        submitted_at_ms=time.time_ns() // 1_000_000,
    )
    brand = ruleset.brands.get(wanted.brand)
    contract = text_contract(job, (), brand, wanted.lane, other_text_allowed=wanted.expect is None)
    return RenderRequest(
        job=job,
        attempt=0,
        rung=Rung.FIRST,
        engine="file",
        lane=wanted.lane,
        prompt="",
        sampling=Sampling(preset=Preset.STANDARD, scheduler="none", steps=1, guidance=0.0, seed=0),
        text=contract,
        tags=(),
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


def report(result: Inspected, checks: Sequence[str]) -> dict[str, Any]:
    """One file as a plain object: verdict, and for every check its verdict, score, numbers and evidence.

    A check's verdict is None where nothing was measured.
    """
    out: dict[str, Any] = {"file": str(result.wanted.file), "verdict": result.verdict.value}
    if result.inspection is None or result.judgement is None:
        return out | {"error": result.error, "reasons": [f"The file cannot be read: {result.error}."], "checks": {}}
    inspection, judgement = result.inspection, result.judgement
    names = dict.fromkeys([*checks, *(d.check for d in judgement.defects), *(e.check for e in inspection.errors)])
    out["reasons"] = list(judgement.reasons)
    if result.wanted.expect is None:
        out["reasons"].append(NOT_JUDGED)
    out["checks"] = {name: _check(name, inspection, judgement) for name in names}
    out["scores"] = dict(judgement.scores)
    out["credentials"] = None if result.credentials is None else dict(result.credentials)
    out["elapsed_ms"] = round(inspection.elapsed_ms, 1)
    out["ruleset_id"] = judgement.ruleset_id
    return out


def _check(name: str, inspection: Inspection, judgement: Judgement) -> dict[str, Any]:
    defects = [d for d in judgement.defects if d.check == name]
    errors = [e.message for e in inspection.errors if e.check == name]
    out: dict[str, Any] = {
        "verdict": None,
        "score": judgement.scores.get(name),
        "evidence": [d.evidence for d in defects] + errors,
        "defects": [d.mode for d in defects],
        "numbers": {m.name: round(m.value, 4) for m in inspection.measurements if m.check == name},
    }
    if name == "text":
        out["reads"] = [
            {
                "reader": read.reader,
                "elapsed_ms": round(read.elapsed_ms, 1),
                "words": [
                    {"text": w.text, "confidence": round(w.confidence, 4), "box": [round(v, 1) for v in w.box]}
                    for w in read.words
                ],
            }
            for read in inspection.reads
        ]
    # What was not measured (a picture's checks on bytes that do not decode) has no verdict, and says so by null.
    if defects or errors or out["numbers"] or out.get("reads"):
        out["verdict"] = _check_verdict(defects, errors).value
    return out


def _check_verdict(defects: Sequence[Defect], errors: Sequence[str]) -> Verdict:
    if any(d.certain for d in defects):
        return Verdict.REJECT
    return Verdict.REVIEW if defects or errors else Verdict.ACCEPT
