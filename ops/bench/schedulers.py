"""`presscheck bench schedulers`: every scheduler that diffusers ships, on the tiny SD3 pipeline, past the profile."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from rules.engines import EngineKind, EngineProfile, Loading
from rules.ruleset import Ruleset
from schemas import ids
from schemas.errors import BadConfig
from schemas.events import Job, Lane, Preset, RenderRequest, Risk, Rung, Sampling, TextContract

if TYPE_CHECKING:
    from workers.engines.sd3_survey import Tried

NEEDED: Final = ("torch", "diffusers", "transformers", "tokenizers")
SIDE_PX: Final = 128
STEPS: Final = 8
GUIDANCE: Final = 3.5
SEED: Final = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One scheduler: what the ruleset's profiles say of it, and what came of it without them.

    refused: Why an sd3 profile of the ruleset refuses it; empty where one allows it.
    stopped: Why no picture came of it, by an exception or by the latent guard; empty where one would have.
    """

    scheduler: str
    refused: str
    ran: bool
    std: float | None
    absmax: float | None
    stopped: str
    repeats: bool | None

    @property
    def wrongly_allowed(self) -> bool:
        """Whether a profile allows it and no good, repeatable picture comes of it."""
        return not self.refused and (bool(self.stopped) or not self.repeats)

    @property
    def slips_through(self) -> bool:
        """Whether only the profile stands between it and a picture."""
        return bool(self.refused) and not self.stopped


def measure(ruleset: Ruleset) -> Iterator[Row]:
    """A row for each scheduler, by name. Raises BadConfig where the model extras are not installed."""
    if missing := [name for name in NEEDED if importlib.util.find_spec(name) is None]:
        raise BadConfig(f"{', '.join(missing)} not installed", mend="install the extra `models`")
    from workers.engines.sd3_survey import survey

    profiles = [p for p in ruleset.engines.values() if p.kind is EngineKind.SD3]
    if not profiles:
        raise BadConfig("the ruleset has no engine of kind sd3", mend="add one to engines.yml")
    loosest = max(profiles, key=lambda p: len(p.schedulers))
    small = replace(loosest, precision="fp32", loading=Loading(), batches=((SIDE_PX**2, 1),))
    for tried in survey(small, asked()):
        yield _row(tried, profiles)


def asked(*, side_px: int = SIDE_PX, steps: int = STEPS, seed: int = SEED) -> RenderRequest:
    """A request for a square picture that nobody will look at."""
    job = Job(
        job_id=ids.job_id(f"bench/{side_px}/{steps}/{seed}"),
        idempotency_key=f"bench/{side_px}/{steps}/{seed}",
        prompt="a lighthouse at dawn",
        brand="",
        lane=Lane.EXPLORATORY,
        width=side_px,
        height=side_px,
        seed=seed,
        submitted_at_ms=0,
    )
    return RenderRequest(
        job=job,
        attempt=0,
        rung=Rung.FIRST,
        engine="bench",
        lane=Lane.EXPLORATORY,
        prompt=job.prompt,
        negative_prompt="",
        sampling=Sampling(
            preset=Preset.STANDARD,
            scheduler="FlowMatchEulerDiscreteScheduler",
            steps=steps,
            guidance=GUIDANCE,
            seed=seed,
        ),
        text=TextContract(phrases=(), other_text_allowed=False),
        tags=(),
        risk=Risk.LOW,
        rule="bench",
        ruleset_id="0" * 64,
        cost_spent_usd=0.0,
    )


def _row(tried: Tried, profiles: list[EngineProfile]) -> Row:
    return Row(
        scheduler=tried.scheduler if tried.configured else f"{tried.scheduler} (as shipped)",
        refused=_refusal(tried, profiles),
        ran=tried.ran,
        std=tried.std,
        absmax=tried.absmax,
        stopped=tried.error or tried.guard or "",
        repeats=tried.repeats,
    )


def _refusal(tried: Tried, profiles: list[EngineProfile]) -> str:
    if not tried.configured:
        return "only with prediction_type: flow_prediction and use_flow_sigmas: true"
    sampling = asked().sampling
    said = [p.refuses_sampling(replace(sampling, scheduler=tried.scheduler, steps=p.steps[0])) for p in profiles]
    return "" if None in said else (said[0] or "")
