"""Engine profiles: what each engine may be asked for. A ruleset and a worker refuse anything else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final

from rules.tree import Scalar, nearest
from schemas.events import Edit, FileRef, FileRole, Job, Preset, RenderRequest, Sampling, TextContract

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
_DRAWS: Final = "it draws without the job's generator, so a render could not be repeated"
_EDM: Final = "it was made for EDM models, whose latents end much smaller"
_INVERSE: Final = "it goes the other way, from a picture to noise"
_UNSEEN: Final = "the latent guard may not see what it does"
UNSUITED: Final[Mapping[str, str]] = {
    "EulerDiscreteScheduler": "on a flow model it ends at latents with a standard deviation of 54 to 284",
    "PNDMScheduler": "on a flow model it ends at latents with a standard deviation of 35 to 124",
    "DDIMScheduler": "on a flow model it clips the latents at exactly 1.00",
    "DDPMScheduler": "on a flow model it clips the latents at exactly 1.00",
    "EDMEulerScheduler": _EDM,
    "EDMDPMSolverMultistepScheduler": _EDM,
    "DDIMInverseScheduler": _INVERSE,
    "DPMSolverMultistepInverseScheduler": _INVERSE,
    "SASolverScheduler": _DRAWS,
    "FlowMatchLCMScheduler": _DRAWS,
    "LTXEulerAncestralRFScheduler": _DRAWS,
    "FlowMapEulerDiscreteScheduler": f"it was made for models that learn a flow map, and {_UNSEEN}",
    "IPNDMScheduler": f"it was made for another schedule of noise, and {_UNSEEN}",
}
"""Schedulers people try, and why they are not allowed."""
DISTILLED_ONLY: Final = "FlowMatchEulerDiscreteScheduler"
"""The one scheduler of distilled models: they were trained for its steps."""

ENCODERS: Final[Mapping[str, int]] = {"clip_l": 77, "clip_g": 77, "t5": 512}
"""Text encoders of SD3, with the most tokens that each can be given. SD3.5 was trained with 256 for T5."""
FINISHING_ROLES: Final = frozenset({FileRole.COLOUR_MASK})
"""Files that finishing uses: every engine lets them pass."""


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


class HostedApi(StrEnum):
    """A documented HTTP contract that we speak."""

    IDEOGRAM = "ideogram"
    STABILITY = "stability"


class Offload(StrEnum):
    """What leaves the accelerator while it is not needed: nothing, whole models, or single layers (slow, small)."""

    NONE = "none"
    MODEL = "model"
    SEQUENTIAL = "sequential"


class Quantise(StrEnum):
    """How the transformer's weights are kept: as they are, 8-bit integers (torchao), or 4-bit NF4 (bitsandbytes)."""

    NONE = "none"
    INT8 = "int8"
    NF4 = "nf4"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hosted:
    """An engine behind somebody's API. `in_flight` images at once are shared by all workers of one organisation.

    `url` is the API's root; the key comes from the settings. `operations` are what may be asked of it beside
    generating: describe, remix, upscale.
    """

    api: HostedApi
    model: str
    url: str
    in_flight: int
    operations: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Loading:
    """How weights are put on a device. `compile` trades a slow start for faster steps (torch.compile).

    `exact` takes the jobs of a batch through the model one by one: then the same job gives the same bytes in every
    batch, after a batch was halved too. Otherwise sums are added up in another order and a pixel may differ by a step.
    """

    offload: Offload = Offload.NONE
    quantise: Quantise = Quantise.NONE
    compile: bool = False
    exact: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineProfile:
    """What one engine may be asked for.

    `batches` holds (largest pixels of one image, largest batch) from small to large; `text_max_chars`
    bounds the longest phrase of engines that set short text. Prices are US dollars. `revision` pins the weights
    (a commit of their repository; empty where there are none). `prompt_limits` are tokens by text encoder.
    `hosted` is another backend of the same engine, used where the weights are not here. `edits` says whether it
    can redo boxes of a picture. `art` names the engine that paints under typeset, or None for drawn art.
    """

    id: str
    kind: EngineKind
    model: str
    revision: str = ""
    licence: str = ""
    distilled: bool
    precision: str
    loading: Loading = Loading()
    hosted: Hosted | None = None
    prompt_limits: Mapping[str, int] = field(default_factory=dict[str, int])
    edits: bool = False
    art: str | None = None
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
        return self.refuses_job(sampling, request.job, request.text) or self.refuses_edit(request.edit)

    def refuses_job(self, sampling: Sampling | SamplingPreset, job: Job, text: TextContract) -> str | None:
        """Why a whole picture for this job may not be drawn here, or None."""
        return (
            self.refuses_sampling(sampling)
            or self.refuses_size(job.width, job.height)
            or self.refuses_text([p.text for p in text.phrases])
            or self.refuses_files(job.files)
        )

    def built_like(self, other: EngineProfile) -> bool:
        """Whether the engine that was built by one serves the other: they differ in what is asked of it at most."""
        return self == replace(other, standard=self.standard, safe=self.safe, steps=self.steps, guidance=self.guidance)

    def uses(self, role: FileRole) -> bool:
        """Whether a file of this role has a use here, in the engine or in finishing."""
        return role in self.file_roles or role in FINISHING_ROLES

    def refuses_files(self, files: Sequence[FileRef]) -> str | None:
        """Why it cannot use these files, or None: a file that is left unused in silence misleads."""
        for file in files:
            if not self.uses(file.role):
                return f"{self.id} cannot use {file.name!r} as {file.role.value}"
        return None

    def refuses_edit(self, edit: Edit | None) -> str | None:
        """Why it cannot redo parts of a picture, or None."""
        if edit is None or self.edits:
            return None
        return f"{self.id} draws whole pictures and cannot redo {len(edit.boxes)} part(s) of one"

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
