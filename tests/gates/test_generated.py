"""What is generated is what would be generated now, and the locks hold what pyproject.toml asks for."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from schemas import avro_files as files
from schemas.docs import pages
from schemas.freeze import format_python
from schemas.generate import events_source
from tests.gates.checkers import ROOT

LOCKS = ("light", "models", "dev", "uv")


def lock(name: str) -> str:
    return (ROOT / "requirements" / f"{name}.txt").read_text(encoding="utf-8")


def pins(name: str) -> dict[str, set[str]]:
    """Name to the versions that a lock pins (one for each Python, where they differ)."""
    found: dict[str, set[str]] = {}
    for package, version in re.findall(r"^([a-z0-9._-]+)==(\S+)", lock(name), re.MULTILINE):
        found.setdefault(package, set()).add(version)
    return found


def names(requirements: list[str]) -> set[str]:
    return {re.split(r"[\[<>=~! ;]", r)[0].lower().replace("_", "-") for r in requirements}


def test_the_event_types_are_drawn_from_the_avro_files():
    assert (files.HERE / "events.py").read_text(encoding="utf-8") == format_python(events_source())


def test_a_changed_avro_file_shows_in_the_event_types(tmp_path: Path):
    folder = tmp_path / "avro"
    (folder / "parts").mkdir(parents=True)
    for name in (*files.record_names(), *(f"parts/{p}" for p in files.part_names())):
        text = (files.HERE / "avro" / f"{name}.avsc").read_text(encoding="utf-8")
        (folder / f"{name}.avsc").write_text(text.replace('"max": 8192', '"max": 4096'), encoding="utf-8")
    assert events_source(tmp_path) != events_source()


@pytest.mark.parametrize("record", files.record_names())
def test_the_newest_version_is_what_the_avro_files_say(record: str):
    assert files.digest(files.expanded_text(record)) == files.current(record).sha256, "run python -m schemas.freeze"


@pytest.mark.parametrize("name", ["topics.md", "asyncapi.yaml", "pipeline.svg"])
def test_the_pages_are_drawn_from_the_catalogue(name: str):
    assert (ROOT / "docs" / name).read_text(encoding="utf-8") == pages()[name], "run make docs"


@pytest.mark.parametrize("name", LOCKS)
def test_every_pin_has_a_hash_and_no_address(name: str):
    blocks = re.split(r"\n(?=[a-z0-9])", lock(name).strip())
    assert all("--hash=sha256:" in block for block in blocks if not block.startswith("#"))
    assert "://" not in lock(name)


def test_the_locks_hold_what_is_asked_for_and_agree():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    light = names(project["project"]["dependencies"] + project["dependency-groups"]["build"])
    models = light | names(project["project"]["optional-dependencies"]["models"])
    dev = models | names(project["dependency-groups"]["dev"])
    for name, asked in (("light", light), ("models", models), ("dev", dev)):
        assert asked <= set(pins(name)), f"run make lock: {asked - set(pins(name))} missing in {name}.txt"
    whole = pins("dev")
    for name in ("light", "models"):
        assert all(versions <= whole[package] for package, versions in pins(name).items()), "run make lock"


def test_no_lock_that_records_addresses_is_committed():
    assert not [p for p in ("uv.lock", "package-lock.json", "poetry.lock") if (ROOT / p).exists()]
