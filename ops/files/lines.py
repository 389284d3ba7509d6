"""Lines of JSON that name files to inspect, and what each must show."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, cast

from ops.files.inspection import JOB_SIDES, Wanted
from rules.tree import nearest
from schemas.errors import Poison
from schemas.events import Lane

FIELDS: Final = ("file", "expect", "lane", "brand", "prompt", "width", "height", "logos", "crops", "bleed_px")
MAX_LINE_CHARS: Final = 100_000


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
    lane = row.get("lane", default.lane.value)
    if lane not in tuple(Lane):
        raise Poison(f'"lane" must be {" or ".join(Lane)}')
    return Wanted(
        file=Path(file),
        expect=tuple(cast("list[str]", expect)),
        lane=Lane(lane),
        brand=_string(row, "brand", default.brand),
        width=_pixels(row, "width", default.width),
        height=_pixels(row, "height", default.height),
        logos=tuple(Path(logo) for logo in _strings(row, "logos", [str(p) for p in default.logos])),
        crops=_strings(row, "crops", default.crops),
        bleed_px=_bleed(row, default.bleed_px),
        prompt=_string(row, "prompt", default.prompt),
    )


def _string(row: Mapping[str, Any], name: str, default: str) -> str:
    value = row.get(name, default)
    if not isinstance(value, str):
        raise Poison(f'"{name}" must be a string')
    return value


def _strings(row: Mapping[str, Any], name: str, default: Sequence[str]) -> tuple[str, ...]:
    value: Any = row.get(name, default)
    if not isinstance(value, list | tuple) or not all(isinstance(v, str) for v in cast("list[Any]", value)):
        raise Poison(f'"{name}" must be a list of strings')
    return tuple(cast("list[str]", value))


def _bleed(row: Mapping[str, Any], default: int) -> int:
    value: Any = row.get("bleed_px", default)
    if not isinstance(value, int) or isinstance(value, bool):
        raise Poison('"bleed_px" must be a whole number of pixels')
    return value


def _pixels(row: Mapping[str, Any], name: str, default: int | None) -> int | None:
    value = row.get(name, default)
    low, high = JOB_SIDES
    if value is not None and (not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high):
        raise Poison(f'"{name}" must be a whole number of pixels from {low} to {high}')
    return value
