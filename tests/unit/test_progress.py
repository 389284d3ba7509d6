"""A worker's word on its progress: however fast steps come, the topic gets two words a second at most."""

from __future__ import annotations

import threading
import time

from broker.settings import Settings
from workers.progress import ProgressTopic, Word

STEP_S = 0.002
LASTS_S = 1.25
WORDS_A_SECOND = 2


def test_steps_that_come_faster_are_overtaken_by_the_newest() -> None:
    said: list[float] = []

    def now_ms() -> int:
        said.append(time.monotonic())  # each word asks for the time once
        return 1

    nobody = Settings.model_validate({"kafka_bootstrap": "127.0.0.1:1"})
    with ProgressTopic(nobody, "worker", now_ms) as topic:
        steps, ends = 0, time.monotonic() + LASTS_S
        while time.monotonic() < ends:
            steps += 1
            topic.tell(Word(engine="sd3.5-large", step=steps, steps=9999))
            threading.Event().wait(STEP_S)
        words = len(said)
    assert steps > 20
    assert 2 <= words <= 1 + WORDS_A_SECOND * LASTS_S
