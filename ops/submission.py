"""Job lines to prompt events: every line is parsed before the first one is sent."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final, TypeVar, cast

from ops.job_files import JobFile, check_together, read_file
from rules.composition import framing_reasons, ratio_of
from rules.files import UPSCALES
from schemas import ids
from schemas.errors import Poison
from schemas.events import FileRef, ImageFormat, Job, Lane, PromptSubmitted
from store.artifacts import ArtifactStore

MAX_LINE_CHARS: Final = 200_000
DEFAULT_SIZE: Final = 1024
FIELDS: Final = (
    "prompt", "idempotency_key", "campaign", "brand", "lane", "required_text", "negative_prompt",
    "width", "height", "upscale", "format", "crops", "bleed_px", "seed", "engine", "files",
)  # fmt: skip
SHAPES: Final[Mapping[str, tuple[type, str]]] = {
    "prompt": (str, "a string"),
    "idempotency_key": (str, "a string"),
    "campaign": (str, "a string"),
    "brand": (str, "a string"),
    "lane": (str, "critical or exploratory"),
    "required_text": (list, "a list of strings"),
    "negative_prompt": (str, "a string"),
    "width": (int, "a whole number of pixels"),
    "height": (int, "a whole number of pixels"),
    "upscale": (int, "1, 2 or 4"),
    "format": (str, "png, jpeg or webp"),
    "crops": (list, 'a list of ratios, such as ["4:5", "1.91:1"]'),
    "bleed_px": (int, "a whole number of pixels"),
    "seed": (int, "a whole number"),
    "engine": (str, "the id of an engine profile"),
    "files": (list, 'a list of {"role": …, "path": …}'),
}

Named = TypeVar("Named", Lane, ImageFormat)


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """One parsed line: the job without its uploaded files, and the files still on disk."""

    place: str
    job: Job
    files: tuple[JobFile, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What is wrong with one line, where, and the mend."""

    place: str
    message: str


def parse_lines(lines: Iterable[str], *, source: str, folder: Path, now_ms: int) -> Iterator[Draft | Fault]:
    """Drafts and faults in line order; blank lines are passed over.

    `source` names the file in messages, `folder` is where relative file paths start, `now_ms` is the time of
    submission in milliseconds since 1970 UTC.
    """
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        place = f"{source}:{number}"
        try:
            yield _parse(line, place, folder, now_ms)
        except Poison as e:
            yield Fault(place=place, message=str(e))


def _parse(line: str, place: str, folder: Path, now_ms: int) -> Draft:
    if len(line) > MAX_LINE_CHARS:
        raise Poison(f"the line has {len(line)} characters, at most {MAX_LINE_CHARS} are read")
    try:
        raw: object = json.loads(line)
    except json.JSONDecodeError as e:
        raise Poison(f"not JSON at column {e.colno}: {e.msg}; put one JSON object on each line") from None
    if not isinstance(raw, dict):
        raise Poison('want a JSON object, for example {"prompt": "a red tent"}')
    fields = cast("dict[str, Any]", raw)
    for name, value in fields.items():
        _check_field(name, value)
    if "prompt" not in fields:
        raise Poison('"prompt" is missing')
    key = fields.get("idempotency_key") or f"submit/{uuid.uuid4()}"
    job_id = ids.job_id(key)
    job = Job(
        job_id=job_id,
        idempotency_key=key,
        prompt=fields["prompt"],
        negative_prompt=fields.get("negative_prompt", ""),
        campaign=fields.get("campaign", ""),
        brand=fields.get("brand", ""),
        lane=_named("lane", fields.get("lane", Lane.EXPLORATORY.value), Lane),
        required_text=tuple(fields.get("required_text", ())),
        width=fields.get("width", DEFAULT_SIZE),
        height=fields.get("height", DEFAULT_SIZE),
        upscale=_upscale(fields.get("upscale", 1)),
        format=_named("format", fields.get("format", ImageFormat.PNG.value), ImageFormat),
        crops=tuple(_crop(c) for c in fields.get("crops", ())),
        bleed_px=fields.get("bleed_px", 0),
        # Where none is given the seed follows from the job, so that the same key draws the same picture.
        seed=fields.get("seed", uuid.UUID(job_id).int % 2**31),
        engine=fields.get("engine"),
        submitted_at_ms=now_ms,
    )
    if reasons := list(framing_reasons(job)):
        raise Poison(" ".join(reasons))
    files = tuple(read_file(entry, folder) for entry in fields.get("files", ()))
    check_together(files, (job.width, job.height))
    return Draft(place=place, job=job, files=files)


def _check_field(name: str, value: object) -> None:
    if name not in SHAPES:
        near = get_close_matches(name, FIELDS, 1)
        raise Poison(
            f'"{name}" is not a field'
            + (f', did you mean "{near[0]}"?' if near else f"; known are {', '.join(FIELDS)}")
        )
    kind, want = SHAPES[name]
    if not isinstance(value, kind) or isinstance(value, bool):
        raise Poison(f'"{name}" is {json.dumps(value)[:80]}, want {want}')
    if name == "required_text" and not all(isinstance(v, str) and v.strip() for v in cast("list[object]", value)):
        raise Poison('"required_text" holds something that is not text, want a list of strings')


def _named(field: str, name: str, names: type[Named]) -> Named:
    try:
        return names(name)
    except ValueError:
        raise Poison(f'"{field}" is "{name}", want {" or ".join(names)}') from None


def _crop(ratio: object) -> str:
    if not isinstance(ratio, str) or ratio_of(ratio) is None:
        raise Poison(f'"crops" holds {json.dumps(ratio)[:80]}, want width:height such as "4:5", 1:20 to 20:1')
    return ratio


def _upscale(times: int) -> int:
    if times not in UPSCALES:
        raise Poison(f'"upscale" is {times}, want {" or ".join(map(str, UPSCALES))}')
    return times


def upload(draft: Draft, store: ArtifactStore) -> Job:
    """Put a draft's files into the store and return its job with their references. Raises Transient."""
    refs: list[FileRef] = []
    for file in draft.files:
        data = file.path.read_bytes()
        refs.append(
            FileRef(
                role=file.role,
                name=file.path.name,
                sha256=store.put(data),
                media_type=file.media_type,
                size_bytes=len(data),
            )
        )
    return replace(draft.job, files=tuple(refs))


def submitted(job: Job) -> PromptSubmitted:
    """The event that carries a job; the same job gives the same event id."""
    return PromptSubmitted(event_id=ids.event_id(job.job_id, "submit"), job=job)
