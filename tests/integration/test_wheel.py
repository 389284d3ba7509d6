"""The wheel works by itself: built, installed from the light lock into a fresh environment, far from the sources."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from rules.ruleset import load_ruleset

ROOT = Path(__file__).parents[2]
LIMIT_S = 280


def run(*command: str | Path, cwd: Path, ok: tuple[int, ...] = (0,)) -> str:
    """Output of a command. The environment is a bare one, so that nothing of the clone is found through it."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "PRESSCHECK_", "VIRTUAL_ENV"))}
    done = subprocess.run(
        [str(c) for c in command], cwd=cwd, env=kept, capture_output=True, text=True, timeout=LIMIT_S, check=False
    )
    assert done.returncode in ok, done.stdout + done.stderr
    return done.stdout


def uv() -> Path:
    found = shutil.which("uv") or ROOT / ".tools" / "bin" / "uv"
    return Path(found)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of commands of an environment that has the wheel and the light lock, and nothing else."""
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder, cwd=ROOT)
    wheel = next(folder.glob("presscheck-*.whl"))
    run(uv(), "venv", "--quiet", "--python", sys.executable, folder / "env", cwd=folder)
    python = folder / "env" / "bin" / "python"
    lock = ROOT / "requirements" / "light.txt"
    run(uv(), "pip", "install", "--quiet", "--python", python, "--require-hashes", "-r", lock, cwd=folder)
    run(uv(), "pip", "install", "--quiet", "--python", python, "--no-deps", wheel, cwd=folder)
    return python.parent


def test_the_command_runs_from_the_wheel(installed: Path, tmp_path: Path):
    where = run(installed / "python", "-c", "import ops, schemas; print(ops.__file__)", cwd=tmp_path)
    assert where.startswith(str(installed.parent))
    said = run(installed / "presscheck", "--help", cwd=tmp_path)
    assert "Prompt events in, checked images out." in said


def test_every_data_file_came_along(installed: Path, tmp_path: Path):
    found = json.loads(run(installed / "presscheck", "schemas", "check", "--json", cwd=tmp_path))
    assert {row["finding"] for row in found} == {"holds"}
    site = next((installed.parent / "lib").glob("python3.*/site-packages"))
    for room in ("audit", "broker", "ops", "rules", "schemas", "store", "streams", "workers"):
        ours = {p.relative_to(ROOT) for p in (ROOT / room).rglob("*") if p.is_file() and "__pycache__" not in p.parts}
        assert not [p for p in ours if not (site / p).exists()], room


def test_the_config_of_the_wheel_is_the_projects(installed: Path, tmp_path: Path):
    rows = json.loads(run(installed / "presscheck", "topics", "--json", cwd=tmp_path))
    config = ROOT / "config"
    files = {p.relative_to(config).as_posix(): p.read_text(encoding="utf-8") for p in config.rglob("*.yml")}
    engines = load_ruleset(files).engines
    assert {f"render.{engine}.critical" for engine in engines} <= {row["name"] for row in rows}


def test_an_image_is_inspected_with_no_broker(installed: Path, tmp_path: Path):
    draw = "from PIL import Image; Image.new('RGB', (256, 256), '#204060').save('flat.png')"
    run(installed / "python", "-c", draw, cwd=tmp_path)
    said = run(installed / "presscheck", "inspect", "flat.png", "--expect", "SALE", "--json", cwd=tmp_path, ok=(0, 1))
    row: dict[str, Any] = json.loads(said)
    assert row["file"].endswith("flat.png")
    assert row["verdict"] in {"review", "reject"}
