"""What a stack looks like now: processes, memory, lag, endpoints."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit, urlunsplit

import psutil

from audit import ledger
from audit.migrate import connect
from broker import settings as settings_module
from broker.lag import PartitionLag, lag, lag_behind
from broker.settings import Settings
from ops.render_progress import RenderWorker, render_workers
from ops.stack import state as stack_state
from ops.stack.plan import STAGES, Stage, stage
from schemas.errors import Transient

MIB: Final = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessStatus:
    """One process. `lag` is in records, None where it reads no topic or the broker did not say."""

    name: str
    stage: str
    pid: int | None
    state: str
    restarts: int
    last_exit: int | None
    rss_mib: float
    lag: int | None
    log: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StackStatus:
    """A stack. `state`: starting, ready, stopping, or down; endpoints hold no password; `renders`: what workers do."""

    state: str
    state_dir: str
    supervisor_pid: int | None
    ready_s: float | None
    rss_mib: float
    ruleset_id: str
    endpoints: dict[str, str]
    processes: tuple[ProcessStatus, ...]
    renders: tuple[RenderWorker, ...] = ()

    @property
    def well(self) -> bool:
        """Whether it is ready and every process runs."""
        return self.state == "ready" and all(p.state == "running" for p in self.processes)


def look(state_dir: Path, *, with_lag: bool = True) -> StackStatus:
    """Look at the stack of a state folder. Never raises for a stack that is down or unwell: it says so."""
    row = stack_state.read(state_dir)
    if row is None or not row.alive:
        left = [] if row is None else [p for p in row.processes if p.alive]
        return StackStatus(
            state="down",
            state_dir=str(state_dir.absolute()),
            supervisor_pid=None,
            ready_s=None,
            rss_mib=sum(memory_mib(p.pid) for p in left),
            ruleset_id="",
            endpoints={},
            processes=tuple(_process(p, None) for p in left),
        )
    settings = settings_module.load(state_dir)
    lags = lags_of([p.stage for p in row.processes], settings, row.engines) if with_lag else {}
    processes = tuple(_process(p, lags.get(p.stage)) for p in row.processes)
    return StackStatus(
        state=row.phase,
        state_dir=str(state_dir.absolute()),
        supervisor_pid=row.supervisor.pid,
        ready_s=row.ready_s,
        rss_mib=round(sum(p.rss_mib for p in processes) + memory_mib(row.supervisor.pid, family=False), 1),
        ruleset_id=row.ruleset_id,
        endpoints=endpoints(settings),
        processes=processes,
        renders=renders_of(settings) if with_lag else (),
    )


def renders_of(settings: Settings) -> tuple[RenderWorker, ...]:
    """What every render worker is at; nothing where the broker does not say now."""
    try:
        return render_workers(settings, time.time_ns() // 1_000_000)
    except Transient:
        return ()


def endpoints(settings: Settings) -> dict[str, str]:
    """Where things are, for people and programs: with no password."""
    url = urlsplit(settings.database_url.get_secret_value())
    shown = urlunsplit(url._replace(netloc=f"{url.username}@{url.hostname}:{url.port}")) if url.hostname else ""
    return {
        "kafka_bootstrap": settings.kafka_bootstrap,
        "database_url": shown,
        "store": settings.store_location,
        "settings": str((settings.state_dir / settings_module.ENDPOINTS_FILE).absolute()),
    }


def lags_of(stages: list[str], settings: Settings, engines: tuple[str, ...]) -> dict[str, int]:
    """Records that each stage has still to read; one that reads none or whose position is not known now is left out."""
    wanted = [s for name in stages if (s := stage(name)) is not None and s.reads(engines)]

    def one(s: Stage) -> tuple[str, int | None]:
        try:
            return s.name, sum(p.records for p in stage_lag(s, settings, engines))
        except Transient:
            return s.name, None

    with ThreadPoolExecutor(max_workers=len(STAGES)) as pool:
        return {name: n for name, n in pool.map(one, wanted) if n is not None}


def stage_lag(s: Stage, settings: Settings, engines: tuple[str, ...]) -> tuple[PartitionLag, ...]:
    """How far one stage is behind, by partition. Raises Transient where broker or database do not answer."""
    if s.positions:
        return lag(settings, s.positions, s.reads(engines))
    with connect(settings.database_url.get_secret_value()) as connection:
        positions = {(p[0], p[1]): head.next_offset for p, head in ledger.heads(connection).items()}
    return lag_behind(settings, positions, s.reads(engines))


def memory_mib(pid: int | None, *, family: bool = True) -> float:
    """Resident memory of a process (and its children), MiB; what several share counts for each."""
    if pid is None:
        return 0.0
    try:
        process = psutil.Process(pid)
        members = [process, *(process.children(recursive=True) if family else ())]
    except psutil.NoSuchProcess:
        return 0.0
    total = 0
    for p in members:
        try:
            total += int(p.memory_info().rss)
        except psutil.NoSuchProcess:
            continue
    return round(total / MIB, 1)


def _process(row: stack_state.ProcessRow, behind: int | None) -> ProcessStatus:
    dead = row.condition == "running" and not row.alive
    return ProcessStatus(
        name=row.name,
        stage=row.stage,
        pid=row.pid if row.alive else None,
        state="dead" if dead else row.condition,
        restarts=row.restarts,
        last_exit=row.last_exit,
        rss_mib=memory_mib(row.pid) if row.alive else 0.0,
        lag=behind,
        log=row.log,
    )
