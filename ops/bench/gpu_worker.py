"""How busy the render worker keeps an engine that takes as long as it takes: part of `presscheck bench gpu`."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from broker.settings import Settings
from ops.bench.duty import PATIENCE_S, LoopFigures, figures, jobs_for
from ops.bench.duty_loops import ours
from rules.ruleset import Ruleset
from schemas.events import RenderFailure, RenderRequest
from workers.engines.port import NOBODY, Engine, Rendered, Watch


class Timed:
    """An engine that is asked for `batch` pictures at most, and whose calls are noted.

    `spans` holds when each began and ended, monotonic seconds; `sizes` how many pictures each was for.
    """

    def __init__(self, engine: Engine, batch: int) -> None:
        self._engine, self._batch = engine, batch
        self.backend, self.device, self.model_digest = engine.backend, engine.device, engine.model_digest
        self.spans = list[tuple[float, float]]()
        self.sizes = list[int]()

    @property
    def resident_bytes(self) -> int:
        """The engine's."""
        return self._engine.resident_bytes

    def park(self) -> None:
        """The engine leaves the accelerator."""
        self._engine.park()

    def batch_key(self, request: RenderRequest) -> str:
        """The engine's."""
        return self._engine.batch_key(request)

    def max_batch(self, request: RenderRequest) -> int:
        """As told, or fewer where no more fit."""
        return min(self._batch, self._engine.max_batch(request))

    def render(
        self, requests: Sequence[RenderRequest], files: Mapping[str, bytes], watch: Watch = NOBODY
    ) -> Sequence[Rendered | RenderFailure]:
        """What the engine gives. Raises what it raises."""
        began = time.monotonic()
        made = self._engine.render(requests, files, watch)
        self.spans.append((began, time.monotonic()))
        self.sizes.append(len(requests))
        return made


def through_worker(
    engine: Engine,
    ruleset: Ruleset,
    settings: Settings,
    *,
    batch: int,
    batches: int,
    side_px: int,
    seconds_per_image: float,
) -> LoopFigures:
    """Render so many batches of square pictures through the render worker; `settings` name a broker and a new folder.

    Raises Fatal, Transient where the broker fails, or where three times `seconds_per_image` and a minute do not do.
    """
    timed, jobs = Timed(engine, batch), batch * batches
    limit_s = PATIENCE_S + 3 * jobs * seconds_per_image
    load = jobs_for(settings, ruleset, jobs=jobs, limit_s=limit_s, size=(side_px, side_px))
    ours(load, timed, settings)
    return figures(timed.spans, timed.sizes, time.monotonic())
