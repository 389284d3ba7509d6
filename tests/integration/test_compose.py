"""The compose file: valid, every variable known, and every command of ours run as a process against a real broker."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml
from jsonschema.validators import validator_for

from broker import settings as settings_module
from broker.embedded.kafka import EmbeddedKafka
from broker.settings import PREFIX, Settings
from ops.stack.plan import PREPARE, STAGES
from schemas.errors import BadConfig

ROOT = Path(__file__).parents[2]
FILE = ROOT / "compose" / "docker-compose.yml"
SPEC = ROOT / "tests" / "docs" / "specs" / "compose-spec.json"
RUNNING = {
    "sanity": "started",
    "validation": "started",
    "render": "worker runs",
    "render-gpu": "worker runs",
    "inspect": "worker runs",
    "audit": "audit sink reads",
    "rollouts": "deciding roll-outs",
}
"""What each stage logs once it works."""
WITHIN_S = 90.0


def compose() -> dict[str, Any]:
    return yaml.safe_load(FILE.read_text(encoding="utf-8"))


def ours() -> dict[str, dict[str, Any]]:
    return {name: s for name, s in compose()["services"].items() if "build" in s}


def complaints(document: Any) -> list[str]:
    schema = json.loads(SPEC.read_text(encoding="utf-8"))
    schema["$schema"] = "https://json-schema.org/draft/2019-09/schema"  # it writes the same with http:
    return [f"{e.json_path}: {e.message[:200]}" for e in validator_for(schema)(schema).iter_errors(document)]


def test_the_file_is_valid():
    assert complaints(compose()) == []


def test_an_invalid_file_is_refused():
    document = compose()
    document["services"]["sanity"]["helthcheck"] = {}
    assert complaints(document)


def test_every_stage_is_a_service_of_both_profiles():
    commands = {(profile, *s["command"][1:2]) for s in ours().values() for profile in s["profiles"]}
    assert commands == {(p, name) for p in ("cpu", "gpu") for name in (*(s.name for s in STAGES), PREPARE)}


@pytest.mark.parametrize("name", ours())
def test_every_variable_is_one_that_the_settings_know(name: str):
    environment = ours()[name]["environment"]
    assert all(k.startswith(PREFIX) for k in environment)
    assert settings_module.load(environ=environment).kafka_bootstrap == "kafka:9092"


def test_an_unknown_variable_is_refused():
    with pytest.raises(BadConfig, match="PRESSCHECK_KAFKA_BOOTSTRAPS"):
        settings_module.load(environ={"PRESSCHECK_KAFKA_BOOTSTRAPS": "kafka:9092"})


@pytest.mark.parametrize("name", ours())
def test_no_stage_is_root_or_may_become_it(name: str):
    service = ours()[name]
    assert int(service["user"]) > 0
    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]


def test_the_dockerfile_copies_everything_that_the_wheel_is_made_of():
    lines = (ROOT / "compose" / "Dockerfile").read_text(encoding="utf-8").splitlines()
    copied = {word for line in lines if line.startswith("COPY") for word in line.split()[1:-1]}
    assert copied >= {"audit", "broker", "config", "ops", "rules", "schemas", "store", "streams", "workers"}
    assert "USER 10001" in lines
    kept = (ROOT / ".dockerignore").read_text(encoding="utf-8").split()
    files = {c for c in copied if not c.startswith(("--", "/", "requirements"))}
    assert {f"!{f}" for f in files} <= set(kept)


@contextmanager
def process(command: list[str], environment: dict[str, str], cwd: Path) -> Generator[subprocess.Popen[str]]:
    """A service's command as a process, with the image's entry point before it; terminated at the end."""
    presscheck = Path(sys.executable).with_name("presscheck")
    child = subprocess.Popen(
        [str(presscheck), *command],
        env={**os.environ, **environment},
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield child
    finally:
        child.terminate()
        try:
            child.wait(60)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait(10)
        assert child.stdout is not None
        child.stdout.close()


def wait_for(child: subprocess.Popen[str], event: str) -> None:
    """Read the log until an event; fails with all that was said where it does not come."""
    lines: queue.Queue[str | None] = queue.Queue()

    def read() -> None:
        assert child.stdout is not None
        for line in child.stdout:
            lines.put(line)
        lines.put(None)

    threading.Thread(target=read, daemon=True).start()
    said, end = list[str](), time.monotonic() + WITHIN_S
    while True:
        try:
            line = lines.get(timeout=max(0.0, end - time.monotonic()))
        except queue.Empty:
            line = None
        if line is None:
            raise AssertionError(f"no {event!r} within {WITHIN_S:g} s:\n{''.join(said)}")
        said.append(line)
        if f'"event": "{event}"' in line:
            return


@pytest.fixture(scope="module")
def settings_of_the_machine(postgres: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Endpoints of this machine, in place of the containers' host names: a broker and a database of this module's."""
    folder = tmp_path_factory.mktemp("compose")
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute("CREATE DATABASE compose")
    with EmbeddedKafka(folder) as kafka:
        yield {
            "PRESSCHECK_STATE_DIR": str(folder),
            "PRESSCHECK_CONFIG_DIR": str(ROOT / "config"),
            "PRESSCHECK_KAFKA_BOOTSTRAP": kafka.bootstrap,
            "PRESSCHECK_DATABASE_URL": f"{postgres.rsplit('/', 1)[0]}/compose",
            "PRESSCHECK_STORE_URL": (folder / "store").as_uri(),
        }
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute("DROP DATABASE compose WITH (FORCE)")


@pytest.fixture(scope="module")
def prepared(settings_of_the_machine: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The same, after service `prepare` has run to its end."""
    service = ours()["prepare"]
    environment = {**service["environment"], **settings_of_the_machine}
    with process(service["command"], environment, tmp_path_factory.mktemp("prepare")) as child:
        said = child.communicate(timeout=WITHIN_S)[0]
        assert child.returncode == 0, said
    return settings_of_the_machine


@pytest.mark.parametrize("name", RUNNING)
def test_a_service_runs_until_it_is_told_to_stop(name: str, prepared: dict[str, str], tmp_path: Path):
    service = ours()[name]
    with process(service["command"], {**service["environment"], **prepared}, tmp_path) as child:
        wait_for(child, RUNNING[name])
    assert child.returncode == 0


def test_the_health_check_of_a_stage_passes(prepared: dict[str, str], tmp_path: Path):
    command = ours()["sanity"]["healthcheck"]["test"]
    assert command[:2] == ["CMD", "presscheck"]
    with process(command[2:], prepared, tmp_path) as child:
        said = child.communicate(timeout=WITHIN_S)[0]
        assert child.returncode == 0, said


def test_every_service_says_when_it_runs():
    assert {*RUNNING, PREPARE} == set(ours())
    assert Settings.model_fields["state_dir"].default == Path(".presscheck")
