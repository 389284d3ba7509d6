"""Reads the Avro files: `avro/` is what people edit, `versions/` is what has been promised."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final, cast

from schemas.errors import Fatal

HERE: Final = Path(__file__).parent
"""The folder with `avro/`, `versions/`, `golden/` and the lock. Functions take another one to work on a copy."""
LOCK: Final = "ids.lock.json"
NAMESPACE: Final = "presscheck"


@cache
def record_names(root: Path = HERE) -> tuple[str, ...]:
    """Names of the records that travel on topics, sorted."""
    return tuple(sorted(p.stem for p in (root / "avro").glob("*.avsc")))


@cache
def part_names(root: Path = HERE) -> tuple[str, ...]:
    """Names of the records and enums that records are made of, sorted."""
    return tuple(sorted(p.stem for p in (root / "avro" / "parts").glob("*.avsc")))


def load(name: str, root: Path = HERE) -> dict[str, Any]:
    """The file of one record or part, with the other parts still named and not unfolded."""
    path = root / "avro" / f"{name}.avsc"
    path = path if path.exists() else root / "avro" / "parts" / f"{name}.avsc"
    return cast("dict[str, Any]", json.loads(path.read_text(encoding="utf-8")))


def expanded_text(name: str, root: Path = HERE) -> str:
    """Canonical JSON of one record with every part unfolded at its first use: what a registry stores."""
    seen: set[str] = set()

    def unfold(schema: Any) -> Any:
        if isinstance(schema, str):
            short = schema.removeprefix(f"{NAMESPACE}.")
            if short == schema or short in seen:
                return schema
            return unfold(load(short, root))
        if isinstance(schema, list):
            return [unfold(s) for s in cast("list[Any]", schema)]
        node = dict(cast("dict[str, Any]", schema))
        if "name" in node:
            seen.add(node["name"])
        match node["type"]:
            case "record":
                node["fields"] = [{**f, "type": unfold(f["type"])} for f in node["fields"]]
            case "array":
                node["items"] = unfold(node["items"])
            case "map":
                node["values"] = unfold(node["values"])
            case _:  # an enum holds no other schema
                pass
        return node

    return json.dumps(unfold(load(name, root)), ensure_ascii=False, indent=1) + "\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One promised schema: its wire id, its record, the version (from 1) and the sha256 of its file."""

    id: int
    record: str
    version: int
    sha256: str

    @property
    def label(self) -> str:
        """Name for people and files, for example PromptSubmitted.v1."""
        return f"{self.record}.v{self.version}"

    def text(self, root: Path = HERE) -> str:
        """The schema as JSON. Raises Fatal where the file is gone or changed since it was locked."""
        path = root / "versions" / f"{self.label}.avsc"
        if not path.exists():
            raise Fatal(f"{path} is missing, though {LOCK} names it; restore it from version control")
        text = path.read_text(encoding="utf-8")
        if digest(text) != self.sha256:
            raise Fatal(f"{path} changed after it was locked; restore it and freeze a new version instead")
        return text


def subject(record: str) -> str:
    """Registry subject of a record."""
    return f"{NAMESPACE}.{record}"


def digest(text: str) -> str:
    """sha256 (hex) of a schema file's text."""
    return hashlib.sha256(text.encode()).hexdigest()


def read_lock(root: Path) -> tuple[Version, ...]:
    """Every promised schema version as the lock file has it now, by wire id; empty where there is no lock yet."""
    if not (root / LOCK).exists():
        return ()
    rows = cast("list[dict[str, Any]]", json.loads((root / LOCK).read_text(encoding="utf-8")))
    return tuple(Version(**row) for row in rows)


@cache
def locked() -> tuple[Version, ...]:
    """Every promised schema version, by wire id."""
    return read_lock(HERE)


@cache
def current(record: str) -> Version:
    """The newest promised version of a record."""
    return max((v for v in locked() if v.record == record), key=lambda v: v.version)
