"""`presscheck bench duty` in a short form, and the worker of `bench gpu` with a tiny engine: what they print."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, cast

import pytest

ROOT = Path(__file__).parents[2]
BATCHES, BATCH, SECONDS = 4, 4, 1.0
CLEARLY = 1.1


def test_our_loop_keeps_the_engine_busier_than_a_plain_one():
    words = ["bench", "duty", "--batches", str(BATCHES), "--batch", str(BATCH), "--seconds", str(SECONDS), "--json"]
    done = subprocess.run(
        [sys.executable, "-m", "ops", *words], cwd=ROOT, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode in {0, 1}, done.stderr  # 1: less than promised, which a busy machine may cause
    seen = cast("dict[str, Any]", json.loads(done.stdout))
    ours, plain = seen["loops"]["ours"], seen["loops"]["plain"]
    for loop in (ours, plain):
        assert loop["pictures"] == BATCHES * BATCH
        assert loop["batches"] >= BATCHES
        assert loop["engine_s"] >= loop["batches"] * SECONDS
        assert loop["committed_s"] >= loop["wall_s"] >= loop["engine_s"]
        assert abs(loop["duty"] - loop["engine_s"] / loop["wall_s"]) < 0.001
    assert seen["png_bytes"] > 1_000_000
    assert ours["duty"] > CLEARLY * plain["duty"]
    assert done.returncode == (0 if ours["duty"] >= seen["limit_duty"] else 1)


@pytest.mark.models
def test_an_engine_with_weights_goes_through_the_worker_as_well():
    pytest.importorskip("diffusers")
    words = ["bench", "gpu", "--size", "tiny", "--repeats", "1", "--eager", "--worker", str(BATCHES), "--json"]
    done = subprocess.run(
        [sys.executable, "-m", "ops", *words], cwd=ROOT, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr
    figures = cast("dict[str, Any]", json.loads(done.stdout))["figures"]
    assert [f["batch"] for f in figures] == [1, 2, 4]
    for figure in figures:
        worker = figure["worker"]
        assert worker["pictures"] == BATCHES * figure["batch"]
        assert worker["batches"] >= BATCHES
        assert 0 < worker["duty"] <= 1
        assert abs(worker["duty"] - worker["engine_s"] / worker["wall_s"]) < 0.01
