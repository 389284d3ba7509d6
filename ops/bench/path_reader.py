"""When each job's record came: one read_committed reader of every topic on the path."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from types import TracebackType
from typing import Final, Self

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, TopicPartition

from broker import clients
from ops.bench.path_figures import RENDER
from ops.bench.path_stack import PathStack
from schemas.catalogue import DESIGN_QUEUE, IMAGES_GENERATED, IMAGES_INSPECTED, topics_for
from schemas.errors import Fatal

POLL_S: Final = 0.1


class Arrivals:
    """Reads in a thread while it is entered. Moments are seconds of the monotonic clock; only the first one counts."""

    def __init__(self, stack: PathStack, render_topics: Iterable[str]) -> None:
        # Only the render topics in use: every fetch names every partition that is read, and the broker looks at each.
        hops = dict.fromkeys(render_topics, RENDER)
        hops |= {name: name for name in (IMAGES_GENERATED, IMAGES_INSPECTED, DESIGN_QUEUE)}
        partitions = {t.name: t.partitions for t in topics_for(stack.engines)}
        self._hops = hops
        self._placed = [TopicPartition(t, p, OFFSET_BEGINNING) for t in hops for p in range(partitions[t])]
        self._consumer: Consumer = clients.reader(stack.settings, "bench-path")
        self._moments: defaultdict[str, dict[str, float]] = defaultdict(dict)
        self._changed = threading.Condition()
        self._stop = threading.Event()
        self._failure: Fatal | None = None
        self._thread = threading.Thread(target=self._read, name="bench-arrivals", daemon=True)

    def __enter__(self) -> Self:
        self._consumer.assign(self._placed)
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, e: BaseException | None, trace: TracebackType | None) -> None:
        self._stop.set()
        self._thread.join()
        self._consumer.close()

    def wait_for(self, jobs: Collection[str], timeout_s: float) -> bool:
        """Wait until all of these are on the design queue. False where the time ran out. Raises Fatal."""

        def all_there() -> bool:
            return self._failure is not None or all(DESIGN_QUEUE in self._moments.get(j, ()) for j in jobs)

        with self._changed:
            there = self._changed.wait_for(all_there, timeout_s)
        if self._failure is not None:
            raise self._failure
        return there

    def moments(self) -> Mapping[str, Mapping[str, float]]:
        """By job id and topic (all render topics are one), when the first record came."""
        with self._changed:
            return {job_id: dict(seen) for job_id, seen in self._moments.items()}

    def _read(self) -> None:
        while not self._stop.is_set():
            message = self._consumer.poll(POLL_S)
            if message is None:
                continue
            now = time.monotonic()
            error = message.error()
            if error is None:
                self._note(message.topic() or "", message.key() or b"", now)
            elif error.code() != KafkaError._PARTITION_EOF:  # noqa: SLF001 - its public name carries the underscore
                what = clients.classed(error, "reading the path")
                if isinstance(what, Fatal):
                    with self._changed:
                        self._failure = what
                        self._changed.notify_all()
                    return

    def _note(self, topic: str, key: bytes, at_s: float) -> None:
        with self._changed:
            self._moments[key.decode()].setdefault(self._hops[topic], at_s)
            if topic == DESIGN_QUEUE:
                self._changed.notify_all()
