"""Carries a recovery out: replay under a hold, wait for the verdicts, hold the batch against the bars, release in lots.

Each step is an event, and every step can be done again: a replay requests each job once, a release delivers each asset
once. So a recovery that was killed, or that its bars or its guard stopped, goes on from its replay.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from audit import recoveries as recorded
from audit.migrate import connect
from broker.faults import no_fault
from broker.settings import Settings
from ops.log_range import Bound
from ops.recovery import holds
from ops.recovery.guard import watched_lots
from ops.recovery.journal import Journal
from ops.replay import run as replays
from ops.replay.journal import known as known_replays
from ops.replay.source import Wanted
from rules.recovery import ENDED, NEXT, TOPIC, Look, Recovery, recovery_of, validated
from schemas import ids
from schemas.errors import BadConfig
from schemas.events import RecoveryChanged, RecoveryStep, ReplayState

STAGE: Final = "ops"
LOOK_S: Final = 0.5
PATIENCE_S: Final = 3_600.0
"""Without any run ending for so long, validation is not waited for any further."""


@dataclass(slots=True, kw_only=True)
class Runner:
    """Carries one recovery out. `pause` waits seconds, and is True where the process is to end; `told` hears all.

    `fault` is called at each point where it can be killed: after each step by the step's name, and at the points of
    its replay and its release, as `replay produced` and `release produced`. A second runner of the same recovery
    fences the first, which then raises Fatal.
    """

    settings: Settings
    recovery_id: str
    who: str
    now_ms: Callable[[], int]
    pause: Callable[[float], bool]
    told: Callable[[str], None] = lambda _line: None
    patience_s: float = PATIENCE_S
    fault: Callable[[str], None] = no_fault
    _journal: Journal = field(init=False)

    def __post_init__(self) -> None:
        """Open its journal."""
        self._journal = Journal(self.settings, self.recovery_id)

    def tag(self, plan: Recovery, *, why: str) -> RecoveryChanged:
        """Write down which assets are meant, and how they are to come back. Raises BadConfig where the id is taken."""
        if (former := self._journal.take_over()) is not None:
            raise BadConfig(
                f"recovery {self.recovery_id} is there already: {former.step.value}", mend="give another one by --id"
            )
        change = RecoveryChanged(
            event_id=self._event_id(RecoveryStep.TAGGED),
            at_ms=self.now_ms(),
            recovery_id=self.recovery_id,
            step=RecoveryStep.TAGGED,
            plan=plan.document,
            replay_id=self.recovery_id,
            hold_id=self.recovery_id,
            numbers={"assets": plan.replay.jobs, "cost_usd": plan.replay.cost_usd},
            who=self.who,
            why=why,
        )
        self._journal.write(change)
        self.fault(change.step.value)
        return change

    def cancel(self, why: str) -> RecoveryChanged:
        """End it for good; its hold stays, with what it keeps. Raises BadConfig where it has ended."""
        return self._step(self._unfinished(), RecoveryStep.CANCELLED, why)

    def carry_on(self) -> RecoveryChanged:
        """Do what is left; gives the step at which it ended: completed, stopped, or where it was interrupted.

        Raises BadConfig where it has ended before, Transient where a server is away, Fatal.
        """
        now = self._unfinished()
        plan = recovery_of(now.plan)
        if now.step in {RecoveryStep.TAGGED, RecoveryStep.STOPPED}:
            now = self._step(now, RecoveryStep.REPLAYING, now.why)
        if now.step is RecoveryStep.REPLAYING:
            now = self._replay(now, plan)
        if now.step is RecoveryStep.VALIDATING:
            now = self._validate(now, plan)
        if now.step is RecoveryStep.RELEASING:
            now = self._release(now, plan)
        return now

    def _replay(self, now: RecoveryChanged, plan: Recovery) -> RecoveryChanged:
        runner = replays.Runner(
            settings=self.settings,
            replay_id=self.recovery_id,
            now_ms=self.now_ms,
            clock=time.monotonic,
            pause=self.pause,
            told=lambda p: self.told(f"{p.sent} of {plan.replay.jobs} jobs requested"),
            fault=lambda point: self.fault(f"replay {point}"),
        )
        there = known_replays(self.settings).get(self.recovery_id)
        if there is None:
            there = runner.start(self._planned(plan), who=now.who, why=now.why or f"recovery {self.recovery_id}")
        elif there.state is ReplayState.RUNNING:
            there = runner.resume()
        if there.state is ReplayState.CANCELLED:
            return self._step(now, RecoveryStep.STOPPED, "its replay was cancelled")
        if there.state is ReplayState.RUNNING:
            return now  # interrupted: it goes on where it is
        return self._step(now, RecoveryStep.VALIDATING, "", {"sent": there.sent, "skipped": there.skipped})

    def _planned(self, plan: Recovery) -> replays.Planned:
        """The replay once more: what it takes beside its plan is not on the topic."""
        wanted = Wanted(topic=TOPIC, begin=Bound(at_ms=plan.from_ms), end=Bound(at_ms=plan.to_ms))
        again = replays.make_plan(self.settings, wanted, plan.replay.asked)
        if again.plan.jobs_sha256 != plan.replay.jobs_sha256:
            raise BadConfig(
                f"other assets are meant now: {again.plan.jobs} instead of {plan.replay.jobs}",
                mend=f"cancel it (presscheck recover cancel {self.recovery_id}) and begin anew",
            )
        return again

    def _validate(self, now: RecoveryChanged, plan: Recovery) -> RecoveryChanged:
        jobs = known_replays(self.settings)[self.recovery_id].sent
        said, moved = -1, time.monotonic()
        with connect(self.settings.database_url.get_secret_value(), autocommit=True) as conn:
            while True:
                found = recorded.batch(conn, self.recovery_id)
                if found.ended != said:
                    said, moved = found.ended, time.monotonic()
                    self.told(f"{found.ended} of {jobs} runs judged, {found.accepted} accepted")
                stops = validated(Look(jobs=jobs, ended=found.ended, figures=found.shares()), plan.terms.bars)
                if stops is not None:
                    break
                if time.monotonic() - moved > self.patience_s:
                    stops = (f"no run has ended for {self.patience_s:g} s, {jobs - found.ended} are under way",)
                    break
                if self.pause(LOOK_S):
                    return now
        numbers = found.numbers("after")
        if stops:
            return self._step(now, RecoveryStep.STOPPED, "; ".join(stops), numbers)
        return self._step(now, RecoveryStep.RELEASING, "every bar is cleared", numbers)

    def _release(self, now: RecoveryChanged, plan: Recovery) -> RecoveryChanged:
        terms = plan.terms
        lots = watched_lots(
            self.settings,
            self.recovery_id,
            size=terms.lot,
            pause_s=terms.pause_s,
            guards=terms.guards,
            wait=self.pause,
            told=lambda done: self.told(f"{done.delivered + done.delivered_before} delivered"),
        )
        why = f"recovery {self.recovery_id}"
        done = holds.release(
            self.settings,
            self.recovery_id,
            who=self.who,
            why=why,
            now_ms=self.now_ms,
            lots=lots,
            fault=lambda point: self.fault(f"release {point}"),
        )
        delivered = {"delivered": done.delivered + done.delivered_before, "still_held": sum(done.still_held.values())}
        if done.stopped == holds.ASKED_TO_END:
            return now
        if done.stopped:
            return self._step(now, RecoveryStep.STOPPED, done.stopped, delivered)
        self.told(f"{delivered['delivered']} delivered")  # with the last lot, after which no guard is asked
        return self._step(now, RecoveryStep.COMPLETED, "", {**self._before_after(), **delivered})

    def _before_after(self) -> dict[str, float]:
        """The batch as it was and as it is."""
        with connect(self.settings.database_url.get_secret_value(), autocommit=True) as conn:
            before = recorded.batch(conn, self.recovery_id, originals=True)
            after = recorded.batch(conn, self.recovery_id)
        return {**before.numbers("before"), **after.numbers("after")}

    def _unfinished(self) -> RecoveryChanged:
        now = self._journal.take_over()
        if now is None or now.step in ENDED:
            state = "not there" if now is None else now.step.value
            raise BadConfig(f"recovery {self.recovery_id} is {state}", mend="`presscheck recover list` shows all")
        return now

    def _step(
        self, now: RecoveryChanged, step: RecoveryStep, why: str, numbers: Mapping[str, float] | None = None
    ) -> RecoveryChanged:
        if step not in NEXT[now.step]:
            raise BadConfig(f"{step.value} cannot follow {now.step.value}", mend="`presscheck recover list` shows all")
        change = replace(
            now,
            event_id=self._event_id(step, now.event_id),
            at_ms=self.now_ms(),
            step=step,
            numbers={k: float(v) for k, v in (numbers or {}).items()},
            who=self.who,
            why=why[:1000],
        )
        self._journal.write(change)
        self.fault(step.value)
        self.told(f"{step.value}{f': {why}' if why else ''}")
        return change

    def _event_id(self, step: RecoveryStep, after: str = "") -> str:
        return ids.event_id(self.recovery_id, STAGE, f"{step.value} after {after}")
