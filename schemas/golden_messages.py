"""Golden messages: for every schema version two records, as JSON and as the bytes once written.

`full` has every optional field set, `bare` none. The values are drawn from the schema alone, so that the
same schema gives the same messages anywhere.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, cast

import fastavro

from schemas import avro_files as files
from schemas.codec import HEADER, MAGIC, parse_schema
from schemas.jsonable import as_json

Kind = Literal["full", "bare"]
KINDS: Final[tuple[Kind, ...]] = ("full", "bare")


@dataclass(frozen=True, slots=True, kw_only=True)
class Golden:
    """One golden message: the values as JSON (see `schemas.jsonable`) and the value of the Kafka record."""

    version: files.Version
    kind: Kind
    values: Mapping[str, Any]
    wire: bytes


class Sample:
    """Draws one value tree from a schema."""

    def __init__(self, kind: Kind) -> None:
        self._full = kind == "full"
        self._named: dict[str, dict[str, Any]] = {}

    def record(self, schema: dict[str, Any], path: str) -> dict[str, Any]:
        """A value of a record schema; `path` tells values of one type apart."""
        self._named[f"{files.NAMESPACE}.{schema['name']}"] = schema
        return {f["name"]: self._value(f["type"], f, f"{path}.{f['name']}") for f in schema["fields"]}

    def _value(self, schema: Any, field: Mapping[str, Any], path: str) -> Any:
        if isinstance(schema, list):
            branches = cast("list[Any]", schema)
            # The first value of a type also shows the reader its definition, so `bare` walks it as well.
            filled = next(self._value(s, field, path) for s in branches if s != "null")
            return filled if self._full else None
        if isinstance(schema, str):
            named = self._named.get(schema)
            return self._scalar(schema, field, path) if named is None else self._value(named, field, path)
        node = cast("dict[str, Any]", schema)
        match node["type"]:
            case "record":
                return self.record(node, path)
            case "enum":
                self._named[f"{files.NAMESPACE}.{node['name']}"] = node
                return node["symbols"][-1 if self._full else 0]
            case "array":
                items = [self._value(node["items"], {}, f"{path}[{i}]") for i in range(max(2, _least(field)))]
                return items[: len(items) if self._full else _least(field)]
            case _:
                return {"first": 0.5} if self._full else {}

    def _scalar(self, kind: str, field: Mapping[str, Any], path: str) -> Any:
        low = field.get("min", -1)
        high = field.get("max", 2**31 - 1)
        match kind:
            case "boolean":
                return self._full
            case "double":
                return float(low + (high - low) * 0.25) if self._full else float(low)
            case "int" | "long":
                return low + _number(path) % min(high - low + 1, 1_000_000) if self._full else low
            case "bytes":
                return bytes(range(0, 256, 51)) if self._full else b""
            case _:
                return self._text(field, path)

    def _text(self, field: Mapping[str, Any], path: str) -> str:
        if "pattern" in field:
            return _fitting(field["pattern"], path)
        words = f"{path}: Sóller, 60 % off, “ÆØÅ”, 春, 🖨" if self._full else "x" * field.get("min_length", 0)
        return words[: field.get("max_length", len(words))]


def _least(field: Mapping[str, Any]) -> int:
    return int(field.get("min_items", 0))


def _number(path: str) -> int:
    return int.from_bytes(hashlib.sha256(path.encode()).digest()[:6])


def _fitting(pattern: str, path: str) -> str:
    """A text of a pattern: the first candidate that fits. Raises SystemExit where none does."""
    candidates = (
        str(uuid.uuid5(uuid.NAMESPACE_OID, path)),
        hashlib.sha256(path.encode()).hexdigest(),
        "sd3.5-large",
        "text-misspelled",
        "Poisson",
    )
    for text in candidates:
        if re.fullmatch(pattern, text):
            return text
    raise SystemExit(f"{path}: no sample text fits {pattern}; add one to golden_messages.py")


def draw(version: files.Version, kind: Kind, root: Path = files.HERE) -> Golden:
    """The golden message of a schema version."""
    text = version.text(root)
    values = Sample(kind).record(json.loads(text), version.record)
    out = io.BytesIO()
    out.write(HEADER.pack(MAGIC, version.id))
    fastavro.schemaless_writer(out, parse_schema(text), values)
    return Golden(version=version, kind=kind, values=as_json(values), wire=out.getvalue())


def _paths(version: files.Version, kind: Kind, root: Path) -> tuple[Path, Path]:
    stem = root / "golden" / f"{version.label}.{kind}"
    return stem.with_name(stem.name + ".json"), stem.with_name(stem.name + ".hex")


def read(version: files.Version, kind: Kind, root: Path = files.HERE) -> Golden:
    """The golden message as it was committed. Raises FileNotFoundError where it never was."""
    as_json, as_hex = _paths(version, kind, root)
    return Golden(
        version=version,
        kind=kind,
        values=json.loads(as_json.read_text(encoding="utf-8")),
        wire=bytes.fromhex(as_hex.read_text(encoding="ascii")),
    )


def write_missing(root: Path = files.HERE, *, redo: bool = False) -> list[str]:
    """Write the golden messages that are not there yet, all of them on `redo`; returns their names."""
    (root / "golden").mkdir(exist_ok=True)
    written: list[str] = []
    for version in files.read_lock(root):
        for kind in KINDS:
            as_json, as_hex = _paths(version, kind, root)
            if as_json.exists() and as_hex.exists() and not redo:
                continue
            golden = draw(version, kind, root)
            as_json.write_text(json.dumps(golden.values, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
            lines = (golden.wire[i : i + 48].hex() for i in range(0, len(golden.wire), 48))
            as_hex.write_text("\n".join(lines) + "\n", encoding="ascii")
            written.append(as_json.stem)
    return written
