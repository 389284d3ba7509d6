"""What `bench path` counts: latencies from arrivals, percentiles, and where each job ended."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from schemas.catalogue import DESIGN_QUEUE, IMAGES_GENERATED, IMAGES_INSPECTED, PROMPTS

LIMIT_P95_MS: Final = 250
RENDER: Final = "render"
"""Any render topic."""
HOPS: Final = (
    ("sanity", PROMPTS, RENDER),
    ("render", RENDER, IMAGES_GENERATED),
    ("inspect", IMAGES_GENERATED, IMAGES_INSPECTED),
    ("validation", IMAGES_INSPECTED, DESIGN_QUEUE),
)
"""Stage, and the topics before and after it."""
WHOLE: Final = "prompt to design-queue"

Times = Mapping[str, float]
"""Moments of one job, seconds of one monotonic clock, by topic; `prompts` is when its prompt was handed over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """Percentiles by nearest rank, milliseconds."""

    p50_ms: float
    p95_ms: float
    p99_ms: float
    max_ms: float


def latency(seconds: Sequence[float]) -> Latency | None:
    """Percentiles of what was measured; None of nothing."""
    if not seconds:
        return None
    ranked = sorted(seconds)

    def at(share: float) -> float:
        return round(1000 * ranked[max(0, math.ceil(share * len(ranked)) - 1)], 1)

    return Latency(p50_ms=at(0.5), p95_ms=at(0.95), p99_ms=at(0.99), max_ms=at(1))


def latencies(jobs: Iterable[Times]) -> dict[str, Latency]:
    """The whole way and each hop, over the jobs that have both ends of it."""
    seen = list(jobs)
    rows = ((WHOLE, PROMPTS, DESIGN_QUEUE), *HOPS)
    found = {name: latency([t[end] - t[begin] for t in seen if begin in t and end in t]) for name, begin, end in rows}
    return {name: figure for name, figure in found.items() if figure is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ends:
    """Where jobs ended. `elsewhere` counts records on other last topics, by topic."""

    sent: int
    arrived: int
    lost: int
    twice: int
    elsewhere: dict[str, int]

    @property
    def clean(self) -> bool:
        """Whether every job arrived exactly once."""
        return not self.lost and not self.twice and not self.elsewhere


def ends(sent: Iterable[str], queued: Sequence[str], elsewhere: Mapping[str, int]) -> Ends:
    """Compare the jobs sent with the job ids on the design queue."""
    wanted, counted = set(sent), Counter(queued)
    return Ends(
        sent=len(wanted),
        arrived=len(wanted & counted.keys()),
        lost=len(wanted - counted.keys()),
        twice=sum(1 for n in counted.values() if n > 1),
        elsewhere={topic: n for topic, n in elsewhere.items() if n},
    )
