"""`presscheck schemas`: lists, shows and checks what is promised."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from ops.cli import app
from schemas import avro_files as files
from schemas.errors import Poison


def run(*arguments: str) -> tuple[int, Any]:
    result = CliRunner().invoke(app, ["schemas", *arguments], catch_exceptions=False)
    return result.exit_code, result.stdout


def test_list_names_every_version_with_its_topics():
    status, said = run("list", "--json")
    rows = json.loads(said)
    assert status == 0
    assert [r["id"] for r in rows] == [v.id for v in files.locked()]
    assert next(r for r in rows if r["record"] == "AssetApproved")["topics"] == ["design-queue"]
    assert "presscheck.AssetApproved" in run("list")[1]


def test_show_prints_the_schema_or_an_example():
    assert json.loads(run("show", "PromptSubmitted")[1]) == json.loads(files.current("PromptSubmitted").text())
    assert json.loads(run("show", "PromptSubmitted", "--example")[1])["job"]["width"]


@pytest.mark.parametrize("arguments", [("show", "Invoice"), ("show", "PromptSubmitted", "--version", "99")])
def test_what_there_is_not_is_refused(arguments: tuple[str, ...]):
    with pytest.raises(Poison, match="presscheck schemas list"):
        CliRunner().invoke(app, ["schemas", *arguments], catch_exceptions=False)


def test_check_passes_on_what_is_committed():
    status, said = run("check", "--json")
    assert status == 0
    assert {row["finding"] for row in json.loads(said)} == {"holds"}


def test_check_says_what_a_candidate_would_break(tmp_path: Path):
    schema = json.loads(files.current("PromptSeen").text())
    path = tmp_path / "PromptSeen.avsc"
    path.write_text(json.dumps(schema), encoding="utf-8")
    assert run("check", str(path))[0] == 0
    schema["fields"].append({"name": "x", "type": "string", "doc": "New."})
    path.write_text(json.dumps(schema), encoding="utf-8")
    status, said = run("check", str(path), "--json")
    assert status == 1
    assert "reader field missing default value: x" in json.loads(said)[0]["finding"]


def test_a_candidate_that_is_no_json_is_refused(tmp_path: Path):
    path = tmp_path / "PromptSeen.avsc"
    path.write_text("{", encoding="utf-8")
    with pytest.raises(Poison, match="is no JSON"):
        CliRunner().invoke(app, ["schemas", "check", str(path)], catch_exceptions=False)
