"""The render process: reads the render topics of its engines, writes images.generated."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from typing import Final

import psutil
import structlog

from broker import logs
from broker.broadcast import RulesetTable, follow_rulesets
from broker.ruling import NamedRulesets
from broker.settings import Settings
from broker.signals import StopSignals
from broker.worker import WorkerPlan, run_worker
from broker.worker_slot import transactional_id
from rules.engines import EngineProfile
from rules.ruleset import Ruleset
from schemas.catalogue import render_topic
from schemas.errors import BadConfig
from schemas.events import Lane, RenderRequest
from schemas.registry import codec_for
from store.artifacts import open_store, prove_writable
from workers.engines import gpu, registry
from workers.engines.art import Painter
from workers.engines.pool import GB, Pool, budget
from workers.engines.port import Engine
from workers.finish.finish import Finisher
from workers.progress import ProgressTopic
from workers.render_handler import STAGE, RenderHandler

READY_S: Final = 60.0
"""How long to wait for the rulesets at the start."""
PRIORITY: Final = (Lane.CRITICAL, Lane.EXPLORATORY)
LOOK_AHEAD: Final = 64
"""At least two of the largest batches that a profile allows."""


def pool_of(
    settings: Settings,
    own: frozenset[str],
    stand_ins: frozenset[str],
    *,
    named: Callable[[str], Ruleset],
) -> Pool:
    """The engines of this process: `own` ones, and the simulator in place of `stand_ins`.

    `named` gives the ruleset of an id: a request's own says how it is rendered, and what paints under typeset.
    """

    def palette(request: RenderRequest) -> Sequence[str]:
        return named(request.ruleset_id).palette(request.job.brand)

    def build(profile: EngineProfile) -> Engine:
        if profile.id in own:
            return registry.build(profile, settings, palette, art)
        return registry.stand_in(profile, palette)

    def art(name: str, ruleset_id: str) -> Painter | None:
        """An engine that paints for typeset; a stand-in draws no better than typeset does itself."""
        profile = named(ruleset_id).engines.get(name)
        engine = pool.engine(profile) if profile is not None and name in own else None
        if profile is None or engine is None:
            return None
        if engine.resident_bytes:
            pool.used(profile)
        pool.make_room(profile)
        return Painter(profile=profile, engine=engine)

    pool = Pool(build=build, serves=own | stand_ins, budget_bytes=lambda: budget_bytes(settings))
    return pool


def budget_bytes(settings: Settings) -> int:
    """What loaded engines may fill together, bytes: as set, or by the GPU, or by memory where there is none."""
    if settings.vram_budget_gb is not None:
        return int(settings.vram_budget_gb * GB)
    found = gpu.find() if settings.device != "cpu" else None
    return budget(found.memory_bytes if found else psutil.virtual_memory().total)


def served(settings: Settings, engines: Mapping[str, EngineProfile]) -> tuple[frozenset[str], frozenset[str]]:
    """Engines that this process runs itself, and those that the simulator stands in for.

    Without `settings.engines` it runs what this machine can; with `settings.stand_in` the simulator takes the rest.
    Raises BadConfig where an engine is named that the ruleset does not have or this machine cannot run.
    """
    here = {a.engine: a for a in registry.available(settings, engines)}
    for name in settings.engines:
        if name not in here:
            raise BadConfig(f"PRESSCHECK_ENGINES: {name}", mend=f"the ruleset has {', '.join(sorted(engines))}")
        if not here[name].runs and not settings.stand_in:
            raise BadConfig(f"PRESSCHECK_ENGINES: {name} cannot run here: {here[name].why}", mend="or allow stand-ins")
    asked = frozenset(settings.engines or engines)
    own = frozenset(name for name in asked if here[name].runs)
    return own, (asked - own if settings.stand_in else frozenset[str]())


def worker_plan(settings: Settings, engines: Iterable[str], slot: str) -> WorkerPlan:
    """Which topics of these engines are read, critical before exploratory; `slot` is the transactional id."""
    names = sorted(engines)
    return WorkerPlan(
        stage=STAGE,
        group=STAGE,
        lanes=[[render_topic(e, lane) for e in names] for lane in PRIORITY],
        transactional_id=slot,
        look_ahead=LOOK_AHEAD,
        batch_wait_s=settings.batch_wait_s,
        swap_wait_s=settings.swap_wait_s,
    )


def main(settings: Settings) -> int:
    """Render until SIGTERM or SIGINT, then finish the batch under way. Raises Fatal where a fresh process must."""
    logs.set_up(settings, process=STAGE)
    store, finisher = open_store(settings), Finisher.from_settings(settings)
    prove_writable(store)
    with (
        StopSignals() as stop,
        closing(follow_rulesets(settings).start()) as rulesets,
        transactional_id(settings.state_dir, STAGE) as slot,
    ):
        rulesets.wait_ready(READY_S)
        table = RulesetTable(rulesets)
        named = NamedRulesets(table)
        finisher.require(table.current().postprocess)
        own, stand_ins = served(settings, table.current().engines)
        structlog.get_logger(__name__).info("engines", own=sorted(own), stand_ins=sorted(stand_ins))
        plan = worker_plan(settings, own | stand_ins, slot)
        with ProgressTopic(settings, slot, plan.now_ms) as progress:
            handler = RenderHandler(
                store=store,
                ruleset=named,
                engines=pool_of(settings, own, stand_ins, named=named),
                finish=finisher,
                hard_s=settings.max_attempt_age_s,
                now_ms=plan.now_ms,
                drain=plan.drain,
                tell=progress.tell,
            )
            run_worker(plan, settings, codec_for(settings.schema_registry_url), handler, stop)
    return 0
