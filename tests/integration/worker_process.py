"""A worker process for tests: copies events from one topic to another, at a stated cost for each batch."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from broker.settings import Settings
from broker.signals import StopSignals
from broker.worker import WorkerPlan, run_worker
from broker.worker_port import Delivery, Output
from broker.worker_slot import transactional_id
from schemas.codec import Codec, LockedIds
from schemas.errors import Fatal, Poison
from schemas.events import Event

MAX_BATCH: Final = 16


@dataclass(frozen=True, slots=True)
class Copy:
    """Publishes what it reads to `out`. `cost_s` is how long a batch takes."""

    out: str
    cost_s: float

    def ready(self, event: Event) -> bool:
        """Always."""
        return True

    def batch_key(self, event: Event) -> str:
        """All share one key."""
        return type(event).__name__

    def max_batch(self, event: Event) -> int:
        """A middling batch."""
        return MAX_BATCH

    def work(self, batch: Sequence[Delivery], tries: int) -> Sequence[Delivery]:
        """Take as long as an engine would."""
        threading.Event().wait(self.cost_s)
        return batch

    def settle(self, done: Sequence[Delivery]) -> Sequence[Sequence[Output] | Poison]:
        """One output each."""
        return [[Output(topic=self.out, key=d.record.key or b"", event=d.event)] for d in done]


def main(argument: str) -> int:
    """Run until SIGTERM. `argument` is a JSON object: settings, lanes, out, group, cost_s."""
    given = json.loads(argument)
    settings = Settings.model_validate(given["settings"])
    with StopSignals() as stop, transactional_id(settings.state_dir, given["group"]) as slot:
        plan = WorkerPlan(
            stage="copy",
            group=given["group"],
            lanes=given["lanes"],
            transactional_id=slot,
            look_ahead=2 * MAX_BATCH,
        )
        try:
            run_worker(plan, settings, Codec(LockedIds()), Copy(given["out"], given["cost_s"]), stop)
        except Fatal:
            return 3
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
