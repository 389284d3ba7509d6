"""`presscheck bench schedulers` and `bench gpu`: every scheduler of diffusers, and the timing at a size for the CPU."""

from __future__ import annotations

import json
from typing import Any

import pytest
from typer.testing import CliRunner

from ops.cli import app
from ops.rulesets.publish import IN_CHECKOUT, read_config
from rules.engines import SCHEDULERS, UNSUITED

pytest.importorskip("diffusers")
pytestmark = pytest.mark.models

from ops.bench import gpu, schedulers  # noqa: E402  # only where the extras are installed
from workers.engines.gpu import find  # noqa: E402
from workers.engines.sd3_survey import schedulers as shipped  # noqa: E402

NOT_SEEN = {
    "FlowMapEulerDiscreteScheduler",  # takes the steps of FlowMatchEuler, but was made for models that learn them
    "FlowMatchLCMScheduler",
    "IPNDMScheduler",
    "LTXEulerAncestralRFScheduler",
}
"""Refused by every profile, and not seen by the latent guard on random weights."""
DRAWS_BY_ITSELF = {"FlowMatchLCMScheduler", "LTXEulerAncestralRFScheduler"}


@pytest.fixture(scope="module")
def rows() -> dict[str, schedulers.Row]:
    return {row.scheduler: row for row in schedulers.measure(read_config(IN_CHECKOUT))}


def test_every_scheduler_that_diffusers_ships_is_tried(rows: dict[str, schedulers.Row]) -> None:
    assert set(shipped()) <= set(rows)
    assert set(UNSUITED) <= set(rows)
    assert len(shipped()) > 40


def test_the_schedulers_that_suit_end_at_good_latents_and_repeat(rows: dict[str, schedulers.Row]) -> None:
    suited = set(SCHEDULERS) - {"none"}
    assert {name for name, row in rows.items() if not row.refused} == suited
    for name in suited:
        row = rows[name]
        assert not row.wrongly_allowed
        assert row.std is not None
        assert 0.9 < row.std < 1.4


def test_every_other_one_is_refused_and_nearly_all_are_caught_when_forced(rows: dict[str, schedulers.Row]) -> None:
    others = {name: row for name, row in rows.items() if name not in SCHEDULERS}
    assert all(row.refused for row in others.values())
    assert {name for name, row in others.items() if row.slips_through} == NOT_SEEN
    assert {name for name in NOT_SEEN if rows[name].repeats is False} == DRAWS_BY_ITSELF


def test_what_suits_only_with_a_configuration_is_caught_without_it(rows: dict[str, schedulers.Row]) -> None:
    for name in (n for n, config in SCHEDULERS.items() if config):
        row = rows[f"{name} (as shipped)"]
        assert row.std is not None
        assert row.std > 50
        assert "only with prediction_type" in row.refused


def run(*args: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, ["bench", *args])
    return done.exit_code, done.stdout, done.stderr


def test_the_timing_runs_on_the_cpu_at_a_tiny_size() -> None:
    code, said, _ = run("gpu", "--size", "tiny", "--repeats", "1", "--eager", "--json")
    assert code == 0, said
    found: dict[str, Any] = json.loads(said)
    assert [(f["mode"], f["batch"]) for f in found["figures"]] == [("eager", 1), ("eager", 2), ("eager", 4)]
    for figure in found["figures"]:
        assert figure["decoded"]
        assert figure["images_per_hour"] == pytest.approx(3600 / figure["seconds_per_image"], rel=0.01)
    assert found["machine"]["device"] == "cpu"


@pytest.mark.skipif(find() is not None, reason="there is a GPU")
def test_without_a_gpu_the_true_size_is_refused_politely() -> None:
    code, said, why = run("gpu")
    assert (code, said) == (2, "")
    assert "no GPU that torch can use" in " ".join(why.split())


def test_a_size_that_does_not_exist_is_wrong_use() -> None:
    assert run("gpu", "--size", "huge")[0] == 2


def test_the_true_size_is_that_of_the_published_model() -> None:
    from workers.engines.sd3_random import SIZES

    parts = SIZES[gpu.SIZES["large"].parts]
    transformer = parts["transformer"]
    assert transformer["num_attention_heads"] * transformer["attention_head_dim"] == 2432
    assert transformer["pooled_projection_dim"] == parts["clip_l"]["projection_dim"] + parts["clip_g"]["projection_dim"]
    assert transformer["joint_attention_dim"] == parts["t5"]["d_model"]
