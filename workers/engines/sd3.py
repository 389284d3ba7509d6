"""The engine `sd3`: diffusers' StableDiffusion3 pipelines, one seed a job, latents guarded before they are decoded."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import structlog
import torch
from PIL import Image

from rules.engines import EngineProfile
from schemas.errors import Fatal, Poison
from schemas.events import FailureKind, RenderFailure, RenderRequest
from workers.engines import sd3_prompts
from workers.engines.port import NOBODY, Rendered, Watch
from workers.engines.sd3_decode import NotFinite, decode
from workers.engines.sd3_latents import fault, measure
from workers.engines.sd3_load import described, digest, make, pipeline, prepare
from workers.engines.sd3_place import Place
from workers.engines.sd3_sources import Source, Work, source, work

Result = Rendered | RenderFailure
_PIPELINES: Final = {
    Work.IMAGE: "StableDiffusion3Img2ImgPipeline",
    Work.INPAINT: "StableDiffusion3InpaintPipeline",
}
_MESSAGE_CHARS: Final = 2000


@dataclass(frozen=True, slots=True)
class _Item:
    """A request, and what it starts from."""

    request: RenderRequest
    source: Source | None


def load(profile: EngineProfile, folder: Path, device: str = "cuda") -> Sd3:
    """The engine with the weights of a local folder, parked. Raises BadConfig where they do not load."""
    pipe = pipeline(profile, folder, device)
    return Sd3(profile, pipe, digest(folder, profile), device)


class Sd3:
    """Runs one pipeline in one thread. `pipe` is a StableDiffusion3Pipeline, `device` where it is to work.

    Out of memory, a batch is halved until it fits, and requests with its batch key stay at that size for as long as
    the process lives.
    """

    backend = "diffusers"

    def __init__(self, profile: EngineProfile, pipe: Any, model_digest: str, device: str) -> None:
        self._profile, self._digest, self._device = profile, model_digest, device
        self._pipes: dict[Work, Any] = {Work.TEXT: pipe}
        self._place = Place(pipe, device, profile.loading.offload)
        self._trained: Mapping[str, Any] = dict(pipe.scheduler.config)
        self._room: dict[str, int] = {}
        prepare(pipe, profile.loading)

    @property
    def device(self) -> str:
        """Torch's name of the device, with the GPU's model."""
        return f"{self._device}:{torch.cuda.get_device_name()}" if self._device.startswith("cuda") else self._device

    @property
    def model_digest(self) -> str:
        """Digest of the weights, how they are loaded, and the libraries."""
        return self._digest

    @property
    def resident_bytes(self) -> int:
        """Weights on the accelerator; with the CPU as accelerator, all of them while it is not parked."""
        return self._place.resident_bytes

    def park(self) -> None:
        """Weights to CPU memory, and what torch had kept of the accelerator back to it."""
        self._place.park()

    def batch_key(self, request: RenderRequest) -> str:
        """Scheduler, steps, guidance, size, whether there is a negative prompt; kind of work and its strength."""
        s, job = request.sampling, request.job
        negative = "negative" if request.negative_prompt else "plain"
        kind, strength = work(request)
        return f"{s.scheduler}/{s.steps}/{s.guidance!r}/{job.width}x{job.height}/{negative}/{kind.value}@{strength!r}"

    def max_batch(self, request: RenderRequest) -> int:
        """By the profile, or what fitted last; 1 for a size that the profile refuses: the refusal is a result."""
        most = max(1, self._profile.max_batch(request.job.width, request.job.height))
        return min(most, self._room.get(self.batch_key(request), most))

    def render(
        self, requests: Sequence[RenderRequest], files: Mapping[str, bytes], watch: Watch = NOBODY
    ) -> Sequence[Result]:
        """One result for each request, in order.

        Raises Fatal where the device is lost, Transient where the weights do not fit on it now, Cancelled.
        """
        out: list[Result | None] = [None] * len(requests)
        groups: dict[str, list[tuple[int, _Item]]] = {}
        for i, request in enumerate(requests):
            item = self._item(request, files)
            if isinstance(item, RenderFailure):
                out[i] = item
            else:
                groups.setdefault(self.batch_key(request), []).append((i, item))
        if groups:
            self._place.wake()
        for group in groups.values():
            done = self._group([item for _, item in group], watch)
            for (i, _), result in zip(group, done, strict=True):
                out[i] = result
        return [r for r in out if r is not None]

    def latents(self, request: RenderRequest) -> torch.Tensor:
        """Final latents of a job that starts from noise, unguarded: what schedulers are measured by.

        Raises whatever the scheduler does.
        """
        self._place.wake()
        return self._denoise([_Item(request, None)], NOBODY)

    def _item(self, request: RenderRequest, files: Mapping[str, bytes]) -> _Item | RenderFailure:
        refusal = self._profile.refuses(request.sampling, request)
        if refusal is None and work(request)[0] is not Work.TEXT:
            scheduler = request.sampling.scheduler
            if not hasattr(getattr(make, scheduler), "scale_noise"):
                refusal = f"{scheduler} cannot start from a picture; ask for FlowMatchEulerDiscreteScheduler"
        if refusal:
            return _failure(FailureKind.INVALID_REQUEST, refusal)
        try:
            return _Item(request, source(request, files))
        except Poison as e:
            return _failure(FailureKind.INVALID_REQUEST, str(e))

    def _group(self, items: Sequence[_Item], watch: Watch) -> list[Result]:
        """Render items of one batch key, as many at once as there is room for."""
        key, done = self.batch_key(items[0].request), list[Result]()
        while len(done) < len(items):
            part = items[len(done) : len(done) + self.max_batch(items[0].request)]
            tried = self._try(part, watch)
            if isinstance(tried, list):
                done += tried
            elif len(part) == 1:
                done.append(tried)
            elif tried.kind is FailureKind.OUT_OF_MEMORY:
                self._room[key] = len(part) // 2
                structlog.get_logger(__name__).warning("batch halved", batch_key=key, size=self._room[key])
            else:
                for item in part:
                    alone = self._try([item], watch)
                    done += alone if isinstance(alone, list) else [alone]
        return done

    def _try(self, items: Sequence[_Item], watch: Watch) -> list[Result] | RenderFailure:
        """Render a batch; a failure is one of the batch as a whole."""
        jobs = [item.request.job.job_id for item in items]
        try:
            latents = self._denoise(items, watch)
            return [self._finish(item, latents[i : i + 1]) for i, item in enumerate(items)]
        except torch.OutOfMemoryError as e:
            failure = _failure(FailureKind.OUT_OF_MEMORY, str(e))
        except torch.AcceleratorError as e:
            raise Fatal(f"the device was lost while it rendered {len(jobs)} jobs: {e}") from e
        except ValueError as e:
            # The pipeline checks its arguments with ValueError: no seed mends that.
            failure = _failure(FailureKind.INVALID_REQUEST, str(e))
        except RuntimeError as e:
            failure = _failure(FailureKind.ENGINE_ERROR, str(e))
        finally:
            self._place.rest()
        # Only here are the tensors gone that the exception's frames held.
        torch.cuda.empty_cache()
        log = structlog.get_logger(__name__)
        log.warning("batch failed", job_id=jobs, kind=failure.kind.value, error=failure.message[:500])
        return failure

    def _denoise(self, items: Sequence[_Item], watch: Watch) -> torch.Tensor:
        """Final latents, shape (jobs, 16, height / 8, width / 8) for SD3."""
        first = items[0].request
        kind, strength = work(first)
        pipe = self._pipe(kind)
        pipe.scheduler = self._scheduler(first.sampling.scheduler)
        extra: dict[str, Any] = {}
        sources = [item.source for item in items if item.source is not None]
        if kind is not Work.TEXT:
            extra = {"image": [Image.fromarray(s.image) for s in sources], "strength": strength}
        if kind is Work.INPAINT:
            extra["mask_image"] = [s.mask() for s in sources]
        # On the CPU a seed gives the same noise whatever the device; a list gives every job its own.
        seeds = [torch.Generator("cpu").manual_seed(item.request.sampling.seed) for item in items]
        with torch.inference_mode():
            return pipe(
                prompt=[item.request.prompt for item in items],
                negative_prompt=[i.request.negative_prompt for i in items] if first.negative_prompt else None,
                num_inference_steps=first.sampling.steps,
                guidance_scale=first.sampling.guidance,
                width=first.job.width,
                height=first.job.height,
                generator=seeds,
                output_type="latent",
                max_sequence_length=sd3_prompts.t5_limit(self._profile.prompt_limits),
                callback_on_step_end=_on_step(watch),
                **extra,
            ).images

    def _pipe(self, kind: Work) -> Any:
        """The pipeline for a kind of work; all of them share one set of weights."""
        if kind not in self._pipes:
            made = getattr(make, _PIPELINES[kind]).from_pipe(self._pipes[Work.TEXT], torch_dtype=None)
            made.set_progress_bar_config(disable=True)
            self._pipes[kind] = made
        return self._pipes[kind]

    def _scheduler(self, name: str) -> Any:
        """A fresh scheduler with the model's own settings, then the profile's."""
        config = {**self._trained, **self._profile.schedulers[name]}
        # Solvers that are no flow schedulers by birth call the model's `shift` by another name.
        if config.get("use_flow_sigmas") and "shift" in config:
            config.setdefault("flow_shift", config["shift"])
        return getattr(make, name).from_config(config)

    def _finish(self, item: _Item, latents: torch.Tensor) -> Result:
        """Guard and decode the latents of one job, shape (1, channels, rows, columns)."""
        request, start = item.request, item.source
        stats = measure(latents)
        log = structlog.get_logger(__name__)
        if broken := fault(stats, from_picture=start is not None):
            log.warning("broken latents", job_id=request.job.job_id, fault=broken)
            return _failure(FailureKind.BROKEN_LATENTS, broken)
        try:
            pixels, decoding = decode(self._pipes[Work.TEXT], latents)
        except NotFinite as e:
            return _failure(FailureKind.BROKEN_LATENTS, str(e))
        except torch.OutOfMemoryError as e:
            # One picture is decoded at a time: a smaller batch would not help.
            return _failure(FailureKind.OUT_OF_MEMORY, f"the VAE did not fit: {e}")
        pipe, limits = self._pipes[Work.TEXT], self._profile.prompt_limits
        return Rendered(
            picture=start.laid_over(pixels) if start else pixels,
            width=pixels.shape[1],
            height=pixels.shape[0],
            latents=stats,
            cut=sd3_prompts.cuts(pipe, limits, request.prompt),
            facts={**self._facts(request), **decoding, **(start.facts if start else {})},
        )

    def _facts(self, request: RenderRequest) -> dict[str, str]:
        facts = {"loading": ", ".join(described(self._profile))}
        kind, strength = work(request)
        if kind is not Work.TEXT:
            facts["work"] = f"{kind.value}, strength {strength:g}"
        negative = sd3_prompts.cuts(self._pipes[Work.TEXT], self._profile.prompt_limits, request.negative_prompt)
        if negative:
            facts["negative_prompt"] = "; ".join(f"{c.encoder} did not see {c.lost!r}" for c in negative)
        return facts


def _failure(kind: FailureKind, message: str) -> RenderFailure:
    return RenderFailure(kind=kind, message=message[:_MESSAGE_CHARS])


def _on_step(watch: Watch) -> Callable[[Any, int, Any, dict[str, Any]], dict[str, Any]]:
    def on_step(pipe: Any, step: int, _timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        watch.step(step + 1, pipe.num_timesteps)  # a solver of second order takes more of them than was asked for
        return tensors

    return on_step
