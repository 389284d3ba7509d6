"""A render process for tests: the real worker, handler and progress round an engine that takes a stated time a step."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass

from broker.settings import Settings
from broker.signals import StopSignals
from broker.worker import WorkerPlan, run_worker
from broker.worker_slot import transactional_id
from schemas.codec import Codec, LockedIds
from schemas.events import RenderRequest
from store.artifacts import open_store
from tests.integration.misbehaving import Misbehaving, as_is, only
from tests.unit.rules import samples
from workers.progress import ProgressTopic
from workers.render_handler import RenderHandler


@dataclass(frozen=True, slots=True)
class Given:
    """What the process is to do: a lane of one topic, in a group, and how long it may take to leave."""

    kafka_bootstrap: str
    state_dir: str
    topic: str
    group: str
    drain_s: float
    hurry: bool


class OneByOne(Misbehaving):
    """Batches of one."""

    def max_batch(self, request: RenderRequest) -> int:
        return 1


def main(argument: str) -> int:
    """Render until SIGTERM. `argument` is a JSON object, see Given."""
    given = Given(**json.loads(argument))
    settings = Settings.model_validate({"kafka_bootstrap": given.kafka_bootstrap, "state_dir": given.state_dir})
    engine = OneByOne()
    if given.hurry:
        engine.let_go.set()
    with StopSignals() as stop, transactional_id(settings.state_dir, given.group) as slot:
        plan = WorkerPlan(
            stage="render", group=given.group, lanes=[[given.topic]], transactional_id=slot, drain_s=given.drain_s
        )
        with ProgressTopic(settings, slot, plan.now_ms) as progress:
            handler = RenderHandler(
                store=open_store(settings),
                ruleset=lambda _: samples.ruleset(),
                engines=only(engine),
                finish=as_is,
                hard_s=600,
                now_ms=plan.now_ms,
                drain=plan.drain,
                tell=progress.tell,
            )
            run_worker(plan, settings, Codec(LockedIds()), handler, stop)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
