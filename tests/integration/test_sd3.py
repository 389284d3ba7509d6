"""The engine sd3 through diffusers' own classes: seeds, the latent guard, a full device, the loading path."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from rules.engines import FLOW_CONFIG, EngineKind
from schemas.errors import BadConfig, Fatal
from schemas.events import FailureKind, LatentStats, RenderFailure, RenderRequest
from tests import renders
from workers.engines.port import Rendered

pytest.importorskip("diffusers")
pytestmark = pytest.mark.models

import torch  # noqa: E402  # only where the extras are installed

from tests import sd3_tiny  # noqa: E402
from workers.engines import sd3  # noqa: E402

SUITED = [
    renders.EULER,
    "FlowMatchHeunDiscreteScheduler",
    "DPMSolverMultistepScheduler",
    "UniPCMultistepScheduler",
    "DEISMultistepScheduler",
]
UNSUITED = ["DDIMScheduler", "DDPMScheduler", "EulerDiscreteScheduler", "PNDMScheduler"]
CONFIGS: dict[str, Any] = {s: ({} if s.startswith("FlowMatch") else dict(FLOW_CONFIG)) for s in SUITED} | {
    s: {} for s in UNSUITED
}
PROFILE = renders.profile(
    EngineKind.SD3, scheduler=renders.EULER, steps=4, guidance=3.5, max_pixels=128 * 128, schedulers=CONFIGS
)


def ask(
    prompt: str = "a red tent in snow", seed: int = 1, scheduler: str = renders.EULER, **given: Any
) -> RenderRequest:
    usual: dict[str, Any] = {"size": (64, 64), "steps": 4, "guidance": 3.5}
    return renders.request(prompt, seed=seed, scheduler=scheduler, **{**usual, **given})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sd3_tiny.build(tmp_path_factory.mktemp("sd3"))


@pytest.fixture(scope="module")
def engine(folder: Path) -> sd3.Sd3:
    return sd3.load(PROFILE, folder, "cpu")


def pixels(result: Rendered | RenderFailure) -> npt.NDArray[np.int16]:
    assert isinstance(result, Rendered), result
    return np.asarray(Image.open(io.BytesIO(result.encoded())), dtype=np.int16)


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


@pytest.mark.parametrize("scheduler", SUITED)
def test_a_scheduler_that_suits_ends_at_latents_in_bounds(engine: sd3.Sd3, scheduler: str) -> None:
    result = engine.render([ask(seed=4, scheduler=scheduler, steps=6)], {})[0]
    assert isinstance(result, Rendered), result
    assert result.latents is not None
    assert 0.9 < result.latents.std < 1.4


@pytest.mark.parametrize("scheduler", UNSUITED)
def test_a_scheduler_that_does_not_suit_is_caught_by_its_latents_when_forced(engine: sd3.Sd3, scheduler: str) -> None:
    result = engine.render([ask(seed=4, scheduler=scheduler, steps=6)], {})[0]
    assert isinstance(result, RenderFailure), result
    assert result.kind is FailureKind.BROKEN_LATENTS


def test_a_scheduler_the_profile_does_not_allow_is_refused(folder: Path) -> None:
    strict = renders.profile(EngineKind.SD3, scheduler=renders.EULER, max_pixels=128 * 128)
    result = sd3.load(strict, folder, "cpu").render([ask(scheduler="PNDMScheduler")], {})[0]
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


class Full:
    """A pipeline on a device with room for so many jobs at once; the pipeline behind it is the real one."""

    def __init__(self, pipe: Any, room: int, error: type[Exception] = torch.OutOfMemoryError) -> None:
        self.pipe, self.room, self.error, self.batches = pipe, room, error, list[int]()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.pipe, name)

    def __call__(self, **given: Any) -> Any:
        self.batches.append(len(given["prompt"]))
        if len(given["prompt"]) > self.room:
            raise self.error("the device is full")
        return self.pipe(**given)


def _full(engine: sd3.Sd3, room: int, error: type[Exception] = torch.OutOfMemoryError) -> tuple[Full, sd3.Sd3]:
    pipe = Full(engine._pipe, room, error)
    return pipe, sd3.Sd3(PROFILE, pipe, "sd3:test")


def test_a_batch_that_does_not_fit_is_halved_once(engine: sd3.Sd3) -> None:
    pipe, full = _full(engine, 2)
    results = full.render([ask(seed=s) for s in range(4)], {})
    assert pipe.batches == [4, 2, 2]
    assert all(isinstance(r, Rendered) for r in results)


def test_what_does_not_fit_after_halving_is_out_of_memory(engine: sd3.Sd3) -> None:
    pipe, full = _full(engine, 1)
    results = full.render([ask(seed=s) for s in range(3)], {})
    assert pipe.batches == [3, 2, 1]
    kinds = [r.kind if isinstance(r, RenderFailure) else None for r in results]
    assert kinds == [FailureKind.OUT_OF_MEMORY, FailureKind.OUT_OF_MEMORY, None]


def test_an_engine_error_is_tried_one_by_one(engine: sd3.Sd3) -> None:
    pipe, full = _full(engine, 1, RuntimeError)
    results = full.render([ask(seed=s) for s in range(3)], {})
    assert pipe.batches == [3, 1, 1, 1]
    assert all(isinstance(r, Rendered) for r in results)


def test_a_lost_device_is_fatal(engine: sd3.Sd3) -> None:
    _, lost = _full(engine, 0, torch.AcceleratorError)
    with pytest.raises(Fatal, match="device was lost"):
        lost.render([ask()], {})


def test_weights_that_do_not_load_are_named(tmp_path: Path) -> None:
    with pytest.raises(BadConfig, match="do not load"):
        sd3.load(PROFILE, tmp_path, "cpu")


def test_the_digest_changes_with_the_weights(folder: Path) -> None:
    before = sd3.digest(folder)
    extra = folder / "note.txt"
    extra.write_text("changed", encoding="utf-8")
    assert sd3.digest(folder) != before
    extra.unlink()
    assert sd3.digest(folder) == before


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
    assert (sd3.fault(stats) is None) == good
