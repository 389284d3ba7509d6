"""The topic catalogue: `topics.toml` as frozen values, with its names in one place."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from functools import cache
from pathlib import Path
from typing import Any, Final, cast

from schemas import avro_files as files
from schemas.errors import BadConfig
from schemas.events import Lane

PROMPTS: Final = "prompts"
PROMPTS_REFUSED: Final = "prompts.refused"
PROMPTS_SEEN: Final = "prompts.seen"
IMAGES_GENERATED: Final = "images.generated"
IMAGES_INSPECTED: Final = "images.inspected"
DESIGN_QUEUE: Final = "design-queue"
REPLAY: Final = "replay"
REVIEW: Final = "review"
HELD: Final = "held"
REPLAY_REQUESTS: Final = "replay.requests"
TOUCH_UPS: Final = "touch-ups"
LOOKS: Final = "looks"
LABELS: Final = "labels"
RULESETS: Final = "rulesets"
ROLLOUTS: Final = "rollouts"
HOLDS: Final = "holds"
REPLAYS: Final = "replays"
RECOVERIES: Final = "recoveries"
SHARES: Final = "shares"
DEAD_LETTERS: Final = "dead-letters"
PROGRESS: Final = "progress"
RENDER_PATTERN: Final = "render.{engine}.{lane}"

TERMINAL_TOPICS: Final = (DESIGN_QUEUE, PROMPTS_REFUSED, REVIEW, HELD)
"""Topics whose record ends a job's way through the pipeline (a release or a replay may start another)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """One row of the catalogue. `retention_hours` is -1 where records are kept for good."""

    name: str
    doc: str
    records: tuple[str, ...]
    key: str
    partitions: int
    retention_hours: int
    compacted: bool
    written_by: tuple[str, ...]
    read_by: tuple[str, ...]


def render_topic(engine: str, lane: Lane) -> str:
    """Topic on which attempts for an engine travel in a lane."""
    return RENDER_PATTERN.format(engine=engine, lane=lane.value)


@cache
def catalogue() -> tuple[Topic, ...]:
    """Every row, in file order. Raises BadConfig where a row is not one."""
    return read_catalogue(files.HERE / "topics.toml")


def read_catalogue(path: Path) -> tuple[Topic, ...]:
    """The rows of a catalogue file. Raises BadConfig where it is not TOML or a row is not one."""
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as e:
        raise BadConfig(str(e), file=str(path)) from e
    return tuple(_topic(name, cast("dict[str, Any]", row), str(path)) for name, row in raw["topics"].items())


def _topic(name: str, row: dict[str, Any], file: str) -> Topic:
    if unknown := [r for r in row.get("records", ()) if r not in files.record_names()]:
        raise BadConfig(f"topic {name} carries {unknown}, which no Avro file describes", file=file)
    values: dict[str, Any] = {"name": name, "compacted": False, **row}
    wanted = {f.name for f in fields(Topic)}
    for field in sorted(values.keys() ^ wanted):
        raise BadConfig(f"topic {name} {'lacks' if field in wanted else 'has'} {field!r}", file=file)
    for field in ("records", "written_by", "read_by"):
        values[field] = tuple(values[field])
    return Topic(**values)


def topics_for(engines: Iterable[str]) -> tuple[Topic, ...]:
    """Every topic there is for a set of engines: the pattern row unfolded by engine and lane."""
    out: list[Topic] = []
    engines = sorted(engines)
    for row in catalogue():
        if row.name == RENDER_PATTERN:
            out += [replace(row, name=render_topic(e, lane)) for e in engines for lane in Lane]
        else:
            out.append(row)
    return tuple(out)
