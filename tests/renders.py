"""Engine profiles and render requests as the tests of engines and finishing want them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from rules.engines import EngineKind, EngineProfile, Hosted, SamplingPreset, TextSkill
from schemas import ids
from schemas.events import (
    FileRef,
    FileRole,
    Job,
    Lane,
    Phrase,
    PhraseSource,
    Preset,
    RenderRequest,
    Risk,
    Rung,
    Sampling,
    TextContract,
)

NORTHWIND = ("#2b1d16", "#c8742f", "#f3e9dc", "#7a8f86")
HALDEN = ("#1c3a34", "#e05a26", "#f4f1ea", "#8fb0b5")
EULER = "FlowMatchEulerDiscreteScheduler"


def profile(
    kind: EngineKind,
    *,
    scheduler: str = "none",
    steps: int = 1,
    guidance: float = 0.0,
    max_pixels: int = 4096 * 4096,
    batch: int = 8,
    schedulers: dict[str, dict[str, str | int | float | bool]] | None = None,
    hosted: Hosted | None = None,
    file_roles: tuple[FileRole, ...] = (FileRole.LOGO,),
    price_per_image_usd: float = 0.0,
    timeout_s: float = 60.0,
) -> EngineProfile:
    """A profile that asks for little."""
    preset = SamplingPreset(scheduler=scheduler, steps=steps, guidance=guidance)
    return EngineProfile(
        id=f"{kind.value}-test",
        kind=kind,
        model="none",
        distilled=False,
        precision="fp32",
        schedulers={scheduler: {}} if schedulers is None else schedulers,
        steps=(1, 50),
        guidance=(0.0, 10.0),
        standard=preset,
        safe=preset,
        batches=((max_pixels, batch),),
        size_multiple=1,
        text=TextSkill.LAYOUT,
        text_max_chars=500,
        negative_prompt=True,
        file_roles=file_roles,
        price_per_image_usd=price_per_image_usd,
        price_per_second_usd=0.0,
        expected_s=1.0,
        timeout_s=timeout_s,
        hosted=hosted,
    )


def request(
    prompt: str = "a cup of coffee at dawn",
    texts: Sequence[str] = (),
    *,
    seed: int = 7,
    size: tuple[int, int] = (768, 1024),
    files: Sequence[FileRef] = (),
    scheduler: str = "none",
    steps: int = 1,
    guidance: float = 0.0,
    negative_prompt: str = "",
    other_text_allowed: bool = False,
) -> RenderRequest:
    """One attempt at a job that wants these texts and no others."""
    key = f"{prompt}/{seed}"
    job = Job(
        job_id=ids.job_id(key),
        idempotency_key=key,
        prompt=prompt,
        brand="northwind-coffee",
        lane=Lane.CRITICAL,
        width=size[0],
        height=size[1],
        seed=seed,
        files=tuple(files),
        submitted_at_ms=0,
    )
    phrases = tuple(Phrase(text=t, source=PhraseSource.QUOTED, case_sensitive=True, strict=False) for t in texts)
    return RenderRequest(
        job=job,
        attempt=0,
        rung=Rung.FIRST,
        engine="test",
        lane=Lane.CRITICAL,
        prompt=prompt,
        negative_prompt=negative_prompt,
        sampling=Sampling(preset=Preset.STANDARD, scheduler=scheduler, steps=steps, guidance=guidance, seed=seed),
        text=TextContract(phrases=phrases, other_text_allowed=other_text_allowed),
        tags=(),
        risk=Risk.LOW,
        rule="test",
        ruleset_id="0" * 64,
        cost_spent_usd=0.0,
    )


def file_ref(data: bytes, role: FileRole = FileRole.LOGO, name: str = "logo.png") -> FileRef:
    """A file that came with a prompt."""
    return FileRef(
        role=role, name=name, sha256=hashlib.sha256(data).hexdigest(), media_type="image/png", size_bytes=len(data)
    )
