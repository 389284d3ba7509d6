"""Plans of replays: which job is replayed from which record, and what that will cost. Pure."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final, NamedTuple, cast

from rules.decide import routed
from rules.replay_facts import FIRST_COUNTS, recorded
from rules.ruleset import Ruleset
from rules.sanity import examine
from rules.where import Where, holds
from schemas.errors import BadConfig
from schemas.events import Event, Job, Lane, Origin, Preset

JOBS_MAX: Final = 200_000
"""Jobs that one replay may choose from: what is remembered of each takes some 300 bytes."""
NAMED_MAX: Final = 20
"""Records left out, or reasons, that a plan names; the others are counted."""
TAGS_MAX: Final = 200


class Place(NamedTuple):
    """Where a record lies. Compares by time, then by partition and offset."""

    timestamp_ms: int
    partition: int
    offset: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A record that was read. `event` is None where it is none; `stage` is the one that gave it up.

    `origin` is where the record was written first: for a dead letter not its own place, but the place it tells of;
    None for a manifest, which lies in no topic.
    """

    place: Place
    origin: Origin | None
    event: Event | None
    stage: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Offsets `start` to `end` (exclusive) of a partition."""

    partition: int
    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a replay is to do. `source` is log, audit or manifests, `where` in canonical form, `rate` in jobs a second.

    `limit` is the most jobs that are replayed (None: all), `cap` how often one job may be replayed, all replays of it
    counted. `engine` and `lane` None leave these to the rules and to the job. With `latest` a job is meant only where
    its last record of the range meets the conditions: one whose repair came out well is not. With `new_seeds` each job
    gets a seed that follows from its own and the replay's id; otherwise it keeps its own.
    """

    topic: str
    source: str
    where: str
    engine: str | None
    preset: Preset
    lane: Lane | None
    hold: str | None
    rate: float
    limit: int | None
    cap: int
    latest: bool = False
    new_seeds: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a replay will do, as far as can be said before. Its hash covers every field, and so the very jobs.

    records were looked at, of which matched met the conditions; of their distinct jobs, jobs will be replayed. The
    others: at_cap were replayed often enough, refused would be refused by the rules today, beyond_limit are left.
    Jobs at the cap count towards the limit.
    unusable records hold no job. Counts by name are of the jobs that will be replayed. Cost in US dollars and engine_s
    are what the profiles expect of one render each; send_s is what the rate makes of it, seconds.
    """

    asked: Asked
    ruleset_id: str
    spans: tuple[Span, ...]
    records: int
    matched: int
    jobs: int
    repeats: int
    at_cap: int
    refused: int
    beyond_limit: int
    unusable: int
    named: tuple[str, ...]
    reasons: tuple[str, ...]
    by_engine: Mapping[str, int]
    by_lane: Mapping[str, int]
    by_tag: Mapping[str, int]
    cost_usd: float
    engine_s: Mapping[str, float]
    send_s: float
    jobs_sha256: str

    @property
    def document(self) -> str:
        """Canonical JSON of all of it."""
        return json.dumps(asdict(self), sort_keys=True, separators=(",", ":"), ensure_ascii=False)

    @property
    def sha256(self) -> str:
        """Hash of the document, in hex."""
        return hashlib.sha256(self.document.encode()).hexdigest()


def plan_of(document: str) -> Plan:
    """The plan that a document holds; it was written by `Plan.document`."""
    data = cast("dict[str, Any]", json.loads(document))
    asked = cast("dict[str, Any]", data.pop("asked"))
    asked["preset"] = Preset(asked["preset"])
    asked["lane"] = None if asked["lane"] is None else Lane(asked["lane"])
    spans = tuple(Span(**s) for s in data.pop("spans"))
    listed = {name: tuple(data.pop(name)) for name in ("named", "reasons")}
    return Plan(asked=Asked(**asked), spans=spans, **listed, **data)


@dataclass(frozen=True, slots=True)
class _Route:
    """Where a job would go. `engine` is None where the rules refuse it, for `why`."""

    engine: str | None
    lane: str
    tags: tuple[str, ...]
    cost_usd: float = 0.0
    expected_s: float = 0.0
    why: str = ""


class _Pick(NamedTuple):
    place: Place
    route: int
    times: int


@dataclass(slots=True)
class Chooser:
    """Takes every record of the range once, and knows then which record of which job is to be replayed."""

    asked: Asked
    where: Where
    ruleset: Ruleset
    jobs_max: int = JOBS_MAX
    _picks: dict[str, _Pick] = field(default_factory=dict[str, _Pick])
    _routes: dict[_Route, int] = field(default_factory=dict[_Route, int])
    _ends: dict[int, int] = field(default_factory=dict[int, int])
    _records: int = 0
    _matched: int = 0
    _unusable: int = 0
    _named: list[str] = field(default_factory=list[str])

    def take(self, entry: Entry) -> None:
        """Look at one record. Raises BadConfig where more jobs match than one replay takes."""
        place = entry.place
        self._records += 1
        self._ends[place.partition] = max(place.offset + 1, self._ends.get(place.partition, 0))
        found = None if entry.event is None else recorded(entry.event, self.ruleset, entry.stage)
        if found is None:
            self._unusable += 1
            if len(self._named) < NAMED_MAX:
                self._named.append(_named(entry))
            return
        if not holds(self.where, found.facts):
            if self.asked.latest:
                self._picks.pop(found.job.job_id, None)
            return
        self._matched += 1
        former = self._picks.get(found.job.job_id)
        if former is None and len(self._picks) >= self.jobs_max:
            raise BadConfig(f"more than {self.jobs_max} jobs match", mend="narrow the range or the conditions")
        if former is None or (place > former.place) != (self.asked.topic in FIRST_COUNTS):
            self._picks[found.job.job_id] = _Pick(place, self._route(found.job), found.count)

    def jobs(self) -> Collection[str]:
        """Ids of the jobs that match."""
        return self._picks.keys()

    def finish(self, spans: Sequence[Span], counts: Mapping[str, int]) -> tuple[Plan, Mapping[str, tuple[int, int]]]:
        """The plan, and by job the partition and offset of the record to replay.

        `counts` says how often jobs were replayed before; one that it does not name was not, but for what its own
        record says. Where a limit leaves some out, the oldest records go first. Which jobs are chosen depends on the
        records alone, so that a replay that is resumed finds the same; those at the cap are left out as they come.
        """
        routes = list(self._routes)
        able = {job: p for job, p in self._picks.items() if routes[p.route].engine is not None}
        order = sorted(able, key=lambda job: able[job].place)[: self.asked.limit]
        chosen = {job: (able[job].place.partition, able[job].place.offset) for job in order}
        free = [job for job in order if max(able[job].times, counts.get(job, 0)) < self.asked.cap]
        going = Counter(able[job].route for job in free)
        going_to = [(routes[n], jobs) for n, jobs in going.items()]
        by_tag = _sums((tag, jobs) for route, jobs in going_to for tag in route.tags)
        plan = Plan(
            asked=self.asked,
            ruleset_id=self.ruleset.id,
            spans=tuple(
                Span(partition=s.partition, start=s.start, end=self._ends[s.partition])
                for s in spans
                if s.partition in self._ends
            ),
            records=self._records,
            matched=self._matched,
            jobs=len(free),
            repeats=self._matched - len(self._picks),
            at_cap=len(order) - len(free),
            refused=len(self._picks) - len(able),
            beyond_limit=len(able) - len(order),
            unusable=self._unusable,
            named=tuple(self._named),
            reasons=tuple(sorted({r.why for r in routes if r.why})[:NAMED_MAX]),
            by_engine=_sums((str(route.engine), jobs) for route, jobs in going_to),
            by_lane=_sums((route.lane, jobs) for route, jobs in going_to),
            by_tag=dict(sorted(by_tag.items(), key=lambda item: (-item[1], item[0]))[:TAGS_MAX]),
            cost_usd=round(sum(route.cost_usd * jobs for route, jobs in going_to), 4),
            engine_s={
                engine: round(sum(r.expected_s * n for r, n in going_to if r.engine == engine), 1)
                for engine in sorted({str(r.engine) for r, _ in going_to})
            },
            send_s=round(len(free) / self.asked.rate, 1),
            jobs_sha256=hashlib.sha256("\n".join(f"{j} {chosen[j]}" for j in sorted(chosen)).encode()).hexdigest(),
        )
        return plan, chosen

    def _route(self, job: Job) -> int:
        asked = self.asked
        lane = asked.lane or job.lane
        finding = examine(job, self.ruleset, lane)
        route = routed(job, finding, self.ruleset, lane=lane, engine=asked.engine or job.engine, preset=asked.preset)
        tags, profile = tuple(sorted(finding.names)), route.profile
        if profile is None:
            found = _Route(None, lane.value, tags, why=route.reasons[0])
        else:
            found = _Route(profile.id, lane.value, tags, profile.expected_cost_usd, profile.expected_s)
        return self._routes.setdefault(found, len(self._routes))


def _sums(named: Iterable[tuple[str, int]]) -> dict[str, int]:
    found: Counter[str] = Counter()
    for name, jobs in named:
        found[name] += jobs
    return dict(sorted(found.items()))


def _named(entry: Entry) -> str:
    origin, what = entry.origin, "undecodable" if entry.event is None else type(entry.event).__name__
    where = "manifest" if origin is None else f"{origin.topic}/{origin.partition}@{origin.offset}"
    return f"{where} ({what})"
