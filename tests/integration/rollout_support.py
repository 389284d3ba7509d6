"""A pipeline for tests of roll-outs: the real sanity, validation and audit, and between them a test that can do harm.

What stands in for rendering and inspection spoils a share of first attempts that depends on the ruleset that routed
them, by a hash of the job: so a candidate is worse than the stable ruleset by as much as a test wants.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar, cast

import psycopg
from typer.testing import CliRunner

from audit import rollouts as store
from audit.migrate import connect
from broker.settings import ENDPOINTS_FILE, Settings
from ops.commands.rollout import app
from ops.rollout.topic import read_rollouts
from ops.rulesets.topic import read_topic
from rules.rollout import under_way
from schemas import ids
from schemas.catalogue import (
    DESIGN_QUEUE,
    HELD,
    IMAGES_INSPECTED,
    PROMPTS,
    REPLAY,
    REVIEW,
    topics_for,
)
from schemas.codec import Codec, LockedIds
from schemas.errors import BadConfig
from schemas.events import (
    Arm,
    Event,
    ImageInspected,
    RenderRequest,
    RenderRequested,
    RolloutChanged,
    RolloutState,
)
from tests.integration.streams_support import ROOT, Follower, StageProcess, send
from tests.unit.rules import samples
from tests.waiting import until

T = TypeVar("T")
CODEC = Codec(LockedIds())
WITHIN_S = 120.0
BATCH = 40
MOST_AHEAD = 200
"""Jobs without a verdict at once."""
VERDICTS = (DESIGN_QUEUE, REPLAY, REVIEW, HELD)


def now_ms() -> int:
    return time.time_ns() // 1_000_000


@dataclass
class Pipeline:
    """Jobs come, are routed, spoilt or not, and judged, whenever `flow` is called."""

    settings: Settings
    dsn: str
    folder: Path
    audit: StageProcess
    spoilt: Callable[[RenderRequest], bool] = lambda _request: False
    hangs: Callable[[RenderRequest], bool] = lambda _request: False
    aged: Callable[[str], int] = lambda _job_id: 0
    """How long ago a job was submitted when it comes, ms: so that it is slow without a test that waits."""
    requests: list[RenderRequested] = field(default_factory=list[RenderRequested])
    verdicts: list[tuple[str, Event]] = field(default_factory=list[tuple[str, Event]])
    hanging: list[RenderRequested] = field(default_factory=list[RenderRequested])
    submitted: int = 0
    ended: set[str] = field(default_factory=set[str])

    def __post_init__(self) -> None:
        known = {t.name: t.partitions for t in topics_for(samples.ruleset().engines)}
        followed = {t: n for t, n in known.items() if t.startswith("render.") or t in VERDICTS}
        self._follower, self._seen = Follower(self.settings, followed), 0

    def close(self) -> None:
        self._follower.close()

    def submit(self, count: int) -> None:
        """So many new jobs."""
        at_ms = now_ms()
        keys = [f"job-{self.submitted + n}" for n in range(count)]
        jobs = [samples.job(key=k, submitted_at_ms=at_ms - self.aged(ids.job_id(k))) for k in keys]
        self.submitted += count
        send(self.settings, PROMPTS, [(j.job_id, CODEC.encode(samples.submitted(j))) for j in jobs])

    def flow(self, *, submit: bool = True) -> None:
        """Take in new jobs while not too many are under way, and render and inspect what was routed."""
        if submit and self.submitted - len(self.ended) < MOST_AHEAD:
            self.submit(BATCH)
        messages = self._follower.look()
        news, self._seen = messages[self._seen :], len(messages)
        answers: list[tuple[str, bytes]] = []
        for message in news:
            event = CODEC.decode(message.value())
            if isinstance(event, RenderRequested):
                self.requests.append(event)
                if not event.request.attempt and self.hangs(event.request):
                    self.hanging.append(event)
                    continue
                answers.append((event.request.job.job_id, CODEC.encode(self._inspected(event))))
            else:
                topic = message.topic() or ""
                self.verdicts.append((topic, event))
                if not is_shadow(event):
                    self.ended.add((message.key() or b"").decode())
        if answers:
            send(self.settings, IMAGES_INSPECTED, answers)

    def let_go(self, most: int | None = None) -> list[str]:
        """Render and inspect what hung, the first of it or all; the jobs."""
        going, self.hanging[:] = self.hanging[:most], self.hanging[most:] if most is not None else []
        answers = [(e.request.job.job_id, CODEC.encode(self._inspected(e))) for e in going]
        send(self.settings, IMAGES_INSPECTED, answers)
        return [job_id for job_id, _ in answers]

    def _inspected(self, event: RenderRequested) -> ImageInspected:
        bad = event.request.attempt == 0 and self.spoilt(event.request)
        return ImageInspected(
            event_id=ids.event_id(event.event_id, "test"),
            at_ms=now_ms(),
            request=event.request,
            rendering=samples.rendering(),
            inspection=samples.inspection(blank__luma_std=0.0) if bad else samples.inspection(),
        )

    def until(self, what: str, seen: Callable[[], T | None], *, submit: bool = True, within_s: float = WITHIN_S) -> T:
        """Let jobs flow until something is seen."""

        def look() -> T | None:
            self.flow(submit=submit)
            return seen()

        return until(what, look, within_s)

    def until_over(self, rollout_id: str, *, submit: bool = True) -> RolloutState:
        """Let jobs flow until a roll-out has ended, and say how; where it does not, what it waited for."""
        try:
            return self.until("the roll-out has ended", lambda: self.ended_as(rollout_id), submit=submit)
        except AssertionError as e:
            with self.database() as conn:
                look = store.last_look(conn, rollout_id)
            raise AssertionError(f"{e}; it is {self.rollout(rollout_id)}, and waits: {look}") from e

    def until_all_ended(self) -> None:
        """Let what is under way come to its first verdict."""
        self.until("every job has a verdict", lambda: len(self.ended) >= self.submitted, submit=False)

    def rollout(self, rollout_id: str) -> RolloutChanged:
        """Where a roll-out stands."""
        return read_rollouts(self.settings)[rollout_id]

    def ended_as(self, rollout_id: str) -> RolloutState | None:
        """How a roll-out has ended; None while it has not."""
        state = self.rollout(rollout_id).state
        return None if under_way(state) else state

    def of(self, rollout_id: str, arm: Arm, *, shadow: bool = False) -> list[RenderRequest]:
        """First attempts that an arm was given."""
        asked = (r.request for r in self.requests if r.request.attempt == 0 and r.request.assignment is not None)
        return [
            r for r in asked
            if (a := r.assignment) and (a.rollout_id, a.arm, a.shadow) == (rollout_id, arm, shadow)
        ]  # fmt: skip

    @contextmanager
    def database(self) -> Generator[psycopg.Connection]:
        """The audit store."""
        with connect(self.dsn, autocommit=True) as conn:
            yield conn

    def command(self, *words: str, ok: int = 0, process: bool = False) -> dict[str, Any]:
        """`presscheck rollout … --json`: what it printed, or why it was refused; `process`: in one of its own."""
        given = [*words, "--state", str(self.settings.state_dir), "--json"]
        if process:
            inherited = {k: v for k, v in os.environ.items() if not k.startswith("PRESSCHECK_")}
            argv = [sys.executable, "-m", "ops", "rollout", *given]
            done = subprocess.run(
                argv, cwd=ROOT, env=inherited, capture_output=True, text=True, timeout=60, check=False
            )
            status, said, why = done.returncode, done.stdout, done.stderr
        else:
            result = CliRunner().invoke(app, given)
            if isinstance(result.exception, BadConfig):
                status, said, why = 2, "", str(result.exception)
            else:
                status, said, why = result.exit_code, result.stdout, repr(result.exception)
        assert status == ok, f"{words}: {status}\n{said}\n{why}"
        return cast("dict[str, Any]", json.loads(said)) if said else {"error": why}

    def active_id(self) -> str | None:
        """The ruleset that decides now."""
        return read_topic(self.settings).active_id

    @contextmanager
    def controller(self, name: str = "rollouts") -> Generator[StageProcess]:
        """The process that decides; killed at the end, so that nothing depends on a clean end. `name`: of its log."""
        process = StageProcess(
            "ops", ("run", "rollouts", "--state", str(self.settings.state_dir)), self.folder / f"{name}.log"
        )
        process.start()
        try:
            yield process
        finally:
            process.kill()


def is_shadow(event: Event) -> bool:
    """Whether a record is about the twin of a paired job."""
    request = getattr(event, "request", None)
    return isinstance(request, RenderRequest) and request.assignment is not None and request.assignment.shadow


def spoils(shares: Mapping[str, float]) -> Callable[[RenderRequest], bool]:
    """Spoils a share of the jobs that each ruleset routes, by a hash of the job."""

    def spoilt(request: RenderRequest) -> bool:
        return int(request.job.job_id[:8], 16) / 2**32 < shares.get(request.ruleset_id, 0.0)

    return spoilt


@contextmanager
def stages(settings: Settings, dsn: str, folder: Path) -> Generator[StageProcess]:
    """Sanity, validation and audit as processes of their own, ready; gives the audit's."""
    (settings.state_dir / ENDPOINTS_FILE).write_text(
        json.dumps({"kafka_bootstrap": settings.kafka_bootstrap, "database_url": dsn}), encoding="utf-8"
    )
    given = {"kafka_bootstrap": settings.kafka_bootstrap, "state_dir": str(settings.state_dir)}
    with ExitStack() as stack:
        processes = [
            StageProcess(
                "tests.integration.stage_process", json.dumps({"stage": s, "settings": given}), folder / f"{s}.log"
            )
            for s in ("sanity", "validation")
        ]
        processes.append(
            StageProcess("ops", ("run", "audit", "--state", str(settings.state_dir)), folder / "audit.log")
        )
        for process in processes:
            process.start()
            stack.callback(process.kill)
        for process, words in zip(processes, ('"event": "started"', '"event": "started"', "reads"), strict=True):
            until(f"{process.log.stem} has started", lambda p=process, w=words: p.said(w), WITHIN_S)
        yield processes[-1]
