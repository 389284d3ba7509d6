"""Measures how much of the time the accelerator works: our worker loop beside a plain one, on the same engine.

The engine takes a fixed time a batch, so whatever lies between two calls of it is the loop's. Broker, store, codec and
PNG encoding are real; both loops render the same jobs, one after the other.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from confluent_kafka import KafkaException

from broker import clients, logs
from broker import settings as settings_module
from broker.admin import ensure_topics
from broker.embedded.kafka import EmbeddedKafka
from broker.settings import Settings
from ops.bench.duty_engine import SIZE, FixedEngine
from ops.bench.duty_loops import Load, Loop, ours, plain
from ops.bench.stack import machine
from ops.rulesets.publish import config_folder, read_config
from ops.submission import submitted
from rules import decide
from rules.ruleset import Ruleset
from schemas import ids
from schemas.catalogue import render_topic
from schemas.errors import Fatal, Transient
from schemas.events import Job, Lane, Preset, RenderRequested
from schemas.registry import codec_for

LIMIT_DUTY: Final = 0.97
ENGINE: Final = "sd3.5-large"
"""Whose topic and profile the jobs take; its weights are not needed."""
SEND_S: Final = 60.0
PATIENCE_S: Final = 60.0
"""How much longer than three times the engine's own time a loop may take."""
LOOPS: Final[tuple[tuple[str, Loop], ...]] = (("plain", plain), ("ours", ours))


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopFigures:
    """One loop. `wall_s`: from the beginning of the first batch to the end of the last; `duty`: the engine's share.

    `committed_s`: from the beginning of the first batch until all was announced and committed.
    """

    batches: int
    pictures: int
    engine_s: float
    wall_s: float
    duty: float
    committed_s: float
    pictures_per_hour: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DutyFigures:
    """What was measured. Load averages are those of one minute; `png_bytes` is the mean of what was stored."""

    machine: str
    load_before: float
    load_after: float
    batch: int
    batch_s: float
    png_bytes: int
    loops: dict[str, LoopFigures]
    limit_duty: float

    @property
    def within_limits(self) -> bool:
        """Whether our loop keeps the engine as busy as is promised."""
        return self.loops["ours"].duty >= self.limit_duty


def measure(batches: int, batch: int, batch_s: float) -> DutyFigures:
    """Render so many batches of `batch` pictures with each loop; the engine takes `batch_s` seconds a batch.

    Raises Fatal, Transient where the broker fails or a loop is not done in time.
    """
    load_before = os.getloadavg()[0]
    with own_broker() as settings:
        ruleset = read_config(config_folder(settings_module.load().config_dir))
        load = jobs_for(settings, ruleset, jobs=batches * batch, limit_s=PATIENCE_S + 3 * batches * batch_s)
        loops: dict[str, LoopFigures] = {}
        for name, loop in LOOPS:
            engine = FixedEngine(batch=batch, batch_s=batch_s)
            loop(load, engine, settings.model_copy(update={"state_dir": settings.state_dir / name}))
            loops[name] = figures(engine.spans, engine.sizes, time.monotonic())
        artifacts = settings.state_dir / "ours" / "store" / "artifacts"
        stored = [p.stat().st_size for p in artifacts.rglob("*") if p.is_file()]
    pictures = sorted(stored)[-load.jobs :]  # the rest are manifests, which are much smaller
    return DutyFigures(
        machine=machine(),
        load_before=round(load_before, 2),
        load_after=round(os.getloadavg()[0], 2),
        batch=batch,
        batch_s=batch_s,
        png_bytes=sum(pictures) // len(pictures),
        loops=loops,
        limit_duty=LIMIT_DUTY,
    )


@contextmanager
def own_broker() -> Generator[Settings]:
    """Settings of a broker of its own, in a folder that is removed. Raises Fatal where it does not start."""
    folder = Path(tempfile.mkdtemp(prefix="presscheck-bench-"))
    kafka = EmbeddedKafka(folder / "stack")
    # The loops run in this process, and a line for each picture would drown the figures.
    logs.set_up(settings_module.load(folder, {}).model_copy(update={"log_level": "error"}), process="bench")
    try:
        bootstrap = kafka.start()
        # Not the environment's: that may name an external cluster, and this one is its own.
        yield settings_module.load(folder, {}).model_copy(update={"kafka_bootstrap": bootstrap})
    finally:
        kafka.stop()
        shutil.rmtree(folder)


def figures(spans: Sequence[tuple[float, float]], sizes: Sequence[int], committed: float) -> LoopFigures:
    """Of one loop: when each batch began and ended, its size, and when all was committed; monotonic seconds."""
    first, last = spans[0][0], spans[-1][1]
    engine_s, pictures = sum(end - begin for begin, end in spans), sum(sizes)
    return LoopFigures(
        batches=len(spans),
        pictures=pictures,
        engine_s=round(engine_s, 3),
        wall_s=round(last - first, 3),
        duty=round(engine_s / (last - first), 4),
        committed_s=round(committed - first, 3),
        pictures_per_hour=round(3600 * pictures / (committed - first)),
    )


def jobs_for(settings: Settings, ruleset: Ruleset, *, jobs: int, limit_s: float, size: tuple[int, int] = SIZE) -> Load:
    """Put all jobs on the engine's topic, as sanity would. Raises Transient where the broker does not take them.

    The steps of finishing have figures of their own, so the load's ruleset has none: pictures are encoded, checked and
    stored.
    """
    ruleset = replace(ruleset, pipeline=replace(ruleset.pipeline, postprocess=()))
    ensure_topics(settings, [ENGINE])
    topic = render_topic(ENGINE, Lane.CRITICAL)
    producer, codec = clients.producer(settings), codec_for(settings.schema_registry_url)
    for event in _requests(ruleset, jobs, size):
        producer.produce(topic, key=event.request.job.job_id.encode(), value=codec.encode(event))
    try:
        left = producer.flush(SEND_S)
    except KafkaException as e:
        raise clients.classed(e, "sending jobs") from e
    if left:
        raise Transient(f"{left} jobs were not taken within {SEND_S:g} s")
    return Load(ruleset=ruleset, engine=ENGINE, topic=topic, jobs=jobs, limit_s=limit_s)


def _requests(ruleset: Ruleset, jobs: int, size: tuple[int, int]) -> Sequence[RenderRequested]:
    """As sanity would write them, all for one engine. Raises Fatal where the ruleset has no such engine."""
    profile = ruleset.engines.get(ENGINE)
    if profile is None:
        raise Fatal(f"the ruleset has no engine {ENGINE}")
    made: list[RenderRequested] = []
    for n in range(jobs):
        key = f"bench-duty/{n}"
        job = Job(
            job_id=ids.job_id(key),
            idempotency_key=key,
            prompt="a quiet harbour at dusk, long exposure",
            lane=Lane.CRITICAL,
            width=size[0],
            height=size[1],
            seed=n,
            submitted_at_ms=0,
        )
        decided = decide.on_prompt(submitted(job), ruleset, at_ms=0)
        if not isinstance(decided, RenderRequested):
            raise Fatal(f"the ruleset refuses the prompt {job.prompt!r}")
        sampling = profile.preset(Preset.STANDARD).sampling(Preset.STANDARD, n)
        request = replace(decided.request, engine=ENGINE, sampling=sampling)
        if (refusal := profile.refuses(sampling, request)) is not None:
            raise Fatal(f"{ENGINE} refuses the job: {refusal}")
        made.append(replace(decided, request=request))
    return made
