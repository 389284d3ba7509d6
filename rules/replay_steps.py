"""The steps that carry a plan of a replay out, each one transaction; and how fast they may follow. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from rules.ladder import fresh_seed
from rules.replay_facts import Recorded, recorded
from rules.replay_plan import Asked, Entry, Plan
from rules.ruleset import Ruleset
from rules.where import Where, holds
from schemas import ids
from schemas.errors import BadConfig, Fatal
from schemas.events import Job, Origin, ReplayRequested

STAGE: Final = "ops"
RATE: Final = re.compile(r"(\d+(?:\.\d+)?)/(s|m|min|h)")
SECONDS: Final = {"s": 1, "m": 60, "min": 60, "h": 3_600}
RATE_MAX: Final = 10_000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a replay is: the first offset of each partition not yet looked at, jobs requested, records left out."""

    positions: Mapping[int, int]
    sent: int = 0
    skipped: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """A job to be requested: the record it comes from, and how many times it will have been replayed."""

    job: Job
    origin: Origin | None
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What one transaction holds: requests, and how far the replay is with them; `last` ends it."""

    due: tuple[Due, ...]
    progress: Progress
    last: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Sending:
    """How a plan is carried out. A step has at most `size` requests and looks at most at `stride` records."""

    plan: Plan
    where: Where
    ruleset: Ruleset
    chosen: Mapping[str, tuple[int, int]]
    counts: Mapping[str, int]
    size: int
    stride: int = 5_000

    def steps(self, entries: Iterable[Entry], start: Progress) -> Iterator[Step]:
        """The steps from where a replay stands; `entries` begin at its positions. Each job is due once over all.

        Raises Fatal, before the last step, where records that were planned did not come.
        """
        progress, due, looked = start, list[Due](), 0
        missing = sum(offset >= start.positions.get(partition, 0) for partition, offset in self.chosen.values())
        for entry in entries:
            place, looked = entry.place, looked + 1
            wanted = None if entry.event is None else recorded(entry.event, self.ruleset, entry.stage)
            one = None if wanted is None else self._due(entry, wanted)
            missing -= wanted is not None and self._is_chosen(entry, wanted)
            left_out = one is None and wanted is not None and holds(self.where, wanted.facts)
            due += [] if one is None else [one]
            progress = Progress(
                positions={**progress.positions, place.partition: place.offset + 1},
                sent=progress.sent + (one is not None),
                skipped=progress.skipped + left_out,
            )
            if len(due) >= self.size or looked >= self.stride:
                yield Step(due=tuple(due), progress=progress)
                due, looked = [], 0
        if missing:
            raise Fatal(f"{missing} of the planned records went past retention; go on with: replay resume --from-audit")
        ends = {s.partition: s.end for s in self.plan.spans}
        last = Progress(positions={**progress.positions, **ends}, sent=progress.sent, skipped=progress.skipped)
        yield Step(due=tuple(due), progress=last, last=True)

    def _is_chosen(self, entry: Entry, wanted: Recorded) -> bool:
        return self.chosen.get(wanted.job.job_id) == (entry.place.partition, entry.place.offset)

    def _due(self, entry: Entry, wanted: Recorded) -> Due | None:
        job = wanted.job
        if not self._is_chosen(entry, wanted):
            return None
        count = 1 + max(wanted.count, self.counts.get(job.job_id, 0))
        # Another replay may have come between the plan and now: the cap holds all the same.
        return Due(job=job, origin=entry.origin, count=count) if count <= self.plan.asked.cap else None


def request_of(due: Due, asked: Asked, replay_id: str, *, who: str, why: str, at_ms: int) -> ReplayRequested:
    """The request for a job: the same id, and the same seed, whenever it is made."""
    job = replace(due.job, seed=fresh_seed(due.job.seed, replay_id)) if asked.new_seeds else due.job
    return ReplayRequested(
        event_id=ids.event_id(job.job_id, STAGE, f"replay {replay_id}"),
        at_ms=at_ms,
        job=job,
        replay_id=replay_id,
        engine=asked.engine,
        preset=asked.preset,
        lane=asked.lane,
        who=who,
        why=why,
        origin=due.origin,
        count=due.count,
    )


@dataclass(slots=True)
class Bucket:
    """A token bucket: `rate` tokens a second, never more than `burst`; it begins full."""

    rate: float
    burst: float
    _tokens: float = field(init=False)
    _at_s: float | None = None

    def __post_init__(self) -> None:
        """Fill it."""
        self._tokens = self.burst

    def take(self, tokens: int, now_s: float) -> float:
        """Take tokens at a time (a monotonic clock, seconds); how long to wait before they count, seconds."""
        passed = 0.0 if self._at_s is None else max(0.0, now_s - self._at_s)
        self._at_s = now_s
        self._tokens = min(self.burst, self._tokens + passed * self.rate) - tokens
        return max(0.0, -self._tokens / self.rate)


def parse_rate(text: str) -> float:
    """Jobs a second from `20/s`, `90/min` or `500/h`. Raises BadConfig."""
    found = RATE.fullmatch(text.strip())
    rate = round(float(found[1]) / SECONDS[found[2]], 6) if found else 0.0
    if not 0 < rate <= RATE_MAX:
        raise BadConfig(
            f"--rate: {text!r} is no rate", mend=f"give one such as 20/s, 90/min or 500/h, to {RATE_MAX:g}/s"
        )
    return rate


def written_rate(rate: float) -> str:
    """A rate as `parse_rate` reads it, to the same value."""
    return f"{rate:.6f}".rstrip("0").rstrip(".") + "/s"
