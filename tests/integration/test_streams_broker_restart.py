"""Sanity lives through a broker that is killed under load, and stops in time where the broker is away."""

from __future__ import annotations

import json
import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Self

import pytest

from broker.admin import ensure_topics
from broker.clients import TRANSACTION_TIMEOUT_MS
from broker.embedded.kafka import EmbeddedKafka
from broker.settings import Settings
from ops.rulesets.publish import publish
from schemas.catalogue import PROMPTS, PROMPTS_REFUSED, PROMPTS_SEEN, topics_for
from schemas.codec import Codec, LockedIds
from schemas.events import Job
from tests.integration.streams_support import Follower, StageProcess, send
from tests.unit.rules import samples
from tests.waiting import until

CODEC = Codec(LockedIds())
WITHIN_S = 200.0
PROMPTS_SENT = 4_000
MAX_STARTS = 4
"""Starts of one test at most: the first, and those after giving up."""
PARTITIONS = {t.name: t.partitions for t in topics_for(samples.ruleset().engines)}
ATTEMPTS = (*(t for t in PARTITIONS if t.startswith("render.")), PROMPTS_REFUSED)

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedKafka]:
    """A broker that these tests may kill."""
    with EmbeddedKafka(tmp_path_factory.mktemp("restart")) as broker:
        yield broker


@pytest.fixture
def settings(broker: EmbeddedKafka, tmp_path: Path) -> Settings:
    if not broker.running:  # a test that failed may have left it so
        broker.start()
    made = Settings.model_validate({"kafka_bootstrap": broker.bootstrap, "state_dir": tmp_path})
    ensure_topics(made, samples.ruleset().engines)
    publish(made, samples.ruleset(), who="test", at_ms=1, activate=True)
    return made


@pytest.fixture
def sanity(settings: Settings, tmp_path: Path) -> Iterator[StageProcess]:
    given = {"kafka_bootstrap": settings.kafka_bootstrap, "state_dir": str(settings.state_dir)}
    argument = json.dumps({"stage": "sanity", "settings": given})
    stage = StageProcess("tests.integration.stage_process", argument, tmp_path / "sanity.log")
    stage.start()
    yield stage
    if stage.process().poll() is None:
        stage.kill()


class Decided:
    """What was decided about some jobs, as a read_committed reader sees it from the beginning."""

    def __init__(self, settings: Settings, jobs: Sequence[Job]) -> None:
        self._follower = Follower(settings, {t: PARTITIONS[t] for t in (*ATTEMPTS, PROMPTS_SEEN)})
        self._jobs = {j.job_id for j in jobs}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._follower.close()

    def counts(self, topics: Sequence[str]) -> Counter[str]:
        """For each job how many records lie on some topics."""
        keys = [(m.topic(), (m.key() or b"").decode()) for m in self._follower.look()]
        return Counter(k for t, k in keys if t in topics and k in self._jobs)

    def through(self) -> int:
        """How many jobs were decided."""
        return len(self.counts(ATTEMPTS))

    def once_each(self) -> None:
        """Read to the end; one decision and one taken key for each job."""
        self._follower.to_the_end()
        for topics in (ATTEMPTS, (PROMPTS_SEEN,)):
            found = self.counts(topics)
            assert set(found) == self._jobs, "lost"
            assert {k: n for k, n in found.items() if n > 1} == {}, "doubled"


def _submit(settings: Settings, jobs: Sequence[Job]) -> None:
    send(settings, PROMPTS, [(j.job_id, CODEC.encode(samples.submitted(j))) for j in jobs])


def _jobs(unique: Callable[[str], str]) -> list[Job]:
    name = unique("restart")
    return [
        samples.job(prompt="a red kite" if n % 20 else "", key=f"{name}-{os.getpid()}-{n}") for n in range(PROMPTS_SENT)
    ]


def _under_way(settings: Settings, jobs: Sequence[Job], sanity: StageProcess) -> None:
    """Wait until some of the jobs are decided."""
    with Decided(settings, jobs) as decided:
        until("the work is under way", lambda: decided.through() > 10, WITHIN_S)
    assert sanity.process().poll() is None


def _kill(broker: EmbeddedKafka) -> None:
    assert broker.pid is not None
    os.kill(broker.pid, signal.SIGKILL)
    until("the broker is gone", lambda: not broker.running, WITHIN_S)


def _start_again(broker: EmbeddedKafka) -> None:
    before = broker.bootstrap
    assert broker.start() == before


def _revive(sanity: StageProcess) -> None:
    """What the supervisor does: start it again where it gave up."""
    if (code := sanity.process().poll()) is not None:
        assert code == 1, sanity.log.read_text(encoding="utf-8")[-4_000:]
        assert sanity.starts < MAX_STARTS
        sanity.revive()


def _all_through(settings: Settings, jobs: Sequence[Job], sanity: StageProcess) -> None:
    with Decided(settings, jobs) as decided:

        def all_through() -> bool:
            _revive(sanity)
            return decided.through() >= len(jobs)

        until("every prompt is decided", all_through, WITHIN_S)
        decided.once_each()


@pytest.mark.parametrize("outage_s", [0.0, TRANSACTION_TIMEOUT_MS / 1000 + 2], ids=["short", "past-the-time-out"])
def test_a_broker_killed_under_load_loses_nothing_and_doubles_nothing(
    broker: EmbeddedKafka, settings: Settings, sanity: StageProcess, unique: Callable[[str], str], outage_s: float
) -> None:
    jobs = _jobs(unique)
    _submit(settings, jobs[: PROMPTS_SENT // 2])
    _under_way(settings, jobs, sanity)
    _kill(broker)
    back_at = time.monotonic() + outage_s
    until("the outage was long enough", lambda: time.monotonic() >= back_at, WITHIN_S)
    _start_again(broker)
    _submit(settings, jobs)  # a client does not know what arrived
    _all_through(settings, jobs, sanity)


def test_a_stage_stops_although_the_broker_is_away_and_its_successor_goes_on(
    broker: EmbeddedKafka, settings: Settings, sanity: StageProcess, unique: Callable[[str], str]
) -> None:
    jobs = _jobs(unique)
    _submit(settings, jobs)
    _under_way(settings, jobs, sanity)
    _kill(broker)
    assert sanity.stop() in {0, 1}
    _start_again(broker)
    sanity.start()
    _all_through(settings, jobs, sanity)
    assert sanity.stop() == 0
