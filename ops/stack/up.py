"""`presscheck up`: brings the broker, the database and every stage up, keeps them running, takes them down in order."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import structlog

from broker import settings as settings_module
from broker.embedded.kafka import EmbeddedKafka
from broker.embedded.postgres import EmbeddedPostgres
from broker.embedded.process import Child, Identity, write_private
from broker.lag import assigned
from broker.settings import ENDPOINTS_FILE, Settings
from broker.signals import StopSignals
from ops.rulesets.publish import config_folder
from ops.stack import state as stack_state
from ops.stack.plan import STAGES, Stage, stage
from ops.stack.prepare import Prepared, Say, prepare
from ops.stack.state import ProcessRow, StackLock, StackRow
from ops.stack.supervisor import Supervisor
from schemas.errors import Fatal

DRAIN_S: Final = 45.0
"""Longest wait for the stages to finish what they have in hand; the render worker alone takes up to 40 s."""
STAGES_READY_S: Final = 90.0
READY_LOOK_S: Final = 0.25
EMBEDDED: Final = ("postgres", "kafka")
"""In the order in which they stop: the database first, since nothing writes to it once the stages are gone."""


def _stages() -> dict[str, Sequence[str]]:
    return {s.name: (sys.executable, "-m", "ops", "run", s.name) for s in STAGES}


@dataclass(frozen=True, slots=True, kw_only=True)
class StackPlan:
    """What to bring up: the commands to keep running, by name, and what must be there before they start."""

    commands: Mapping[str, Sequence[str]] = field(default_factory=_stages)
    prepare: Callable[[Settings, Say], Prepared] = prepare


class Stack:
    """One stack in one state folder. `run` brings it up, supervises until a stop is asked for, and drains."""

    def __init__(self, state_dir: Path, plan: StackPlan, *, say: Say) -> None:
        self.state_dir = state_dir.absolute()
        self._plan, self._say = plan, say
        self._signals = StopSignals((signal.SIGTERM, signal.SIGINT, signal.SIGHUP), wake_on=(signal.SIGCHLD,))
        self._supervisor = Supervisor(changed=self._write)
        self._kafka = EmbeddedKafka(self.state_dir)
        self._postgres = EmbeddedPostgres(self.state_dir)
        self._me = Identity.of(os.getpid())
        self._phase, self._began = "starting", time.monotonic()
        self._ready_s: float | None = None
        self._prepared = Prepared(ruleset_id="", engines=())

    def run(self, on_ready: Callable[[StackRow], None]) -> None:
        """Up, supervise, down. Raises BadConfig where a stack runs in the folder, Fatal where it cannot come up."""
        with StackLock(self.state_dir), self._signals:
            (self.state_dir / ENDPOINTS_FILE).unlink(missing_ok=True)  # of a former run: its ports may be others' now
            try:
                if self._bring_up():
                    on_ready(self._row())
                while not self._signals.is_set():
                    self._signals.wait_any(self._tick())
            finally:
                self._drain()

    def _bring_up(self) -> bool:
        """Start everything; False where a stop was asked for on the way."""
        self._stop_leftovers()
        self._write()
        settings = self._start_embedded(settings_module.load(self.state_dir))
        if self._signals.is_set():
            return False
        self._prepared = self._plan.prepare(settings, self._say)
        for name, argv in self._plan.commands.items():
            self._supervisor.add(name, self._child(name, argv, settings), now_s=time.monotonic())
        self._say(f"starting {', '.join(self._plan.commands) or 'no stages'}")
        if not self._wait_for_stages(settings):
            return False
        self._phase, self._ready_s = "ready", round(time.monotonic() - self._began, 2)
        self._write()
        return True

    def _stop_leftovers(self) -> None:
        """End what a supervisor that was killed left behind, before anything is started in its place."""
        former = stack_state.read(self.state_dir)
        for row in former.processes if former is not None else ():
            if row.pid is not None and row.started is not None and row.alive:
                self._say(f"stopping a left-over {row.name}, process {row.pid}")
                Identity(pid=row.pid, started=row.started).stop(signal.SIGTERM, DRAIN_S)

    def _start_embedded(self, settings: Settings) -> Settings:
        own_kafka, own_postgres = not settings.kafka_bootstrap, not settings.database_url.get_secret_value()
        endpoints: dict[str, str] = {}
        if own_kafka:
            self._kafka.begin(on_fetch=self._fetching)
            self._supervisor.add("kafka", self._kafka, now_s=time.monotonic())
        if own_postgres:
            self._postgres.begin()
            self._supervisor.add("postgres", self._postgres, now_s=time.monotonic())
        if own_postgres:
            endpoints["database_url"] = self._postgres.wait_ready()
            self._say("Postgres answers")
        if own_kafka:
            endpoints["kafka_bootstrap"] = self._kafka.wait_ready()
            self._say(f"Kafka answers on {endpoints['kafka_bootstrap']}")
        if settings.c2pa_key_file is None and not settings.c2pa_development_key:
            endpoints["c2pa_development_key"] = "true"
            self._say("credentials are signed with a development key; PRESSCHECK_C2PA_KEY_FILE names a real one")
        write_private(self.state_dir / ENDPOINTS_FILE, json.dumps(endpoints, indent=1))
        return settings_module.load(self.state_dir)

    def _fetching(self, done: int, total: int) -> None:
        if done % 10 == 0 or done == total:
            self._say(f"fetching Apache Kafka, once: {done} of {total} jars")

    def _child(self, name: str, argv: Sequence[str], settings: Settings) -> Child:
        return Child(
            name=name,
            argv=argv,
            log=self._log(name),
            record=self.state_dir / "run" / f"{name}.json",
            env={
                "PRESSCHECK_STATE_DIR": str(self.state_dir),
                "PRESSCHECK_CONFIG_DIR": str(config_folder(settings.config_dir).absolute()),
            },
            orphan_signal=signal.SIGKILL,  # with the broker going too there is nothing to drain into
        )

    def _log(self, name: str) -> Path:
        return self.state_dir / "logs" / f"{name}.log"

    def _wait_for_stages(self, settings: Settings) -> bool:
        """Until every stage holds all partitions it reads; False where a stop was asked for."""
        waiting = [s for n in self._plan.commands if (s := stage(n)) is not None and s.group]
        end = time.monotonic() + STAGES_READY_S
        while waiting and not self._signals.is_set():
            self._tick()
            waiting = [s for s in waiting if not self._holds_all(s, settings)]
            if time.monotonic() > end:
                logs = ", ".join(str(self._log(s.name)) for s in waiting)
                raise Fatal(f"not ready within {STAGES_READY_S:.0f} s; see {logs}")
            if waiting:
                self._signals.wait_any(READY_LOOK_S)
        return not self._signals.is_set()

    def _holds_all(self, what: Stage, settings: Settings) -> bool:
        held = {topic for topic, _ in assigned(settings, what.group)}
        if what.name == "render" and not settings.stand_in:
            return bool(held)  # engines that nobody here serves have nobody here to wait for
        return set(what.reads(self._prepared.engines)) <= held

    def _tick(self) -> float:
        return self._supervisor.tick(time.monotonic())

    def _drain(self) -> None:
        log = structlog.get_logger(__name__)
        self._phase = "stopping"
        self._write()
        stages = [row.name for row in self._supervisor.rows if row.name not in EMBEDDED]
        killed = self._supervisor.stop(stages, DRAIN_S)
        for name in EMBEDDED:
            killed += self._supervisor.stop([name], DRAIN_S)
        if killed:
            log.warning("had to be killed", names=killed)
        (self.state_dir / ENDPOINTS_FILE).unlink(missing_ok=True)
        (self.state_dir / stack_state.STACK_FILE).unlink(missing_ok=True)

    def _row(self) -> StackRow:
        if self._me is None:
            raise Fatal("this process does not find itself")
        rows: list[ProcessRow] = []
        for row in self._supervisor.rows:
            pid = row.service.pid
            identity = None if pid is None else Identity.of(pid)
            rows.append(
                ProcessRow(
                    name=row.name,
                    stage=row.name,
                    pid=pid,
                    started=None if identity is None else identity.started,
                    condition=row.condition.value,
                    restarts=row.restarts,
                    last_exit=row.last_exit,
                    log=str(self._log(row.name)),
                )
            )
        return StackRow(
            phase=self._phase,
            supervisor=self._me,
            processes=tuple(rows),
            ready_s=self._ready_s,
            ruleset_id=self._prepared.ruleset_id,
            engines=self._prepared.engines,
        )

    def _write(self) -> None:
        stack_state.write(self.state_dir, self._row())
