"""The engine sd3 through diffusers' own classes: seeds, prompts, the latent guard, the loading path."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rules.engines import Loading, Offload, Quantise
from schemas.errors import BadConfig
from schemas.events import FailureKind, LatentStats, RenderFailure
from workers.engines.port import Rendered

pytest.importorskip("diffusers")
pytestmark = pytest.mark.models

from tests import sd3_tiny  # noqa: E402  # only where the extras are installed
from tests.sd3_tiny import ask, pixels  # noqa: E402
from workers.engines import sd3, sd3_latents, sd3_load  # noqa: E402

PROFILE = sd3_tiny.profile()
LIMITS = {"clip_l": 77, "clip_g": 77, "t5": 256}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sd3_tiny.build(tmp_path_factory.mktemp("sd3"))


@pytest.fixture(scope="module")
def engine(folder: Path) -> sd3.Sd3:
    return sd3.load(PROFILE, folder, "cpu")


def test_a_job_has_its_own_seed_in_a_batch(engine: sd3.Sd3) -> None:
    asked = [ask("a cup", 5), ask("a mountain ridge", 6), ask("a cup", 7)]
    together = engine.render(asked, {})
    for one, result in zip(asked, together, strict=True):
        assert np.abs(pixels(result) - pixels(engine.render([one], {})[0])).max() <= 1
    assert not np.array_equal(pixels(together[0]), pixels(together[2]))


def test_a_nan_latent_hurts_only_its_own_job(engine: sd3.Sd3) -> None:
    asked = [ask("a cup", 1), ask(f"a {sd3_tiny.POISON_WORD} cup", 2), ask("a ridge", 3)]
    results = engine.render(asked, {})
    assert isinstance(results[1], RenderFailure)
    assert results[1].kind is FailureKind.BROKEN_LATENTS
    assert "not finite" in results[1].message
    for i in (0, 2):
        assert np.abs(pixels(results[i]) - pixels(engine.render([asked[i]], {})[0])).max() <= 1


def test_a_replay_gives_the_same_bytes_from_a_freshly_loaded_engine(engine: sd3.Sd3, folder: Path) -> None:
    first = engine.render([ask("a cup", 9)], {})[0]
    engine.render([ask("something else", 10, scheduler=sd3_tiny.HEUN)], {})
    fresh = sd3.load(PROFILE, folder, "cpu")
    again = fresh.render([ask("a cup", 9)], {})[0]
    assert isinstance(first, Rendered)
    assert isinstance(again, Rendered)
    assert again.encoded() == first.encoded()
    assert fresh.model_digest == engine.model_digest


def test_a_scheduler_the_profile_does_not_allow_is_refused(engine: sd3.Sd3) -> None:
    result = engine.render([ask(scheduler="PNDMScheduler")], {})[0]
    assert isinstance(result, RenderFailure)
    assert result.kind is FailureKind.INVALID_REQUEST
    assert "PNDMScheduler" in result.message


def test_a_size_that_only_the_pipeline_refuses_is_an_invalid_request(engine: sd3.Sd3) -> None:
    result = engine.render([ask(size=(72, 72))], {})[0]
    assert isinstance(result, RenderFailure)
    assert result.kind is FailureKind.INVALID_REQUEST


@pytest.mark.parametrize(
    "other",
    [
        {"steps": 5},
        {"guidance": 2.0},
        {"size": (64, 80)},
        {"negative_prompt": "blur"},
        {"scheduler": "UniPCMultistepScheduler"},
    ],
)
def test_the_batch_key_tells_apart_what_cannot_share_a_run(engine: sd3.Sd3, other: dict[str, Any]) -> None:
    assert engine.batch_key(ask()) != engine.batch_key(ask(**other))


def test_a_negative_prompt_changes_the_picture(engine: sd3.Sd3) -> None:
    plain, negative = engine.render([ask()], {})[0], engine.render([ask(negative_prompt="blur")], {})[0]
    assert not np.array_equal(pixels(plain), pixels(negative))


def test_what_an_encoder_does_not_see_is_said(folder: Path) -> None:
    made, _ = sd3_tiny.engine(folder, sd3_tiny.profile(prompt_limits=LIMITS))
    short = made.render([ask("a cup")], {})[0]
    assert isinstance(short, Rendered)
    assert short.cut == ()
    # The tokenizers know letters only: 100 words of one letter are 100 tokens, and two marks.
    long = made.render([ask(" ".join(["a"] * 75 + ["z"] * 25), negative_prompt="b" * 300)], {})[0]
    assert isinstance(long, Rendered)
    assert [(c.encoder, c.tokens, c.limit) for c in long.cut] == [("clip_l", 102, 77), ("clip_g", 102, 77)]
    assert long.cut[0].lost.split() == ["z"] * 25
    assert "t5 did not see" in long.facts["negative_prompt"]


def test_a_profile_gives_t5_more_or_less_room(folder: Path) -> None:
    prompt = " ".join(["a"] * 70)
    small, _ = sd3_tiny.engine(folder, sd3_tiny.profile(prompt_limits={**LIMITS, "t5": 64}))
    large, _ = sd3_tiny.engine(folder, sd3_tiny.profile(prompt_limits={**LIMITS, "t5": 512}))
    cut, whole = small.render([ask(prompt)], {})[0], large.render([ask(prompt)], {})[0]
    assert isinstance(cut, Rendered)
    assert isinstance(whole, Rendered)
    assert [(c.encoder, c.limit) for c in cut.cut] == [("t5", 64)]
    assert whole.cut == ()


def test_weights_that_do_not_load_are_named(tmp_path: Path) -> None:
    with pytest.raises(BadConfig, match="do not load"):
        sd3.load(PROFILE, tmp_path, "cpu")


@pytest.mark.parametrize(
    ("loading", "missing"),
    [
        (Loading(offload=Offload.MODEL), "moves weights off a GPU, and the device is cpu"),
        (Loading(offload=Offload.SEQUENTIAL), "moves weights off a GPU, and the device is cpu"),
        (Loading(quantise=Quantise.NF4), "needs CUDA"),
    ],
)
def test_what_the_device_cannot_do_is_refused_before_anything_is_loaded(
    folder: Path, loading: Loading, missing: str
) -> None:
    with pytest.raises(BadConfig, match=missing):
        sd3.load(replace(PROFILE, loading=loading), folder, "cpu")


def test_eight_bit_weights_are_smaller_and_paint_nearly_the_same(engine: sd3.Sd3, folder: Path) -> None:
    pytest.importorskip("torchao")
    made = sd3.load(replace(PROFILE, loading=Loading(quantise=Quantise.INT8)), folder, "cpu")
    whole, small = engine.render([ask()], {})[0], made.render([ask()], {})[0]
    assert isinstance(small, Rendered)
    assert small.facts["loading"] == "fp32, int8"
    assert made.resident_bytes < engine.resident_bytes
    assert made.model_digest != engine.model_digest
    difference = np.abs(pixels(small) - pixels(whole))
    assert difference.max() > 0
    assert difference.mean() < 2


def test_weights_are_kept_in_the_precision_of_the_profile(engine: sd3.Sd3, folder: Path) -> None:
    made, pipe = sd3_tiny.engine(folder, replace(PROFILE, precision="bf16"))
    result = made.render([ask()], {})[0]
    assert isinstance(result, Rendered), result
    assert result.facts["loading"] == "bf16"
    engine.render([ask()], {})
    assert made.resident_bytes < 0.6 * engine.resident_bytes
    assert str(pipe.transformer.dtype) == str(pipe.vae.dtype) == "torch.bfloat16"


def test_the_vae_takes_the_pictures_of_a_batch_one_by_one(folder: Path) -> None:
    made, pipe = sd3_tiny.engine(folder)
    sizes: list[int] = []

    def note(_module: Any, given: tuple[Any, ...]) -> None:
        sizes.append(given[0].shape[0])

    pipe.vae.decoder.register_forward_pre_hook(note)
    made.render([ask(seed=s) for s in range(3)], {})
    assert sizes == [1, 1, 1]
    assert pipe.vae.use_slicing


def test_compiled_blocks_paint_the_same_to_within_a_step(folder: Path) -> None:
    eager, eager_pipe = sd3_tiny.engine(folder)
    compiled, compiled_pipe = sd3_tiny.engine(folder, replace(PROFILE, loading=Loading(compile=True)))
    for pipe in (eager_pipe, compiled_pipe):
        del pipe.transformer.transformer_blocks[0]  # one block is compiled in half the time
    asked = ask("a cup", 3, steps=2)
    fast, slow = compiled.render([asked], {})[0], eager.render([asked], {})[0]
    assert isinstance(fast, Rendered)
    assert fast.facts["loading"] == "fp32, compiled"
    assert np.abs(pixels(fast) - pixels(slow)).max() <= 1


def test_the_digest_changes_with_weights_that_are_used(folder: Path) -> None:
    before = sd3_load.digest(folder, PROFILE)
    (folder / "README.md").write_text("says nothing to the pipeline", encoding="utf-8")
    assert sd3_load.digest(folder, PROFILE) == before
    extra = folder / "transformer" / "note.txt"
    extra.write_text("changed", encoding="utf-8")
    assert sd3_load.digest(folder, PROFILE) != before
    extra.unlink()
    assert sd3_load.digest(folder, PROFILE) == before
    assert sd3_load.digest(folder, replace(PROFILE, precision="bf16")) != before


def test_a_file_that_did_not_change_is_not_read_again(tmp_path: Path) -> None:
    (tmp_path / "model_index.json").write_text(json.dumps({"_class_name": "P", "vae": ["a", "b"]}), encoding="utf-8")
    (tmp_path / "vae").mkdir()
    weights = tmp_path / "vae" / "weights"
    weights.write_bytes(b"one")
    first = sd3_load.digest(tmp_path, PROFILE)
    kept = tmp_path / sd3_load.DIGESTS
    said = json.loads(kept.read_text(encoding="utf-8"))
    said["vae/weights"][2] = "f" * 64
    kept.write_text(json.dumps(said), encoding="utf-8")
    assert sd3_load.digest(tmp_path, PROFILE) != first  # it believed the file, so it did not read the weights
    weights.write_bytes(b"three")
    assert sd3_load.digest(tmp_path, PROFILE) != first
    weights.write_bytes(b"one")
    assert sd3_load.digest(tmp_path, PROFILE) == first
    kept.write_text("{damaged", encoding="utf-8")
    assert sd3_load.digest(tmp_path, PROFILE) == first


@pytest.mark.parametrize(
    ("stats", "good"),
    [
        (LatentStats(finite=True, std=1.1, absmax=5.0), True),
        (LatentStats(finite=False, std=0.0, absmax=0.0), False),
        (LatentStats(finite=True, std=35.0, absmax=120.0), False),
        (LatentStats(finite=True, std=0.9, absmax=1.0), False),
        (LatentStats(finite=True, std=0.1, absmax=1.5), False),
    ],
)
def test_the_guard(stats: LatentStats, good: bool) -> None:
    assert (sd3_latents.fault(stats) is None) == good


def test_latents_of_a_flat_picture_may_be_flat() -> None:
    assert sd3_latents.fault(LatentStats(finite=True, std=0.1, absmax=0.5), from_picture=True) is None
    assert sd3_latents.fault(LatentStats(finite=True, std=35.0, absmax=120.0), from_picture=True)
