"""Runs recorded prompts, or recorded measurements, through two rulesets in several processes. It writes nothing."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Final

from confluent_kafka import Consumer

from broker.settings import Settings
from ops.log_range import Range, Slice, read_slice, slice_reader
from rules.changes import Changes
from rules.rejudge import Rejudge
from rules.ruleset import Ruleset, from_document
from rules.what_if import WhatIf
from schemas.codec import Codec
from schemas.errors import Poison
from schemas.events import ImageInspected, PromptSubmitted
from schemas.registry import codec_for

WORKERS_MAX: Final = 8
YOUNG_MAX: Final = 50_000
"""Objects after which a process looks for circles among the new ones: some 10 MiB."""
AHEAD: Final = 2
"""Slices given to each process at once, so that none waits for the next."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """What is compared: two rulesets as documents, and where the records are."""

    settings: Settings
    former: str
    new: str


@dataclass(frozen=True, slots=True)
class Part:
    """What came of one slice: how many offsets it had, and the counts."""

    offsets: int
    changes: Changes


def compare(settings: Settings, former: Ruleset, new: Ruleset, wanted: Range, *, workers: int = 0) -> Iterator[Part]:
    """The counts of each slice as they come, in no order; add them up.

    `workers` is how many processes read, 0 one a core. Memory is bounded: a slice in work and its counts for each.
    Raises Transient or Fatal where the broker does not give a slice.
    """
    comparison = Comparison(settings, former.document, new.document)
    count = min(workers or os.cpu_count() or 1, WORKERS_MAX, max(1, len(wanted.slices)))
    rest = iter(wanted.slices)
    waiting: set[Future[Part]] = set()
    # Spawned and not forked: a copy of a process that holds Kafka's threads would hold their locks for ever.
    with ProcessPoolExecutor(count, mp_context=get_context("spawn"), initializer=_open, initargs=(comparison,)) as pool:
        try:
            for wanted_slice in rest:
                waiting.add(pool.submit(_run, wanted_slice))
                if len(waiting) >= AHEAD * count:
                    done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                    yield from (f.result() for f in done)
            while waiting:
                done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                yield from (f.result() for f in done)
        finally:
            for future in waiting:
                future.cancel()


def total(parts: Iterator[Part]) -> Changes:
    """All parts as one."""
    whole = Changes()
    for part in parts:
        whole.add(part.changes)
    return whole


class _Worker:
    """What a process keeps between slices."""

    def __init__(self, comparison: Comparison) -> None:
        self.consumer: Consumer = slice_reader(comparison.settings)
        self.codec: Codec = codec_for(comparison.settings.schema_registry_url)
        self.former, self.new = from_document(comparison.former), from_document(comparison.new)

    def run(self, wanted: Slice) -> Part:
        """Count one slice; records that cannot be used are counted, and passed over."""
        prompts, judged = WhatIf(self.former, self.new), Rejudge(self.former, self.new)
        unusable = 0
        for message in read_slice(self.consumer, wanted):
            try:
                event = self.codec.decode(message.value())
            except Poison:
                unusable += 1
                continue
            match event:
                case PromptSubmitted():
                    prompts.take(event)
                case ImageInspected():
                    judged.take(event)
                case _:
                    unusable += 1
        changes = prompts.changes
        changes.add(judged.changes)
        changes.unusable += unusable
        return Part(wanted.end - wanted.start, changes)


_here: list[_Worker] = []
"""The one worker of this process, where it is one of a pool."""


def _open(comparison: Comparison) -> None:
    _here[:] = [_Worker(comparison)]
    gc.collect()
    gc.freeze()  # modules and rulesets stay; looking through them again and again only takes time
    gc.set_threshold(YOUNG_MAX)  # and what comes of a prompt holds no circles


def _run(wanted: Slice) -> Part:
    (worker,) = _here
    return worker.run(wanted)
