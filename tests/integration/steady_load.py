"""A steady load on a whole stack: jobs come at a rate while a test does something, and every end is remembered."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

from broker import clients
from broker.settings import Settings
from ops.submission import submitted
from rules.holds import approval_id
from schemas import ids
from schemas.catalogue import (
    DESIGN_QUEUE,
    HELD,
    IMAGES_GENERATED,
    IMAGES_INSPECTED,
    PROMPTS,
    PROMPTS_REFUSED,
    REVIEW,
    ROLLOUTS,
    RULESETS,
    TERMINAL_TOPICS,
    render_topic,
    topics_for,
)
from schemas.codec import Codec, LockedIds
from schemas.events import (
    AssetApproved,
    AssetHeld,
    Event,
    Job,
    Lane,
    PromptRefused,
    RenderRequested,
    ReviewRequested,
    RolloutChanged,
    RulesetActivated,
)
from tests.integration.streams_support import Follower
from tests.waiting import until

CODEC = Codec(LockedIds())
T = TypeVar("T")
WITHIN_S = 180.0
Run = tuple[str, str]
"""A run of a job: its id and the replay's, which is empty for the job's own."""
STATE_OF: Mapping[str, str] = {
    DESIGN_QUEUE: "approved", PROMPTS_REFUSED: "refused", REVIEW: "review", HELD: "held",
}  # fmt: skip
FOLLOWED = (*TERMINAL_TOPICS, IMAGES_GENERATED, IMAGES_INSPECTED, RULESETS, ROLLOUTS)
"""Beside the engine's own topics."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A committed record: where it lies, when the broker had it (ms), and what it says."""

    topic: str
    at_ms: int
    event: Event


class Load:
    """Sends jobs of a simulator at a rate, in a thread of its own, while not too many are under way."""

    def __init__(self, settings: Settings, job: Callable[[int], Job], *, rate: float, most: int) -> None:
        self._rate, self._most, self._job = rate, most, job
        engine = [render_topic("simulator", lane) for lane in Lane]
        known = {t.name: t.partitions for t in topics_for(["simulator"])}
        self._follower = Follower(settings, {t: known[t] for t in (*FOLLOWED, *engine)})
        self._producer = clients.producer(settings)
        self._read, self._over = 0, threading.Event()
        self._thread = threading.Thread(target=self._run, name="steady-load")
        self.jobs: dict[str, Job] = {}
        self.repeats = 0
        self.ended: set[str] = set()
        self.seen: list[Seen] = []
        self.seconds = 0.0

    @contextmanager
    def flowing(self) -> Generator[None]:
        """Jobs come for as long as this lasts."""
        self._thread.start()
        try:
            yield
        finally:
            self._over.set()
            self._thread.join()

    def _run(self) -> None:
        began, due = time.monotonic(), 0.0
        while not self._over.is_set():
            self.look()  # takes a tenth of a second
            now = time.monotonic() - began
            if len(self.jobs) - len(self.ended) < self._most:
                for _ in range(int(now * self._rate) - int(due * self._rate)):
                    self._send(len(self.jobs))
            due = now
        self.seconds = time.monotonic() - began
        assert self._producer.flush(30) == 0

    def _send(self, number: int) -> None:
        job = self._job(number)
        again = number % 20 == 0  # a client that did not see the answer
        self.repeats += again
        for _ in range(1 + again):
            self._producer.produce(PROMPTS, key=job.job_id.encode(), value=CODEC.encode(submitted(job)))
        self._producer.poll(0)
        self.jobs[job.job_id] = job

    def look(self) -> None:
        """Take in what was written since."""
        messages = self._follower.look()
        for message in messages[self._read :]:
            value, (_, at_ms), topic = message.value(), message.timestamp(), message.topic() or ""
            if value is None:
                continue
            event = CODEC.decode(value)
            self.seen.append(Seen(topic, at_ms, event))
            if topic in TERMINAL_TOPICS and (run := run_of(event)) and not run[1]:
                self.ended.add(run[0])
        self._read = len(messages)

    def until(self, what: str, look: Callable[[], T | None], within_s: float = WITHIN_S) -> T:
        """Wait while jobs flow, and fail at once where they do not any more."""

        def alive() -> T | None:
            assert self._thread.is_alive(), "the load has broken off"
            return look()

        return until(what, alive, within_s)

    def settle(self, within_s: float = WITHIN_S) -> None:
        """After the load: read on until every job has ended, and whatever else was written by then."""

        def all_ended() -> bool:
            self.look()
            return set(self.jobs) <= self.ended

        until("every job has ended", all_ended, within_s)
        self._follower.to_the_end()
        self.look()
        self._follower.close()

    def requests(self) -> list[tuple[int, RenderRequested]]:
        """First attempts of jobs' own runs, with the time at which they were there."""
        return [
            (s.at_ms, s.event) for s in [*self.seen]
            if isinstance(s.event, RenderRequested) and not s.event.request.attempt and not s.event.request.replay_id
        ]  # fmt: skip

    def decided_by(self, ruleset_id: str) -> int:
        """Jobs' own first attempts that a ruleset routed."""
        return sum(e.request.ruleset_id == ruleset_id for _, e in self.requests())

    def activated_ms(self, ruleset_id: str) -> int:
        """When the newest activation of a ruleset was first on its topic; it is written there again by the next one."""
        first: dict[str, int] = {}
        for s in [*self.seen]:
            if isinstance(s.event, RulesetActivated) and s.event.ruleset_id == ruleset_id:
                first.setdefault(s.event.event_id, s.at_ms)
        return [*first.values()][-1]

    def step(self, rollout_id: str) -> RolloutChanged | None:
        """The newest step of a roll-out."""
        steps = [s.event for s in [*self.seen] if isinstance(s.event, RolloutChanged)]
        return next((s for s in reversed(steps) if s.rollout_id == rollout_id), None)


def run_of(event: Event) -> Run | None:
    """The run that a terminal record ends; None of a release, which ends nothing, and of any other record."""
    if isinstance(event, PromptRefused):
        return event.job.job_id, event.replay_id or ""
    if isinstance(event, AssetApproved) and event.approved_by.startswith("release by "):
        return None
    if isinstance(event, AssetApproved | AssetHeld | ReviewRequested):
        return event.request.job.job_id, event.request.replay_id or ""
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ends:
    """What the terminal topics add up to: how often each run ended and as what, and what became of what was held."""

    runs: Mapping[Run, Counter[str]]
    held: Mapping[str, AssetHeld]
    released: Mapping[str, list[int]]
    """When each held asset was delivered, ms, by the id of the record that held it."""
    strays: Collection[str]
    """Deliveries by a release that let go of nothing held, and records that end nothing."""


def ends(seen: Collection[Seen]) -> Ends:
    """Count the terminal topics."""
    runs: dict[Run, Counter[str]] = {}
    held = {approval_id(s.event): s.event for s in seen if isinstance(s.event, AssetHeld)}
    released: dict[str, list[int]] = {h.event_id: [] for h in held.values()}
    strays: list[str] = []
    for s in seen:
        if s.topic not in TERMINAL_TOPICS:
            continue
        if (run := run_of(s.event)) is not None:
            runs.setdefault(run, Counter())[s.topic] += 1
        elif not isinstance(s.event, AssetApproved):
            strays.append(type(s.event).__name__)
        elif s.event.event_id in held:
            released[held[s.event.event_id].event_id].append(s.at_ms)
        else:
            strays.append(s.event.event_id)
    return Ends(runs=runs, held={h.event_id: h for h in held.values()}, released=released, strays=strays)


def small_job(key: str, seed: int, *, prompt: str = "Linocut of a lighthouse") -> Job:
    """A small picture of the simulator's."""
    return Job(
        job_id=ids.job_id(key), idempotency_key=key, prompt=prompt, lane=Lane.EXPLORATORY, width=192, height=192,
        seed=seed, engine="simulator", submitted_at_ms=time.time_ns() // 1_000_000,
    )  # fmt: skip
