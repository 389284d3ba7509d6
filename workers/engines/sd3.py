"""The engine `sd3`: diffusers' StableDiffusion3Pipeline, one seed a job, latents guarded before they are decoded."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, cast

import diffusers
import structlog
import torch
import transformers

from rules.engines import EngineProfile
from schemas.errors import BadConfig, Fatal
from schemas.events import FailureKind, LatentStats, RenderFailure, RenderRequest
from workers.engines.port import NOBODY, Rendered, Watch

STD_LIMITS: Final = (0.4, 3.0)
ABSMAX_LIMITS: Final = (1.2, 20.0)
"""Final latents outside these are broken. Measured on SD3: schedulers that suit end at a std of 1.05 to 1.2 and a
largest value of about 5; those that do not, at a std of 35 to 284, or (DDIM, DDPM) clipped at exactly 1.00."""
_DTYPES: Final = {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32}

Result = Rendered | RenderFailure


def gpu() -> str | None:
    """Name of the GPU that torch would use, or None."""
    return torch.cuda.get_device_name() if torch.cuda.is_available() else None


def load(profile: EngineProfile, folder: Path, device: str = "cuda") -> Sd3:
    """The engine with the weights in a local folder; nothing is fetched. Raises BadConfig where they do not load."""
    log = structlog.get_logger(__name__)
    log.info("loading weights", engine=profile.id, folder=str(folder), device=device)
    try:
        pipe = cast(Any, diffusers).StableDiffusion3Pipeline.from_pretrained(
            str(folder), torch_dtype=_DTYPES.get(profile.precision, torch.float32), local_files_only=True
        )
    except (OSError, ValueError, KeyError) as e:
        raise BadConfig(f"the weights in {folder} do not load: {e}", mend="put a diffusers folder of SD3 there") from e
    pipe.to(device)
    log.info("weights loaded", engine=profile.id)
    return Sd3(profile, pipe, digest(folder))


def digest(folder: Path) -> str:
    """Digest of every file of the weights, and of the libraries that run them."""
    whole = hashlib.sha256(f"torch {torch.__version__} diffusers {diffusers.__version__}".encode())
    whole.update(f" transformers {transformers.__version__}".encode())
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        with path.open("rb") as file:
            whole.update(path.relative_to(folder).as_posix().encode() + hashlib.file_digest(file, "sha256").digest())
    return f"sd3:{whole.hexdigest()}"


class Sd3:
    """Runs one pipeline in one thread. `pipe` is a StableDiffusion3Pipeline on its device."""

    backend = "diffusers"

    def __init__(self, profile: EngineProfile, pipe: Any, model_digest: str) -> None:
        self._profile, self._pipe, self._digest = profile, pipe, model_digest
        self._trained: Mapping[str, Any] = dict(pipe.scheduler.config)
        pipe.vae.enable_slicing()
        pipe.set_progress_bar_config(disable=True)

    @property
    def device(self) -> str:
        """Torch's name of the device, with the GPU's model."""
        kind = str(self._pipe.device)
        return f"{kind}:{gpu()}" if kind.startswith("cuda") else kind

    @property
    def model_digest(self) -> str:
        """Digest of the weights and the libraries."""
        return self._digest

    @property
    def resident_bytes(self) -> int:
        """Weights on the accelerator."""
        return 0

    def park(self) -> None:
        """It stays where it is."""

    def batch_key(self, request: RenderRequest) -> str:
        """Scheduler, steps, guidance, size, and whether there is a negative prompt."""
        s, job = request.sampling, request.job
        negative = "negative" if request.negative_prompt else "plain"
        return f"{s.scheduler}/{s.steps}/{s.guidance!r}/{job.width}x{job.height}/{negative}"

    def max_batch(self, request: RenderRequest) -> int:
        """By the profile; 1 for a size that it refuses, so that the refusal is a result."""
        return max(1, self._profile.max_batch(request.job.width, request.job.height))

    def render(
        self, requests: Sequence[RenderRequest], files: Mapping[str, bytes], watch: Watch = NOBODY
    ) -> Sequence[Result]:
        """One result for each request, in order. Raises Fatal where the device is lost."""
        out: list[Result | None] = [self._refused(r) for r in requests]
        groups: dict[str, list[int]] = {}
        for i, request in enumerate(requests):
            if out[i] is None:
                groups.setdefault(self.batch_key(request), []).append(i)
        for group in groups.values():
            done = self._batch([requests[i] for i in group], halve=True)
            for i, result in zip(group, done, strict=True):
                out[i] = result
        return [r for r in out if r is not None]

    def _refused(self, request: RenderRequest) -> RenderFailure | None:
        refusal = self._profile.refuses(request.sampling, request)
        return RenderFailure(kind=FailureKind.INVALID_REQUEST, message=refusal[:2000]) if refusal else None

    def _batch(self, requests: Sequence[RenderRequest], *, halve: bool) -> list[Result]:
        """Render a batch; what fails as a whole is tried in two halves (out of memory) or one by one, once."""
        log = structlog.get_logger(__name__)
        jobs = [r.job.job_id for r in requests]
        try:
            latents = self._denoise(requests)
            return [self._finish(request, latents[i : i + 1]) for i, request in enumerate(requests)]
        except torch.OutOfMemoryError as e:
            kind, error, parts = FailureKind.OUT_OF_MEMORY, e, 2
        except torch.AcceleratorError as e:
            raise Fatal(f"the device was lost while it rendered {len(jobs)} jobs: {e}") from e
        except ValueError as e:
            # The pipeline checks its arguments with ValueError: no seed mends that.
            kind, error, parts = FailureKind.INVALID_REQUEST, e, len(requests)
        except RuntimeError as e:
            kind, error, parts = FailureKind.ENGINE_ERROR, e, len(requests)
        torch.cuda.empty_cache()
        log.warning("batch failed", job_id=jobs, kind=kind.value, error=str(error)[:500])
        if not halve or len(requests) == 1:
            return [RenderFailure(kind=kind, message=str(error)[:2000]) for _ in requests]
        size = -(-len(requests) // parts)
        pieces = [requests[i : i + size] for i in range(0, len(requests), size)]
        return [result for piece in pieces for result in self._batch(piece, halve=False)]

    def _denoise(self, requests: Sequence[RenderRequest]) -> torch.Tensor:
        """Final latents, shape (jobs, 16, height / 8, width / 8) for SD3."""
        first = requests[0]
        self._pipe.scheduler = self._scheduler(first.sampling.scheduler)
        # On the CPU a seed gives the same noise whatever the device; a list gives every job its own.
        seeds = [torch.Generator("cpu").manual_seed(r.sampling.seed) for r in requests]
        with torch.inference_mode():
            return self._pipe(
                prompt=[r.prompt for r in requests],
                negative_prompt=[r.negative_prompt for r in requests] if first.negative_prompt else None,
                num_inference_steps=first.sampling.steps,
                guidance_scale=first.sampling.guidance,
                width=first.job.width,
                height=first.job.height,
                generator=seeds,
                output_type="latent",
                callback_on_step_end=_progress([r.job.job_id for r in requests]),
            ).images

    def _scheduler(self, name: str) -> Any:
        """A fresh scheduler with the model's own settings, then the profile's."""
        made = getattr(diffusers, name)
        config = {**self._trained, **self._profile.schedulers[name]}
        # Solvers that are no flow schedulers by birth call the model's `shift` by another name.
        if config.get("use_flow_sigmas") and "shift" in config:
            config.setdefault("flow_shift", config["shift"])
        return made.from_config(config)

    def _finish(self, request: RenderRequest, latents: torch.Tensor) -> Result:
        """Guard, decode and encode the latents of one job, shape (1, channels, rows, columns)."""
        stats = measure(latents)
        if broken := fault(stats):
            structlog.get_logger(__name__).warning("broken latents", job_id=request.job.job_id, fault=broken)
            return RenderFailure(kind=FailureKind.BROKEN_LATENTS, message=broken)
        vae = self._pipe.vae
        with torch.inference_mode():
            unscaled = latents / vae.config.scaling_factor + (vae.config.shift_factor or 0.0)
            decoded = vae.decode(unscaled.to(vae.dtype), return_dict=False)[0]
            if not bool(torch.isfinite(decoded).all()):
                return RenderFailure(
                    kind=FailureKind.BROKEN_LATENTS, message="the VAE decoded the latents to values that are not finite"
                )
            image = self._pipe.image_processor.postprocess(decoded, output_type="pil")[0]
        out = io.BytesIO()
        image.save(out, "PNG", compress_level=1)
        return Rendered(
            picture=out.getvalue(), media_type="image/png", width=image.width, height=image.height, latents=stats
        )


def measure(latents: torch.Tensor) -> LatentStats:
    """Statistics of one job's final latents."""
    values = latents.float()
    if not bool(torch.isfinite(values).all()):
        return LatentStats(finite=False, std=0.0, absmax=0.0)
    return LatentStats(finite=True, std=float(values.std()), absmax=float(values.abs().max()))


def fault(stats: LatentStats) -> str | None:
    """What is wrong with final latents, or None. The limits are STD_LIMITS and ABSMAX_LIMITS."""
    if not stats.finite:
        return "the final latents hold values that are not finite"
    for name, value, (low, high) in (("std", stats.std, STD_LIMITS), ("absmax", stats.absmax, ABSMAX_LIMITS)):
        if not low <= value <= high:
            return f"the final latents have a {name} of {value:.3g}, want {low:g} to {high:g}"
    return None


def _progress(jobs: Sequence[str]) -> Callable[[Any, int, Any, dict[str, Any]], dict[str, Any]]:
    """Logs each quarter of the way."""
    log = structlog.get_logger(__name__)

    def on_step(pipe: Any, step: int, _timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        steps: int = pipe.num_timesteps  # a solver of second order takes more of them than was asked for
        if (step + 1) * 4 // steps != step * 4 // steps:
            log.info("denoising", job_id=list(jobs), step=step + 1, steps=steps)
        return tensors

    return on_step
