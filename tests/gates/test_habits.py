"""Our own rules hold, and each refuses its line of the specimen."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.gates import habits
from tests.gates.checkers import ROOT, SPECIMENS

SPECIMEN = SPECIMENS / "bad_habits.py"


def lines_about(what: str) -> list[int]:
    lines = SPECIMEN.read_text(encoding="utf-8").splitlines()
    return [n for n, line in enumerate(lines, 1) if line.endswith(f"# {what}")]


def found_lines(findings: list[str]) -> list[int]:
    return sorted(int(f.removeprefix(str(SPECIMEN)).split(":")[1]) for f in findings)


def test_tests_wait_for_events_and_never_sleep():
    assert not [f for path in habits.python_files("tests") for f in habits.naps(path)]


def test_a_sleep_is_found_by_any_name():
    assert found_lines(habits.naps(SPECIMEN)) == lines_about("sleep")


def test_only_the_settings_read_the_environment():
    allowed = {ROOT / p for p in habits.READS_ENVIRONMENT}
    assert not [f for path in habits.rooms() if path not in allowed for f in habits.environment_reads(path)]


def test_a_look_at_the_environment_is_found():
    assert found_lines(habits.environment_reads(SPECIMEN)) == lines_about("environment")


def test_no_file_names_a_package_registry():
    assert not habits.lines_matching(habits.REGISTRY_HOSTS, habits.text_files())


def test_a_registry_is_found(tmp_path: Path):
    path = tmp_path / "specimen.py"
    path.write_text(SPECIMEN.read_text(encoding="utf-8").replace("{registry}", "py" + "pi.org"), encoding="utf-8")
    found = habits.lines_matching(habits.REGISTRY_HOSTS, [path])
    assert [int(f.removeprefix(str(path)).split(":")[1]) for f in found] == lines_about("host")


def test_no_file_names_a_path_of_a_machine():
    assert not habits.lines_matching(habits.MACHINE_PATHS, habits.text_files())


def test_a_path_of_a_machine_is_found():
    assert found_lines(habits.lines_matching(habits.MACHINE_PATHS, [SPECIMEN])) == lines_about("path")


@pytest.mark.parametrize("path", habits.rooms(), ids=lambda p: str(p.relative_to(ROOT)))
def test_a_module_can_be_read_at_one_sitting(path: Path):
    assert not habits.too_long(path)


def test_a_long_module_is_found(tmp_path: Path):
    path = tmp_path / "long.py"
    path.write_text("x = 1\n" * (habits.MAX_LINES + 1), encoding="utf-8")
    assert habits.too_long(path) == [f"{path}: 301 lines, at most 300"]


def test_the_gates_look_at_files():
    assert len(habits.rooms()) > 20
    assert ROOT / "README.md" in set(habits.text_files())
