"""Measures `presscheck rules what-if`: recorded prompts a second on this machine, and the memory it takes."""

from __future__ import annotations

import json
import os
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Final, Self

import psutil

from broker import clients
from broker.admin import ensure_topics
from broker.embedded.kafka import EmbeddedKafka
from broker.settings import Settings
from ops.bench.stack import machine
from ops.console import progress
from ops.log_range import Bound, find_range
from ops.rulesets.publish import config_folder, read_config
from ops.rulesets.what_if import compare, total
from ops.submission import submitted
from rules.ruleset import Ruleset, from_document
from schemas import ids
from schemas.catalogue import PROMPTS
from schemas.codec import Codec, LockedIds
from schemas.errors import Transient
from schemas.events import Job, Lane, Preset

MILLION: Final = 1_000_000
LIMIT_S: Final = 120.0
LIMIT_MIB: Final = 512.0
"""For all processes that read, together, however many prompts there are."""
WORKERS: Final = 2
LOOK_S: Final = 0.2
FLUSH_S: Final = 60.0
THINGS: Final = (
    "a red tent",
    "three ceramic cups",
    "a quiet harbour",
    "a poster for a café",
    "a vintage bicycle",
    "a shop window",
    "a barista behind a brass machine",
    "a price list on dark slate",
)
PLACES: Final = (
    "in a green valley",
    "on a wooden table",
    "at dusk",
    "by the sea",
    "under a bridge",
    "in a bright kitchen",
    "beside a newspaper",
)
STYLES: Final = ("photograph", "product shot", "risograph", "long exposure", "watercolour", "flat illustration")
TEXTS: Final = (
    "",
    "",
    ", no people and no hands",
    ' that says "GRAND OPENING"',
    " with the words “FRESH BREAD”",
    " with a woman who smiles",
    ", title 'Slow Mornings', without any other text",
)
REQUIRED: Final = ((), (), (), (), ("ESPRESSO 2.80", "CORTADO 3.20"))
BRANDS: Final = ("", "", "northwind-coffee", "halden-outdoor")


@dataclass(frozen=True, slots=True, kw_only=True)
class WhatIfFigures:
    """What was measured on `prompts` records. `million_s` is worked out from them, at the same rate."""

    machine: str
    load_before: float
    load_after: float
    prompts: int
    counted: int
    changed: int
    workers: int
    seconds: float
    cpu_s: float
    peak_mib: float
    limit_s: float
    limit_mib: float

    @property
    def a_second(self) -> float:
        """Prompts a second."""
        return round(self.prompts / self.seconds, 1)

    @property
    def million_s(self) -> float:
        """Seconds that a million would take."""
        return round(MILLION / self.a_second, 1)

    @property
    def cpu_ms_each(self) -> float:
        """Milliseconds of one core that a prompt takes: what a busy machine's seconds do not tell."""
        return round(1000 * self.cpu_s / self.prompts, 4)

    @property
    def within_limits(self) -> bool:
        """Whether every prompt was counted, a million would be in time, and memory stayed within its bound."""
        whole = self.counted == self.prompts
        return whole and self.million_s < self.limit_s and self.peak_mib <= self.limit_mib


def measure(prompts: int, workers: int = WORKERS) -> WhatIfFigures:
    """Write so many different prompts into a broker of its own, and try another ruleset on them. Raises Transient."""
    with tempfile.TemporaryDirectory(prefix="presscheck-bench-") as folder, EmbeddedKafka(Path(folder)) as broker:
        settings = Settings.model_validate({"kafka_bootstrap": broker.bootstrap, "state_dir": Path(folder)})
        former = read_config(config_folder(Settings.model_fields["config_dir"].default))
        ensure_topics(settings, former.engines)
        _write(settings, prompts)
        wanted = find_range(settings, PROMPTS, Bound(offset=0), None)
        load_before = os.getloadavg()[0]
        with _Memory() as memory:
            began = time.monotonic()
            parts = compare(settings, former, candidate(former), wanted, workers=workers)
            changes = total(progress(parts, len(wanted.slices), "slices"))
            took = time.monotonic() - began
    return WhatIfFigures(
        machine=machine(),
        load_before=round(load_before, 2),
        load_after=round(os.getloadavg()[0], 2),
        prompts=prompts,
        counted=changes.jobs,
        changed=changes.whole.changed,
        workers=workers,
        seconds=round(took, 2),
        cpu_s=round(memory.cpu_s, 2),
        peak_mib=round(memory.peak / 2**20, 1),
        limit_s=LIMIT_S,
        limit_mib=LIMIT_MIB,
    )


def jobs(count: int) -> Iterator[Job]:
    """Jobs of which no two have the same prompt: brands, lanes, wanted text and people vary."""
    mix = [" ".join(parts) for parts in product(THINGS, PLACES, STYLES)]
    for n in range(count):
        key = f"bench-what-if/{n}"
        yield Job(
            job_id=ids.job_id(key),
            idempotency_key=key,
            prompt=f"{mix[n % len(mix)]}{TEXTS[n % len(TEXTS)]}, soft light, high detail, scene {n}",
            required_text=REQUIRED[n // 7 % len(REQUIRED)],
            brand=BRANDS[n // 3 % len(BRANDS)],
            lane=Lane.CRITICAL if n % 3 == 0 else Lane.EXPLORATORY,
            width=1024,
            height=1024,
            seed=n,
            submitted_at_ms=1,
        )


def candidate(ruleset: Ruleset) -> Ruleset:
    """Other words, limits and routes, so that nothing which one ruleset decides stands for the other's decision."""
    document = json.loads(ruleset.document)
    document["sanity.yml"]["limits"]["prompt_max_chars"] -= 1
    document["sanity.yml"]["tags"]["layout"]["words"].append("harbour")
    document["routing.yml"]["rules"][-1]["preset"] = Preset.SAFE.value
    text = json.dumps(document, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return from_document(text)


def _write(settings: Settings, count: int) -> None:
    producer, codec = clients.producer(settings, linger_ms=20), Codec(LockedIds())
    for job in jobs(count):
        while True:
            try:
                producer.produce(PROMPTS, key=job.job_id.encode(), value=codec.encode(submitted(job)))
                break
            except BufferError:
                producer.poll(LOOK_S)
        producer.poll(0)
    if left := producer.flush(FLUSH_S):
        raise Transient(f"{left} prompts were not taken")


class _Memory:
    """Looks on at the processes that this one starts: their memory together at its highest, and their time."""

    def __init__(self) -> None:
        self.peak = 0
        self._cpu: dict[int, float] = {}
        self._stop = threading.Event()
        self._before = {p.pid for p in psutil.Process().children(recursive=True)}
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    @property
    def cpu_s(self) -> float:
        """Processor seconds of all of them, as last seen."""
        return sum(self._cpu.values())

    def _look(self) -> None:
        while not self._stop.wait(LOOK_S):
            held = 0
            for process in psutil.Process().children(recursive=True):
                if process.pid in self._before:
                    continue
                try:
                    held += process.memory_info().rss
                    times = process.cpu_times()
                except psutil.NoSuchProcess:
                    continue
                self._cpu[process.pid] = times.user + times.system
            self.peak = max(self.peak, held)
