"""What the render worker does with a batch: look for the manifest, refuse, render, finish, store, publish."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Final, Protocol

import structlog

from broker.worker_port import Delivery, Output
from rules.engines import EngineProfile
from rules.ruleset import Ruleset
from schemas import ids
from schemas.catalogue import IMAGES_GENERATED
from schemas.errors import Fatal, Poison
from schemas.events import (
    Asset,
    Event,
    FailureKind,
    ImageGenerated,
    Outcome,
    RenderFailure,
    RenderRequest,
    RenderRequested,
)
from store import manifests
from store.artifacts import ArtifactStore
from store.manifests import Attempt, Manifest
from workers.engines.port import Engine, Rendered
from workers.finish.port import Finish, Finished, Order
from workers.render_call import Answer, EngineThread, OutOfTime, render

STAGE: Final = "render"
UPLOADS: Final = 4
"""Assets finished and stored at once."""
REFUSED: Final = "refused"
"""Batch key of requests that no engine will see."""


class Engines(Protocol):
    """The engines this process serves."""

    def engine(self, profile: EngineProfile) -> Engine | None:
        """The engine that renders for a profile; None where this process serves none."""
        ...


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


@dataclass(slots=True, kw_only=True)
class RenderHandler:
    """The render stage. `limit_s` bounds one call of an engine; `now_ms` gives the time of day."""

    store: ArtifactStore
    ruleset: Callable[[], Ruleset]
    engines: Engines
    finish: Finish
    limit_s: float
    now_ms: Callable[[], int]
    thread: EngineThread = field(default_factory=EngineThread)
    uploads: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(UPLOADS, "render-store"))

    def batch_key(self, event: Event) -> str:
        """Engine and its own batch key. Raises Poison for another record, or an engine not served here."""
        request = _requested(event).request
        profile = self.ruleset().engines.get(request.engine)
        if profile is None or profile.refuses(request.sampling, request) is not None:
            return REFUSED
        return f"{request.engine}/{self._engine(profile).batch_key(request)}"

    def max_batch(self, event: Event) -> int:
        """The engine's largest batch for requests like this."""
        request = _requested(event).request
        profile = self.ruleset().engines.get(request.engine)
        if profile is None or profile.refuses(request.sampling, request) is not None:
            return 100
        return self._engine(profile).max_batch(request)

    def work(self, batch: Sequence[Delivery], tries: int) -> Sequence[Job]:
        """Render what was not rendered before. A job that cannot be rendered fails alone."""
        ruleset = self.ruleset()
        jobs = [self._prepare(_requested(d.event), ruleset) for d in batch]
        files = self._files(jobs)
        wanted: dict[tuple[str, str], list[int]] = {}
        for n, job in enumerate(jobs):
            if job.engine is not None and job.found is None and job.answer is None:
                # One group, unless the ruleset changed since the batch was chosen.
                request = job.event.request
                wanted.setdefault((request.engine, job.engine.batch_key(request)), []).append(n)
        for (name, _), group in wanted.items():
            try:
                answers = self._render([jobs[n] for n in group], files, tries)
            except OutOfTime:
                self._remember_time_out([jobs[n] for n in group])
                raise Fatal(f"{name} did not come back in {self.limit_s:g} s: a fresh process is due") from None
            for n, answer in zip(group, answers, strict=True):
                jobs[n] = _answered(jobs[n], answer, self.now_ms())
        return jobs

    def settle(self, done: Sequence[Job]) -> Sequence[Sequence[Output]]:
        """Finish and store, then say what came of each attempt: what is stored is what inspection will see."""
        return list(self.uploads.map(self._publish, done))

    def _prepare(self, event: RenderRequested, ruleset: Ruleset) -> Job:
        request = event.request
        found = manifests.find(self.store, request)
        profile = ruleset.engines.get(request.engine)
        if profile is None:
            why = f"ruleset {ruleset.id[:12]} has no engine {request.engine}"
            return Job(event=event, found=found, answer=_refusal(why), ruleset=ruleset, ended_ms=self.now_ms())
        refusal = profile.refuses(request.sampling, request)
        return Job(
            event=event,
            found=found,
            answer=_refusal(refusal) if refusal else None,
            engine=self._engine(profile),
            profile=profile,
            ruleset=ruleset,
            ended_ms=self.now_ms(),
        )

    def _files(self, jobs: list[Job]) -> Mapping[str, bytes]:
        """Bytes of all files by hash. A job whose file is missing or damaged is answered with a failure."""
        files: dict[str, bytes] = {}
        for n, job in enumerate(jobs):
            if job.found is not None or job.answer is not None:
                continue
            try:
                for sha256 in _wanted(job.event.request):
                    if sha256 not in files:
                        files[sha256] = self.store.get(sha256)
                jobs[n] = replace(job, files={sha256: files[sha256] for sha256 in _wanted(job.event.request)})
            except Poison as e:
                jobs[n] = _answered(job, _refusal(str(e)), self.now_ms())
        return files

    def _render(self, jobs: Sequence[Job], files: Mapping[str, bytes], tries: int) -> Sequence[Answer]:
        engine = jobs[0].engine
        if engine is None:
            raise Fatal(f"{jobs[0].event.request.engine} was to be rendered with no engine")
        requests = [job.event.request for job in jobs]
        return render(self.thread, engine, requests, files, limit_s=self.limit_s, tries=tries)

    def _engine(self, profile: EngineProfile) -> Engine:
        engine = self.engines.engine(profile)
        if engine is None:
            raise Poison(f"{profile.id} is not served by this process; its topic should not be read here")
        return engine

    def _remember_time_out(self, jobs: Sequence[Job]) -> None:
        """Store the time-out, so that the next process reports it instead of hanging on the same batch."""
        message = f"the engine did not come back in {self.limit_s:g} s"
        failure = RenderFailure(kind=FailureKind.TIMEOUT, message=message)
        answer = Answer(result=failure, engine_ms=self.limit_s * 1000 / len(jobs), batch_size=len(jobs))
        for job in jobs:
            self._record(_answered(job, answer, self.now_ms()), {})

    def _publish(self, job: Job) -> Sequence[Output]:
        request = job.event.request
        attempt = job.found or self._keep(job)
        made = ImageGenerated(
            event_id=ids.event_id(job.event.event_id, STAGE),
            at_ms=attempt.manifest.at_ms,
            request=request,
            rendering=attempt.rendering,
        )
        log = structlog.get_logger(__name__).bind(job_id=request.job.job_id, attempt=request.attempt)
        failure = attempt.rendering.failure
        if job.found is not None:
            log.info("render found", outcome=attempt.rendering.outcome.value)
        elif failure is not None:
            log.warning("render failed", kind=failure.kind.value, error=failure.message, engine=request.engine)
        else:
            log.info("rendered", engine=request.engine, engine_ms=round(attempt.rendering.engine_ms, 1))
        return [Output(topic=IMAGES_GENERATED, key=request.job.job_id.encode(), event=made)]

    def _keep(self, job: Job) -> Attempt:
        if job.answer is None or isinstance(job.answer.result, RenderFailure):
            return self._record(job, {})
        began = time.perf_counter()
        try:
            kept = self.finish(self._order(job, job.answer.result))
            finished = time.perf_counter()
            sha256 = self.store.put(kept.data)
        except Poison as e:
            failure = RenderFailure(kind=FailureKind.CORRUPT_OUTPUT, message=str(e)[:500])
            return self._record(replace(job, answer=replace(job.answer, result=failure)), {})
        timings = {"finish": (finished - began) * 1000, "store": (time.perf_counter() - finished) * 1000}
        return self._record(job, timings, kept, sha256)

    @staticmethod
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

    def _record(
        self, job: Job, timings_ms: Mapping[str, float], kept: Finished | None = None, sha256: str = ""
    ) -> Attempt:
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
            self.store,
            Manifest(
                request=request,
                at_ms=job.ended_ms,
                injected=result.injected if isinstance(result, Rendered) else (),
                timings_ms={"engine": answer.engine_ms, **timings_ms},
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


def _requested(event: Event) -> RenderRequested:
    if not isinstance(event, RenderRequested):
        raise Poison(f"a {type(event).__name__} has no business on a render topic")
    return event


def _cost_usd(profile: EngineProfile | None, answer: Answer, *, delivered: bool) -> float:
    """What the host charged; else by the profile's prices: time always, an image only where there is one."""
    if isinstance(answer.result, Rendered) and answer.result.cost_usd is not None:
        return answer.result.cost_usd
    if profile is None:
        return 0.0
    return profile.cost_usd(answer.engine_ms) if delivered else profile.price_per_second_usd * answer.engine_ms / 1000


def _wanted(request: RenderRequest) -> list[str]:
    """Addresses of the bytes that an attempt needs: its files, and the asset that it mends."""
    return [ref.sha256 for ref in request.job.files] + ([request.edit.source_sha256] if request.edit else [])


def _refusal(why: str) -> Answer:
    failure = RenderFailure(kind=FailureKind.INVALID_REQUEST, message=why[:500])
    return Answer(result=failure, engine_ms=0.0, batch_size=1)


def _answered(job: Job, answer: Answer, ended_ms: int) -> Job:
    return replace(job, answer=answer, ended_ms=ended_ms)
