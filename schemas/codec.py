"""Bytes to events and back, in the Confluent wire format: a zero byte, a four-byte schema id, Avro."""

from __future__ import annotations

import io
import json
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from enum import StrEnum
from functools import cache
from types import UnionType
from typing import Any, Final, Protocol, TypeVar, cast, get_args, get_origin, get_type_hints

import fastavro
from fastavro.read import SchemaResolutionError

from schemas import avro_files as files
from schemas import events as event_types
from schemas.errors import Poison, Undecodable
from schemas.events import Event

T = TypeVar("T")
MAGIC: Final = 0
HEADER: Final = struct.Struct(">BI")
MAX_RECORD_BYTES: Final = 8 * 1024 * 1024
"""Records above this are refused before they are decoded; the topics' `max.message.bytes` is lower."""

_NOT_AVRO = (EOFError, IndexError, KeyError, MemoryError, OverflowError, SchemaResolutionError, TypeError, ValueError)
"""What fastavro raises on bytes that are not of the schema (a UnicodeDecodeError is a ValueError)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WriterSchema:
    """The schema some bytes were written with: its record, a name for people, and the form fastavro parsed."""

    record: str
    label: str
    parsed: Any


class SchemaIds(Protocol):
    """Where wire ids come from: the committed lock file, or a Schema Registry."""

    def id_of(self, record: str) -> int:
        """Wire id under which the current schema of a record is written. Raises Transient."""
        ...

    def writer(self, wire_id: int) -> WriterSchema | None:
        """The schema behind a wire id; None where nobody knows it. Raises Transient."""
        ...


class LockedIds:
    """Ids of `ids.lock.json`: the same on every machine, with no registry to ask."""

    def __init__(self) -> None:
        self._by_id = {v.id: v for v in files.locked()}

    def id_of(self, record: str) -> int:
        """Wire id of a record's current schema."""
        return files.current(record).id

    def writer(self, wire_id: int) -> WriterSchema | None:
        """The promised schema behind a wire id."""
        version = self._by_id.get(wire_id)
        return None if version is None else _locked_writer(version)


def parse_schema(text: str) -> Any:
    """A schema (JSON) in the form that fastavro reads and writes with."""
    # fastavro keeps named types in a table of its own; a fresh one for each schema keeps versions apart.
    return fastavro.parse_schema(json.loads(text), named_schemas={})


@cache
def _locked_writer(version: files.Version) -> WriterSchema:
    return WriterSchema(record=version.record, label=version.label, parsed=parse_schema(version.text()))


def _current(record: str) -> Any:
    return _locked_writer(files.current(record)).parsed


def _same(value: Any) -> Any:
    return value


def _converter(hint: Any) -> Callable[[Any], Any]:
    """How a value that fastavro gave becomes the annotated Python type."""
    if get_origin(hint) is UnionType:
        inner = _converter(next(a for a in get_args(hint) if a is not type(None)))
        return _same if inner is _same else lambda v: None if v is None else inner(v)
    if get_origin(hint) is tuple:
        each = _converter(get_args(hint)[0])
        return tuple if each is _same else lambda v: tuple(each(x) for x in v)
    if isinstance(hint, type):
        cls = cast("type[Any]", hint)
        if issubclass(cls, StrEnum):
            return cls
        if is_dataclass(cls):
            return lambda v: build(cls, v)
    return _same


@cache
def _converters(cls: type[Any]) -> tuple[tuple[str, Callable[[Any], Any]], ...]:
    hints = get_type_hints(cls)
    return tuple((f.name, _converter(hints[f.name])) for f in fields(cls))


def build(cls: type[T], data: Mapping[str, Any]) -> T:
    """Make an event type from a plain mapping with every field.

    Raises Poison where a field is missing, an enum has no such symbol, or a bound is broken.
    """
    try:
        return cls(**{name: convert(data[name]) for name, convert in _converters(cls)})
    except (KeyError, TypeError, ValueError) as e:
        raise Poison(f"this is no {cls.__name__}: {e!r}") from e


def plain(value: Any) -> Any:
    """An event as plain dicts, lists and scalars, ready for Avro (bytes stay bytes)."""
    if hasattr(value, "__dataclass_fields__"):
        return {name: plain(getattr(value, name)) for name, _ in _converters(cast("type[Any]", type(value)))}
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
        """One record in the wire format.

        Raises Poison where a text holds half a surrogate pair, which UTF-8 and so Avro cannot carry, and
        Transient where a registry could not be asked.
        """
        record = type(event).__name__
        out = io.BytesIO()
        out.write(HEADER.pack(MAGIC, self._ids.id_of(record)))
        try:
            fastavro.schemaless_writer(out, _current(record), plain(event))
        except UnicodeEncodeError as e:
            raise Poison(f"{record} holds text that UTF-8 cannot carry: {e.reason} at {e.start}") from e
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
        writer = self._ids.writer(wire_id)
        if writer is None:
            raise Undecodable(f"schema id {wire_id} is not known; `presscheck schemas list` shows the ids")
        body = io.BytesIO(data)
        body.seek(HEADER.size)
        try:
            raw = fastavro.schemaless_reader(body, writer.parsed, _current(writer.record))
        except _NOT_AVRO as e:
            raise Undecodable(f"the bytes do not hold a {writer.label}: {e!r}") from e
        if body.tell() != len(data):
            raise Undecodable(f"{len(data) - body.tell()} bytes are left after the {writer.label}")
        return build(event_class(writer.record), cast("dict[str, Any]", raw))


def event_class(record: str) -> type[Event]:
    """The event type of a record name. Raises Poison where there is none."""
    if record not in files.record_names():
        raise Poison(f"there is no record {record!r}; `presscheck schemas list` shows them")
    return cast("type[Event]", getattr(event_types, record))
