"""The commands as a new user meets them: each a real process, by what it prints and how it exits."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

import pytest

from broker.settings import Settings
from ops.cli import COMMANDS
from schemas.catalogue import topics_for
from tests.unit.rules.samples import ruleset

ROOT = Path(__file__).parents[2]
GOOD = '{"prompt": "a red tent", "idempotency_key": "cli-1"}\n'


def call(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """`python -m ops …` with these settings and no others."""
    inherited: Mapping[str, str] = {k: v for k, v in os.environ.items() if not k.startswith("PRESSCHECK_")}
    return subprocess.run(
        [sys.executable, "-m", "ops", *arguments],
        cwd=ROOT,
        env={**inherited, "COLUMNS": "200", **variables},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_the_version_is_that_of_the_package():
    done = call("--version")
    assert (done.returncode, done.stdout) == (0, f"presscheck {version('presscheck')}\n")


def test_every_command_stands_in_the_help():
    done = call("--help")
    assert done.returncode == 0
    assert [name for name in COMMANDS if f" {name} " not in done.stdout] == []


def test_an_unknown_command_gets_the_nearest_name():
    done = call("sbmit", "x.jsonl")
    assert done.returncode == 2
    assert "There is no command 'sbmit'. Did you mean 'submit'?" in done.stderr


def test_an_unknown_process_gets_the_known_ones(tmp_path: Path):
    done = call("run", "nosuch", "--state", str(tmp_path))
    assert done.returncode == 2
    assert "there is no process 'nosuch'; there are sanity, render, inspect, validation, audit" in done.stderr


def test_a_misspelt_setting_is_named_with_the_known_ones(tmp_path: Path):
    done = call("status", PRESSCHECK_KAFKA_BOOTSTRP="x:1", PRESSCHECK_STATE_DIR=str(tmp_path))
    assert done.returncode == 2
    assert "PRESSCHECK_KAFKA_BOOTSTRP" in done.stderr
    assert "PRESSCHECK_KAFKA_BOOTSTRAP" in done.stderr


@pytest.mark.parametrize(("command", "exit_code"), [("down", 0), ("status", 1)])
def test_without_a_stack_down_has_nothing_to_do_and_status_says_so(tmp_path: Path, command: str, exit_code: int):
    done = call(command, "--state", str(tmp_path / "none"))
    assert (done.returncode, done.stdout, done.stderr) == (exit_code, f"no stack runs in {tmp_path / 'none'}\n", "")
    assert not (tmp_path / "none").exists()


def test_status_without_a_stack_as_json(tmp_path: Path):
    done = call("status", "--json", "--state", str(tmp_path))
    seen = json.loads(done.stdout)
    assert (done.returncode, seen["state"], seen["processes"]) == (1, "down", [])


@pytest.mark.parametrize(
    "arguments",
    [
        ("submit", "FILE"),
        ("tail", "prompts"),
        ("report",),
        ("topics", "--check"),
        ("topics", "--create"),
        ("hold", "list"),
        ("hold", "release", "x"),
        ("audit", "verify"),
        ("audit", "trace", "00000000-0000-0000-0000-000000000000"),
    ],
    ids=" ".join,
)
def test_what_needs_a_stack_says_how_to_get_one(tmp_path: Path, arguments: tuple[str, ...]):
    good = tmp_path / "good.jsonl"
    good.write_text(GOOD, encoding="utf-8")
    done = call(*(str(good) if a == "FILE" else a for a in arguments), "--state", str(tmp_path / "none"))
    assert done.returncode == 2
    assert f"no stack is up in {tmp_path / 'none'}; start one with `presscheck up --detach`" in done.stderr
    assert (done.stdout, "Traceback" in done.stderr) == ("", False)


def test_a_faulty_file_is_refused_line_by_line_and_nothing_is_sent(tmp_path: Path):
    faulty = tmp_path / "jobs.jsonl"
    faulty.write_text(GOOD + 'not json\n{"promt": "x"}\n\n{"prompt": "y", "lane": "urgent"}\n', encoding="utf-8")
    done = call("submit", str(faulty), "--state", str(tmp_path / "none"))
    assert (done.returncode, done.stdout) == (2, "")
    said = done.stderr.splitlines()
    assert [line.split(": ")[0] for line in said[:3]] == [f"{faulty}:{n}" for n in (2, 3, 5)]
    assert 'did you mean "prompt"' in said[1]
    assert "want critical or exploratory" in said[2]
    assert said[3] == "3 of 4 lines are wrong; nothing was sent"


def test_a_file_that_is_not_there_and_one_that_is_empty(tmp_path: Path):
    done = call("submit", str(tmp_path / "none.jsonl"))
    assert (done.returncode, "is not there" in done.stderr) == (2, True)
    empty = tmp_path / "empty.jsonl"
    empty.write_text("\n", encoding="utf-8")
    done = call("submit", str(empty))
    assert (done.returncode, "holds no job" in done.stderr) == (2, True)


def test_topics_lists_every_topic_of_the_rules():
    done = call("topics", "--json")
    assert done.returncode == 0
    rows = json.loads(done.stdout)
    assert [r["name"] for r in rows] == [t.name for t in topics_for(ruleset().engines)]
    assert next(r for r in rows if r["name"] == "dead-letters")["written_by"] == [
        "sanity", "render", "inspect", "validation",
    ]  # fmt: skip
    assert "design-queue" in call("topics").stdout


def test_topics_are_created_once_and_then_hold_the_check(settings: Settings):
    variables = {
        "PRESSCHECK_KAFKA_BOOTSTRAP": settings.kafka_bootstrap,
        "PRESSCHECK_STATE_DIR": str(settings.state_dir),
    }
    assert call("topics", "--create", **variables).returncode == 0
    again = call("topics", "--create", "--json", **variables)
    assert (again.returncode, json.loads(again.stdout)) == (0, {"created": [], "differences": []})
    checked = call("topics", "--check", **variables)
    assert (checked.returncode, "every topic is as the catalogue says" in checked.stdout) == (0, True)


def test_doctor_finds_this_machine_fit(tmp_path: Path):
    done = call("doctor", "--json", "--state", str(tmp_path))
    findings = {f["what"]: f for f in json.loads(done.stdout)}
    assert done.returncode == 0, [f for f in findings.values() if f["level"] == "bad"]
    assert set(findings) == {
        "python", "java", "kafka jars", "postgres", "ports", "memory", "settings", "config", "kafka", "disk", "fonts",
        "engines", "vision endpoint",
    }  # fmt: skip
    assert findings["kafka"]["mend"] == "`presscheck up` starts one"


def test_doctor_names_what_is_wrong_with_its_mend_and_hides_nothing_else(tmp_path: Path):
    done = call(
        "doctor", "--json", PRESSCHECK_STATE_DIR=str(tmp_path), PRESSCHECK_CONFIG_DIR=str(tmp_path / "no-config"),
        PRESSCHECK_KAFKA_BOOTSTRAP="127.0.0.1:1",
    )  # fmt: skip
    findings = {f["what"]: f for f in json.loads(done.stdout)}
    assert done.returncode == 1
    assert {what for what, f in findings.items() if f["level"] == "bad"} == {"config", "kafka"}
    assert "PRESSCHECK_KAFKA_BOOTSTRAP" in findings["kafka"]["mend"]
    assert "no-config" in findings["config"]["seen"]
    assert findings["java"]["level"] == "ok"
    wrong = call("doctor", "--json", PRESSCHECK_INSPECT_THREADS="many", PRESSCHECK_STATE_DIR=str(tmp_path))
    assert wrong.returncode == 1
    assert "PRESSCHECK_INSPECT_THREADS" in next(f for f in json.loads(wrong.stdout) if f["level"] == "bad")["seen"]
