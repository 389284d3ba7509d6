"""The story of job 8421 on the real broker: broken bytes in a large batch hurt their own job, which then arrives."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from broker import clients
from broker.admin import ensure_topics
from broker.settings import Settings
from broker.worker import WorkerPlan, run_worker
from broker.worker_port import Delivery, Record
from rules.ruleset import Ruleset
from schemas.catalogue import IMAGES_GENERATED, IMAGES_INSPECTED
from schemas.events import (
    ImageGenerated,
    ImageInspected,
    Inspection,
    Outcome,
    RenderRequested,
)
from store import artifacts
from store.artifacts import ArtifactStore, open_store
from tests.integration import misbehaving
from tests.integration.misbehaving import Misbehaving, as_is, only, safer, wanted
from tests.integration.worker_support import CODEC, read_all
from tests.unit.rules import samples
from tests.waiting import until
from workers.checks.measure import Given, Looks, inspect_assets
from workers.inspect import InspectHandler
from workers.render_handler import RenderHandler

JOBS = 20
BROKEN = {8: misbehaving.TRUNCATED, 4: misbehaving.GARBAGE, 2: misbehaving.THROWS, 1: misbehaving.FAILS}


def measure(assets: Sequence[Given], ruleset: Ruleset) -> Sequence[Inspection]:
    """The real checks, less those that read text: they have tests of their own and take a second each."""
    return inspect_assets(assets, Looks(checks=("bytes", "size"), readers=()))


class Stages:
    """Render and inspect in threads of this process."""

    def __init__(self, settings: Settings, source: str, name: str, engine: Misbehaving) -> None:
        self.stop = threading.Event()
        self.store: ArtifactStore = open_store(settings)
        render = RenderHandler(
            store=self.store,
            ruleset=lambda _: samples.ruleset(),
            engines=only(engine),
            finish=as_is,
            hard_s=60,
            now_ms=lambda: 5,
        )
        inspect = InspectHandler(
            store=self.store, ruleset=lambda _: samples.ruleset(), measure=measure, now_ms=lambda: 6
        )
        plans: list[tuple[WorkerPlan, Any]] = [
            (self.plan("render", f"{name}-render", source), render),
            (self.plan("inspect", f"{name}-inspect", IMAGES_GENERATED), inspect),
        ]
        self.threads = [
            threading.Thread(target=run_worker, args=(plan, settings, CODEC, handler, self.stop))
            for plan, handler in plans
        ]
        for thread in self.threads:
            thread.start()

    def plan(self, stage: str, name: str, topic: str) -> WorkerPlan:
        # A long wait for company, so that all jobs come in one batch.
        return WorkerPlan(
            stage=stage, group=name, lanes=[[topic]], transactional_id=name, look_ahead=64, batch_wait_s=1.0
        )

    def end(self) -> None:
        self.stop.set()
        for thread in self.threads:
            thread.join(40)


def submit(settings: Settings, topic: str, events: Sequence[RenderRequested]) -> None:
    producer = clients.producer(settings)
    for event in events:
        producer.produce(topic, key=event.request.job.job_id.encode(), value=CODEC.encode(event))
    assert producer.flush(30) == 0


def inspected(settings: Settings, events: Sequence[RenderRequested]) -> Mapping[str, ImageInspected] | None:
    """By job id, once all of them are there."""
    ids = {(e.request.job.job_id, e.request.attempt) for e in events}
    seen: dict[str, ImageInspected] = {}
    for message in read_all(settings, IMAGES_INSPECTED, 4):
        event = CODEC.decode(message.value())
        if isinstance(event, ImageInspected) and (event.request.job.job_id, event.request.attempt) in ids:
            assert event.request.job.job_id not in seen, "inspected twice"
            seen[event.request.job.job_id] = event
    return seen if len(seen) == len(ids) else None


def decodes(event: ImageInspected) -> bool:
    return any(m.name == "decodes" and m.value == 1 for m in event.inspection.measurements)


@pytest.mark.timeout(180)
def test_broken_bytes_in_a_large_batch_hurt_only_their_own_job_which_then_arrives(
    settings: Settings, make_topic: Callable[..., str], unique: Callable[[str], str]
) -> None:
    ensure_topics(settings, [])
    engine, name = Misbehaving(), unique("story")
    events = [wanted(n, BROKEN.get(n, ""), key=name) for n in range(JOBS)]
    source = make_topic("render")
    submit(settings, source, events)
    stages = Stages(settings, source, name, engine)
    try:
        first = until("all jobs are inspected", lambda: inspected(settings, events), 60)
        assert engine.calls[0] >= 16
        for n, event in enumerate(events):
            it = first[event.request.job.job_id]
            failed = n in (1, 2)
            assert (it.rendering.outcome is Outcome.FAILED) == failed, n
            assert decodes(it) == (n not in BROKEN), n
            assert (it.inspection.measurements == ()) == failed
            assert it.inspection.errors == ()
        again = [safer(events[n]) for n in BROKEN]
        submit(settings, source, again)
        second = until("the second attempts are inspected", lambda: inspected(settings, again), 60)
        assert all(decodes(e) for e in second.values())
    finally:
        stages.end()
    renders = [CODEC.decode(m.value()) for m in read_all(settings, IMAGES_GENERATED, 4)]
    mine = [e for e in renders if isinstance(e, ImageGenerated) and e.request.job.idempotency_key.startswith(name)]
    assert len(mine) == JOBS + len(BROKEN)


def test_an_asset_that_is_gone_or_damaged_is_an_error_of_its_inspection(settings: Settings) -> None:
    store = open_store(settings)
    render = RenderHandler(
        store=store,
        ruleset=lambda _: samples.ruleset(),
        engines=only(Misbehaving()),
        finish=as_is,
        hard_s=9,
        now_ms=lambda: 5,
    )
    record = Record(topic="t", partition=0, offset=0, key=None, value=None)
    made = render.settle(render.work([Delivery(record=record, event=wanted(n)) for n in range(2)], 1))
    first = made[0][0].event
    assert isinstance(first, ImageGenerated)
    assert first.rendering.asset is not None
    store.objects.write(artifacts.key_of(first.rendering.asset.sha256), b"damaged")
    inspect = InspectHandler(store=store, ruleset=lambda _: samples.ruleset(), measure=measure, now_ms=lambda: 6)
    seen = inspect.work([Delivery(record=record, event=m[0].event) for m in made], 1)
    assert [[e.check for e in s.inspection.errors] for s in seen] == [["bytes"], []]
    assert "is damaged" in seen[0].inspection.errors[0].message
