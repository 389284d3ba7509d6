"""What becomes of a rendered job: finished, stored, and written down in its manifest."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from rules.engines import EngineProfile
from rules.ruleset import Ruleset
from schemas.errors import Fatal, Poison
from schemas.events import Asset, FailureKind, Outcome, RenderFailure, RenderRequested
from store import manifests
from store.artifacts import ArtifactStore
from store.manifests import Attempt, Manifest
from workers.engines.port import Engine, Rendered
from workers.finish.port import Finish, Finished, Order
from workers.render_call import Answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One delivery on its way: an attempt found, or an answer with what made it."""

    event: RenderRequested
    found: Attempt | None = None
    answer: Answer | None = None
    engine: Engine | None = None
    profile: EngineProfile | None = None
    ruleset: Ruleset | None = None
    files: Mapping[str, bytes] = field(default_factory=dict[str, bytes])
    ended_ms: int = 0


def keep(store: ArtifactStore, finish: Finish, job: Job) -> Attempt:
    """Finish and store what was made; one that cannot be finished is a failed attempt. Raises as the store does."""
    if job.answer is None or isinstance(job.answer.result, RenderFailure):
        return record(store, job)
    began = time.perf_counter()
    try:
        kept = finish(_order(job, job.answer.result))
        finished = time.perf_counter()
        sha256 = store.put(kept.data)
    except Poison as e:
        failure = RenderFailure(kind=FailureKind.CORRUPT_OUTPUT, message=str(e)[:500])
        return record(store, replace(job, answer=replace(job.answer, result=failure)))
    timings = {"finish": (finished - began) * 1000, "store": (time.perf_counter() - finished) * 1000}
    return record(store, job, timings, kept, sha256)


def _order(job: Job, rendered: Rendered) -> Order:
    if job.engine is None or job.profile is None or job.ruleset is None:
        raise Fatal(f"job_id={job.event.request.job.job_id} was rendered by no engine")
    return Order(
        rendered=rendered,
        request=job.event.request,
        profile=job.profile,
        backend=job.engine.backend,
        model_digest=job.engine.model_digest,
        files=job.files,
        palette=job.ruleset.palette(job.event.request.job.brand),
        steps=job.ruleset.postprocess,
    )


def record(
    store: ArtifactStore,
    job: Job,
    timings_ms: Mapping[str, float] | None = None,
    kept: Finished | None = None,
    sha256: str = "",
) -> Attempt:
    """Write the manifest of an answered job; `kept` is what was stored at `sha256`. Raises as the store does."""
    request, answer, engine = job.event.request, job.answer, job.engine
    if answer is None:
        raise Fatal(f"job_id={request.job.job_id} was never answered")
    asset = kept and Asset(
        sha256=sha256,
        media_type=kept.media_type,
        size_bytes=len(kept.data),
        width=kept.width,
        height=kept.height,
    )
    result = answer.result
    return manifests.record(
        store,
        Manifest(
            request=request,
            at_ms=job.ended_ms,
            injected=result.injected if isinstance(result, Rendered) else (),
            timings_ms={"engine": answer.engine_ms, **(timings_ms or {})},
            picture_sha256=kept.picture_sha256 if kept else None,
            facts=result.facts if isinstance(result, Rendered) else {},
            finish=kept.facts if kept else {},
            outcome=Outcome.FAILED if asset is None else Outcome.RENDERED,
            asset=asset,
            latents=result.latents if isinstance(result, Rendered) else None,
            cut=result.cut if isinstance(result, Rendered) else (),
            failure=result if isinstance(result, RenderFailure) else None,
            backend=engine.backend if engine else "none",
            model_digest=engine.model_digest if engine else "none",
            device=engine.device if engine else "none",
            engine_ms=answer.engine_ms,
            batch_size=answer.batch_size,
            cost_usd=_cost_usd(job.profile, answer, delivered=asset is not None),
        ),
    )


def _cost_usd(profile: EngineProfile | None, answer: Answer, *, delivered: bool) -> float:
    """What the host charged; else by the profile's prices: time always, an image only where there is one."""
    if isinstance(answer.result, Rendered) and answer.result.cost_usd is not None:
        return answer.result.cost_usd
    if profile is None:
        return 0.0
    return profile.cost_usd(answer.engine_ms) if delivered else profile.price_per_second_usd * answer.engine_ms / 1000
