"""A broker, a database and an object store of somebody else's: `up` starts the stages alone and leaves them be."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from moto.server import ThreadedMotoServer

from broker.embedded.kafka import EmbeddedKafka, answers
from schemas import ids
from schemas.catalogue import DESIGN_QUEUE, REVIEW
from tests.chaos.driver import Stack, running


@pytest.fixture
def outside(tmp_path: Path, database: str) -> Iterator[dict[str, str]]:
    """Settings that name a broker of this test's own, a database, and a bucket of moto's S3 server."""
    moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    moto.start()
    port = moto.get_host_and_port()[1]
    endpoint = f"http://127.0.0.1:{port}"
    httpx.put(f"{endpoint}/assets").raise_for_status()
    with EmbeddedKafka(tmp_path / "broker") as broker:
        yield {
            "PRESSCHECK_KAFKA_BOOTSTRAP": broker.bootstrap,
            "PRESSCHECK_DATABASE_URL": database,
            "PRESSCHECK_STORE_URL": "s3://assets/presscheck",
            "PRESSCHECK_STORE_S3_ENDPOINT": endpoint,
            "PRESSCHECK_STORE_S3_ACCESS_KEY_ID": "test",
            "PRESSCHECK_STORE_S3_SECRET_ACCESS_KEY": "a-secret-of-this-test",
        }
    moto.stop()


def test_the_stages_run_on_what_the_settings_name(tmp_path: Path, outside: dict[str, str]) -> None:
    with running(Stack(state=tmp_path / "state", outside=outside)) as stack:
        assert set(stack.processes()) == {"sanity", "render", "inspect", "validation", "audit", "rollouts"}
        line = {"prompt": "Gouache still life of pears", "idempotency_key": "outside", "width": 320, "height": 320}
        said = json.loads(stack.call("submit", "-", "--wait", "--json", stdin=json.dumps(line)))
        assert said["jobs"][0]["job_id"] == ids.job_id("outside")
        ended = stack.terminal_events()[ids.job_id("outside")]
        assert ended.total() == 1
        assert set(ended) <= {DESIGN_QUEUE, REVIEW}
    assert answers(outside["PRESSCHECK_KAFKA_BOOTSTRAP"], 10), "the broker is not ours to stop"
    written = [p for p in stack.state.rglob("*") if p.is_file() and b"a-secret-of-this-test" in p.read_bytes()]
    assert written == [], "a secret lies in the state folder"
