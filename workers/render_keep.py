"""What becomes of a rendered job: finished, stored, and written down in its manifest."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import structlog

from rules.engines import EngineProfile
from rules.ruleset import Ruleset
from schemas.errors import Fatal, Poison, PresscheckError
from schemas.events import Asset, FailureKind, Outcome, RenderFailure, RenderRequested
from store import manifests
from store.artifacts import ArtifactStore
from store.manifests import Attempt, Manifest
from workers.engines.port import Engine, Rendered
from workers.finish.port import Finish, Finished, Order
from workers.render_call import Answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One delivery on its way: an attempt found, or an answer with what made it.

    model_digest: The engine's when it answered: by the time of storing, typeset may have had other art painted.
    """

    event: RenderRequested
    found: Attempt | None = None
    answer: Answer | None = None
    engine: Engine | None = None
    profile: EngineProfile | None = None
    ruleset: Ruleset | None = None
    model_digest: str = "none"
    files: Mapping[str, bytes] = field(default_factory=dict[str, bytes])
    ended_ms: int = 0


def keep(store: ArtifactStore, finish: Finish, job: Job) -> Attempt:
    """Finish and store what was made; one that cannot be finished is a failed attempt. Raises as the store does.

    What finishing refuses is the job's own wish or file, which no other seed mends. Anything else that it throws must
    not end the process either: the next one would render the job again, for ever.
    """
    if job.answer is None or isinstance(job.answer.result, RenderFailure):
        return record(store, job)
    began = time.perf_counter()
    try:
        kept = finish(_order(job, job.answer.result))
        finished = time.perf_counter()
        sha256 = store.put(kept.data)
    except Poison as e:
        return _unfinished(store, job, job.answer, FailureKind.INVALID_REQUEST, str(e))
    except PresscheckError:
        raise
    except MemoryError as e:
        return _unfinished(store, job, job.answer, FailureKind.OUT_OF_MEMORY, f"finishing: {e!r}")
    except Exception as e:  # noqa: BLE001 - codecs, colour management and signing are foreign code, as engines are
        structlog.get_logger(__name__).exception("finishing fails", job_id=job.event.request.job.job_id)
        return _unfinished(store, job, job.answer, FailureKind.CORRUPT_OUTPUT, f"finishing: {e!r}")
    timings = {"finish": (finished - began) * 1000, "store": (time.perf_counter() - finished) * 1000}
    return record(store, job, timings, kept, sha256)


def _unfinished(store: ArtifactStore, job: Job, answer: Answer, kind: FailureKind, why: str) -> Attempt:
    """The attempt as a failure. What the picture cost is spent all the same."""
    failure = RenderFailure(kind=kind, message=why[:500])
    cost_usd = _cost_usd(job.profile, answer)
    return record(store, replace(job, answer=replace(answer, result=failure)), cost_usd=cost_usd)


def _order(job: Job, rendered: Rendered) -> Order:
    if job.engine is None or job.profile is None or job.ruleset is None:
        raise Fatal(f"job_id={job.event.request.job.job_id} was rendered by no engine")
    return Order(
        rendered=rendered,
        request=job.event.request,
        profile=job.profile,
        backend=job.engine.backend,
        model_digest=job.model_digest,
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
    *,
    cost_usd: float | None = None,
) -> Attempt:
    """Write the manifest of an answered job; `kept` is what was stored at `sha256`. Raises as the store does.

    `cost_usd` is given where the answer does not say what was spent.
    """
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
            model_digest=job.model_digest,
            device=engine.device if engine else "none",
            engine_ms=answer.engine_ms,
            batch_size=answer.batch_size,
            cost_usd=_cost_usd(job.profile, answer) if cost_usd is None else cost_usd,
        ),
    )


def _cost_usd(profile: EngineProfile | None, answer: Answer) -> float:
    """What the host charged; else by the profile's prices: time always, an image only where there is one."""
    result = answer.result
    if isinstance(result, Rendered) and result.cost_usd is not None:
        return result.cost_usd
    if profile is None:
        return 0.0
    if isinstance(result, Rendered):
        return profile.cost_usd(answer.engine_ms)
    return profile.price_per_second_usd * answer.engine_ms / 1000
