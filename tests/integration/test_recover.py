"""A recovery on a whole stack: a bad ruleset spoils a batch, one command brings it back, and nothing comes twice."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ops import rulesets
from schemas.catalogue import DESIGN_QUEUE, HELD, RECOVERIES, REVIEW
from tests.chaos.driver import Stack, running, wait_for
from tests.integration.test_whole import run, seeds, tail
from workers.engines.damage import Damage

BAD, SOUND = 6, 3
TERMS = (
    "--sampling",
    "standard",
    "--lot",
    "2",
    "--pause",
    "1s",
    "--guard",
    "touch-up-rate<=5%",
    "--why",
    "it repaired nothing",
)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """One stack for this module."""
    with running(Stack(state=tmp_path_factory.mktemp("recover") / "state")) as stack:
        yield stack


def hasty(folder: Path) -> Path:
    """A ruleset that repairs nothing: what a first render spoils goes to a person."""
    shutil.copytree(rulesets.IN_CHECKOUT, folder)
    ladder = folder / "ladder.yml"
    text = ladder.read_text(encoding="utf-8")
    assert "max_attempts: 4" in text
    ladder.write_text(text.replace("max_attempts: 4", "max_attempts: 1"), encoding="utf-8")
    return folder


def spoiled(stack: Stack, name: str, folder: Path) -> set[str]:
    """A batch under a ruleset that repairs nothing, which is then taken back; ids of the jobs that went to a person."""
    stack.call("rules", "publish", "--config", str(hasty(folder)), "--activate", "--yes")
    base = {"width": 320, "height": 320, "prompt": "Linocut of a heron in reeds", "engine": "simulator"}
    drawn = [*seeds(Damage.TRUNCATED, BAD), *seeds(None, SOUND)]
    lines = [{**base, "campaign": name, "idempotency_key": f"{name}-{n}", "seed": s} for n, s in enumerate(drawn)]
    ended = run(stack, lines)
    assert Counter(job["state"] for job in ended.values()) == {"review": BAD, "approved": SOUND}
    stack.call("rules", "rollback")
    return {job_id for job_id, job in ended.items() if job["state"] == "review"}


def on(stack: Stack, topic: str, jobs: set[str]) -> list[dict[str, Any]]:
    """Records of a topic about some jobs."""
    found = [r["value"] for r in tail(stack, topic)]
    return [v for v in found if "request" in v and v["request"]["job"]["job_id"] in jobs]


def recover(stack: Stack, *words: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "ops", "recover", *words, "--state", str(stack.state)]
    return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=240, stdin=subprocess.DEVNULL)


def test_a_failed_batch_comes_back_once_and_in_lots(stack: Stack, tmp_path: Path) -> None:
    bad = spoiled(stack, "heron", tmp_path / "hasty")
    wanted = ("--from", "-1h", "--mode", "corrupt-bytes", "--where", "campaign=heron", "--id", "heron")
    asked = (*wanted, "--bar", "accept-rate>=90%", *TERMS)
    dry = recover(stack, *asked, "--dry-run", "--json")
    assert dry.returncode == 0, dry.stderr
    assert json.loads(dry.stdout)["plan"]["assets"] == BAD
    nobody = recover(stack, *asked)
    assert (nobody.returncode, "nobody agreed" in nobody.stderr) == (2, True)
    assert tail(stack, RECOVERIES) == []

    done = recover(stack, *asked, "--yes", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    facts = json.loads(done.stdout)
    assert (facts["step"], facts["numbers"]["delivered"]) == ("completed", BAD)
    assert (facts["numbers"]["before_accepted"], facts["numbers"]["after_accepted"]) == (0, BAD)
    steps = [r["value"]["step"] for r in tail(stack, RECOVERIES) if r["value"]["recovery_id"] == "heron"]
    assert steps == ["tagged", "replaying", "validating", "releasing", "completed"]
    delivered = on(stack, DESIGN_QUEUE, bad)
    assert Counter(v["request"]["job"]["job_id"] for v in delivered) == dict.fromkeys(bad, 1)
    assert {v["approved_by"].partition(" ")[0] for v in delivered} == {"release"}
    assert {v["hold_id"] for v in on(stack, HELD, bad)} == {"heron"}
    assert len(on(stack, REVIEW, bad)) == BAD
    again = recover(stack, "resume", "heron", "--yes")
    assert (again.returncode, "is completed" in again.stderr) == (2, True)
    nothing = recover(stack, *wanted[:-1], "heron-2", "--yes")
    assert (nothing.returncode, "nothing failed there" in nothing.stderr) == (1, True)


def test_a_batch_that_does_not_clear_the_bar_stays_held(stack: Stack, tmp_path: Path) -> None:
    bad = spoiled(stack, "egret", tmp_path / "hasty")
    asked = ("--from", "-1h", "--where", "campaign=egret", "--id", "egret", "--bar", "artifact-rate<=0%", *TERMS)
    stopped = recover(stack, *asked, "--yes")
    assert (stopped.returncode, "artifact-rate<=0% is asked" in stopped.stdout) == (1, True), stopped.stderr
    assert on(stack, DESIGN_QUEUE, bad) == []
    assert len(on(stack, HELD, bad)) == BAD
    again = recover(stack, "resume", "egret", "--yes", "--json")
    assert (again.returncode, json.loads(again.stdout)["step"]) == (1, "stopped")
    assert len(on(stack, HELD, bad)) == BAD
    assert recover(stack, "cancel", "egret", "--why", "delivered as it is").returncode == 0
    assert json.loads(recover(stack, "status", "egret", "--json").stdout)["step"] == "cancelled"
    assert {r["recovery_id"]: r["step"] for r in json.loads(recover(stack, "list", "--json").stdout)}["egret"] == (
        "cancelled"
    )
    let = json.loads(stack.call("hold", "release", "egret", "--lot", "4", "--pause", "0s", "--json"))
    assert (let["delivered"], let["stopped"]) == (BAD, "")
    assert Counter(v["request"]["job"]["job_id"] for v in on(stack, DESIGN_QUEUE, bad)) == dict.fromkeys(bad, 1)


def test_what_was_delivered_is_recalled_once(stack: Stack, tmp_path: Path) -> None:
    base = {"width": 320, "height": 320, "prompt": "Woodcut of an owl", "engine": "simulator"}
    ended = run(stack, [{**base, "idempotency_key": f"owl-{n}", "seed": s} for n, s in enumerate(seeds(None, 2))])
    first, second = sorted(on(stack, DESIGN_QUEUE, set(ended)), key=lambda v: v["request"]["job"]["job_id"])
    sha256, job_id = first["rendering"]["asset"]["sha256"], first["request"]["job"]["job_id"]
    words = ("recall", "--asset", sha256[:16], "--mode", "colour-drift", "--why", "not our blue", "--json")
    with pytest.raises(AssertionError, match="nobody agreed"):
        stack.call(*words)
    assert [w["approval_id"] for w in json.loads(stack.call(*words, "--yes"))["recalled"]] == [first["event_id"]]
    assert json.loads(stack.call(*words, "--yes", ok=False))["recalled"] == []
    strict = tmp_path / "strict"
    shutil.copytree(rulesets.IN_CHECKOUT, strict)
    verdict = strict / "verdict.yml"
    text = verdict.read_text(encoding="utf-8")
    verdict.write_text(text.replace("luma_std_min: 1.5", "luma_std_min: 127"), encoding="utf-8")
    found = json.loads(
        stack.call("recall", "--ruleset", str(strict), "--from", "-1h", "--why", "flat", "--yes", "--json")
    )
    again = {w["job_id"] for w in found["recalled"]}
    assert second["request"]["job"]["job_id"] in again
    assert job_id not in again
    recalls = Counter(r["value"]["job_id"] for r in tail(stack, DESIGN_QUEUE) if r["record"] == "AssetRecalled")
    assert recalls == dict.fromkeys([job_id, *again], 1)
    wait_for("the recall in the audit", lambda: "AssetRecalled" in stack.call("audit", "trace", job_id))
    assert "forbidden" not in stack.call("audit", "trace", job_id)
