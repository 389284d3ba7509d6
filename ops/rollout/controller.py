"""The process that carries roll-outs out: it looks at the verdicts in the audit store, decides, and writes each step.

It remembers nothing that it could not count again: a roll-out's figures are what its verdicts add up to, in the order
in which the audit stored them, and each step names the position at which it was decided. One at a time decides, by a
lease in the database; a step is written only where the roll-out is as it was when the figures were counted.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Final

import psycopg
import structlog

from audit import rollouts as store
from audit.rollouts import LastLook
from audit.sessions import leased, sessions
from broker.broadcast import RolloutTable, follow_rollouts
from broker.faults import no_fault
from broker.settings import Settings
from broker.signals import Stop, StopSignals
from ops.rollout.changes import take_step
from ops.rollout.topic import Fault
from ops.rollout.unseen import Watch
from rules.rollout import POSITION, Action, Decision, current, followed, position_of
from rules.rollout_decision import OVERDUE_MS, Figures, decide
from schemas.events import Arm, RolloutChanged

WHO: Final = "roll-out controller"
LOOK_S: Final = 0.5
"""Between two looks: how long a bad candidate goes on after the verdict that convicts it was stored."""
READY_S: Final = 60.0


@dataclass(slots=True)
class Standing:
    """A roll-out counted up to a position."""

    rollout_id: str
    figures: Figures
    position: int = 0

    def count(self, conn: psycopg.Connection, *, until: int | None = None) -> bool:
        """Count one page of verdicts more; whether there may be another."""
        page = store.verdicts(conn, self.rollout_id, self.position, until=until)
        for seen in page:
            if not seen.shadow:
                self.figures.see(seen.outcome)
            if seen.other is not None:
                tried = seen.outcome.arm is Arm.CANDIDATE
                pair = (seen.outcome, seen.other) if tried else (seen.other, seen.outcome)
                self.figures.see_pair(*pair)
            self.position = seen.stored
        return len(page) == store.PAGE


def counted_again(conn: psycopg.Connection, rollout: RolloutChanged) -> Standing | None:
    """A roll-out counted from its first verdict to where its present stage was decided.

    None where the audit has not stored all of its steps yet.
    """
    entered = store.stages(conn, rollout.rollout_id, rollout.stage)
    if len(entered) < rollout.stage:
        return None
    standing = Standing(rollout.rollout_id, Figures(rollout))
    for stage in range(1, rollout.stage + 1):
        while standing.count(conn, until=entered[stage]):
            pass
        standing.position = entered[stage]
        standing.figures.enter(stage)
    return standing


class Controller:
    """One session of deciding: the lease is held, `rollouts` says where they stand.

    An alarm takes a roll-out back at once, on whatever the audit has stored: later verdicts could not unmake the
    evidence. A stage ends only once the audit has stored all verdicts that there were when it was to end.
    """

    def __init__(
        self,
        settings: Settings,
        conn: psycopg.Connection,
        rollouts: Callable[[], Mapping[str, RolloutChanged]],
        *,
        fault: Fault = no_fault,
        overdue_ms: int = OVERDUE_MS,
    ) -> None:
        self._settings, self._conn, self._rollouts, self._fault = settings, conn, rollouts, fault
        self._overdue_ms = overdue_ms
        self._watch: Watch | None = None
        self._standing: Standing | None = None
        self._superseded = ""
        self._log = structlog.get_logger(__name__)

    def look(self, at_ms: int) -> bool:
        """Count what came since the last look, and decide; whether there is more to count at once.

        While there is, nothing but an alarm is decided.

        Raises Transient where the database or the broker is away.
        """
        rollout = current(self._rollouts())
        if rollout is None:
            self._standing = None
            return False
        if rollout.event_id == self._superseded:  # the follower has not seen yet what was written since
            return False
        standing = self._standing = self._at(rollout)
        if standing is None:
            return False
        more = standing.count(self._conn)
        decision = decide(rollout, standing.figures)
        if decision.action is not Action.ROLL_BACK:  # evidence waits for nothing, the end of a stage does
            unseen = self._watching(rollout).look(at_ms, ending=decision.action is not Action.HOLD)
            more = standing.count(self._conn)
            decision = decide(rollout, standing.figures, unseen)
            if more and decision.action is not Action.ROLL_BACK:
                return True
        numbers = {**decision.numbers, POSITION: float(standing.position)}
        decision = replace(decision, numbers=numbers)
        # Before the step is written: what is shown must not be older than what was decided.
        look = LastLook(position=standing.position, numbers=numbers, reason=decision.reason, at_ms=at_ms)
        store.save_look(self._conn, rollout.rollout_id, look)
        step = followed(rollout, decision, who=WHO, at_ms=at_ms)
        if step is not None:
            self._step(rollout, step, decision)
        return more

    def _at(self, rollout: RolloutChanged) -> Standing | None:
        """What was counted of this roll-out, at the stage that it is in."""
        standing = self._standing
        if standing is None or standing.rollout_id != rollout.rollout_id:
            return counted_again(self._conn, rollout)
        if standing.figures.stage == rollout.stage:
            return standing
        if standing.figures.stage + 1 == rollout.stage and standing.position == position_of(rollout):
            standing.figures.enter(rollout.stage)
            return standing
        return counted_again(self._conn, rollout)

    def _watching(self, rollout: RolloutChanged) -> Watch:
        watch = self._watch
        if watch is None or (watch.rollout_id, watch.stage) != (rollout.rollout_id, rollout.stage):
            watch = Watch(self._settings, self._conn, rollout.rollout_id, rollout.stage, overdue_ms=self._overdue_ms)
            self._watch = watch
        return watch

    def _step(self, rollout: RolloutChanged, step: RolloutChanged, decision: Decision) -> None:
        log = self._log.bind(rollout_id=rollout.rollout_id, action=decision.action.value, why=decision.reason)
        written = take_step(self._settings, rollout, step, fault=self._fault)
        self._superseded = rollout.event_id
        if not written:
            log.info("the roll-out was changed meanwhile: looking again")
            return
        say = log.warning if decision.action is Action.ROLL_BACK else log.info
        say("a step of a roll-out", state=step.state.value, percent=step.percent)

    def run(self, stop: Stop) -> None:
        """Look until `stop`. Raises Transient, Fatal."""
        while not stop.is_set():
            if not self.look(time.time_ns() // 1_000_000):
                stop.wait(LOOK_S)


def session(settings: Settings, stop: Stop, *, fault: Fault = no_fault) -> None:
    """From the lease to the end of one session. Raises Transient where database or broker went away, Fatal."""
    with leased(settings, store.take_lease, stop, who=WHO) as conn:
        if conn is None:
            return
        with closing(follow_rollouts(settings).start()) as broadcast:
            broadcast.wait_ready(READY_S)
            structlog.get_logger(__name__).info("deciding roll-outs")
            Controller(settings, conn, RolloutTable(broadcast).current, fault=fault).run(stop)


def run(settings: Settings, stop: Stop, *, fault: Fault = no_fault) -> None:
    """Sessions until `stop`: one that fails for now is followed by another after a growing wait. Raises Fatal."""
    sessions(lambda: session(settings, stop, fault=fault), stop, who=WHO)


def main(settings: Settings) -> None:
    """`presscheck run rollouts`: until SIGTERM or SIGINT. Raises Fatal."""
    with StopSignals() as stop:
        run(settings, stop)
