"""The tiny SD3 pipeline for tests: as a folder of weights, as an engine, and with a device that can be full."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from rules.engines import EngineKind, EngineProfile
from schemas.events import FileRole, RenderFailure, RenderRequest
from tests import renders
from workers.engines import sd3_random
from workers.engines.port import Rendered
from workers.engines.sd3 import Sd3
from workers.engines.sd3_load import pipeline

POISON_WORD = sd3_random.POISON_WORD
HEUN = "FlowMatchHeunDiscreteScheduler"


def build(folder: Path) -> Path:
    """Write the pipeline to a folder, as from_pretrained wants it."""
    torch.set_num_threads(1)  # models this small only wait for each other
    pipe = sd3_random.pipeline("tiny", folder)
    sd3_random.poison(pipe)
    pipe.save_pretrained(str(folder / "pipeline"))
    return folder / "pipeline"


def profile(*, batch: int = 8, schedulers: dict[str, Any] | None = None, **given: Any) -> EngineProfile:
    """A profile that allows small pictures, and files to start from."""
    made = renders.profile(
        EngineKind.SD3,
        scheduler=renders.EULER,
        steps=4,
        guidance=3.5,
        max_pixels=128 * 128,
        batch=batch,
        schedulers={renders.EULER: {}, HEUN: {}} if schedulers is None else schedulers,
    )
    return replace(made, file_roles=(FileRole.INIT_IMAGE, FileRole.MASK), edits=True, **given)


def ask(prompt: str = "a red tent in snow", seed: int = 1, **given: Any) -> RenderRequest:
    """A small picture in a few steps."""
    usual: dict[str, Any] = {"size": (64, 64), "steps": 4, "guidance": 3.5, "scheduler": renders.EULER}
    return renders.request(prompt, seed=seed, **{**usual, **given})


def engine(folder: Path, chosen: EngineProfile | None = None) -> tuple[Sd3, Any]:
    """An engine, and the pipeline inside it."""
    chosen = chosen or profile()
    pipe = pipeline(chosen, folder, "cpu")
    return Sd3(chosen, pipe, "sd3:test", "cpu"), pipe


def pixels(result: Rendered | RenderFailure) -> npt.NDArray[np.int16]:
    """Of the encoded picture, so that differences do not wrap round."""
    assert isinstance(result, Rendered), result
    return np.asarray(Image.open(io.BytesIO(result.encoded())), dtype=np.int16)


class Full:
    """A hook on the transformer: the device has room for so many jobs at once, or breaks `times` times."""

    def __init__(self, pipe: Any, room: int, error: type[Exception] = torch.OutOfMemoryError, times: int = 99) -> None:
        self.room, self.error, self.times, self.batches = room, error, times, list[int]()
        self.hook = pipe.transformer.register_forward_pre_hook(self, with_kwargs=True)

    def __call__(self, _module: Any, _args: Any, given: dict[str, Any]) -> None:
        jobs = given["hidden_states"].shape[0] // 2  # each job stands there twice: with its prompt, and without
        if not self.batches or self.batches[-1] != jobs:
            self.batches.append(jobs)
        if jobs > self.room and self.times > 0:
            self.times -= 1
            raise self.error("the device is full")
