"""The inspect process: reads images.generated, measures each asset, writes images.inspected. It judges nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Final, Protocol

import structlog

from broker import logs
from broker.broadcast import RulesetTable, follow_looks, follow_rulesets
from broker.logs import about_job
from broker.settings import Settings
from broker.signals import StopSignals
from broker.worker import WorkerPlan, run_worker
from broker.worker_port import Delivery, Output
from broker.worker_slot import transactional_id
from rules.ruleset import Ruleset
from schemas import ids
from schemas.catalogue import IMAGES_GENERATED, IMAGES_INSPECTED
from schemas.errors import Poison
from schemas.events import CheckError, Event, ImageGenerated, ImageInspected, Inspection, Rendering, RenderRequest
from schemas.registry import codec_for
from store.artifacts import ArtifactStore, open_store
from workers.checks.aesthetic import AestheticScorer
from workers.checks.aesthetic_scorers import open_scorer
from workers.checks.campaign import CampaignMemory, Campaigns
from workers.checks.measure import inspect_asset
from workers.checks.port import TextReader
from workers.checks.readers import open_readers
from workers.checks.registry import open_checks
from workers.checks.vision import Vision, open_vision

STAGE: Final = "inspect"
READY_S: Final = 60.0
MAX_BATCH: Final = 4
"""Reading text takes up to a second an image, and a batch is published as one: small ones keep the wait short."""
LOOK_AHEAD: Final = 2 * MAX_BATCH


class Measure(Protocol):
    """What measures one asset by a ruleset; `workers.checks` in production."""

    def __call__(self, data: bytes, request: RenderRequest, rendering: Rendering, ruleset: Ruleset) -> Inspection:
        """All measurements."""
        ...


@dataclass(slots=True)
class Checks:
    """The checks of a ruleset, with its text readers open."""

    threads: int
    vision: Vision | None = None
    scorer: AestheticScorer | None = None
    campaigns: Campaigns | None = None
    _names: tuple[str, ...] = ()
    _readers: tuple[TextReader, ...] = field(default_factory=tuple[TextReader, ...])

    def __call__(self, data: bytes, request: RenderRequest, rendering: Rendering, ruleset: Ruleset) -> Inspection:
        """All measurements. Raises BadConfig where a reader is not installed."""
        if ruleset.readers != self._names:
            self._readers = open_readers(ruleset.readers, self.threads, self.vision)
            self._names = ruleset.readers
        return inspect_asset(
            data,
            request,
            rendering,
            palette=ruleset.palette(request.job.brand),
            checks=ruleset.checks,
            readers=self._readers,
            opened=open_checks(self.vision, self.scorer, self.campaigns),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class InspectHandler:
    """The inspect stage. `now_ms` gives the time of day."""

    store: ArtifactStore
    ruleset: Callable[[], Ruleset]
    measure: Measure
    now_ms: Callable[[], int]

    def ready(self, event: Event) -> bool:
        """Always: it has nothing to load."""
        return True

    def batch_key(self, event: Event) -> str:
        """All assets share batches. Raises Poison for another record."""
        return type(_generated(event)).__name__

    def max_batch(self, event: Event) -> int:
        """A small one."""
        return MAX_BATCH

    def work(self, batch: Sequence[Delivery], tries: int) -> Sequence[ImageInspected]:
        """Measure each. An asset that cannot be read is an error of its inspection, never of its batch mates."""
        return [self._inspected(_generated(d.event)) for d in batch]

    def settle(self, done: Sequence[ImageInspected]) -> Sequence[Sequence[Output]]:
        """Nothing to store."""
        return [[Output(topic=IMAGES_INSPECTED, key=e.request.job.job_id.encode(), event=e)] for e in done]

    def _inspected(self, event: ImageGenerated) -> ImageInspected:
        # The readers' own lines carry the job too.
        with about_job(event.request.job.job_id):
            inspection = self._measured(event)
            structlog.get_logger(__name__).info(
                "inspected",
                attempt=event.request.attempt,
                elapsed_ms=round(inspection.elapsed_ms, 1),
                errors=[e.check for e in inspection.errors],
            )
        return ImageInspected(
            event_id=ids.event_id(event.event_id, STAGE),
            at_ms=self.now_ms(),
            request=event.request,
            rendering=event.rendering,
            inspection=inspection,
        )

    def _measured(self, event: ImageGenerated) -> Inspection:
        asset = event.rendering.asset
        if asset is None:
            return Inspection(measurements=(), reads=(), errors=(), elapsed_ms=0.0)
        try:
            data = self.store.get(asset.sha256)
        except Poison as e:
            # Dead-lettering would leave the job with no end; an error of the check sends it to a human.
            error = CheckError(check="bytes", message=str(e)[:2000])
            return Inspection(measurements=(), reads=(), errors=(error,), elapsed_ms=0.0)
        return self.measure(data, event.request, event.rendering, self.ruleset())


def _generated(event: Event) -> ImageGenerated:
    if not isinstance(event, ImageGenerated):
        raise Poison(f"a {type(event).__name__} has no business on {IMAGES_GENERATED}")
    return event


def worker_plan(slot: str) -> WorkerPlan:
    """What is read; `slot` is the transactional id."""
    return WorkerPlan(
        stage=STAGE, group=STAGE, lanes=[[IMAGES_GENERATED]], transactional_id=slot, look_ahead=LOOK_AHEAD
    )


def main(settings: Settings) -> int:
    """Inspect until SIGTERM or SIGINT, then finish the batch under way. Raises Fatal where a fresh process must."""
    logs.set_up(settings, process=STAGE)
    store = open_store(settings)
    campaigns = CampaignMemory()
    with (
        StopSignals() as stop,
        closing(follow_rulesets(settings).start()) as rulesets,
        closing(follow_looks(settings, campaigns.take).start()) as looks,
        transactional_id(settings.state_dir, STAGE) as slot,
    ):
        rulesets.wait_ready(READY_S)
        looks.wait_ready(READY_S)
        handler = InspectHandler(
            store=store,
            ruleset=RulesetTable(rulesets).current,
            measure=Checks(
                settings.inspect_threads, open_vision(settings), open_scorer(settings.aesthetic_weights), campaigns
            ),
            now_ms=lambda: time.time_ns() // 1_000_000,
        )
        run_worker(worker_plan(slot), settings, codec_for(settings.schema_registry_url), handler, stop)
    return 0
