"""The plain run that the pipeline is held against: everything to one fast engine, no checks."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from rules.ruleset import Ruleset
from rules.sanity import examine
from schemas.events import Job, Preset, RenderFailure, RenderRequest, Rung, Sampling
from store.artifacts import ArtifactStore
from workers.engines import registry
from workers.engines.port import Rendered

FAST_ENGINE: Final = "simulator"
"""It takes every prompt, with text and files too: nothing of a profile holds the plain run back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlainResult:
    """What the plain run delivered for one job; times in milliseconds. `rendered` is None where it failed."""

    request: RenderRequest
    rendered: Rendered | None
    sha256: str | None
    latency_ms: float
    engine_ms: float


def fast_request(job: Job, ruleset: Ruleset) -> RenderRequest:
    """The job as the fast engine gets it: its standard preset, the job's own seed, nothing refused."""
    found = examine(job, ruleset)
    preset = ruleset.engines[FAST_ENGINE].standard
    return RenderRequest(
        job=job,
        attempt=0,
        rung=Rung.FIRST,
        engine=FAST_ENGINE,
        lane=job.lane,
        prompt=job.prompt,
        negative_prompt=job.negative_prompt,
        sampling=Sampling(
            preset=Preset.STANDARD,
            scheduler=preset.scheduler,
            steps=preset.steps,
            guidance=preset.guidance,
            seed=job.seed,
        ),
        text=found.text,
        tags=found.tags,
        risk=found.risk,
        rule="everything to one fast engine",
        ruleset_id=ruleset.id,
        cost_spent_usd=0.0,
    )


def run_plain(
    jobs: Sequence[Job], ruleset: Ruleset, store: ArtifactStore, *, rate_per_s: float, stop: threading.Event
) -> Iterator[PlainResult]:
    """Render the jobs one after the other as they arrive, `rate_per_s` jobs a second; ends early once `stop` is set.

    The simulator is the engine, as it stands in for the engines of the pipeline.
    """
    engine = registry.stand_in(ruleset.engines[FAST_ENGINE], lambda r: ruleset.palette(r.job.brand))
    began = time.monotonic()
    for n, job in enumerate(jobs):
        arrives = began + n / rate_per_s
        if stop.wait(max(0.0, arrives - time.monotonic())):
            return
        request = fast_request(job, ruleset)
        files = {f.sha256: store.get(f.sha256) for f in job.files}
        started = time.monotonic()
        (made,) = engine.render([request], files)
        engine_ms = (time.monotonic() - started) * 1000
        rendered = None if isinstance(made, RenderFailure) else made
        sha256 = store.put(rendered.encoded()) if rendered is not None else None
        yield PlainResult(
            request=request,
            rendered=rendered,
            sha256=sha256,
            latency_ms=(time.monotonic() - arrives) * 1000,
            engine_ms=engine_ms,
        )
