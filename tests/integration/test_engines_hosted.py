"""`presscheck engines ask` as a user runs it, before a local server."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from broker.settings import Settings
from ops.engines.hosted import asked
from ops.rulesets.publish import read_config
from schemas.errors import BadConfig, Poison
from tests import hosted_server
from tests.hosted_server import KEY, Server

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / "config"
RULESET = read_config(CONFIG)


@pytest.fixture
def server() -> Iterator[Server]:
    with hosted_server.serve() as its:
        yield its


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "seen.png"
    path.write_bytes(hosted_server.draw(["1", "1"], b"seen", 64))
    return path


def presscheck(operation: str, path: Path, *given: str, **environ: str) -> str:
    """What the command prints."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PRESSCHECK_")}
    done = subprocess.run(
        [sys.executable, "-m", "ops", "engines", "ask", "ideogram-v1", operation, str(path), *given],
        cwd=ROOT,
        env={**kept, **environ},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert KEY not in done.stdout + done.stderr
    return done.stdout


def test_a_picture_is_described_and_enlarged(server: Server, picture: Path, tmp_path: Path) -> None:
    config = tmp_path / "config"
    shutil.copytree(CONFIG, config)
    engines = (CONFIG / "engines.yml").read_text(encoding="utf-8")
    (config / "engines.yml").write_text(engines.replace("https://api.ideogram.ai", server.url), encoding="utf-8")
    environ = {"PRESSCHECK_IDEOGRAM_API_KEY": KEY, "PRESSCHECK_STATE_DIR": str(tmp_path)}
    given = ["--config", str(config), "--json"]
    said = presscheck("describe", picture, *given, **environ)
    assert json.loads(said) == {"descriptions": ["a cup", "a cup of coffee"]}
    to = tmp_path / "large.png"
    given = [*given, "--out", str(to)]
    assert json.loads(presscheck("upscale", picture, *given, **environ))["file"] == str(to)
    assert Image.open(to).size == (320, 320)


def test_what_cannot_be_asked_is_said(picture: Path, tmp_path: Path) -> None:
    ideogram, without = RULESET.engines["ideogram-v1"], Settings.model_validate({})
    with pytest.raises(BadConfig, match="put its key into PRESSCHECK_IDEOGRAM_API_KEY"):
        asked(ideogram, without, "describe", picture)
    with pytest.raises(BadConfig, match="no operation 'praise'; choose describe or upscale"):
        asked(ideogram, without, "praise", picture)
    with pytest.raises(BadConfig, match="has no host that describes"):
        asked(RULESET.engines["typeset"], without, "describe", picture)
    given = Settings.model_validate({"ideogram_api_key": KEY})
    (tmp_path / "text.png").write_text("none", encoding="utf-8")
    with pytest.raises(Poison, match="is no PNG, JPEG or WebP"):
        asked(ideogram, given, "describe", tmp_path / "text.png")
    with pytest.raises(Poison, match="cannot be read"):
        asked(ideogram, given, "describe", tmp_path / "none.png")
