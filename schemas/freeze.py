"""`python -m schemas.freeze`: promise the schemas as they stand, and write what is generated from them.

Writes `versions/`, `ids.lock.json`, `golden/` and `events.py`. A record whose file changed gets a new
version, and only if readers of any version can read data of every other (full, transitive compatibility,
checked with the avro package) and no bound grew narrower. `--redo` rewrites the newest version in place:
only before a first release.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from schemas import avro_files as files
from schemas.compatibility import broken
from schemas.generate import events_source
from schemas.golden_messages import write_missing


def freeze(root: Path, *, redo: bool = False) -> list[str]:
    """Promise every changed schema; returns one line for each change. Raises SystemExit where refused."""
    rows = list(files.read_lock(root))
    said: list[str] = []
    for record in sorted({v.record for v in rows} - set(files.record_names(root))):
        if not redo:
            raise SystemExit(f"{record} cannot go: data written with it must stay readable; restore its file")
        said += [_drop(root, rows, v) for v in list(rows) if v.record == record]
    for record in files.record_names(root):
        text = files.expanded_text(record, root)
        former = max((v for v in rows if v.record == record), key=lambda v: v.version, default=None)
        if former is not None and former.sha256 == files.digest(text):
            continue
        if former is not None and redo:
            _drop(root, rows, former)
            made = files.Version(id=former.id, record=record, version=former.version, sha256=files.digest(text))
        else:
            next_id = max((v.id for v in rows), default=0) + 1
            version = former.version + 1 if former else 1
            made = files.Version(id=next_id, record=record, version=version, sha256=files.digest(text))
        if why := [f"since v{v.version}, {x}" for v in rows if v.record == record for x in broken(text, v.text(root))]:
            raise SystemExit(f"{record} cannot change like this:\n  " + "\n  ".join(why))
        (root / "versions").mkdir(exist_ok=True)
        (root / "versions" / f"{made.label}.avsc").write_text(text, encoding="utf-8")
        rows.append(made)
        said.append(f"{made.label}: id {made.id}")
    rows.sort(key=lambda v: v.id)
    dump = [{"id": v.id, "record": v.record, "version": v.version, "sha256": v.sha256} for v in rows]
    (root / files.LOCK).write_text("[\n" + ",\n".join("  " + json.dumps(d) for d in dump) + "\n]\n", encoding="utf-8")
    return said


def _drop(root: Path, rows: list[files.Version], version: files.Version) -> str:
    rows.remove(version)
    for path in (root / "golden").glob(f"{version.label}.*"):
        path.unlink()
    (root / "versions" / f"{version.label}.avsc").unlink()
    return f"{version.label}: dropped"


def format_python(source: str) -> str:
    """The source as ruff formats it (ruff is a development dependency)."""
    done = subprocess.run(
        [sys.executable, "-m", "ruff", "format", "--stdin-filename", "schemas/events.py", "-"],
        input=source,
        capture_output=True,
        text=True,
        check=True,
        cwd=files.HERE.parent,
    )
    return done.stdout


def main(arguments: Sequence[str], root: Path = files.HERE) -> None:
    """Entry point."""
    for line in freeze(root, redo="--redo" in arguments):
        print(line)
    (root / "events.py").write_text(format_python(events_source(root)), encoding="utf-8")
    for name in write_missing(root, redo="--redo" in arguments):
        print(f"golden {name}")


if __name__ == "__main__":
    main(sys.argv[1:])
