"""Reads the Avro files: `avro/` is what people edit, `versions/` is what has been promised."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, cast

from schemas.errors import Fatal

HERE = Path(__file__).parent
AVRO = HERE / "avro"
PARTS = AVRO / "parts"
VERSIONS = HERE / "versions"
GOLDEN = HERE / "golden"
LOCK = HERE / "ids.lock.json"
NAMESPACE = "presscheck"



@cache
def record_names() -> tuple[str, ...]:
    """Names of the records that travel on topics, sorted."""
    return tuple(sorted(p.stem for p in AVRO.glob("*.avsc")))


@cache
def part_names() -> tuple[str, ...]:
    """Names of the records and enums that records are made of, sorted."""
    return tuple(sorted(p.stem for p in PARTS.glob("*.avsc")))


def load(name: str) -> dict[str, Any]:
    """The file of one record or part, with the other parts still named and not unfolded."""
    path = AVRO / f"{name}.avsc"
    path = path if path.exists() else PARTS / f"{name}.avsc"
    return cast("dict[str, Any]", json.loads(path.read_text(encoding="utf-8")))


@cache
def expanded_text(name: str) -> str:
    """Canonical JSON of one record with every part unfolded at its first use: what a registry stores."""
    seen: set[str] = set()

    def unfold(schema: Any) -> Any:
        if isinstance(schema, str):
            short = schema.removeprefix(f"{NAMESPACE}.")
            if short == schema or short in seen:
                return schema
            seen.add(short)
            return unfold(load(short))
        if isinstance(schema, list):
            return [unfold(s) for s in cast("list[Any]", schema)]
        node = dict(cast("dict[str, Any]", schema))
        if node["type"] == "record":
            seen.add(node["name"])
            node["fields"] = [{**f, "type": unfold(f["type"])} for f in node["fields"]]
        elif node["type"] == "array":
            node["items"] = unfold(node["items"])
        elif node["type"] == "map":
            node["values"] = unfold(node["values"])
        return node

    return json.dumps(unfold(load(name)), ensure_ascii=False, indent=1) + "\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One promised schema: its wire id, its record, the version (from 1) and the sha256 of its file."""

    id: int
    record: str
    version: int
    sha256: str

    @property
    def subject(self) -> str:
        """Registry subject, by the record-name strategy: one record may travel on several topics."""
        return f"{NAMESPACE}.{self.record}"

    def text(self) -> str:
        """The schema as JSON. Raises Fatal where the file is gone or changed since it was locked."""
        path = VERSIONS / f"{self.record}.v{self.version}.avsc"
        if not path.exists():
            raise Fatal(f"{path} is missing, though {LOCK.name} names it; restore it from version control")
        text = path.read_text(encoding="utf-8")
        if hashlib.sha256(text.encode()).hexdigest() != self.sha256:
            raise Fatal(f"{path} changed after it was locked; restore it and freeze a new version instead")
        return text


@cache
def locked() -> tuple[Version, ...]:
    """Every promised schema version, by wire id."""
    rows = cast("list[dict[str, Any]]", json.loads(LOCK.read_text(encoding="utf-8")))
    return tuple(Version(**row) for row in rows)


@cache
def current(record: str) -> Version:
    """The newest promised version of a record."""
    return max((v for v in locked() if v.record == record), key=lambda v: v.version)
