"""`presscheck audit` and `presscheck report` as commands: what they print and how they exit."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from ops.cli import app
from tests.integration.audit_ledger import fetched, fill, open_ledger
from tests.stories import accepted, job

JOB = job("cli-job")


@pytest.fixture
def ledger_dsn(database: str) -> str:
    with open_ledger(database) as conn:
        fill(conn, fetched(accepted(JOB, rejects=1)))
    return database


def presscheck(dsn: str, folder: Path, arguments: Sequence[str]) -> Result:
    environment = {"PRESSCHECK_DATABASE_URL": dsn, "PRESSCHECK_STATE_DIR": str(folder)}
    return CliRunner().invoke(app, list(arguments), env=environment)


def printed(result: Result) -> Any:
    return json.loads(result.stdout)


def test_trace(ledger_dsn: str, tmp_path: Path):
    result = presscheck(ledger_dsn, tmp_path, ["audit", "trace", JOB.job_id])
    assert result.exit_code == 0
    assert "attempt 1" in result.stdout
    steps = printed(presscheck(ledger_dsn, tmp_path, ["audit", "trace", JOB.job_id, "--json"]))["steps"]
    assert [s["record"] for s in steps][-1] == "AssetApproved"
    assert {"topic", "partition", "offset"} <= steps[0].keys()
    assert presscheck(ledger_dsn, tmp_path, ["audit", "trace", job("unknown").job_id]).exit_code == 1
    assert presscheck(ledger_dsn, tmp_path, ["audit", "trace", "no-id"]).exit_code == 2


def test_verify(ledger_dsn: str, tmp_path: Path):
    whole = presscheck(ledger_dsn, tmp_path, ["audit", "verify"])
    assert (whole.exit_code, "the ledger is whole" in whole.stdout) == (0, True)
    kept = tmp_path / "heads.json"
    kept.write_text(presscheck(ledger_dsn, tmp_path, ["audit", "verify", "--json"]).stdout)
    with open_ledger(ledger_dsn) as conn:
        conn.execute("ALTER TABLE ledger DISABLE TRIGGER ledger_append_only")
        conn.execute("UPDATE ledger SET value = '' WHERE topic = 'design-queue'")
        conn.execute("ALTER TABLE ledger ENABLE ALWAYS TRIGGER ledger_append_only")
    result = presscheck(ledger_dsn, tmp_path, ["audit", "verify", "--json", "--anchor", str(kept)])
    assert result.exit_code == 1
    [finding] = printed(result)["findings"]
    assert (finding["kind"], finding["topic"], finding["offset"]) == ("changed", "design-queue", 0)
    shown = presscheck(ledger_dsn, tmp_path, ["audit", "verify"])
    assert (shown.exit_code, "design-queue" in shown.stdout) == (1, True)
    assert presscheck(ledger_dsn, tmp_path, ["audit", "verify", "--topic", "prompts"]).exit_code == 0


def test_report(ledger_dsn: str, tmp_path: Path):
    found = printed(presscheck(ledger_dsn, tmp_path, ["report", "--json"]))
    assert found["jobs"]["accepted"] == 1
    assert found["total"]["artifact_rate"] == 0.5
    shown = presscheck(ledger_dsn, tmp_path, ["report", "--review-minutes", "2"])
    assert (shown.exit_code, "Artifact rate" in shown.stdout) == (0, True)
    assert presscheck(ledger_dsn, tmp_path, ["report", "--since", "fortnight"]).exit_code == 2
    assert printed(presscheck(ledger_dsn, tmp_path, ["report", "--json", "--since", "1h"]))["jobs"]["jobs"] == 0
