"""The stack that `bench path` measures: an embedded broker, the real sanity and validation, idle render and inspect."""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import psutil

from broker import settings as settings_module
from broker.admin import ensure_topics
from broker.embedded.kafka import EmbeddedKafka
from broker.embedded.process import Child, write_private
from broker.lag import assigned
from broker.settings import ENDPOINTS_FILE, Settings
from ops.rulesets.publish import bring_into_force, config_folder, read_config
from ops.stack.plan import STAGES, Stage
from rules.ruleset import Ruleset
from schemas.errors import Fatal

READY_S: Final = 90.0
LOOK_S: Final = 0.25
DRAIN_S: Final = 45.0
ON_THE_PATH: Final = tuple(s for s in STAGES if s.group)
"""All but the audit, which no job waits for."""
IDLE: Final = frozenset({"render", "inspect"})


def command(stage: str) -> Sequence[str]:
    """The process of a stage: the real one, or the real loop with nothing to do."""
    words = ("ops.bench.null_worker", stage) if stage in IDLE else ("ops", "run", stage)
    return (sys.executable, "-m", *words)


class PathStack:
    """Everything between `prompts` and `design-queue`, in a folder that is removed afterwards."""

    settings: Settings
    ruleset: Ruleset

    @property
    def engines(self) -> tuple[str, ...]:
        """All engines of the ruleset."""
        return tuple(sorted(self.ruleset.engines))

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="presscheck-bench-"))
        self._kafka = EmbeddedKafka(self._folder)
        self._children: list[Child] = []

    def __enter__(self) -> Self:
        try:
            self._bring_up()
        except BaseException:
            self._take_down()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, e: BaseException | None, trace: TracebackType | None) -> None:
        self._take_down()

    def _bring_up(self) -> None:
        bootstrap = self._kafka.start()
        write_private(self._folder / ENDPOINTS_FILE, json.dumps({"kafka_bootstrap": bootstrap}))
        config = config_folder(settings_module.load().config_dir)
        # Not the environment's: that may name an external cluster, and this stack is its own.
        self.settings = settings_module.load(self._folder, {}).model_copy(update={"config_dir": config.absolute()})
        self.ruleset = read_config(config)
        ensure_topics(self.settings, self.engines)
        bring_into_force(self.settings, self.ruleset, who="presscheck bench path", at_ms=time.time_ns() // 1_000_000)
        env = {
            "PRESSCHECK_STATE_DIR": str(self._folder),
            "PRESSCHECK_KAFKA_BOOTSTRAP": bootstrap,
            "PRESSCHECK_KAFKA_SECURITY_PROTOCOL": "PLAINTEXT",
        }
        for stage in ON_THE_PATH:
            child = Child(
                name=stage.name,
                argv=command(stage.name),
                log=self._folder / "logs" / f"{stage.name}.log",
                record=self._folder / "run" / f"{stage.name}.json",
                env=env,
            )
            self._children.append(child)
            child.start()
        self._wait_ready()

    def _wait_ready(self) -> None:
        end = time.monotonic() + READY_S
        waiting = list(ON_THE_PATH)
        while waiting:
            self.check()
            waiting = [s for s in waiting if not self._holds_all(s)]
            if time.monotonic() > end:
                raise Fatal(f"not ready within {READY_S:.0f} s: {', '.join(s.name for s in waiting)}")
            if waiting:
                time.sleep(LOOK_S)

    def _holds_all(self, stage: Stage) -> bool:
        held = {topic for topic, _ in assigned(self.settings, stage.group)}
        return set(stage.reads(self.engines)) <= held

    def check(self) -> None:
        """Raises Fatal with the end of its log where a process has ended."""
        for child in self._children:
            if not child.running:
                raise child.died()

    def cpu_s(self) -> Mapping[str, float]:
        """Processor seconds that each process has used so far."""
        pids = {"kafka": self._kafka.pid, **{c.name: c.pid for c in self._children}}
        used: dict[str, float] = {}
        for name, pid in pids.items():
            if pid is not None:
                times = psutil.Process(pid).cpu_times()
                used[name] = times.user + times.system
        return used

    def stop_stages(self) -> None:
        """Let every stage drain and end; the broker stays. Raises Fatal where one had to be killed."""
        for child in self._children:
            child.ask_to_stop()
        end = time.monotonic() + DRAIN_S
        killed = [c.name for c in self._children if not c.stop(max(0.1, end - time.monotonic()))]
        if killed:
            raise Fatal(f"did not end within {DRAIN_S:.0f} s: {', '.join(killed)}")

    def _take_down(self) -> None:
        for child in self._children:
            child.ask_to_stop()
        for child in self._children:
            child.stop(DRAIN_S)
        self._kafka.stop()
        shutil.rmtree(self._folder)
