"""The render and inspect processes with nothing to do: the real worker loop round handlers that cost nothing.

`python -m ops.bench.null_worker render|inspect`, with the settings in the environment. Groups, topics, look-ahead and
transactional ids are those of the real processes; no picture is made, stored or read.
"""

from __future__ import annotations

import hashlib
import sys
import time
from collections.abc import Sequence
from typing import Any, Final

from broker import logs, settings
from broker.broadcast import RulesetTable, follow_rulesets
from broker.settings import Settings
from broker.signals import StopSignals
from broker.worker import WorkerPlan, run_worker
from broker.worker_port import Delivery, Handler, Output
from broker.worker_slot import transactional_id
from rules.ruleset import Ruleset
from schemas import ids
from schemas.catalogue import IMAGES_GENERATED, IMAGES_INSPECTED
from schemas.errors import BadConfig, Poison
from schemas.events import (
    Asset,
    Event,
    ImageGenerated,
    ImageInspected,
    Inspection,
    Measurement,
    Outcome,
    Rendering,
    RenderRequest,
    RenderRequested,
    TextRead,
)
from schemas.registry import codec_for
from workers import inspect, render

READY_S: Final = 60.0
MAX_RENDERS: Final = 16
"""The largest batch that a profile allows for small pictures."""
NOWHERE: Final = hashlib.sha256(b"a picture that nobody drew").hexdigest()


def rendering(request: RenderRequest, asset: Asset | None = None) -> Rendering:
    """What an engine that takes no time would say, of an asset that is in no store unless one is given."""
    job = request.job
    nowhere = Asset(sha256=NOWHERE, media_type="image/png", size_bytes=1, width=job.width, height=job.height)
    return Rendering(
        outcome=Outcome.RENDERED,
        asset=asset or nowhere,
        manifest_sha256=NOWHERE,
        backend="none",
        model_digest="none",
        device="none",
        engine_ms=0.0,
        batch_size=1,
        cost_usd=0.0,
    )


def inspection(request: RenderRequest, ruleset: Ruleset) -> Inspection:
    """Measurements of a sound picture without lettering, as many as the real checks give."""
    limits = ruleset.thresholds.limits
    measured = {
        ("bytes", "decodes"): 1.0,
        ("bytes", "format_matches"): 1.0,
        ("size", "width_px"): request.job.width,
        ("size", "height_px"): request.job.height,
        ("blank", "luma_mean"): 128.0,
        ("blank", "luma_std"): 2 * limits["blank.luma_std_min"],
        ("noise", "block_correlation"): min(1.0, 2 * limits["noise.block_correlation_min"]),
        ("noise", "luma_deviation"): limits["noise.luma_deviation_max"] / 2,
        ("noise", "corner_share"): limits["noise.corner_share_max"] / 2,
        ("palette", "cast"): limits["palette.cast_max"] / 2,
        ("composition", "edge_width_px"): 1.5,
        ("composition", "lightness_range"): 0.8,
        ("people", "faces"): 0.0,
        ("people", "face_score"): 0.0,
    }
    return Inspection(
        measurements=tuple(Measurement(check=c, name=n, value=float(v)) for (c, n), v in measured.items()),
        reads=tuple(TextRead(reader=name, elapsed_ms=0.0, words=()) for name in ruleset.readers),
        errors=(),
        elapsed_ms=0.0,
    )


class NullRender:
    """Answers every request at once."""

    def ready(self, event: Event) -> bool:
        """Always."""
        return True

    def batch_key(self, event: Event) -> str:
        """All share batches. Raises Poison for another record."""
        return type(_requested(event)).__name__

    def max_batch(self, event: Event) -> int:
        """As for small pictures."""
        return MAX_RENDERS

    def work(self, batch: Sequence[Delivery], tries: int) -> Sequence[RenderRequested]:
        """Nothing."""
        return [_requested(d.event) for d in batch]

    def settle(self, done: Sequence[RenderRequested]) -> Sequence[Sequence[Output]]:
        """A rendering for each."""
        return [[self._output(e)] for e in done]

    def _output(self, event: RenderRequested) -> Output:
        made = ImageGenerated(
            event_id=ids.event_id(event.event_id, render.STAGE),
            at_ms=_now_ms(),
            request=event.request,
            rendering=rendering(event.request),
        )
        return Output(topic=IMAGES_GENERATED, key=event.request.job.job_id.encode(), event=made)


class NullInspect:
    """Finds every picture sound at once."""

    def __init__(self, rulesets: RulesetTable) -> None:
        self._rulesets = rulesets

    def ready(self, event: Event) -> bool:
        """Always."""
        return True

    def batch_key(self, event: Event) -> str:
        """All share batches. Raises Poison for another record."""
        return type(_generated(event)).__name__

    def max_batch(self, event: Event) -> int:
        """As the real process."""
        return inspect.MAX_BATCH

    def work(self, batch: Sequence[Delivery], tries: int) -> Sequence[ImageGenerated]:
        """Nothing."""
        return [_generated(d.event) for d in batch]

    def settle(self, done: Sequence[ImageGenerated]) -> Sequence[Sequence[Output]]:
        """An inspection for each."""
        ruleset = self._rulesets.current()
        return [[self._output(e, ruleset)] for e in done]

    def _output(self, event: ImageGenerated, ruleset: Ruleset) -> Output:
        made = ImageInspected(
            event_id=ids.event_id(event.event_id, inspect.STAGE),
            at_ms=_now_ms(),
            request=event.request,
            rendering=event.rendering,
            inspection=inspection(event.request, ruleset),
        )
        return Output(topic=IMAGES_INSPECTED, key=event.request.job.job_id.encode(), event=made)


def _requested(event: Event) -> RenderRequested:
    if not isinstance(event, RenderRequested):
        raise Poison(f"a {type(event).__name__} has no business on a render topic")
    return event


def _generated(event: Event) -> ImageGenerated:
    if not isinstance(event, ImageGenerated):
        raise Poison(f"a {type(event).__name__} has no business on {IMAGES_GENERATED}")
    return event


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _wired(stage: str, given: Settings, rulesets: RulesetTable, slot: str) -> tuple[WorkerPlan, Handler[Any]]:
    if stage == render.STAGE:
        return render.worker_plan(given, rulesets.current().engines, slot), NullRender()
    return inspect.worker_plan(slot), NullInspect(rulesets)


def main(stage: str) -> None:
    """Work until SIGTERM. Raises BadConfig for a stage that is neither, Fatal where a fresh process must go on."""
    if stage not in {render.STAGE, inspect.STAGE}:
        raise BadConfig(f"there is no idle {stage!r}", mend=f"there are {render.STAGE} and {inspect.STAGE}")
    given = settings.load()
    logs.set_up(given, process=stage)
    with (
        StopSignals() as stop,
        follow_rulesets(given) as following,
        transactional_id(given.state_dir, stage) as slot,
    ):
        following.wait_ready(READY_S)
        plan, handler = _wired(stage, given, RulesetTable(following), slot)
        run_worker(plan, given, codec_for(given.schema_registry_url), handler, stop)


if __name__ == "__main__":
    main(sys.argv[1])
