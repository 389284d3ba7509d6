"""`presscheck bench rules|what-if` in a short form: a rollback under flowing load costs no job, and counts add up.

Speed is not tested: the bounds in time only catch what hangs.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Final, cast

ROOT: Final = Path(__file__).parents[2]
RATE: Final = 20
AT_LAST_S: Final = 60.0
"""Long after any rollback has come through, however busy the machine is."""
PROMPTS: Final = 1_000


def bench(*arguments: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "ops", "bench", *arguments, "--json"],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode in {0, 1}, done.stderr  # 1: slower than promised, which a busy machine may be
    return cast("dict[str, Any]", json.loads(done.stdout))


def test_a_rollback_under_load_loses_nothing_and_ends_the_old_rules() -> None:
    seen = bench("rules", "--rate", str(RATE))
    old, new = seen["records"]
    # Each job is routed once and judged once, by the one ruleset or the other.
    assert (seen["lost"], seen["twice"], seen["others"]) == (0, 0, 0)
    assert old + new == 2 * seen["sent"]
    assert old > 0
    assert new > 0
    assert set(seen["by_stage"]) == {"sanity", "validation"}
    # Jobs were sent for as long after the command as before it: those that the new rules decided came last.
    assert 0 <= seen["last_old_s"] == max(seen["by_stage"].values()) < AT_LAST_S
    assert seen["last_old_s"] < seen["last_new_s"]
    assert seen["command_s"] > 0
    # Of the activation alone: how soon is for a quiet machine to say, but not before it, nor after the last old record.
    assert set(seen["applied_s"]) == {"sanity", "validation"}
    for stage, applied in seen["applied_s"].items():
        assert 0 <= applied <= max(seen["by_stage"][stage], seen["last_new_s"])
    assert (seen["limit_s"], seen["applied_limit_s"]) == (3.0, 2.0)


def test_what_if_counts_every_prompt_once() -> None:
    seen = bench("what-if", "--prompts", str(PROMPTS), "--workers", "2")
    assert seen["prompts"] == seen["counted"] == PROMPTS
    assert 0 < seen["changed"] < PROMPTS
    assert seen["workers"] == 2
    assert seen["cpu_s"] > 0
    assert seen["peak_mib"] > 0
    assert seen["a_second"] == round(PROMPTS / seen["seconds"], 1) or seen["seconds"] < 1
    assert seen["million_s"] == round(1_000_000 / seen["a_second"], 1)
