"""`python -m schemas.freeze`: promise the schemas as they stand, and write what is generated from them.

Writes `versions/`, `ids.lock.json`, `golden/` and `events.py`. A record whose file changed gets a new
version, and only if readers of either version can read data of the other (full compatibility), checked
with the avro package. `--redo` rewrites the newest version in place: only before a first release.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys

from avro.compatibility import ReaderWriterCompatibilityChecker, SchemaCompatibilityType
from avro.schema import parse

from schemas import avro_files as files
from schemas.generate import events_source


def incompatibilities(reader: str, writer: str) -> list[str]:
    """What stops a reader with one schema (JSON) from reading data of another; empty where nothing does."""
    found = ReaderWriterCompatibilityChecker().get_compatibility(parse(reader), parse(writer))
    if found.compatibility is SchemaCompatibilityType.compatible:
        return []
    return [
        f"{place or '/'}: {message}"
        for place, message in zip(sorted(found.locations), sorted(found.messages), strict=False)
    ]


def both_ways(new: str, old: str) -> list[str]:
    """What breaks full compatibility between two versions of one record, in words."""
    return [f"new code cannot read old data at {x}" for x in incompatibilities(new, old)] + [
        f"old readers cannot read new data at {x}" for x in incompatibilities(old, new)
    ]


def freeze(*, redo: bool = False) -> list[str]:
    """Promise every changed schema; returns one line for each change. Raises SystemExit where refused."""
    rows = list(files.locked()) if files.LOCK.exists() else []
    said: list[str] = []
    for record in files.record_names():
        text = files.expanded_text(record)
        digest = hashlib.sha256(text.encode()).hexdigest()
        former = max((v for v in rows if v.record == record), key=lambda v: v.version, default=None)
        if former is not None and former.sha256 == digest:
            continue
        if former is not None and redo:
            rows.remove(former)
            made = files.Version(id=former.id, record=record, version=former.version, sha256=digest)
        else:
            if former is not None and (broken := both_ways(text, former.text())):
                raise SystemExit(f"{record} cannot change like this:\n  " + "\n  ".join(broken))
            next_id = max((v.id for v in rows), default=0) + 1
            version = former.version + 1 if former else 1
            made = files.Version(id=next_id, record=record, version=version, sha256=digest)
        files.VERSIONS.mkdir(exist_ok=True)
        (files.VERSIONS / f"{record}.v{made.version}.avsc").write_text(text, encoding="utf-8")
        rows.append(made)
        said.append(f"{record} v{made.version}: id {made.id}")
    rows.sort(key=lambda v: v.id)
    dump = [{"id": v.id, "record": v.record, "version": v.version, "sha256": v.sha256} for v in rows]
    files.LOCK.write_text("[\n" + ",\n".join("  " + json.dumps(d) for d in dump) + "\n]\n", encoding="utf-8")
    return said


def format_python(source: str) -> str:
    """The source as ruff formats it (ruff is a development dependency)."""
    done = subprocess.run(
        ["ruff", "format", "--stdin-filename", "schemas/events.py", "-"],
        input=source, capture_output=True, text=True, check=True, cwd=files.HERE.parent,
    )  # fmt: skip
    return done.stdout


def main() -> None:
    """Entry point."""
    for line in freeze(redo="--redo" in sys.argv[1:]):
        print(line)
    (files.HERE / "events.py").write_text(format_python(events_source()), encoding="utf-8")
    files.locked.cache_clear()
    files.current.cache_clear()
    from schemas.golden_messages import write_missing  # needs the events module written above

    for name in write_missing(redo="--redo" in sys.argv[1:]):
        print(f"golden {name}")


if __name__ == "__main__":
    main()
