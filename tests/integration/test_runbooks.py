"""Every command of the runbooks, run as it stands there, one page after the other on a stack with work behind it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ops.rulesets import publish as rulesets
from rules.ladder import fresh_seed
from tests.chaos.driver import Stack, running
from tests.integration.test_whole import run, seeds
from workers.engines.damage import Damage, drawn_for

PAGES = sorted((rulesets.IN_CHECKOUT.parent / "docs" / "runbooks").glob("*.md"))
BLOCK = re.compile(r"<!-- runs on a stack -->\n```sh\n(.*?)```", re.DOTALL)
WANTED = {
    "bad-batch", "bad-ruleset", "engine-outage", "poison-records", "broker-or-database-loss", "restore-from-backup",
}  # fmt: skip


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack on which a hasty ruleset spoiled some jobs, and is still active."""
    state = tmp_path_factory.mktemp("runbooks") / "state"
    with running(Stack(state=state)) as stack:
        prepare(stack, state.parent)
        yield stack


def prepare(stack: Stack, folder: Path) -> None:
    candidate = folder / "candidate"
    shutil.copytree(rulesets.IN_CHECKOUT, candidate)
    ladder = candidate / "ladder.yml"
    ladder.write_text(ladder.read_text(encoding="utf-8").replace("max_attempts: 4", "max_attempts: 1"))
    said = stack.call("rules", "publish", "--config", str(candidate), "--activate", "--yes", "--json")
    (folder / "ruleset").write_text(json.loads(said)["ruleset_id"])
    base = {"width": 192, "height": 192, "prompt": "Linocut of a heron in reeds", "engine": "simulator"}
    # What the recovery of the runbook makes of them, under its id, is sound.
    spoilt = [s for s in seeds(Damage.TRUNCATED, 30) if drawn_for(fresh_seed(s, "noon")) is None]
    drawn = [*spoilt[:3], *seeds(None, 3)]
    run(stack, [{**base, "idempotency_key": f"r-{n}", "seed": seed} for n, seed in enumerate(drawn)])


def order(page: Path) -> tuple[bool, str]:
    """The ruleset is taken back first, so that the batch it failed can be brought back."""
    return page.stem != "bad-ruleset", page.stem


def test_every_runbook_is_there():
    assert {p.stem for p in PAGES} == WANTED


@pytest.mark.parametrize("page", sorted(PAGES, key=order), ids=lambda p: p.stem)
def test_a_runbook_runs(stack: Stack, page: Path):
    blocks = BLOCK.findall(page.read_text(encoding="utf-8"))
    assert blocks
    folder, tools = stack.state.parent, Path(sys.executable).parent
    environment = {
        **os.environ,
        "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}",
        "PRESSCHECK_STATE_DIR": str(stack.state),
        "FOLDER": str(folder),
        "RULESET": (folder / "ruleset").read_text(),
    }
    done = subprocess.run(
        ["bash", "-euxo", "pipefail", "-c", "\n".join(blocks)],
        cwd=rulesets.IN_CHECKOUT.parent, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True,
        timeout=280, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
