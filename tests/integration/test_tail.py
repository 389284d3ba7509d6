"""`presscheck tail` as a user runs it, on a real broker."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from broker.clients import producer
from broker.settings import Settings
from schemas.codec import Codec, LockedIds
from tests.conftest import MakeTopic
from tests.stories import accepted, job

CODEC = Codec(LockedIds())
ROOT = Path(__file__).parents[2]
MAIN = "import typer; from ops.commands.tail import tail; typer.run(tail)"


def command(settings: Settings, *arguments: str) -> tuple[Sequence[str], dict[str, str]]:
    environment = {
        **os.environ,
        "PRESSCHECK_STATE_DIR": str(settings.state_dir),
        "PRESSCHECK_KAFKA_BOOTSTRAP": settings.kafka_bootstrap,
        "PYTHONPATH": str(ROOT),
    }
    return [sys.executable, "-c", MAIN, *arguments], environment


def tailed(settings: Settings, *arguments: str) -> subprocess.CompletedProcess[str]:
    argv, environment = command(settings, *arguments)
    return subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=60, check=False)


def lines(settings: Settings, *arguments: str) -> list[dict[str, Any]]:
    done = tailed(settings, *arguments, "--json")
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture
def topic(settings: Settings, make_topic: MakeTopic) -> str:
    """Two jobs' records, two that are no records, and one that was aborted."""
    name = make_topic("tail", partitions=2)
    client = producer(settings, transactional_id=f"tx-{name}")
    client.init_transactions(30)
    client.begin_transaction()
    client.produce(name, b"aborted")
    client.flush(30)
    client.abort_transaction(30)
    client.begin_transaction()
    for key in ("tail-1", "tail-2"):
        for _, event in accepted(job(key)):
            client.produce(name, CODEC.encode(event), key=job(key).job_id.encode(), headers=[("who", b"test")])
    client.produce(name, b"\x00\x01 not a record", key=b"\xff")
    client.produce(name, None, key=b"null")
    client.commit_transaction(30)
    return name


def test_one_record_a_line_to_the_end(settings: Settings, topic: str):
    found = lines(settings, topic, "--from-beginning", "--until-end")
    assert len(found) == 14
    assert sum(line["record"] is None for line in found) == 2
    first = next(line for line in found if line["record"] == "PromptSubmitted")
    assert first["value"]["job"]["prompt"] == 'A poster that says "OPEN LATE"'
    assert first["headers"] == [{"name": "who", "value": "test"}]
    broken = next(line for line in found if line["key"] == {"base64": "/w=="})
    assert "schema id" in broken["error"]
    assert broken["value"] == {"base64": "AAEgbm90IGEgcmVjb3Jk"}


def test_limit_job_and_the_form_for_people(settings: Settings, topic: str):
    assert len(lines(settings, topic, "--from-beginning", "--limit", "3")) == 3
    of_one = lines(settings, topic, "--from-beginning", "--until-end", "--job", job("tail-2").job_id)
    assert len(of_one) == 6
    text = tailed(settings, topic, "--from-beginning", "--until-end").stdout
    assert "AssetApproved" in text
    assert "undecodable" in text


def test_without_from_beginning_the_past_stays_unseen(settings: Settings, topic: str):
    assert lines(settings, topic, "--until-end") == []


def test_a_topic_that_is_not_there(settings: Settings):
    done = tailed(settings, "no-such-topic", "--until-end")
    assert done.returncode == 2
    assert "there is no topic" in done.stderr


def test_ctrl_c_is_a_clean_end(settings: Settings, topic: str):
    argv, environment = command(settings, topic, "--from-beginning", "--json")
    with subprocess.Popen(argv, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for _ in range(14):
            assert process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, complaint = process.communicate(timeout=30)
    assert process.returncode == 0, complaint
    assert "Traceback" not in complaint
