"""Replays: planned, begun, resumed and cancelled. Each job is requested once, whatever is killed and when."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, TypeAlias

from audit import replays as recorded
from audit.migrate import connect
from broker.faults import no_fault
from broker.settings import Settings
from ops.recovery import holds
from ops.replay import source as replay_source
from ops.replay.journal import Fault, Journal, KafkaJournal, known
from ops.replay.manifests import ManifestSource
from ops.replay.source import MANIFESTS, Gone, LedgerSource, LogSource, Source, Wanted
from ops.rulesets.publish import resolve
from ops.whole_topic import whole_topic_events
from rules.replay_plan import Asked, Chooser, Entry, Plan, Span, plan_of
from rules.replay_steps import STAGE, Bucket, Progress, Sending, request_of
from rules.ruleset import Ruleset
from rules.tree import nearest
from rules.where import Where, parse_where, written
from schemas import ids
from schemas.catalogue import REPLAY_REQUESTS
from schemas.errors import BadConfig, Fatal
from schemas.events import HoldScope, ReplayChanged, ReplayPosition, ReplayRequested, ReplayState
from schemas.registry import codec_for

BATCH_MAX: Final = 200
"""Requests in one transaction; fewer where the rate is below that a second."""
REPLAY_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
PAIRED: Final = ".pair"
"""Ends the ids under which twins of paired jobs run: no replay of ours may look like one."""

Shown: TypeAlias = Callable[[Iterator[Entry], int | None], Iterator[Entry]]
"""Passes records through, told how many offsets there are, where that is known: for a progress bar."""


def unseen(entries: Iterator[Entry], _offsets: int | None) -> Iterator[Entry]:
    """The records, with nobody looking on."""
    return entries


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A plan, with what it takes to carry it out, and what of the range is gone."""

    plan: Plan
    chosen: Mapping[str, tuple[int, int]]
    where: Where
    ruleset: Ruleset
    gone: tuple[Gone, ...]


def make_plan(settings: Settings, wanted: Wanted, asked: Asked, shown: Shown = unseen) -> Planned:
    """Reads the range once and plans; it writes nothing. `asked.where` is as a person wrote it.

    Raises BadConfig for what there is not, Transient, Fatal.
    """
    ruleset = resolve(settings, "active")
    if asked.engine is not None and asked.engine not in ruleset.engines:
        raise BadConfig(f"there is no engine {asked.engine!r}", mend=nearest(asked.engine, ruleset.engines))
    where = parse_where(asked.where, wanted.topic, ruleset)
    source = source_of(settings, asked.source)
    reach = source.reach(wanted)
    chooser = Chooser(replace(asked, where=written(where)), where, ruleset)
    _look(source, asked.topic, reach.spans, chooser, shown)
    plan, chosen = chooser.finish(reach.spans, counts(settings, chooser.jobs()))
    return Planned(plan=plan, chosen=chosen, where=where, ruleset=ruleset, gone=reach.gone)


def source_of(settings: Settings, name: str) -> Source:
    """The topic's log, the audit ledger, or the manifests of the store."""
    match name:
        case replay_source.AUDIT:
            return LedgerSource(settings)
        case replay_source.MANIFESTS:
            return ManifestSource(settings)
        case _:
            return LogSource(settings)


def _look(source: Source, topic: str, spans: tuple[Span, ...], chooser: Chooser, shown: Shown) -> None:
    offsets = None if chooser.asked.source == MANIFESTS else sum(s.end - s.start for s in spans)
    for entry in shown(source.entries(topic, spans), offsets):
        chooser.take(entry)


def counts(settings: Settings, jobs: Collection[str], *, but: str = "") -> Mapping[str, int]:
    """How often each of these jobs was replayed, the replay `but` left out; jobs that never were are absent.

    The requests that the broker still has say so up to this moment, the database (where there is one) for good.
    """
    most: dict[str, int] = {}
    seen: Counter[str] = Counter()
    wanted = frozenset(jobs)
    if not wanted:
        return most
    for event in whole_topic_events(settings, REPLAY_REQUESTS, codec_for(settings.schema_registry_url)):
        if isinstance(event, ReplayRequested) and event.job.job_id in wanted and event.replay_id != but:
            seen[event.job.job_id] += 1
            most[event.job.job_id] = max(most.get(event.job.job_id, 0), event.count, seen[event.job.job_id])
    if settings.database_url.get_secret_value():
        with connect(settings.database_url.get_secret_value(), autocommit=True) as conn:
            for job, times in recorded.times(conn, sorted(wanted), but=but).items():
                most[job] = max(most.get(job, 0), times)
    return most


def id_of(plan: Plan) -> str:
    """The id of a replay that was given none: of its plan, so that the same plan is not run twice by mistake."""
    return f"r{plan.sha256[:12]}"


@dataclass(slots=True, kw_only=True)
class Runner:
    """Carries plans out. `clock` is monotonic, seconds; `pause` waits, and is True where the process is to end.

    `told` hears where it stands, at the beginning and with every step. A second runner of the same replay fences the
    first, which then raises Fatal.
    """

    settings: Settings
    replay_id: str
    now_ms: Callable[[], int]
    clock: Callable[[], float]
    pause: Callable[[float], bool]
    told: Callable[[ReplayChanged], None] = lambda _change: None
    fault: Fault = no_fault
    _journal: Journal = field(init=False)

    def __post_init__(self) -> None:
        """Refuse an id that records cannot carry."""
        if REPLAY_ID.fullmatch(self.replay_id) is None or self.replay_id.endswith(PAIRED):
            raise BadConfig(
                f"{self.replay_id[:120]!r} is no id of a replay",
                mend=f"take letters, digits, dots, dashes and underscores, 100 at most, not ending in {PAIRED}",
            )
        self._journal = KafkaJournal(self.settings, self.replay_id, self.fault)

    def start(self, planned: Planned, *, who: str, why: str) -> ReplayChanged:
        """Begin a replay by its plan; gives where it stands in the end. Raises BadConfig where the id is taken."""
        plan = planned.plan
        former = self._take_over()
        if former is not None:
            mend = f"presscheck replay resume {self.replay_id}" if _running(former) else "give another one by --id"
            raise BadConfig(f"replay {self.replay_id} is there already: {former.state.value}", mend=mend)
        self._check_hold(plan.asked.hold)
        begun = Progress(positions={s.partition: s.start for s in plan.spans})
        first = ReplayChanged(
            event_id=self._event_id(ReplayState.RUNNING, begun),
            at_ms=self.now_ms(),
            replay_id=self.replay_id,
            state=ReplayState.RUNNING,
            plan=plan.document,
            plan_sha256=plan.sha256,
            positions=_positions(begun),
            sent=0,
            skipped=0,
            who=who,
            why=why,
        )
        self._journal.write((), first)
        self.fault("announced")
        return self._send(planned, first, source_of(self.settings, plan.asked.source))

    def resume(self, *, source: str | None = None, shown: Shown = unseen) -> ReplayChanged:
        """Go on where a replay stands; `source` may be another one than the plan's, for it holds the same records.

        Raises BadConfig where there is nothing to go on with, Fatal where the records are not what they were.
        """
        former = self._unfinished()
        plan = plan_of(former.plan)
        if source is not None and plan.asked.source == MANIFESTS:
            raise BadConfig(f"replay {self.replay_id} reads manifests", mend="resume it as it is")
        ruleset = resolve(self.settings, plan.ruleset_id)
        where = parse_where(plan.asked.where, plan.asked.topic, ruleset)
        reading = source_of(self.settings, source or plan.asked.source)
        chooser = Chooser(plan.asked, where, ruleset)
        _look(reading, plan.asked.topic, plan.spans, chooser, shown)
        again, chosen = chooser.finish(plan.spans, {})
        if again.jobs_sha256 != plan.jobs_sha256:
            raise Fatal(
                f"of {plan.records} records that were planned with, {again.records} are there: they are past retention;"
                f" go on with: presscheck replay resume {self.replay_id} --from-audit"
            )
        planned = Planned(plan=plan, chosen=chosen, where=where, ruleset=ruleset, gone=())
        return self._send(planned, former, reading)

    def cancel(self, *, who: str, why: str) -> ReplayChanged:
        """End a replay where it stands: what was requested runs on. Raises BadConfig where it has ended."""
        former = self._unfinished()
        event_id = ids.event_id(self.replay_id, STAGE, f"cancelled {former.event_id}")
        change = replace(former, event_id=event_id, at_ms=self.now_ms(), state=ReplayState.CANCELLED, who=who, why=why)
        self._journal.write((), change)
        return change

    def _take_over(self) -> ReplayChanged | None:
        former = self._journal.take_over()
        self.fault("taken over")
        return former

    def _unfinished(self) -> ReplayChanged:
        former = self._take_over()  # first: what a killed process left open would hide where it stands
        if former is None:
            raise BadConfig(
                f"there is no replay {self.replay_id!r}", mend=nearest(self.replay_id, known(self.settings))
            )
        if not _running(former):
            raise BadConfig(
                f"replay {self.replay_id} is {former.state.value}", mend="`presscheck replay list` shows all"
            )
        return former

    def _send(self, planned: Planned, former: ReplayChanged, source: Source) -> ReplayChanged:
        asked = planned.plan.asked
        self._check_hold(asked.hold)
        self._hold(asked.hold, former)
        self.fault("held")
        size = max(1, min(BATCH_MAX, int(asked.rate)))
        bucket = Bucket(asked.rate, size)
        sending = Sending(
            plan=planned.plan,
            where=planned.where,
            ruleset=planned.ruleset,
            chosen=planned.chosen,
            counts=counts(self.settings, planned.chosen.keys(), but=self.replay_id),
            size=size,
        )
        self.told(former)
        positions = {p.partition: p.next_offset for p in former.positions}
        begun = Progress(positions=positions, sent=former.sent, skipped=former.skipped)
        spans = [replace(s, start=positions.get(s.partition, s.start)) for s in planned.plan.spans]
        entries = source.entries(asked.topic, [s for s in spans if s.start < s.end])
        for step in sending.steps(entries, begun):
            if self.pause(bucket.take(len(step.due), self.clock())):
                return former
            at_ms = self.now_ms()
            requests = [
                request_of(due, asked, self.replay_id, who=former.who, why=former.why, at_ms=at_ms) for due in step.due
            ]
            state = ReplayState.COMPLETED if step.last else ReplayState.RUNNING
            former = replace(
                former,
                event_id=self._event_id(state, step.progress),
                at_ms=at_ms,
                state=state,
                positions=_positions(step.progress),
                sent=step.progress.sent,
                skipped=step.progress.skipped,
            )
            self._journal.write(requests, former)
            self.told(former)
        return former

    def _check_hold(self, hold_id: str | None) -> None:
        hold = None if hold_id is None else holds.current(self.settings).get(hold_id)
        if hold is not None and (hold.scope, hold.value) != (HoldScope.REPLAY, self.replay_id):
            raise BadConfig(
                f"the hold {hold_id!r} is taken, for {hold.scope.value} {hold.value!r}", mend="choose another name"
            )

    def _hold(self, hold_id: str | None, former: ReplayChanged) -> None:
        """Hold what the replay makes; one that was released meanwhile stays so: that was somebody's decision."""
        if hold_id is not None and hold_id not in holds.current(self.settings):
            holds.set_hold(
                self.settings, hold_id, HoldScope.REPLAY, self.replay_id,
                who=former.who, why=former.why or f"replay {self.replay_id}", at_ms=self.now_ms(),
            )  # fmt: skip

    def _event_id(self, state: ReplayState, progress: Progress) -> str:
        standing = f"{state.value} {sorted(progress.positions.items())} {progress.sent} {progress.skipped}"
        return ids.event_id(self.replay_id, STAGE, standing)


def _running(change: ReplayChanged) -> bool:
    return change.state is ReplayState.RUNNING


def _positions(progress: Progress) -> tuple[ReplayPosition, ...]:
    return tuple(ReplayPosition(partition=p, next_offset=n) for p, n in sorted(progress.positions.items()))
