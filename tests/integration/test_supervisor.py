"""A real stack, with its own Kafka and Postgres: up, killed here and there, down, up again; nothing is left behind."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest
from confluent_kafka.cimpl import NewTopic

from broker import settings as settings_module
from broker.admin import admin_client, ensure_topics
from broker.embedded.kafka import answers
from ops.stack import state as stack_state
from ops.stack.state import ProcessRow, StackRow
from tests import small_stack
from tests.waiting import until
from workers.progress import ProgressTopic, Word

READY_S = 60.0


class Running:
    """One small stack in a process of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.process = subprocess.Popen([sys.executable, small_stack.__file__, str(folder)], env=environment())

    def row(self) -> StackRow:
        row = stack_state.read(self.folder)
        assert row is not None
        return row

    def named(self, name: str) -> ProcessRow:
        return next(p for p in self.row().processes if p.name == name)

    def ready(self) -> StackRow:
        def look() -> StackRow | None:
            assert self.process.poll() is None, "the stack ended"
            row = stack_state.read(self.folder)
            return row if row is not None and row.alive and row.phase == "ready" else None

        return until("the stack is ready", look, READY_S)

    def settings(self) -> settings_module.Settings:
        return settings_module.load(self.folder, {})

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)


def environment() -> dict[str, str]:
    """The project on the path of a program that is no part of it."""
    return {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}


def processes(row: StackRow) -> list[psutil.Process]:
    """Every process of a stack, with the children of each."""
    found: list[psutil.Process] = []
    for p in row.processes:
        assert p.pid is not None
        parent = psutil.Process(p.pid)
        found += [parent, *parent.children(recursive=True)]
    return found


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    stack = Running(tmp_path / "state")
    try:
        stack.ready()
        yield stack
    finally:
        stack.stop()


def test_a_killed_service_comes_back_and_down_leaves_nothing(running: Running) -> None:
    endpoints = running.folder / "endpoints.json"
    assert stat.S_IMODE(endpoints.stat().st_mode) == 0o600
    bootstrap = running.settings().kafka_bootstrap

    for name in ("first", "postgres", "kafka"):
        before = running.named(name)
        assert before.pid is not None
        os.kill(before.pid, signal.SIGKILL)
        after = until(
            f"{name} runs again",
            lambda name=name, before=before: p if (p := running.named(name)).alive and p.pid != before.pid else None,
        )
        assert (after.restarts, after.last_exit) == (1, -signal.SIGKILL)
    assert running.named("second").restarts == 0
    until("the broker answers where it did before", lambda: answers(bootstrap))
    until("the database answers where it did before", lambda: database_answers(running))

    alive = processes(running.row())
    running.stop()
    assert running.process.returncode == 0
    assert psutil.wait_procs(alive, timeout=0)[1] == []
    assert not endpoints.exists()
    assert stack_state.read(running.folder) is None


def database_answers(running: Running) -> bool:
    try:
        psycopg.connect(running.settings().database_url.get_secret_value(), connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True


def test_a_second_start_finds_the_data_and_the_ports_of_the_first(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    first = Running(folder)
    try:
        first.ready()
        settings = first.settings()
        admin = admin_client(settings)
        admin.create_topics([NewTopic("kept", 3, 1)], operation_timeout=30)["kept"].result(30)
        with psycopg.connect(settings.database_url.get_secret_value()) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 42 AS n")
    finally:
        first.stop()
    second = Running(folder)
    try:
        second.ready()
        again = second.settings()
        assert (again.kafka_bootstrap, again.database_url) == (settings.kafka_bootstrap, settings.database_url)
        assert len(admin_client(again).list_topics(timeout=30).topics["kept"].partitions) == 3
        with psycopg.connect(again.database_url.get_secret_value()) as connection:
            assert connection.execute("SELECT n FROM kept").fetchone() == (42,)
    finally:
        second.stop()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that its parent died")
def test_a_killed_supervisor_leaves_no_orphan_and_the_next_one_starts(running: Running) -> None:
    alive = processes(running.row())
    running.process.kill()
    running.process.wait(10)
    _, left = psutil.wait_procs(alive, timeout=30)
    assert left == []
    again = Running(running.folder)
    try:
        again.ready()
    finally:
        again.stop()


def test_two_stacks_run_side_by_side_but_not_in_one_folder(running: Running, tmp_path: Path) -> None:
    same = subprocess.run(
        [sys.executable, "-m", "ops", "up", "--state", str(running.folder)],
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert same.returncode == 2
    assert "a stack runs in" in same.stderr
    assert "presscheck down" in same.stderr
    assert len(same.stderr.strip().splitlines()) == 1
    assert running.row().alive
    assert (running.folder / "endpoints.json").exists()

    other = Running(tmp_path / "other")
    try:
        other.ready()
        assert other.settings().kafka_bootstrap != running.settings().kafka_bootstrap
        assert answers(running.settings().kafka_bootstrap, 5)
        assert answers(other.settings().kafka_bootstrap, 5)
    finally:
        other.stop()


def test_status_tells_of_every_process_and_down_stops_them(running: Running) -> None:
    def presscheck(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "ops", *words, "--state", str(running.folder)],
            env=environment(),
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    seen = json.loads(presscheck("status", "--json").stdout)
    assert seen["state"] == "ready"
    by_name = {p["name"]: p for p in seen["processes"]}
    assert set(by_name) == {"kafka", "postgres", "first", "second"}
    assert all(p["state"] == "running" and p["restarts"] == 0 and p["rss_mib"] > 1 for p in by_name.values())
    assert seen["endpoints"]["kafka_bootstrap"] == running.settings().kafka_bootstrap
    password = running.settings().database_url.get_secret_value().split(":")[2].split("@")[0]
    assert password not in json.dumps(seen)
    assert seen["renders"] == []  # nothing renders here

    def at_work() -> dict[str, Any] | None:
        shown = json.loads(presscheck("status", "--json").stdout)["renders"]
        return shown[0] if shown and shown[0]["engine"] else None

    ensure_topics(running.settings(), [])
    with ProgressTopic(running.settings(), "render-test-0", lambda: time.time_ns() // 1_000_000) as progress:
        progress.tell(Word(engine="sd3.5-large", job_ids=("a", "b"), step=3, steps=28, resident=("sd3.5-large",)))
        shown = until("status tells what the worker is at", at_work)
        assert (shown["worker"], shown["jobs"], shown["job_ids"]) == ("render-test-0", 2, ["a", "b"])
        assert (shown["step"], shown["steps"], shown["resident"]) == (3, 28, ["sd3.5-large"])
        assert "3 of 28" in presscheck("status").stdout

    alive = processes(running.row())
    assert presscheck("down").returncode == 0
    assert psutil.wait_procs(alive, timeout=0)[1] == []
    running.process.wait(10)
    after = presscheck("status", "--json")
    assert after.returncode == 1
    assert json.loads(after.stdout)["state"] == "down"
