"""Measures the path from prompt to design-queue at a steady rate, with an engine and checks that cost nothing.

Latency is what a consumer sees: from the moment a prompt is handed to the producer until a read_committed reader holds
the record, so commits count. One process sends and reads, on one clock.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from confluent_kafka import KafkaException

from broker import clients
from broker.outbox_kafka import KafkaLog
from broker.outbox_port import Source
from ops.bench.path_figures import LIMIT_P95_MS, WHOLE, Ends, Latency, ends, latencies
from ops.bench.path_reader import Arrivals
from ops.bench.path_stack import PathStack
from ops.bench.stack import machine
from ops.submission import submitted
from rules import decide
from rules.ruleset import Ruleset
from schemas import ids
from schemas.catalogue import DEAD_LETTERS, DESIGN_QUEUE, PROMPTS, REPLAY, TERMINAL_TOPICS, render_topic, topics_for
from schemas.errors import Fatal, Transient
from schemas.events import Job, Lane, RenderRequested
from schemas.registry import codec_for

WARM_UP_S: Final = 4.0
"""Jobs of the first seconds are counted but not timed: the Java runtime compiles, connections open."""
ARRIVE_S: Final = 60.0
"""How long after the last prompt the last asset may come; what is not there then counts as lost."""
LANES: Final = (Lane.CRITICAL, Lane.EXPLORATORY)
LAST: Final = (*TERMINAL_TOPICS, REPLAY, DEAD_LETTERS)
PROMPTS_SENT: Final = (
    "a red tent in a green valley, morning light, photograph",
    "three ceramic cups on a wooden table, soft shadows, product shot",
    "a quiet harbour at dusk, long exposure",
    "abstract paper shapes in blue and orange, risograph style",
)
"""Nothing that asks for lettering, a person or a brand: every one is to be accepted at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PathFigures:
    """What was measured. `cpu_share`: cores used over the timed part. Load averages are those of one minute."""

    machine: str
    load_before: float
    load_after: float
    rate: float
    achieved_rate: float
    seconds: float
    warm_up_s: float
    timed: int
    ends: Ends
    latency: dict[str, Latency]
    cpu_share: dict[str, float]
    audit: str
    limit_p95_ms: int

    @property
    def within_limits(self) -> bool:
        """Whether every job arrived once, and fast enough."""
        whole = self.latency.get(WHOLE)
        return self.ends.clean and whole is not None and whole.p95_ms < self.limit_p95_ms


def measure(rate: float, seconds: float) -> PathFigures:
    """Send `rate` jobs a second for `seconds` after a warm-up. Raises Fatal, Transient where the stack fails."""
    load_before = os.getloadavg()[0]
    with PathStack() as stack:
        sender = Sender(stack, rate)
        with Arrivals(stack, _render_topics(stack.ruleset)) as arrivals:
            warm = sender.send(WARM_UP_S)
            arrivals.wait_for(warm, ARRIVE_S)
            cpu, began = stack.cpu_s(), time.monotonic()
            timed = sender.send(seconds)
            took, used = time.monotonic() - began, stack.cpu_s()
            arrivals.wait_for(timed, ARRIVE_S)
            seen = arrivals.moments()
        stack.check()
        stack.stop_stages()
        ended = _ends(stack, [*warm, *timed])
    return PathFigures(
        machine=machine(),
        load_before=round(load_before, 2),
        load_after=round(os.getloadavg()[0], 2),
        rate=rate,
        achieved_rate=round(len(timed) / took, 1),
        seconds=seconds,
        warm_up_s=WARM_UP_S,
        timed=len(timed),
        ends=ended,
        latency=latencies({PROMPTS: sent, **seen.get(job_id, {})} for job_id, sent in timed.items()),
        cpu_share={name: round((used[name] - cpu[name]) / took, 2) for name in used},
        audit="not running: no job waits for it",
        limit_p95_ms=LIMIT_P95_MS,
    )


class Sender:
    """Hands prompts to a producer at even distances."""

    def __init__(self, stack: PathStack, rate: float) -> None:
        self._stack, self._rate = stack, rate
        self._producer, self._codec = clients.producer(stack.settings), codec_for(stack.settings.schema_registry_url)
        self._sent = 0

    def send(self, seconds: float) -> dict[str, float]:
        """When each job was handed over, by job id; seconds of the monotonic clock.

        Raises Transient where the broker does not take one.
        """
        handed: dict[str, float] = {}
        began = time.monotonic()
        for n in range(round(self._rate * seconds)):
            due = began + n / self._rate
            job = _job(self._sent)
            self._sent += 1
            value = self._codec.encode(submitted(job))
            while (left_s := due - time.monotonic()) > 0:
                self._producer.poll(left_s)
            handed[job.job_id] = time.monotonic()
            self._producer.produce(PROMPTS, key=job.job_id.encode(), value=value)
        try:
            left = self._producer.flush(ARRIVE_S)
        except KafkaException as e:
            raise clients.classed(e, "sending prompts") from e
        if left:
            raise Transient(f"{left} prompts were not taken within {ARRIVE_S:g} s")
        self._stack.check()
        return handed


def _job(n: int) -> Job:
    key = f"bench-path/{n}"
    return Job(
        job_id=ids.job_id(key),
        idempotency_key=key,
        prompt=PROMPTS_SENT[n % len(PROMPTS_SENT)],
        lane=LANES[n // len(PROMPTS_SENT) % len(LANES)],
        width=512,
        height=512,
        seed=n,
        submitted_at_ms=time.time_ns() // 1_000_000,
    )


def _render_topics(ruleset: Ruleset) -> frozenset[str]:
    """Where the ruleset sends the jobs. Raises Fatal where it refuses one: then `config/` cannot be measured so."""
    topics: set[str] = set()
    for n in range(len(PROMPTS_SENT) * len(LANES)):
        decided = decide.on_prompt(submitted(_job(n)), ruleset, at_ms=0)
        if not isinstance(decided, RenderRequested):
            raise Fatal(f"the ruleset refuses the prompt {PROMPTS_SENT[n % len(PROMPTS_SENT)]!r}")
        topics.add(render_topic(decided.request.engine, decided.request.lane))
    return frozenset(topics)


def _ends(stack: PathStack, sent: Iterable[str]) -> Ends:
    """Read every last topic from its beginning: what stands there once all stages have ended."""
    log = KafkaLog(stack.settings, "bench-path")
    partitions = {t.name: t.partitions for t in topics_for(())}
    try:
        keys = {
            topic: [
                (key or b"").decode(errors="replace")
                for partition in range(partitions[topic])
                for key, _ in log.read_back(Source(topic, partition))
            ]
            for topic in LAST
        }
    finally:
        log.close()
    return ends(sent, keys[DESIGN_QUEUE], {t: len(k) for t, k in keys.items() if t != DESIGN_QUEUE})
