"""Bytes to events and back, in the Confluent wire format: a zero byte, a four-byte schema id, Avro."""

from __future__ import annotations

import io
import json
import struct
from collections.abc import Callable, Mapping
from dataclasses import fields
from enum import StrEnum
from functools import cache
from types import UnionType
from typing import Any, Protocol, TypeVar, cast, get_args, get_origin, get_type_hints

import fastavro

from schemas import avro_files as files
from schemas import events as event_types
from schemas.errors import Poison, Undecodable
from schemas.events import Event

T = TypeVar("T")
MAGIC = 0
HEADER = struct.Struct(">BI")
MAX_RECORD_BYTES = 8 * 1024 * 1024
"""Records above this are refused before they are decoded; the topics' `max.message.bytes` is lower."""


class SchemaIds(Protocol):
    """Where wire ids come from: the committed lock file, or a Schema Registry."""

    def id_of(self, record: str) -> int:
        """Wire id under which the current schema of a record is written."""
        ...

    def writer(self, wire_id: int) -> files.Version | None:
        """The promised schema behind a wire id; None where nobody knows it. Raises Transient."""
        ...


class LockedIds:
    """Ids of `ids.lock.json`: the same on every machine, with no registry to ask."""

    def __init__(self) -> None:
        self._by_id = {v.id: v for v in files.locked()}

    def id_of(self, record: str) -> int:
        """Wire id of a record's current schema."""
        return files.current(record).id

    def writer(self, wire_id: int) -> files.Version | None:
        """The promised schema behind a wire id."""
        return self._by_id.get(wire_id)


@cache
def _parsed(version: files.Version) -> Any:
    # fastavro keeps named types in a table of its own; a fresh one for each schema keeps versions apart.
    return fastavro.parse_schema(json.loads(version.text()), named_schemas={})


@cache
def _reader(record: str) -> Any:
    return _parsed(files.current(record))


def _converter(hint: Any) -> Callable[[Any], Any]:
    """How a value that fastavro gave becomes the annotated Python type."""
    if get_origin(hint) is UnionType:
        inner = _converter(next(a for a in get_args(hint) if a is not type(None)))
        return lambda v: None if v is None else inner(v)
    if get_origin(hint) is tuple:
        each = _converter(get_args(hint)[0])
        return lambda v: tuple(each(x) for x in v)
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return hint
    if hasattr(hint, "__dataclass_fields__"):
        return lambda v: build(hint, v)
    return lambda v: v


@cache
def _converters(cls: type[Any]) -> tuple[tuple[str, Callable[[Any], Any]], ...]:
    hints = get_type_hints(cls)
    return tuple((f.name, _converter(hints[f.name])) for f in fields(cls))


def build(cls: type[T], data: Mapping[str, Any]) -> T:
    """Make an event type from a plain mapping with every field. Raises Poison where a bound is broken."""
    return cls(**{name: convert(data[name]) for name, convert in _converters(cls)})


def plain(value: Any) -> Any:
    """An event as plain dicts, lists and scalars, ready for Avro or JSON."""
    if hasattr(value, "__dataclass_fields__"):
        return {name: plain(getattr(value, name)) for name, _ in _converters(type(value))}
    if isinstance(value, tuple):
        return [plain(v) for v in cast("tuple[Any, ...]", value)]
    if isinstance(value, StrEnum):
        return value.value
    if isinstance(value, Mapping):
        return dict(cast("Mapping[str, Any]", value))
    return value


class Codec:
    """Encodes and decodes every record of the catalogue. Cheap to make; safe to share between threads."""

    def __init__(self, ids: SchemaIds) -> None:
        self._ids = ids

    def encode(self, event: Event) -> bytes:
        """One record in the wire format."""
        record = type(event).__name__
        out = io.BytesIO()
        out.write(HEADER.pack(MAGIC, self._ids.id_of(record)))
        fastavro.schemaless_writer(out, _reader(record), plain(event))
        return out.getvalue()

    def decode(self, data: bytes | None) -> Event:
        """The event in a record's value.

        Raises Undecodable where the bytes are not what the wire format and the named schema say, Poison
        where they are but a field is out of bounds, Transient where a registry could not be asked.
        """
        if data is None:
            raise Undecodable("the value is null; send a record in the Confluent wire format")
        if len(data) > MAX_RECORD_BYTES:
            raise Undecodable(f"the value has {len(data)} bytes, at most {MAX_RECORD_BYTES} are decoded")
        if len(data) < HEADER.size or data[0] != MAGIC:
            raise Undecodable(
                f"the value starts with {data[:5].hex() or 'nothing'}, want 00 and a four-byte schema id;"
                " send it in the Confluent wire format"
            )
        wire_id = HEADER.unpack_from(data)[1]
        version = self._ids.writer(wire_id)
        if version is None:
            raise Undecodable(f"schema id {wire_id} is not known; `presscheck schemas list` shows the ids")
        body = io.BytesIO(data)
        body.seek(HEADER.size)
        try:
            raw = fastavro.schemaless_reader(body, _parsed(version), _reader(version.record))
        except (EOFError, ValueError, IndexError, KeyError, TypeError, OverflowError, UnicodeDecodeError, MemoryError) as e:
            raise Undecodable(f"the bytes do not hold a {version.record} v{version.version}: {e!r}") from e
        if body.tell() != len(data):
            raise Undecodable(f"{len(data) - body.tell()} bytes are left after the {version.record}")
        return build(event_class(version.record), cast("dict[str, Any]", raw))


def event_class(record: str) -> type[Event]:
    """The event type of a record name. Raises Poison where there is none."""
    if record not in files.record_names():
        raise Poison(f"there is no record {record!r}; `presscheck schemas list` shows them")
    return cast("type[Event]", getattr(event_types, record))
