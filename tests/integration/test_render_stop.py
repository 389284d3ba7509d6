"""A render process in the middle of a long batch: what it tells, how it leaves, and who renders the batch then."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict

import pytest

from broker.admin import ensure_topics
from broker.settings import Settings
from ops.render_progress import STALE_S, RenderWorker, render_workers
from schemas.catalogue import IMAGES_GENERATED
from schemas.events import ImageGenerated
from tests.integration import misbehaving
from tests.integration.misbehaving import wanted
from tests.integration.render_process import Given
from tests.integration.test_render_worker import submit
from tests.integration.worker_support import CODEC, ROOT, read_all, through
from tests.waiting import until

DRAIN_S = 20.0
JOBS = 2


class Renders:
    """Render processes of one group, on one topic."""

    def __init__(self, settings: Settings, topic: str, group: str) -> None:
        self.settings, self.topic, self.group = settings, topic, group
        self.running: list[subprocess.Popen[bytes]] = []

    def start(self, *, hurry: bool) -> subprocess.Popen[bytes]:
        given = Given(
            kafka_bootstrap=self.settings.kafka_bootstrap,
            state_dir=str(self.settings.state_dir),
            topic=self.topic,
            group=self.group,
            drain_s=DRAIN_S,
            hurry=hurry,
        )
        words = [sys.executable, "-m", "tests.integration.render_process", json.dumps(asdict(given))]
        process = subprocess.Popen(words, cwd=ROOT)
        self.running.append(process)
        return process

    def seen(self, *, later_s: float = 0.0) -> tuple[RenderWorker, ...]:
        """Workers of this group, as they would be seen in so many seconds."""
        now_ms = time.time_ns() // 1_000_000 + round(later_s * 1000)
        return tuple(w for w in render_workers(self.settings, now_ms) if w.worker.startswith(self.group))

    def at_step(self, least: int) -> RenderWorker | None:
        return next((w for w in self.seen() if w.step >= least), None)

    def made(self) -> list[ImageGenerated]:
        events = [CODEC.decode(m.value()) for m in read_all(self.settings, IMAGES_GENERATED, 4)]
        return [
            e for e in events if isinstance(e, ImageGenerated) and e.request.job.idempotency_key.startswith(self.group)
        ]


@pytest.fixture
def renders(settings: Settings, make_topic: Callable[..., str], unique: Callable[[str], str]) -> Iterator[Renders]:
    ensure_topics(settings, [])
    its = Renders(settings, make_topic("render"), unique("stop")[:40])
    submit(settings, its.topic, [wanted(n, misbehaving.CRAWLS, key=its.group) for n in range(JOBS)])
    yield its
    for process in its.running:
        process.kill()
        process.wait()


def test_a_batch_that_cannot_be_done_in_time_is_left_to_another_worker(renders: Renders) -> None:
    first = renders.start(hurry=False)
    word = until("it is at work", lambda: renders.at_step(5))
    assert (word.engine, word.jobs, word.steps) == (misbehaving.ENGINE, 1, misbehaving.CRAWL_STEPS)
    began = time.monotonic()
    first.terminate()
    assert first.wait(DRAIN_S) == 0
    assert time.monotonic() - began < DRAIN_S / 2
    assert renders.made() == []
    assert renders.seen() == ()  # its word is deleted
    renders.start(hurry=True)
    until("the group to be through", lambda: through(renders.settings, renders.group, [renders.topic], 1))
    assert sorted(e.request.sampling.seed for e in renders.made()) == list(range(JOBS))
    idle = until("it waits", lambda: next((w for w in renders.seen() if w.engine is None and w.age_s < STALE_S), None))
    assert (idle.jobs, idle.step, idle.steps) == (0, 0, 0)


def test_a_worker_that_was_killed_is_left_out_once_its_word_is_old(renders: Renders) -> None:
    process = renders.start(hurry=False)
    until("it is at work", lambda: renders.at_step(1))
    process.kill()
    process.wait()
    assert len(renders.seen()) == 1
    assert renders.seen(later_s=STALE_S + 1) == ()
