"""Any record survives the wire; any bytes give an event or an error of the tree, never anything else."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import UnionType
from typing import Any, cast, get_args, get_origin, get_type_hints

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import avro_files as files
from schemas import golden_messages as golden
from schemas.codec import HEADER, MAGIC, Codec, LockedIds, event_class
from schemas.errors import Poison
from schemas.events import Event
from schemas.generate import BOUNDS

CODEC = Codec(LockedIds())
LONG = 20
"""Longest text or list drawn: what a length does is tested at the bounds, not by megabytes."""

Strategy = st.SearchStrategy[Any]


def text_of(field: Mapping[str, Any]) -> Strategy:
    if "pattern" in field:
        return st.from_regex(str(field["pattern"]), fullmatch=True)
    low = field.get("min_length", 0)
    return st.text(min_size=low, max_size=min(max(low, LONG), field.get("max_length", LONG)))


def number_of(kind: str, field: Mapping[str, Any]) -> Strategy:
    low, high = BOUNDS[kind]
    low, high = field.get("min", low), field.get("max", high)
    if kind == "double":
        return st.floats(low, high, allow_nan=False, allow_infinity=False)
    return st.integers(int(low), int(high))


def value_of(schema: Any, hint: Any, field: Mapping[str, Any]) -> Strategy:
    """Values of an Avro schema with its bounds, as the annotated Python type."""
    if isinstance(schema, list):
        inner = next(s for s in cast("list[Any]", schema) if s != "null")
        return st.none() | value_of(inner, next(a for a in get_args(hint) if a is not type(None)), field)
    if isinstance(schema, dict):
        node = cast("dict[str, Any]", schema)
        if node["type"] == "map":
            return st.dictionaries(st.text(max_size=LONG), number_of(node["values"], {}), max_size=3)
        low = field.get("min_items", 0)
        items = value_of(node["items"], get_args(hint)[0], {})
        return st.lists(items, min_size=low, max_size=min(max(low, 3), field.get("max_items", 3))).map(tuple)
    match schema:
        case "string":
            return text_of(field)
        case "bytes":
            return st.binary(max_size=LONG)
        case "boolean":
            return st.booleans()
        case "int" | "long" | "double":
            return number_of(schema, field)
        case _:
            assert isinstance(hint, type)
            if issubclass(cast("type[Any]", hint), StrEnum):
                return st.sampled_from(list(cast("type[StrEnum]", hint)))
            return record_of(str(schema).removeprefix(f"{files.NAMESPACE}."), cast("type[Any]", hint))


def record_of(name: str, cls: type[Any]) -> Strategy:
    hints = get_type_hints(cls)
    schema = files.load(name)
    return st.builds(cls, **{f["name"]: value_of(f["type"], hints[f["name"]], f) for f in schema["fields"]})


ANY_EVENT: st.SearchStrategy[Event] = st.sampled_from(files.record_names()).flatmap(
    lambda name: record_of(name, event_class(name))
)
WIRES = [golden.read(v, kind).wire for v in files.locked() for kind in golden.KINDS]


@pytest.mark.parametrize("name", files.record_names())
@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_every_record_survives_the_wire(name: str, data: st.DataObject):
    event = data.draw(record_of(name, event_class(name)))
    wire = CODEC.encode(event)
    assert CODEC.decode(wire) == event
    assert CODEC.encode(CODEC.decode(wire)) == wire


def decodes_or_is_poison(wire: bytes) -> None:
    try:
        event = CODEC.decode(wire)
    except Poison:
        pass
    else:
        # The bytes need not be those that were read: a schema id may be of an older version.
        assert CODEC.decode(CODEC.encode(event)) == event


@given(wire_id=st.sampled_from([v.id for v in files.locked()]), body=st.binary(max_size=400))
def test_any_bytes_under_a_known_id_are_an_event_or_poison(wire_id: int, body: bytes):
    decodes_or_is_poison(HEADER.pack(MAGIC, wire_id) + body)


@given(data=st.binary(max_size=100))
def test_any_bytes_at_all_are_an_event_or_poison(data: bytes):
    decodes_or_is_poison(data)


@given(wire=st.sampled_from(WIRES), data=st.data())
def test_a_damaged_record_is_an_event_or_poison(wire: bytes, data: st.DataObject):
    at = data.draw(st.integers(0, len(wire) - 1))
    match data.draw(st.sampled_from(["flip", "cut", "insert", "drop", "repeat"])):
        case "flip":
            damaged = wire[:at] + bytes([wire[at] ^ data.draw(st.integers(1, 255))]) + wire[at + 1 :]
        case "cut":
            damaged = wire[:at]
        case "insert":
            damaged = wire[:at] + data.draw(st.binary(min_size=1, max_size=12)) + wire[at:]
        case "drop":
            damaged = wire[:at] + wire[at + data.draw(st.integers(1, 12)) :]
        case _:
            damaged = wire + wire
    decodes_or_is_poison(damaged)


def test_the_strategies_know_every_kind_of_hint():
    hints = [h for name in files.record_names() for h in get_type_hints(event_class(name)).values()]
    kinds = {get_origin(h) for h in hints}
    assert kinds <= {None, UnionType, tuple, Mapping, cast("Any", Mapping[str, float]).__origin__}
