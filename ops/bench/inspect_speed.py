"""Times the inspection beside plain RapidOCR and plain EasyOCR: the same pictures, one core, a process for each."""

from __future__ import annotations

import math
import multiprocessing
import os
import resource
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ops.bench.corpus import Sample, sample
from ops.bench.corpus_kinds import Split
from ops.bench.inspect_jobs import inspect, png
from ops.bench.plain_readers import PlainRead, has_easyocr, has_rapidocr, plain_easyocr, plain_rapidocr
from ops.files.inspection import FileInspector
from ops.rulesets.publish import read_config
from rules.contract import phrase
from rules.text import shows
from schemas.events import Lane, PhraseSource, TextContract, Verdict
from workers.checks.cores import share_cores
from workers.checks.readers import open_readers

SIDE_PX: Final = 1024
OURS: Final = "this inspection"
RAPIDOCR: Final = "plain RapidOCR"
EASYOCR: Final = "plain EasyOCR"
CALL_S: Final = 120.0
"""Longest that one picture may take before the run is given up, seconds."""
STATUS: Final = Path("/proc/self/status")


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeedFigures:
    """One way to inspect. Percentiles by nearest rank over `pictures`, after one that is not timed.

    Seconds are of the processor: bound to one core, nothing in it waits, and other work of the machine does not show.

    peak_mib: Most memory that its process ever held, models and all.
    right_refused, wrong_accepted: Sound pictures that were not accepted, and damaged ones that were, of how many.
    """

    pictures: int
    images_per_s: float
    p50_s: float
    p95_s: float
    peak_mib: float
    right: int
    right_refused: int
    wrong: int
    wrong_accepted: int


@dataclass(frozen=True, slots=True)
class Plain:
    """A reader that ours is timed beside, and whether it is installed."""

    name: str
    installed: bool

    @property
    def absence(self) -> str:
        """Why it is not in the table."""
        return f"{self.name} is left out: it is not installed (extra `models`)."


def plain(*, easyocr: bool) -> tuple[Plain, ...]:
    """What ours is timed beside; EasyOCR is slow, and only where it is asked for."""
    rapid = Plain(RAPIDOCR, has_rapidocr())
    return (rapid, Plain(EASYOCR, has_easyocr())) if easyocr else (rapid,)


def measure(config: Path, count: int, names: tuple[str, ...]) -> Iterator[tuple[str, SpeedFigures]]:
    """Each of the names in turn, over the first `count` pictures of the tune split at 1024 x 1024.

    Every one runs in a fresh process, bound to one core where the system can do that.
    Raises TimeoutError where one takes far too long, BadConfig where a reader is not installed.
    """
    for name in names:
        with ProcessPoolExecutor(max_workers=1, mp_context=multiprocessing.get_context("spawn")) as pool:
            yield name, pool.submit(_measure_one, name, config, count).result(timeout=CALL_S * (count + 2))


def _measure_one(name: str, config: Path, count: int) -> SpeedFigures:
    if hasattr(os, "sched_setaffinity"):
        # Before a model library counts the cores.
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    accepts = _ours(config) if name == OURS else _plain(plain_rapidocr() if name == RAPIDOCR else plain_easyocr())
    seconds: list[float] = []
    marks: list[tuple[bool, bool]] = []
    for index in range(-1, count):
        drawn = sample(Split.TUNE, max(0, index), (SIDE_PX, SIDE_PX))
        data = png(drawn.pixels)
        started = time.process_time()
        accepted = accepts(drawn, data)
        if index >= 0:
            seconds.append(time.process_time() - started)
            marks.append((drawn.damage is None, accepted))
    ranked = sorted(seconds)
    return SpeedFigures(
        pictures=count,
        images_per_s=round(count / sum(seconds), 3),
        p50_s=round(ranked[math.ceil(0.5 * count) - 1], 3),
        p95_s=round(ranked[math.ceil(0.95 * count) - 1], 3),
        peak_mib=round(_peak_bytes() / 2**20, 1),
        right=sum(sound for sound, _ in marks),
        right_refused=sum(sound and not accepted for sound, accepted in marks),
        wrong=sum(not sound for sound, _ in marks),
        wrong_accepted=sum(not sound and accepted for sound, accepted in marks),
    )


def _ours(config: Path) -> Callable[[Sample, bytes], bool]:
    ruleset = read_config(config)
    share_cores(1)
    readers = open_readers(ruleset.readers, threads=1)
    inspector = FileInspector(ruleset, lambda: readers)
    return lambda drawn, data: inspect(inspector, drawn, data).verdict is Verdict.ACCEPT


def _plain(read: PlainRead) -> Callable[[Sample, bytes], bool]:
    """Accepted where the reading shows every phrase to the letter, after the same folding, and nothing else."""

    def accepts(drawn: Sample, data: bytes) -> bool:
        phrases = tuple(phrase(text, PhraseSource.EXPLICIT, Lane.CRITICAL, None) for text in drawn.expected)
        return shows(TextContract(phrases=phrases, other_text_allowed=False), read(data))

    return accepts


def _peak_bytes() -> int:
    """Most memory this process held. Linux's own count: getrusage starts from what the parent process held."""
    if STATUS.exists():
        for line in STATUS.read_text(encoding="ascii").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
