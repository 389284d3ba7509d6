"""Promising schemas: what may change, what may not, and what is written when it does."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from schemas import avro_files as files
from schemas import golden_messages as golden
from schemas.errors import Fatal
from schemas.freeze import freeze, main
from schemas.generate import events_source

Change = Callable[[dict[str, Any]], object]
ChangeFile = Callable[[str, Change], None]


def field(name: str, **other: object) -> dict[str, Any]:
    return {"name": name, "doc": "New.", **other}


def find(schema: dict[str, Any], name: str) -> dict[str, Any]:
    return next(f for f in schema["fields"] if f["name"] == name)


def without(name: str) -> Change:
    return lambda s: s.update(fields=[f for f in s["fields"] if f["name"] != name])


HARMLESS: dict[str, tuple[str, Change]] = {
    "a field with a default": ("PromptSubmitted", lambda s: s["fields"].append(field("x", type="string", default=""))),
    "a field that may be null": (
        "parts/Job",
        lambda s: s["fields"].append(field("x", type=["null", "string"], default=None)),
    ),
    "a field with a default goes": ("parts/Job", without("campaign")),
    "a doc": ("PromptSubmitted", lambda s: s.update(doc="Somebody wants an image.")),
    "a wider bound": ("parts/Job", lambda s: find(s, "prompt").update(max_length=40000)),
    "fields in another order": ("PromptSeen", lambda s: s["fields"].reverse()),
}
BREAKING: dict[str, tuple[str, Change, str]] = {
    "a field without default comes": (
        "PromptSubmitted",
        lambda s: s["fields"].append(field("x", type="string")),
        "new code cannot read old data: reader field missing default value: x",
    ),
    "a field without default goes": (
        "PromptSubmitted",
        without("event_id"),
        "old readers cannot read new data: reader field missing default value: event_id",
    ),
    "a field gets another name": (
        "PromptSubmitted",
        lambda s: s["fields"][0].update(name="id"),
        "reader field missing default value: id",
    ),
    "a type changes": ("parts/Job", lambda s: find(s, "seed").update(type="string"), "type mismatch"),
    "a number grows wider": (
        "parts/Job",
        lambda s: find(s, "width").update(type="long"),
        "old readers cannot read new data: type mismatch",
    ),
    "a field may become null": (
        "parts/Job",
        lambda s: find(s, "prompt").update(type=["null", "string"]),
        "old readers cannot read new data",
    ),
    "a symbol goes": (
        "parts/Lane",
        lambda s: s["symbols"].pop(),
        "new code cannot read old data: missing enum symbols",
    ),
    "a symbol comes": (
        "parts/Lane",
        lambda s: s["symbols"].append("overnight"),
        "old readers cannot read new data: missing enum symbols: {'overnight'}",
    ),
    "a bound grows narrower": (
        "parts/Job",
        lambda s: find(s, "prompt").update(max_length=100),
        "new code refuses old data: Job.prompt has max_length 100, it was 20000",
    ),
    "a lower bound rises": (
        "parts/Job",
        lambda s: find(s, "width").update(min=512),
        "Job.width has min 512, it was 64",
    ),
    "a bound comes": (
        "parts/Asset",
        lambda s: find(s, "width").update(max=100),
        "Asset.width has max 100, it was 'open'",
    ),
    "a pattern changes": (
        "PromptSubmitted",
        lambda s: find(s, "event_id").update(pattern="[0-9]+"),
        "PromptSubmitted.event_id has pattern '[0-9]+'",
    ),
}


def test_nothing_changed_is_nothing_to_do(schema_copy: Path):
    before = (schema_copy / files.LOCK).read_text(encoding="utf-8")
    assert freeze(schema_copy) == []
    assert (schema_copy / files.LOCK).read_text(encoding="utf-8") == before


@pytest.mark.parametrize(("name", "edit"), HARMLESS.values(), ids=HARMLESS)
def test_a_harmless_change_becomes_a_version(schema_copy: Path, change: ChangeFile, name: str, edit: Change):
    before = {v.record: v.version for v in files.read_lock(schema_copy)}
    last = max(v.id for v in files.read_lock(schema_copy))
    change(name, edit)
    said = freeze(schema_copy)
    new = [v for v in files.read_lock(schema_copy) if v.id > last]
    assert said == [f"{v.label}: id {v.id}" for v in new]
    assert new
    assert all(v.version == before[v.record] + 1 for v in new)
    assert all(json.loads(v.text(schema_copy))["name"] == v.record for v in new)


@pytest.mark.parametrize(("name", "edit", "why"), BREAKING.values(), ids=BREAKING)
def test_a_change_that_old_data_or_readers_cannot_bear_is_refused(
    schema_copy: Path, change: ChangeFile, name: str, edit: Change, why: str
):
    before = (schema_copy / files.LOCK).read_text(encoding="utf-8")
    change(name, edit)
    with pytest.raises(SystemExit) as refused:
        freeze(schema_copy)
    assert "cannot change like this" in str(refused.value)
    assert why in str(refused.value)
    assert (schema_copy / files.LOCK).read_text(encoding="utf-8") == before


def test_every_earlier_version_counts_not_only_the_last(schema_copy: Path, change: ChangeFile):
    change("PromptSeen", lambda s: s["fields"].append(field("x", type="string", default="")))
    freeze(schema_copy)
    change("PromptSeen", without("x"))
    freeze(schema_copy)
    # v3 has no x; v4 may not bring it back as a number, because v2 wrote it as text.
    change("PromptSeen", lambda s: s["fields"].append(field("x", type="int", default=0)))
    with pytest.raises(SystemExit, match="since v2, new code cannot read old data: type mismatch"):
        freeze(schema_copy)


def test_a_record_cannot_go(schema_copy: Path):
    (schema_copy / "avro" / "PromptSeen.avsc").unlink()
    files.record_names.cache_clear()
    with pytest.raises(SystemExit, match="PromptSeen cannot go"):
        freeze(schema_copy)


def test_redo_rewrites_the_newest_version_and_drops_what_went(schema_copy: Path, change: ChangeFile):
    (schema_copy / "avro" / "PromptSeen.avsc").unlink()
    change("TouchUpReported", lambda s: s["fields"].append(field("x", type="string")))
    lock = {v.record: v for v in files.read_lock(schema_copy)}
    assert freeze(schema_copy, redo=True) == ["PromptSeen.v1: dropped", "TouchUpReported.v1: id 17"]
    now = {v.record: v for v in files.read_lock(schema_copy)}
    assert now["TouchUpReported"].id == lock["TouchUpReported"].id
    assert now["TouchUpReported"].sha256 != lock["TouchUpReported"].sha256
    assert "PromptSeen" not in now
    assert not list((schema_copy / "golden").glob("PromptSeen.*"))


def test_a_first_freeze_starts_the_lock(schema_copy: Path):
    (schema_copy / files.LOCK).unlink()
    assert len(freeze(schema_copy)) == len(files.record_names(schema_copy))
    assert [v.id for v in files.read_lock(schema_copy)] == list(range(1, len(files.record_names(schema_copy)) + 1))


def test_the_command_writes_all_that_hangs_on_a_schema(
    schema_copy: Path, change: ChangeFile, capsys: pytest.CaptureFixture[str]
):
    change("PromptSeen", lambda s: s["fields"].append(field("x", type="string", default="")))
    next_id = max(v.id for v in files.read_lock(schema_copy)) + 1
    main([], schema_copy)
    said = capsys.readouterr().out.splitlines()
    assert said == [f"PromptSeen.v2: id {next_id}", "golden PromptSeen.v2.full", "golden PromptSeen.v2.bare"]
    assert "    x: str = ''" in events_source(schema_copy)
    assert '    x: str = ""' in (schema_copy / "events.py").read_text(encoding="utf-8")
    added = next(v for v in files.read_lock(schema_copy) if v.id == next_id)
    assert golden.read(added, "full", schema_copy).values["x"].startswith("PromptSeen.x")


def test_parts_made_of_each_other_are_refused(schema_copy: Path, change: ChangeFile):
    change("parts/Tag", lambda s: s["fields"].append(field("inner", type="presscheck.Tag")))
    with pytest.raises(SystemExit, match=r"Tag.* made of each other"):
        events_source(schema_copy)


def test_a_promised_schema_that_was_touched_or_lost_stops_everything(schema_copy: Path):
    version = files.read_lock(schema_copy)[0]
    path = schema_copy / "versions" / f"{version.label}.avsc"
    path.write_text("{}", encoding="utf-8")
    with pytest.raises(Fatal, match="changed after it was locked"):
        version.text(schema_copy)
    path.unlink()
    with pytest.raises(Fatal, match="is missing, though"):
        version.text(schema_copy)
