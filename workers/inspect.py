"""The inspect process: reads images.generated, measures each asset, writes images.inspected. It judges nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from typing import Final, Protocol

import structlog

from broker import logs
from broker.broadcast import RulesetTable, follow_looks, follow_rulesets
from broker.logs import about_job
from broker.ruling import TOLD_MAX, NamedRulesets
from broker.settings import Settings
from broker.signals import StopSignals
from broker.worker import WorkerPlan, run_worker
from broker.worker_port import Delivery, Output
from broker.worker_slot import transactional_id
from rules.ruleset import Ruleset
from schemas import ids
from schemas.catalogue import IMAGES_GENERATED, IMAGES_INSPECTED
from schemas.errors import Poison
from schemas.events import CheckError, Event, FileRole, ImageGenerated, ImageInspected, Inspection, RenderRequest
from schemas.registry import codec_for
from store.artifacts import ArtifactStore, open_store
from workers.checks.aesthetic import AestheticScorer
from workers.checks.aesthetic_scorers import open_scorer
from workers.checks.campaign import CampaignMemory, Campaigns
from workers.checks.cores import share_cores
from workers.checks.measure import TEXT, Given, Looks, inspect_assets
from workers.checks.port import Check, TextReader
from workers.checks.readers import lacking, open_readers
from workers.checks.registry import open_checks
from workers.checks.vision import Vision, open_vision

STAGE: Final = "inspect"
READY_S: Final = 60.0
MAX_BATCH: Final = 4
"""Reading text takes up to a second an image, and a batch is published as one: small ones keep the wait short."""
LOOK_AHEAD: Final = 2 * MAX_BATCH
MAX_READER_SETS: Final = 2
"""Sets of text readers open at once: one for each arm of a roll-out."""
ALONE_MAX: Final = 100
"""Batches in a row for one set, after which the other is let go."""
MEASURED_ROLES: Final = frozenset({FileRole.LOGO, FileRole.COLOUR_MASK})
"""Files of a prompt that checks look at."""


class Measure(Protocol):
    """What measures assets by a ruleset; `workers.checks` in production."""

    def __call__(self, assets: Sequence[Given], ruleset: Ruleset) -> Sequence[Inspection]:
        """All measurements of each. `palette` of an asset is filled in from the ruleset."""
        ...


@dataclass(slots=True)
class Checks:
    """The checks of rulesets, with their text readers open.

    Two rulesets of a roll-out may name other readers each: both sets stay open while both are asked for.
    """

    threads: int
    vision: Vision | None = None
    scorer: AestheticScorer | None = None
    campaigns: Campaigns | None = None
    _opened: Mapping[str, Check] | None = None
    _readers: dict[tuple[str, ...], tuple[TextReader, ...]] = field(
        default_factory=dict[tuple[str, ...], tuple[TextReader, ...]]
    )
    """By their names, those used last at the end."""
    _told: set[str] = field(default_factory=set[str])
    _alone: int = 0
    """Times in a row that the last of these was asked for."""

    def __call__(self, assets: Sequence[Given], ruleset: Ruleset) -> Sequence[Inspection]:
        """All measurements of each.

        A reader or a check that is not to be had here is left out, and is an error of each inspection: so a person sees
        the asset. A ruleset may be activated that another machine was made for; ending would stop everybody's work.
        """
        if self._opened is None:
            self._opened = open_checks(self.vision, self.scorer, self.campaigns)
        left_out = self._left_out(ruleset, self._opened)
        readers = self._open(tuple(name for name in ruleset.readers if name not in left_out))
        looks = Looks(
            checks=tuple(name for name in ruleset.checks if name not in left_out),
            readers=readers,
            opened=self._opened,
            thresholds=ruleset.thresholds,
            threads=self.threads,
        )
        found = inspect_assets([replace(a, palette=ruleset.palette(a.request.job.brand)) for a in assets], looks)
        errors = tuple(CheckError(check=TEXT if n in ruleset.readers else n, message=w) for n, w in left_out.items())
        return [replace(i, errors=(*i.errors, *errors)) for i in found] if errors else found

    def _left_out(self, ruleset: Ruleset, opened: Mapping[str, Check]) -> Mapping[str, str]:
        """Readers and checks of a ruleset that are not to be had here, each with why; logged once."""
        known = (*opened, TEXT)
        left_out = {
            **lacking(ruleset.readers, vision=self.vision is not None),
            **{name: f"there is no check {name!r}" for name in ruleset.checks if name not in known},
        }
        if left_out and ruleset.id not in self._told and len(self._told) < TOLD_MAX:
            self._told.add(ruleset.id)
            log = structlog.get_logger(__name__)
            log.error("cannot measure all that the ruleset asks for", ruleset_id=ruleset.id, left_out=dict(left_out))
        return left_out

    def _open(self, names: tuple[str, ...]) -> tuple[TextReader, ...]:
        last = next(reversed(self._readers), None)
        self._alone = self._alone + 1 if names == last else 0
        found = self._readers.pop(names, None)
        if found is None and len(self._readers) >= MAX_READER_SETS:
            del self._readers[next(iter(self._readers))]  # let go first: a set is most of the memory of this process
        if self._alone >= ALONE_MAX:
            self._readers.clear()
        self._readers[names] = readers = found or open_readers(names, self.threads, self.vision)
        return readers


@dataclass(frozen=True, slots=True, kw_only=True)
class InspectHandler:
    """The inspect stage. `ruleset` gives the one of an id: an asset is measured as the ruleset that routed it asks.

    `now_ms` gives the time of day.
    """

    store: ArtifactStore
    ruleset: Callable[[str], Ruleset]
    measure: Measure
    now_ms: Callable[[], int]

    def ready(self, event: Event) -> bool:
        """Always: it has nothing to load."""
        return True

    def batch_key(self, event: Event) -> str:
        """Assets of a ruleset share batches. Raises Poison for another record."""
        return self.ruleset(_generated(event).request.ruleset_id).id

    def max_batch(self, event: Event) -> int:
        """A small one."""
        return MAX_BATCH

    def work(self, batch: Sequence[Delivery], tries: int) -> Sequence[ImageInspected]:
        """Measure them together. An asset that cannot be read is an error of its own inspection alone."""
        events = [_generated(d.event) for d in batch]
        ruleset = self.ruleset(events[0].request.ruleset_id)
        found = [self._fetched(e) for e in events]
        whole = iter(self.measure([f for f in found if isinstance(f, Given)], ruleset))
        return [
            self._inspected(e, next(whole) if isinstance(f, Given) else f) for e, f in zip(events, found, strict=True)
        ]

    def settle(self, done: Sequence[ImageInspected]) -> Sequence[Sequence[Output]]:
        """Nothing to store."""
        return [[Output(topic=IMAGES_INSPECTED, key=e.request.job.job_id.encode(), event=e)] for e in done]

    def _inspected(self, event: ImageGenerated, inspection: Inspection) -> ImageInspected:
        with about_job(event.request.job.job_id):
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

    def _fetched(self, event: ImageGenerated) -> Given | Inspection:
        """What is to be measured, or the empty inspection of an attempt that has nothing to measure."""
        asset = event.rendering.asset
        if asset is None:
            return Inspection(measurements=(), reads=(), errors=(), elapsed_ms=0.0)
        try:
            data = self.store.get(asset.sha256)
        except Poison as e:
            # Dead-lettering would leave the job with no end; an error of the check sends it to a human.
            error = CheckError(check="bytes", message=str(e)[:2000])
            return Inspection(measurements=(), reads=(), errors=(error,), elapsed_ms=0.0)
        return Given(data=data, request=event.request, rendering=event.rendering, files=self._files(event.request))

    def _files(self, request: RenderRequest) -> dict[str, bytes]:
        """Those that a check looks at. One that is lost is left out: the check that needs it says so."""
        out: dict[str, bytes] = {}
        for ref in request.job.files:
            if ref.role in MEASURED_ROLES:
                with suppress(Poison):
                    out[ref.sha256] = self.store.get(ref.sha256)
        return out


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
            ruleset=NamedRulesets(RulesetTable(rulesets)),
            measure=Checks(
                share_cores(settings.inspect_threads),
                open_vision(settings),
                open_scorer(settings.aesthetic_weights),
                campaigns,
            ),
            now_ms=lambda: time.time_ns() // 1_000_000,
        )
        run_worker(worker_plan(slot), settings, codec_for(settings.schema_registry_url), handler, stop)
    return 0
