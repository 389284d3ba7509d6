"""Engine profiles: what each engine may be asked for. A ruleset and a worker refuse anything else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from rules.tree import Node, Scalar, nearest
from schemas.events import FileRef, FileRole, Preset, RenderRequest, Sampling

FLOW_CONFIG: Final = {"prediction_type": "flow_prediction", "use_flow_sigmas": True}
"""Without these two, DPM++ and its kin run on SD3 without an exception and give noise (latent std 167 to 237)."""
SCHEDULERS: Final[Mapping[str, Mapping[str, Scalar]]] = {
    "none": {},
    "FlowMatchEulerDiscreteScheduler": {},
    "FlowMatchHeunDiscreteScheduler": {},
    "DPMSolverMultistepScheduler": FLOW_CONFIG,
    "UniPCMultistepScheduler": FLOW_CONFIG,
    "DEISMultistepScheduler": FLOW_CONFIG,
}
"""Schedulers that suit flow models and draw only from the job's generator, with the configuration they need."""
UNSUITED: Final[Mapping[str, str]] = {
    "EulerDiscreteScheduler": "on a flow model it ends at latents with a standard deviation of 54 to 284",
    "PNDMScheduler": "on a flow model it ends at latents with a standard deviation of 35 to 124",
    "DDIMScheduler": "on a flow model it clips the latents at exactly 1.00",
    "DDPMScheduler": "on a flow model it clips the latents at exactly 1.00",
    "SASolverScheduler": "it draws without the job's generator, so a render could not be repeated",
    "FlowMatchLCMScheduler": "it draws without the job's generator, so a render could not be repeated",
}
"""Schedulers people try, and why they are not allowed."""
DISTILLED_ONLY: Final = "FlowMatchEulerDiscreteScheduler"
"""The one scheduler of distilled models: they were trained for its steps."""


class EngineKind(StrEnum):
    """Which code runs a profile."""

    SD3 = "sd3"
    HTTP = "http"
    TYPESET = "typeset"
    SIMULATOR = "simulator"


class TextSkill(StrEnum):
    """Which text an engine can set: none, a short line, or a layout of several."""

    NONE = "none"
    SHORT = "short"
    LAYOUT = "layout"


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplingPreset:
    """Scheduler, steps and guidance of a preset."""

    scheduler: str
    steps: int
    guidance: float

    def sampling(self, preset: Preset, seed: int) -> Sampling:
        """The preset as a request carries it."""
        return Sampling(preset=preset, scheduler=self.scheduler, steps=self.steps, guidance=self.guidance, seed=seed)


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineProfile:
    """What one engine may be asked for.

    `batches` holds (largest pixels of one image, largest batch) from small to large; `text_max_chars`
    bounds the longest phrase of engines that set short text. Prices are US dollars.
    """

    id: str
    kind: EngineKind
    model: str
    distilled: bool
    precision: str
    schedulers: Mapping[str, Mapping[str, Scalar]]
    steps: tuple[int, int]
    guidance: tuple[float, float]
    standard: SamplingPreset
    safe: SamplingPreset
    batches: tuple[tuple[int, int], ...]
    size_multiple: int
    text: TextSkill
    text_max_chars: int
    negative_prompt: bool
    file_roles: tuple[FileRole, ...]
    price_per_image_usd: float
    price_per_second_usd: float
    expected_s: float
    timeout_s: float

    @property
    def max_pixels(self) -> int:
        """Largest image it renders, pixels."""
        return self.batches[-1][0]

    @property
    def expected_cost_usd(self) -> float:
        """What one more image is taken to cost when the ladder counts its money."""
        return self.cost_usd(self.expected_s * 1000)

    def cost_usd(self, engine_ms: float) -> float:
        """Cost of one image that took this much engine time, milliseconds."""
        return self.price_per_image_usd + self.price_per_second_usd * engine_ms / 1000

    def preset(self, preset: Preset) -> SamplingPreset:
        """The values of a preset."""
        return self.safe if preset is Preset.SAFE else self.standard

    def max_batch(self, width: int, height: int) -> int:
        """Largest batch for a size; 0 where one image is already too large."""
        return next((batch for pixels, batch in self.batches if width * height <= pixels), 0)

    def refuses_sampling(self, sampling: Sampling | SamplingPreset) -> str | None:
        """Why it will not sample like this, or None."""
        if sampling.scheduler not in self.schedulers:
            why = UNSUITED.get(sampling.scheduler)
            mend = f" ({why})" if why else f"; {nearest(sampling.scheduler, self.schedulers)}"
            return f"{self.id} does not allow the scheduler {sampling.scheduler}{mend}"
        if not self.steps[0] <= sampling.steps <= self.steps[1]:
            return f"{self.id} takes {self.steps[0]} to {self.steps[1]} steps, not {sampling.steps}"
        if not self.guidance[0] <= sampling.guidance <= self.guidance[1]:
            return (
                f"{self.id} takes a guidance of {self.guidance[0]:g} to {self.guidance[1]:g}, not {sampling.guidance:g}"
            )
        return None

    def refuses_size(self, width: int, height: int) -> str | None:
        """Why it will not render this size, with a size that it does, or None."""
        if self.max_batch(width, height) == 0:
            return f"{self.id} renders up to {self.max_pixels} pixels, not {width} x {height}; ask for a smaller size"
        if width % self.size_multiple or height % self.size_multiple:
            near = " x ".join(
                str(max(1, round(side / self.size_multiple)) * self.size_multiple) for side in (width, height)
            )
            return f"{self.id} renders multiples of {self.size_multiple} pixels, not {width} x {height}; ask for {near}"
        return None

    def refuses(self, sampling: Sampling, request: RenderRequest) -> str | None:
        """Why this request may not go to this engine, or None. The worker asks again before it renders."""
        return (
            self.refuses_sampling(sampling)
            or self.refuses_size(request.job.width, request.job.height)
            or self.refuses_text([p.text for p in request.text.phrases])
            or self.refuses_files(request.job.files)
        )

    def refuses_files(self, files: Sequence[FileRef]) -> str | None:
        """Why it cannot use these files, or None: a file that is left unused in silence misleads."""
        for file in files:
            if file.role not in self.file_roles:
                return f"{self.id} cannot use {file.name!r} as {file.role.value}; leave the file away"
        return None

    def refuses_text(self, phrases: list[str]) -> str | None:
        """Why it cannot be trusted with this text, or None."""
        if not phrases:
            return None
        if self.text is TextSkill.NONE:
            return f"{self.id} cannot set text, and {len(phrases)} phrase(s) are wanted; leave the engine to routing"
        longest = max(len(p) for p in phrases)
        if self.text is TextSkill.SHORT and longest > self.text_max_chars:
            return (
                f"{self.id} sets phrases of up to {self.text_max_chars} characters, the longest here has {longest};"
                " shorten it or use typeset"
            )
        return None


REQUIRED: Final = (
    "kind",
    "model",
    "schedulers",
    "steps",
    "guidance",
    "standard",
    "safe",
    "max_batch",
    "size_multiple",
    "text",
    "negative_prompt",
    "file_roles",
    "price_per_image_usd",
    "price_per_second_usd",
    "expected_s",
    "timeout_s",
)


def parse_engines(root: Node) -> Mapping[str, EngineProfile]:
    """engines.yml: a profile for each engine id. Raises BadConfig."""
    table = root.fields(["engines"])["engines"].table()
    if not table:
        raise root.bad("names no engine", "add a profile")
    return {name: _profile(name, table[name]) for name in sorted(table)}


def _profile(name: str, node: Node) -> EngineProfile:
    f = node.fields(REQUIRED, ["distilled", "precision", "text_max_chars"])
    distilled = f["distilled"].flag() if "distilled" in f else False
    schedulers = {s: _scheduler(s, n, distilled=distilled) for s, n in sorted(f["schedulers"].table().items())}
    if not schedulers:
        raise f["schedulers"].bad("allows no scheduler", "name one, or none: {} for an engine that does not sample")
    steps = _range(f["steps"])
    profile = EngineProfile(
        id=name,
        kind=EngineKind(f["kind"].choice(list(EngineKind), "engine kind")),
        model=f["model"].text(),
        distilled=distilled,
        precision=f["precision"].choice(["bf16", "fp16", "fp32"], "precision") if "precision" in f else "none",
        schedulers=schedulers,
        steps=(int(steps[0]), int(steps[1])),
        guidance=_range(f["guidance"]),
        standard=_preset(f["standard"]),
        safe=_preset(f["safe"]),
        batches=_batches(f["max_batch"]),
        size_multiple=f["size_multiple"].integer(1, 64),
        text=TextSkill(f["text"].choice(list(TextSkill), "text skill")),
        text_max_chars=f["text_max_chars"].integer(1, 500) if "text_max_chars" in f else 500,
        negative_prompt=f["negative_prompt"].flag(),
        file_roles=tuple(FileRole(r) for r in f["file_roles"].choices(list(FileRole), "file role")),
        price_per_image_usd=f["price_per_image_usd"].number(0, 100),
        price_per_second_usd=f["price_per_second_usd"].number(0, 100),
        expected_s=f["expected_s"].number(0, 3600),
        timeout_s=f["timeout_s"].number(0.1, 3600),
    )
    for key in ("standard", "safe"):
        if refusal := profile.refuses_sampling(profile.preset(Preset(key))):
            raise f[key].bad(refusal, "change the preset or what the profile allows")
    return profile


def _scheduler(name: str, node: Node, *, distilled: bool) -> Mapping[str, Scalar]:
    if name in UNSUITED:
        raise node.bad(f"{name} is not allowed: {UNSUITED[name]}", f"use {DISTILLED_ONLY}")
    if name not in SCHEDULERS:
        raise node.bad(f"there is no scheduler {name!r} that suits", nearest(name, SCHEDULERS))
    if distilled and name != DISTILLED_ONLY:
        raise node.bad(f"a distilled model was trained for {DISTILLED_ONLY} only", f"remove {name}")
    config = {k: n.scalar() for k, n in sorted(node.table().items())}
    if config.get("stochastic_sampling"):
        raise node.bad("stochastic_sampling draws without the job's generator", "remove it")
    for key, value in SCHEDULERS[name].items():
        if config.get(key) != value:
            raise node.bad(f"{name} on a flow model needs {key}: {value}", f"add {key}: {str(value).lower()}")
    return config


def _range(node: Node) -> tuple[float, float]:
    items = node.items()
    if len(items) != 2:
        raise node.bad("want [lowest, highest]")
    low, high = (n.number(0, 1000) for n in items)
    if low > high:
        raise node.bad(f"the lowest, {low:g}, is above the highest, {high:g}", "swap them")
    return low, high


def _preset(node: Node) -> SamplingPreset:
    f = node.fields(["scheduler", "steps", "guidance"])
    return SamplingPreset(
        scheduler=f["scheduler"].text(), steps=f["steps"].integer(1, 100), guidance=f["guidance"].number(0, 30)
    )


def _batches(node: Node) -> tuple[tuple[int, int], ...]:
    out: list[tuple[int, int]] = []
    for item in node.items():
        f = item.fields(["pixels", "batch"])
        row = (f["pixels"].integer(64 * 64, 8192 * 8192), f["batch"].integer(1, 1000))
        if out and (row[0] <= out[-1][0] or row[1] > out[-1][1]):
            raise item.bad("batches go from small images to large ones, and never grow", "sort them by pixels")
        out.append(row)
    if not out:
        raise node.bad("is empty", "add {pixels: …, batch: …}")
    return tuple(out)
