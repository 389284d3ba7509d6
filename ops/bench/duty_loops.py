"""The two loops that `bench duty` compares: our worker, and the plain loop that one would write first."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol, cast

from confluent_kafka import Message, TopicPartition

from broker import clients
from broker.lag import lag
from broker.settings import Settings
from broker.worker import WorkerPlan, run_worker
from ops.bench.duty_engine import FixedEngine
from ops.bench.null_worker import rendering
from rules.ruleset import Ruleset
from schemas import ids
from schemas.catalogue import IMAGES_GENERATED
from schemas.errors import Fatal, PresscheckError
from schemas.events import Asset, ImageGenerated, RenderRequested
from schemas.registry import codec_for
from store.artifacts import ArtifactStore, open_store
from workers.engines.pool import Pool
from workers.engines.port import Engine, Rendered
from workers.finish.finish import Finisher
from workers.render import LOOK_AHEAD
from workers.render_handler import STAGE, RenderHandler

LOOK_S: Final = 0.1
CONSUME_S: Final = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What is to be rendered: so many records, all on one topic for one engine, there before a loop begins."""

    ruleset: Ruleset
    engine: str
    topic: str
    jobs: int
    limit_s: float


class Counted(Engine, Protocol):
    """An engine that notes the sizes of its batches."""

    @property
    def sizes(self) -> Sequence[int]:
        """Of the batches rendered so far."""
        ...


class Loop(Protocol):
    """Renders a whole load with an engine, in a store of its own, and returns once all is committed."""

    def __call__(self, load: Load, engine: FixedEngine, settings: Settings) -> None:
        """Raises Fatal where it is not done in time."""
        ...


def ours(load: Load, engine: Counted, settings: Settings) -> None:
    """The render worker as it is: look-ahead, an engine thread, finishing and storing beside it, transactions."""
    name = "bench-duty-ours"
    stop, failed = threading.Event(), list[PresscheckError]()
    plan = WorkerPlan(
        stage=STAGE,
        group=name,
        lanes=[[load.topic]],
        transactional_id=name,
        look_ahead=LOOK_AHEAD,
        batch_wait_s=settings.batch_wait_s,
    )
    handler = RenderHandler(
        store=open_store(settings),
        ruleset=lambda _: load.ruleset,
        engines=Pool(build=lambda _profile: engine, serves=frozenset({load.engine}), budget_bytes=lambda: 0),
        finish=Finisher.from_settings(settings),
        hard_s=settings.max_attempt_age_s,
        now_ms=plan.now_ms,
        drain=plan.drain,
    )

    def body() -> None:
        try:
            run_worker(plan, settings, codec_for(settings.schema_registry_url), handler, stop)
        except PresscheckError as e:
            failed.append(e)

    thread = threading.Thread(target=body, name=name)
    thread.start()
    ends = time.monotonic() + load.limit_s
    try:
        while sum(engine.sizes) < load.jobs or sum(p.records for p in lag(settings, name, [load.topic])):
            if failed:
                raise failed[0]
            if time.monotonic() > ends:
                raise Fatal(f"our loop rendered {sum(engine.sizes)} of {load.jobs} in time")
            time.sleep(LOOK_S)
    finally:
        stop.set()
        thread.join()


def plain(load: Load, engine: FixedEngine, settings: Settings) -> None:
    """Consume a batch, render it, encode, upload and announce each picture, commit; one thread does it all."""
    consumer, producer = clients.consumer(settings, "bench-duty-plain"), clients.producer(settings)
    codec, store = codec_for(settings.schema_registry_url), open_store(settings)
    consumer.subscribe([load.topic])
    done, ends = 0, time.monotonic() + load.limit_s
    try:
        while done < load.jobs:
            messages = [m for m in consumer.consume(engine.batch, CONSUME_S) if m.error() is None]
            if time.monotonic() > ends:
                raise Fatal(f"the plain loop rendered {done} of {load.jobs} in time")
            if not messages:
                continue
            events = [e for m in messages if isinstance(e := codec.decode(m.value()), RenderRequested)]
            for event, picture in zip(events, engine.render([e.request for e in events], {}), strict=True):
                made = _stored(store, event, picture)
                producer.produce(IMAGES_GENERATED, key=event.request.job.job_id.encode(), value=codec.encode(made))
            producer.flush()
            consumer.commit(offsets=_next(messages), asynchronous=False)
            done += len(messages)
    finally:
        consumer.close()


def _stored(store: ArtifactStore, event: RenderRequested, picture: Rendered) -> ImageGenerated:
    data = picture.encoded()
    sha256 = store.put(data)
    asset = Asset(
        sha256=sha256, media_type="image/png", size_bytes=len(data), width=picture.width, height=picture.height
    )
    return ImageGenerated(
        event_id=ids.event_id(event.event_id, STAGE),
        at_ms=time.time_ns() // 1_000_000,
        request=event.request,
        rendering=rendering(event.request, asset),
    )


def _next(messages: Sequence[Message]) -> list[TopicPartition]:
    """Where each partition goes on after these."""
    last = {(cast("str", m.topic()), cast("int", m.partition())): cast("int", m.offset()) for m in messages}
    return [TopicPartition(topic, partition, offset + 1) for (topic, partition), offset in last.items()]
