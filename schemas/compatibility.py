"""What may change in a schema: data and readers of every earlier version must bear the new one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final, cast

from avro.compatibility import ReaderWriterCompatibilityChecker, SchemaCompatibilityType
from avro.schema import parse

UPPER: Final = ("max", "max_length", "max_items")
LOWER: Final = ("min", "min_length", "min_items")


def unreadable(reader: str, writer: str) -> list[str]:
    """What stops a reader with one schema (JSON) from reading data of another; empty where nothing does."""
    found = ReaderWriterCompatibilityChecker().get_compatibility(parse(reader), parse(writer))
    if found.compatibility is SchemaCompatibilityType.compatible:
        return []
    why = ", ".join(sorted({kind.value.replace("_", " ") for kind in found.incompatibilities}))
    return [f"{why}: {', '.join(sorted(found.messages))} (at {', '.join(sorted(found.locations))})"]


def broken(new: str, old: str) -> list[str]:
    """What stops a schema (JSON) from following an older one, in words; empty where it may."""
    return [
        *(f"new code cannot read old data: {x}" for x in unreadable(new, old)),
        *(f"old readers cannot read new data: {x}" for x in unreadable(old, new)),
        *(f"new code refuses old data: {x}" for x in tightened(new, old)),
    ]


def tightened(new: str, old: str) -> list[str]:
    """Bounds that grew narrower, so that values once written would be refused now."""
    before = dict(_fields(json.loads(old)))
    return [
        f"{name} has {bound} {field[bound]!r}, it was {before[name].get(bound, 'open')!r}"
        for name, field in _fields(json.loads(new))
        if name in before
        for bound in (*UPPER, *LOWER, "pattern")
        if bound in field and _narrower(bound, field[bound], before[name].get(bound))
    ]


def _narrower(bound: str, now: Any, then: Any) -> bool:
    if then is None:
        return True
    if bound == "pattern":
        return now != then  # whether one pattern covers another is not decided here
    return now < then if bound in UPPER else now > then


def _fields(schema: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every field in a schema with the parts in it, as (Record.field, the field)."""
    if isinstance(schema, list):
        for branch in cast("list[Any]", schema):
            yield from _fields(branch)
    elif isinstance(schema, dict):
        node = cast("dict[str, Any]", schema)
        yield from _fields(node.get("items", node.get("values")))
        for field in cast("list[dict[str, Any]]", node.get("fields", [])):
            yield f"{node['name']}.{field['name']}", field
            yield from _fields(field["type"])
