"""What the engine sd3 does when the device is full, breaks, decodes to nonsense, is called off or is given away."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from schemas.errors import Fatal
from schemas.events import FailureKind, RenderFailure
from workers.engines.port import Cancelled, Rendered

pytest.importorskip("diffusers")
pytestmark = pytest.mark.models

import torch  # noqa: E402  # only where the extras are installed

from tests import sd3_tiny  # noqa: E402
from tests.sd3_tiny import Full, ask, pixels  # noqa: E402
from workers.engines import sd3, sd3_decode, sd3_random  # noqa: E402


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sd3_tiny.build(tmp_path_factory.mktemp("sd3"))


def test_a_batch_that_does_not_fit_is_halved_and_the_size_that_fits_is_remembered(folder: Path) -> None:
    engine, pipe = sd3_tiny.engine(folder)
    full = Full(pipe, room=2)
    asked = [ask(seed=s) for s in range(8)]
    assert engine.max_batch(asked[0]) == 8
    assert all(isinstance(r, Rendered) for r in engine.render(asked, {}))
    assert full.batches == [8, 4, 2]
    assert engine.max_batch(asked[0]) == 2
    assert engine.max_batch(ask(size=(64, 80))) == 8  # another batch key has another size that fits
    full.batches.clear()
    engine.render(asked, {})
    assert full.batches == [2]


def test_what_does_not_fit_alone_is_out_of_memory(folder: Path) -> None:
    engine, pipe = sd3_tiny.engine(folder)
    full = Full(pipe, room=0)
    results = engine.render([ask(seed=s) for s in range(2)], {})
    assert full.batches == [2, 1]
    assert [r.kind for r in results if isinstance(r, RenderFailure)] == [FailureKind.OUT_OF_MEMORY] * 2


def test_an_engine_error_is_tried_one_by_one(folder: Path) -> None:
    engine, pipe = sd3_tiny.engine(folder)
    full = Full(pipe, room=1, error=RuntimeError)
    results = engine.render([ask(seed=s) for s in range(3)], {})
    assert full.batches == [3, 1]
    assert all(isinstance(r, Rendered) for r in results)
    assert engine.max_batch(ask()) == 8


def test_a_lost_device_is_fatal(folder: Path) -> None:
    engine, pipe = sd3_tiny.engine(folder)
    Full(pipe, room=0, error=torch.AcceleratorError)
    with pytest.raises(Fatal, match="device was lost"):
        engine.render([ask()], {})


class Overflowing:
    """A VAE whose decoder overflows half precision, and no other: its first layer is that much louder."""

    def __init__(self, pipe: Any, factor: float) -> None:
        with torch.no_grad():
            pipe.vae.decoder.conv_in.weight *= factor


def test_a_decode_that_overflows_half_precision_is_done_again_in_fp32(tmp_path: Path) -> None:
    profile = replace(sd3_tiny.profile(), precision="fp16")
    pipe = sd3_random.pipeline("tiny", tmp_path, dtype=torch.float16)
    Overflowing(pipe, 3e5)
    before = {name: t.clone() for name, t in pipe.vae.state_dict().items()}
    result = sd3.Sd3(profile, pipe, "sd3:test", "cpu").render([ask()], {})[0]
    assert isinstance(result, Rendered), result
    assert result.facts["vae"] == "fp32 retry"
    assert pixels(result).std() > 0
    assert pipe.vae.dtype == torch.float16
    assert all(torch.equal(t, before[name]) for name, t in pipe.vae.state_dict().items())


def test_what_overflows_fp32_as_well_is_broken(folder: Path) -> None:
    engine, pipe = sd3_tiny.engine(folder)
    Overflowing(pipe, float("inf"))
    result = engine.render([ask()], {})[0]
    assert isinstance(result, RenderFailure)
    assert result.kind is FailureKind.BROKEN_LATENTS
    assert "the VAE decoded" in result.message


class FullVae:
    """A hook on the decoder: no room for more rows of latents than this."""

    def __init__(self, pipe: Any, rows: int) -> None:
        self.rows, self.tried = rows, list[int]()
        pipe.vae.decoder.register_forward_pre_hook(self)

    def __call__(self, _module: Any, given: tuple[torch.Tensor, ...]) -> None:
        self.tried.append(given[0].shape[-2])
        if given[0].shape[-2] > self.rows:
            raise torch.OutOfMemoryError("the device is full")


def test_a_decode_that_does_not_fit_is_done_in_tiles_without_a_second_denoising(folder: Path) -> None:
    engine, pipe = sd3_tiny.engine(folder)
    asked = ask(size=(128, 128))
    whole = engine.render([asked], {})[0]
    full, vae = Full(pipe, room=8), FullVae(pipe, rows=8)
    tiled = engine.render([asked], {})[0]
    assert isinstance(tiled, Rendered)
    assert tiled.facts["vae"] == "in tiles, for it did not fit whole"
    assert vae.tried[:2] == [16, 8]
    assert full.batches == [1]
    assert pixels(tiled).shape == pixels(whole).shape  # seams tell how well it is done only on trained weights
    FullVae(pipe, rows=0)
    none = engine.render([asked], {})[0]
    assert isinstance(none, RenderFailure)
    assert none.kind is FailureKind.OUT_OF_MEMORY
    assert full.batches == [1]


def test_only_large_pictures_are_decoded_in_tiles() -> None:
    assert 1440 * 1440 <= sd3_decode.TILE_ABOVE_PIXELS < 2048 * 2048


class Impatient:
    """A Watch that calls a batch off after some steps."""

    def __init__(self, after: int = 99) -> None:
        self.after, self.seen = after, list[tuple[int, int]]()

    def step(self, done: int, of: int) -> None:
        self.seen.append((done, of))
        if done >= self.after:
            raise Cancelled


def test_every_step_is_told(folder: Path) -> None:
    engine, _ = sd3_tiny.engine(folder)
    watch = Impatient()
    engine.render([ask(steps=3)], {}, watch)
    assert watch.seen == [(1, 3), (2, 3), (3, 3)]


def test_a_batch_called_off_ends_at_once_and_the_next_one_is_as_ever(folder: Path) -> None:
    engine, _ = sd3_tiny.engine(folder)
    before = engine.render([ask(seed=4)], {})[0]
    watch = Impatient(after=2)
    with pytest.raises(Cancelled):
        engine.render([ask(seed=5), ask(seed=6)], {}, watch)
    assert watch.seen == [(1, 4), (2, 4)]
    after = engine.render([ask(seed=4)], {})[0]
    assert isinstance(before, Rendered)
    assert isinstance(after, Rendered)
    assert before.encoded() == after.encoded()


def test_it_holds_the_accelerator_only_between_a_render_and_parking(folder: Path) -> None:
    engine, pipe = sd3_tiny.engine(folder)
    assert engine.resident_bytes == 0
    first = engine.render([ask()], {})[0]
    weights = sum(
        t.numel() * t.element_size()
        for c in pipe.components.values()
        if isinstance(c, torch.nn.Module)
        for t in (*c.parameters(), *c.buffers())
    )
    assert engine.resident_bytes == weights > 0
    engine.park()
    engine.park()
    assert engine.resident_bytes == 0
    assert np.array_equal(pixels(first), pixels(engine.render([ask()], {})[0]))
    assert engine.resident_bytes == weights
