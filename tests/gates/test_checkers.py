"""Every checker passes on the repo, and refuses a specimen of what it is there for."""

from __future__ import annotations

import json
import shutil
import tomllib
from pathlib import Path

import pytest
from vulture.core import Vulture

from tests.gates.checkers import ROOMS, ROOT, SPECIMENS, run


def test_ruff_passes():
    status, said = run("ruff", "check", ".")
    assert status == 0, said


def test_ruff_refuses_bad_style():
    source = (SPECIMENS / "bad_style.py").read_text(encoding="utf-8")
    status, said = run("ruff", "check", "--output-format=json", "--stdin-filename", "rules/x.py", "-", stdin=source)
    assert status == 1
    found = {row["code"] for row in json.loads(said)}
    assert found >= {"ANN001", "ANN201", "BLE001", "D100", "D103", "DTZ005", "S110", "S605", "TID251"}


def test_every_checker_that_is_off_says_why():
    lines = (ROOT / "pyproject.toml").read_text(encoding="utf-8").partition("ignore = [")[2].partition("]\n")[0]
    off = lines.partition("Off, each for a reason:")[2].splitlines()[1:]
    assert all("#" in line for line in off), lines


def test_the_format_is_ruffs():
    status, said = run("ruff", "format", "--check", ".")
    assert status == 0, said


def test_ruff_refuses_another_format():
    source = (SPECIMENS / "bad_format.py").read_text(encoding="utf-8")
    assert run("ruff", "format", "--check", "--stdin-filename", "rules/x.py", "-", stdin=source)[0] == 1


def test_pyright_passes():
    status, said = run("pyright")
    assert status == 0, said


def test_pyright_refuses_wrong_types_and_forgotten_cases(tmp_path: Path):
    shutil.copy(SPECIMENS / "bad_types.py", tmp_path)
    config = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["pyright"]
    config |= {"include": ["."], "exclude": [], "venvPath": str(ROOT)}
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(config), encoding="utf-8")
    status, said = run("pyright", "--outputjson", cwd=tmp_path)
    assert status == 1
    rules = sorted(row["rule"] for row in json.loads(said)["generalDiagnostics"])
    assert rules == ["reportArgumentType", "reportReturnType"]


def test_imports_point_inward():
    status, said = run("lint-imports", "--no-cache")
    assert status == 0, said


@pytest.mark.parametrize("specimen", sorted((SPECIMENS / "imports").glob("*.py")), ids=lambda p: p.stem)
def test_import_linter_refuses(specimen: Path, tmp_path: Path):
    module, contract = (line.removeprefix("# ") for line in specimen.read_text(encoding="utf-8").splitlines()[:2])
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for package in (*ROOMS, "workers/engines", "workers/checks"):
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").touch()
    for port in ("engines", "checks"):
        (tmp_path / "workers" / port / "port.py").touch()
    assert run("lint-imports", "--no-cache", cwd=tmp_path)[0] == 0
    shutil.copy(specimen, tmp_path / module)
    status, said = run("lint-imports", "--no-cache", cwd=tmp_path)
    assert status == 1
    assert f"{contract} BROKEN" in " ".join(said.split())


def unused(*paths: Path) -> list[str]:
    """What vulture finds, apart from the generated events: a field nobody reads yet is still what a topic says."""
    vulture = Vulture(ignore_decorators=["@app.*", "@*.command*", "@*.callback*", "@*_validator*"])
    vulture.scavenge([str(p) for p in paths])
    found = vulture.get_unused_code(min_confidence=60)
    return [item.get_report() for item in found if Path(item.filename) != ROOT / "schemas" / "events.py"]


def test_no_code_is_dead():
    found = unused(*(ROOT / room for room in ROOMS), Path(__file__).parent / "used_from_outside.py")
    assert not found, "\n".join(found)


def test_vulture_refuses_dead_code():
    assert "unused function 'colour_cast_of_yesterday'" in unused(SPECIMENS / "dead_code.py")[0]


def covered(cwd: Path, tmp_path: Path, *command: str) -> tuple[int, str]:
    data = f"--data-file={tmp_path / 'coverage'}"
    status, said = run("coverage", "run", data, f"--rcfile={cwd / 'pyproject.toml'}", *command, cwd=cwd)
    assert status == 0, said
    return run("coverage", "report", data, f"--rcfile={cwd / 'pyproject.toml'}", cwd=cwd)


def test_every_branch_of_rules_and_schemas_is_covered(tmp_path: Path):
    status, said = covered(ROOT, tmp_path, "-m", "pytest", "-q", "tests/unit/rules", "tests/unit/schemas")
    assert status == 0, said


def test_coverage_refuses_a_branch_not_taken(tmp_path: Path):
    shutil.copytree(SPECIMENS / "uncovered", tmp_path / "rules")
    config = (ROOT / "pyproject.toml").read_text(encoding="utf-8").replace('"rules", "schemas"', '"rules"')
    (tmp_path / "pyproject.toml").write_text(config, encoding="utf-8")
    status, said = covered(tmp_path, tmp_path, "rules/run_it.py")
    assert status == 2, said
    assert "branches.py" in said
