"""What the render worker does with a batch: look for the manifest, refuse, render, finish, store, publish."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Final

import structlog

from broker.worker_drain import Drain
from broker.worker_port import Delivery, Output
from rules.engines import EngineProfile
from rules.ruleset import Ruleset
from schemas import ids
from schemas.catalogue import IMAGES_GENERATED
from schemas.errors import Fatal, Poison, Transient
from schemas.events import Event, FailureKind, ImageGenerated, RenderFailure, RenderRequest, RenderRequested
from store import manifests
from store.artifacts import ArtifactStore
from workers.engines.pool import Pool
from workers.engines.port import Engine, Rendered
from workers.finish.port import Finish
from workers.progress import Tell, Word, nobody
from workers.render_call import Answer, Calls, EngineThread, OutOfTime, Results, render
from workers.render_keep import Job, keep, record
from workers.watch import BatchWatch, limit_s

STAGE: Final = "render"
UPLOADS: Final = 4
"""Assets finished and stored at once. Beside these, pictures of three batches at most are in memory: one that is
rendered, one that waits its turn, one that is being stored; the loop takes on no fourth."""
REFUSED: Final = "refused"
"""Batch key of requests that no engine will see."""
MAX_REFUSED: Final = 100
"""Largest batch of those."""
MAX_KINDS: Final = 16
"""Profiles of one engine told apart; after so many, numbers begin anew."""


@dataclass(slots=True, kw_only=True)
class RenderHandler:
    """The render stage.

    ruleset: Gives the ruleset of an id, for attempts are rendered by the one that routed them.
    hard_s: When a call of an engine that does not come back ends the process, seconds.
    now_ms: Gives the time of day.
    drain: The plan's: told of a stop, a batch that could not be done in time is cancelled.
    tell: Told what the worker is at.
    """

    store: ArtifactStore
    ruleset: Callable[[str], Ruleset]
    engines: Pool
    finish: Finish
    hard_s: float
    now_ms: Callable[[], int]
    drain: Drain = field(default_factory=Drain)
    tell: Tell = nobody
    thread: EngineThread = field(default_factory=EngineThread)
    _kinds: dict[str, list[EngineProfile]] = field(default_factory=dict[str, list[EngineProfile]])
    uploads: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(UPLOADS, "render-store"))

    def ready(self, event: Event) -> bool:
        """Whether its engine is loaded, or nobody needs one. Raises Poison for another record."""
        profile = self._accepts(_requested(event).request)
        return profile is None or self.engines.ready(profile)

    def batch_key(self, event: Event) -> str:
        """Engine, which of its profiles, and its own batch key.

        Raises Poison for another record, or an engine not served here. An engine that is not built yet is not built
        to be asked: its first batch may hold several of its keys.
        """
        request = _requested(event).request
        profile = self._accepts(request)
        if profile is None:
            return REFUSED
        engine, name = self.engines.built(profile), f"{request.engine} {self._kind(profile)}"
        return f"{name}/{engine.batch_key(request)}" if engine else f"{name}, not built yet"

    def max_batch(self, event: Event) -> int:
        """The engine's largest batch for requests like this."""
        request = _requested(event).request
        profile = self._accepts(request)
        if profile is None:
            return MAX_REFUSED
        engine = self.engines.built(profile)
        return engine.max_batch(request) if engine else profile.max_batch(request.job.width, request.job.height)

    def work(self, batch: Sequence[Delivery], tries: int) -> Sequence[Job]:
        """Render what was not rendered before. A job that cannot be rendered fails alone."""
        jobs = [self._prepare(_requested(d.event)) for d in batch]
        files = self._files(jobs)
        wanted: dict[tuple[str, str], list[int]] = {}
        for n, job in enumerate(jobs):
            if job.engine is not None and job.found is None and job.answer is None:
                # One group, unless its engine was built only now, or the ruleset changed since the batch was chosen.
                request = job.event.request
                wanted.setdefault((request.engine, job.engine.batch_key(request)), []).append(n)
        for batch_of_one_key in wanted.values():
            for group in _parts(batch_of_one_key, jobs):
                try:
                    answers = self._render([jobs[n] for n in group], files, tries)
                except (Transient, Fatal):
                    self._save(jobs)
                    raise
                for n, answer in zip(group, answers, strict=True):
                    jobs[n] = _answered(jobs[n], answer, self.now_ms())
        return jobs

    def settle(self, done: Sequence[Job]) -> Sequence[Sequence[Output]]:
        """Finish and store, then say what came of each attempt: what is stored is what inspection will see."""
        return list(self.uploads.map(self._publish, done))

    def _accepts(self, request: RenderRequest) -> EngineProfile | None:
        """The profile that renders a request; None where it is refused. Raises Poison for one not served here."""
        profile = self.ruleset(request.ruleset_id).engines.get(request.engine)
        if profile is None or profile.refuses(request.sampling, request) is not None:
            return None
        if profile.id not in self.engines.serves:
            raise _not_served(profile)
        return profile

    def _kind(self, profile: EngineProfile) -> int:
        """Number of the engine that a profile needs: two rulesets of a roll-out may need two under one id."""
        kinds = self._kinds.setdefault(profile.id, [])
        for number, known in enumerate(kinds):
            if known.built_like(profile):
                return number
        if len(kinds) >= MAX_KINDS:
            kinds.clear()
        kinds.append(profile)
        return len(kinds) - 1

    def _prepare(self, event: RenderRequested) -> Job:
        request = event.request
        ruleset = self.ruleset(request.ruleset_id)
        found = manifests.find(self.store, request)
        profile = ruleset.engines.get(request.engine)
        refusal = (
            f"ruleset {ruleset.id[:12]} has no engine {request.engine}"
            if profile is None
            else profile.refuses(request.sampling, request)
        )
        return Job(
            event=event,
            found=found,
            answer=_refusal(refusal) if refusal else None,
            engine=self._engine(profile) if profile and found is None and not refusal else None,
            profile=profile,
            ruleset=ruleset,
            ended_ms=self.now_ms(),
        )

    def _engine(self, profile: EngineProfile) -> Engine:
        engine = self.engines.engine(profile)
        if engine is None:
            raise _not_served(profile)
        return engine

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
        engine, profile = jobs[0].engine, jobs[0].profile
        if engine is None or profile is None:
            raise Fatal(f"{jobs[0].event.request.engine} was to be rendered with no engine")
        warm, resident = self.engines.ready(profile), self.engines.resident
        word = Word(engine=profile.id, job_ids=tuple(j.event.request.job.job_id for j in jobs), resident=resident)

        def ask(requests: Sequence[RenderRequest], watch: BatchWatch) -> Results:
            nonlocal word
            self.engines.make_room(profile)
            self.tell(word)
            results: Results = ()
            try:
                results = engine.render(requests, files, watch)
            finally:
                self.engines.used(profile, rendered=any(isinstance(r, Rendered) for r in results))
                word = replace(word, resident=self.engines.resident)
            return results

        def step(done: int, of: int) -> None:
            self.tell(replace(word, step=done, steps=of))

        def watch(batch: int) -> BatchWatch:
            limit = limit_s(profile, batch, self.hard_s)
            return BatchWatch(limit_s=limit, drain=self.drain, tell=step, warm=warm)

        calls = Calls(thread=self.thread, ask=ask, watch=watch, hard_s=self.hard_s)
        try:
            answers = render(calls, [job.event.request for job in jobs], tries=tries)
        except OutOfTime:
            self._remember_time_out(jobs)
            raise Fatal(f"{profile.id} did not come back in {self.hard_s:g} s: a fresh process is due") from None
        finally:
            self.tell(Word(resident=word.resident))
        return answers

    def _save(self, jobs: Sequence[Job]) -> None:
        """Store what other groups of a batch gave before one of them stops it all: it will be found, not paid twice."""

        def save(job: Job) -> None:
            try:
                keep(self.store, self.finish, job)
            except (Transient, Fatal) as e:
                log = structlog.get_logger(__name__).bind(job_id=job.event.request.job.job_id)
                log.warning("render not saved: it will be rendered again", error=str(e))

        list(self.uploads.map(save, (j for j in jobs if j.engine and j.answer and not j.found)))

    def _remember_time_out(self, jobs: Sequence[Job]) -> None:
        """Store the time-out, so that the next process reports it instead of hanging on the same batch."""
        message = f"the engine did not come back in {self.hard_s:g} s"
        failure = RenderFailure(kind=FailureKind.TIMEOUT, message=message)
        answer = Answer(result=failure, engine_ms=self.hard_s * 1000 / len(jobs), batch_size=len(jobs))
        for job in jobs:
            try:
                record(self.store, _answered(job, answer, self.now_ms()))
            except Transient as e:
                # This process must end all the same: its one engine thread is stuck, and asked again it blocks.
                log = structlog.get_logger(__name__).bind(job_id=job.event.request.job.job_id)
                log.warning("time-out not stored", error=str(e))

    def _publish(self, job: Job) -> Sequence[Output]:
        request = job.event.request
        attempt = job.found or keep(self.store, self.finish, job)
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


def _requested(event: Event) -> RenderRequested:
    if not isinstance(event, RenderRequested):
        raise Poison(f"a {type(event).__name__} has no business on a render topic")
    return event


def _parts(group: Sequence[int], jobs: Sequence[Job]) -> Sequence[Sequence[int]]:
    """Jobs of one engine and key in batches as large as the engine takes."""
    first = jobs[group[0]]
    if first.engine is None:
        raise Fatal(f"{first.event.request.engine} was to be rendered with no engine")
    size = first.engine.max_batch(first.event.request)
    return [group[n : n + size] for n in range(0, len(group), size)]


def _not_served(profile: EngineProfile) -> Poison:
    return Poison(f"{profile.id} is not served by this process; its topic should not be read here")


def _wanted(request: RenderRequest) -> list[str]:
    """Addresses of the bytes that an attempt needs: its files, and the asset that it mends."""
    return [ref.sha256 for ref in request.job.files] + ([request.edit.source_sha256] if request.edit else [])


def _refusal(why: str) -> Answer:
    failure = RenderFailure(kind=FailureKind.INVALID_REQUEST, message=why[:500])
    return Answer(result=failure, engine_ms=0.0, batch_size=1)


def _answered(job: Job, answer: Answer, ended_ms: int) -> Job:
    digest = job.engine.model_digest if job.engine else job.model_digest
    return replace(job, answer=answer, ended_ms=ended_ms, model_digest=digest)
