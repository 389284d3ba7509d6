"""`presscheck bench gpu`: the sd3 engine at the true size of SD3.5 Large, random weights, on this GPU."""

from __future__ import annotations

import importlib.util
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ops.bench.duty import LoopFigures, own_broker
from ops.bench.gpu_worker import through_worker
from ops.bench.schedulers import NEEDED, asked
from rules.engines import Loading
from rules.ruleset import Ruleset
from schemas.errors import BadConfig
from schemas.events import RenderFailure
from workers.engines import gpu

if TYPE_CHECKING:
    from workers.engines.sd3 import Sd3

ENGINE: Final = "sd3.5-large"
BATCHES: Final = (1, 2, 4)
NEEDED_BYTES: Final = 36 * 10**9
"""Weights in bf16 (transformer 16 GB, encoders 11 GB) and what four pictures of 1024 x 1024 take on their way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """What is rendered: parts of a pipeline by name, a square picture, and how it is sampled."""

    parts: str
    side_px: int
    steps: int
    precision: str


SIZES: Final = {
    "large": Size(parts="large", side_px=1024, steps=28, precision="bf16"),
    "tiny": Size(parts="tiny", side_px=64, steps=4, precision="fp32"),
}
"""`tiny` runs the same lines on the CPU, for a test: its figures say nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """One batch size, eager or compiled. `first_s` is the first batch of that size, compilation included.

    seconds_per_image: Median of the timed batches, over the batch's size; encoding the prompt and decoding included.
    images_per_hour: Of engine time.
    peak_bytes: Most memory that torch held on the device during the timed batches; None on a CPU.
    decoded: Whether the latent guard let the pictures through to the decoder: otherwise its time is missing.
    worker: The same through the render worker; None where that was not asked for.
    """

    mode: str
    batch: int
    first_s: float
    seconds_per_image: float
    images_per_hour: float
    peak_bytes: int | None
    decoded: bool
    failure: str
    worker: LoopFigures | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What it ran on, and what it ran."""

    device: str
    versions: str
    size: Size
    repeats: int


def machine(size: Size, repeats: int) -> Machine:
    """Raises BadConfig where the extras or a GPU large enough are missing."""
    if missing := [name for name in NEEDED if importlib.util.find_spec(name) is None]:
        raise BadConfig(f"{', '.join(missing)} not installed", mend="install the extra `models`")
    device = "cpu"
    if size.parts != "tiny":
        found = gpu.find()
        if found is None:
            raise BadConfig(
                "there is no GPU that torch can use, and on a CPU one picture of this size would take an hour",
                mend="run it on a machine with a CUDA GPU of 40 GB or more",
            )
        if found.memory_bytes < NEEDED_BYTES:
            raise BadConfig(
                f"{found.name} has {found.memory_bytes / 1e9:.0f} GB, and this takes {NEEDED_BYTES / 1e9:.0f} GB",
                mend="run it on a larger one",
            )
        device = found.name
    from workers.engines.sd3_timing import versions

    return Machine(device=device, versions=versions(), size=size, repeats=repeats)


def measure(
    ruleset: Ruleset,
    where: Machine,
    *,
    batches: Sequence[int] = BATCHES,
    compiled: bool = True,
    worker_batches: int = 0,
) -> Iterator[Figures]:
    """Figures as they come: eager first, then compiled; with worker_batches, so many through the worker as well.

    Raises BadConfig where the ruleset lacks the engine; with a worker Fatal, Transient as its broker does.
    """
    if ENGINE not in ruleset.engines:
        raise BadConfig(f"the ruleset has no engine {ENGINE}", mend="add it to engines.yml")
    size = where.size
    device = "cpu" if size.parts == "tiny" else "cuda"
    profile = replace(
        ruleset.engines[ENGINE],
        precision=size.precision,
        loading=Loading(),
        size_multiple=16,
        batches=((size.side_px**2, max(batches)),),
        steps=(1, 60),
        standard=replace(ruleset.engines[ENGINE].standard, steps=size.steps),
    )
    from workers.engines.sd3_timing import engine, release

    alone = replace(ruleset, engines={**ruleset.engines, ENGINE: profile})
    with own_broker() if worker_batches else nullcontext() as settings:
        for mode in ("eager", "compiled") if compiled else ("eager",):
            with tempfile.TemporaryDirectory() as folder:
                chosen = replace(profile, loading=Loading(compile=mode == "compiled"))
                made = engine(chosen, size.parts, Path(folder), device)
                for batch in batches:
                    timed = _timed(made, where, mode, batch)
                    if settings is None:
                        yield timed
                        continue
                    through = through_worker(
                        made,
                        alone,
                        settings.model_copy(update={"state_dir": settings.state_dir / f"{mode}-{batch}"}),
                        batch=batch,
                        batches=worker_batches,
                        side_px=size.side_px,
                        seconds_per_image=timed.seconds_per_image,
                    )
                    yield replace(timed, worker=through)
                del made
                release()


def _timed(engine: Sd3, where: Machine, mode: str, batch: int) -> Figures:
    from workers.engines.sd3_timing import forget_peak, peak_bytes

    size = where.size
    requests = [replace(asked(side_px=size.side_px, steps=size.steps, seed=n), engine=ENGINE) for n in range(batch)]
    taken: list[float] = []
    failures: list[str] = []
    for n in range(where.repeats + 1):
        if n == 1:
            forget_peak()
        began = time.perf_counter()
        # A picture comes back as pixels in CPU memory, so the device has nothing left to do when the clock is read.
        results = engine.render(requests, {})
        taken.append(time.perf_counter() - began)
        failures += [r.message for r in results if isinstance(r, RenderFailure)]
    fitted = engine.max_batch(requests[0])
    if fitted < batch:
        failures.append(f"did not fit: {fitted} at once")
    each = sorted(taken[1:])[(len(taken) - 1) // 2] / batch
    return Figures(
        mode=mode,
        batch=batch,
        first_s=round(taken[0], 3),
        seconds_per_image=round(each, 4),
        images_per_hour=round(3600 / each, 1),
        peak_bytes=peak_bytes(),
        decoded=not failures,
        failure=failures[0] if failures else "",
    )
