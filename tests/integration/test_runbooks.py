"""Every command of the runbooks, run as it stands there, one page after the other on a stack with work behind it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest

from ops.rulesets import publish as rulesets
from ops.whole_topic import whole_topic_events
from rules.ladder import fresh_seed
from schemas.catalogue import DEAD_LETTERS, DESIGN_QUEUE, HELD, PROMPTS, REPLAY
from schemas.codec import Codec, LockedIds
from tests.chaos.driver import Stack, running, wait_for
from tests.inside import presscheck
from tests.integration.streams_support import send
from tests.integration.test_whole import run, seeds
from tests.unit.rules import samples
from workers.engines.damage import Damage, drawn_for

ROOT = rulesets.IN_CHECKOUT.parent
PAGES = sorted((ROOT / "docs" / "runbooks").glob("*.md"))
BLOCK = re.compile(r"<!-- runs on a stack -->\n```sh\n(.*?)```", re.DOTALL)
COMMAND: Final = r"presscheck ([a-z-]+(?: [a-z-]+)?)"
INLINE: Final = re.compile(f"`{COMMAND}")
TYPED: Final = re.compile(f"^{COMMAND}", re.MULTILINE)
ELSEWHERE: Final = {
    "recover resume": ("tests/integration/test_recover.py", '"recover", "resume", '),
    "schemas list": ("tests/unit/ops/test_schemas_command.py", 'run("list"'),
}
"""Commands that a page names in its text and does not run, and where they are run."""
STRAY = samples.job(
    "Linocut of a heron in reeds", key="stray", engine="simulator", width=192, height=192, seed=seeds(None, 4)[3]
)
"""A sound job, whose prompt a client wrote to the wrong topic."""
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
    send(stack.settings, PROMPTS, [("k", b"no avro")])
    codec = Codec(LockedIds())
    send(stack.settings, REPLAY, [(STRAY.job_id, codec.encode(samples.submitted(STRAY)))])
    wait_for("both dead letters", lambda: len([*whole_topic_events(stack.settings, DEAD_LETTERS, codec)]) == 2)


def order(page: Path) -> tuple[bool, str]:
    """The ruleset is taken back first, so that the batch it failed can be brought back."""
    return page.stem != "bad-ruleset", page.stem


def test_every_runbook_is_there():
    assert {p.stem for p in PAGES} == WANTED


def commands_in_blocks() -> set[str]:
    """Commands that some page runs, without their options."""
    blocks = [block for page in PAGES for block in BLOCK.findall(page.read_text(encoding="utf-8"))]
    return {command for block in blocks for command in TYPED.findall(block)}


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.stem)
def test_whatever_a_page_tells_to_type_is_run(page: Path):
    text = page.read_text(encoding="utf-8")
    blocks = BLOCK.findall(text)
    assert text.count("```") == 2 * len(blocks), "a block without its mark is not run"
    assert all(part.count("`") % 2 == 0 for part in BLOCK.split(text)[::2])
    for command in sorted(set(INLINE.findall(BLOCK.sub("", text))) - commands_in_blocks()):
        file, call = ELSEWHERE[command]
        assert call in (ROOT / file).read_text(encoding="utf-8"), command


def poison_was_played_again(stack: Stack) -> None:
    """The record that holds a job was, once; the one that holds none is named and left out."""
    told = json.loads(presscheck("replay", "status", "mended", "--json", "--state", str(stack.state)).stdout)
    assert (told["sent"], told["plan"]["jobs"], told["plan"]["unusable"]) == (1, 1, 1)
    assert [n.partition(" ")[2] for n in told["plan"]["named"]] == ["(undecodable)"]
    assert stack.terminal_events()[STRAY.job_id] == Counter({HELD: 1, DESIGN_QUEUE: 1})


def roll_out_was_taken_back(stack: Stack) -> None:
    (told,) = json.loads(presscheck("rollout", "list", "--json", "--state", str(stack.state)).stdout)["rollouts"]
    assert (told["rollout_id"], told["state"]) == ("better", "aborted")


LEFT: Final[dict[str, Callable[[Stack], None]]] = {
    "bad-ruleset": roll_out_was_taken_back,
    "poison-records": poison_was_played_again,
}
"""What must be so after a page."""


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
    if page.stem in LEFT:
        LEFT[page.stem](stack)
