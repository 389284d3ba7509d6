"""A copy of schemas/ that a test may change."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from schemas import avro_files as files

Change = Callable[[dict[str, Any]], object]


@pytest.fixture
def schema_copy(tmp_path: Path) -> Path:
    """Root of a copy of the Avro files, versions, lock and golden messages."""
    for folder in ("avro", "versions", "golden"):
        shutil.copytree(files.HERE / folder, tmp_path / folder)
    shutil.copy(files.HERE / files.LOCK, tmp_path)
    return tmp_path


@pytest.fixture
def change(schema_copy: Path) -> Callable[[str, Change], None]:
    """`change("parts/Risk", edit)` edits one Avro file of the copy in place."""

    def edit_file(name: str, edit: Change) -> None:
        path = schema_copy / "avro" / f"{name}.avsc"
        schema = json.loads(path.read_text(encoding="utf-8"))
        edit(schema)
        path.write_text(json.dumps(schema), encoding="utf-8")

    return edit_file
