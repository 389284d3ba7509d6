"""Shared by the worker tests: send numbered events, read a topic to its end, wait for a group to be through."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from confluent_kafka import KafkaError, KafkaException, Message, TopicPartition

from broker import clients
from broker.settings import Settings
from schemas.codec import Codec, LockedIds
from schemas.events import HoldChanged, HoldScope
from schemas.ids import event_id

CODEC = Codec(LockedIds())
ROOT = Path(__file__).parents[2]


def numbered(n: int) -> HoldChanged:
    """The n-th event."""
    return HoldChanged(
        event_id=event_id("test", "test", str(n)),
        at_ms=n,
        hold_id=f"{n}",
        scope=HoldScope.TAG,
        value="x",
        active=True,
        who="test",
        why="test",
    )


def send(settings: Settings, topic: str, values: Sequence[bytes]) -> None:
    """Write values under their number as the key."""
    producer = clients.producer(settings)
    for n, value in enumerate(values):
        producer.produce(topic, key=str(n).encode(), value=value)
    assert producer.flush(30) == 0


def eventually(what: str, holds: Callable[[], bool], timeout_s: float) -> None:
    """Wait for a condition, with a deadline."""
    ends = time.monotonic() + timeout_s
    pause = threading.Event()
    while not holds():
        assert time.monotonic() < ends, f"still waiting for: {what}"
        pause.wait(0.1)


def through(settings: Settings, group: str, topics: Sequence[str], partitions: int) -> bool:
    """Whether the group has committed the end of every partition. A broker that is still coming up says no."""
    consumer = clients.reader(settings, group)
    places = [TopicPartition(t, p) for t in topics for p in range(partitions)]
    try:
        at = {(p.topic, p.partition): p.offset for p in consumer.committed(places, 10)}
        # read_committed: the end is the last stable offset; a commit marker may lie behind the last record.
        ends = {(p.topic, p.partition): consumer.get_watermark_offsets(p, 10)[1] for p in places}
    except KafkaException:
        return False
    finally:
        consumer.close()
    return all(end == 0 or at[place] >= end for place, end in ends.items())


def ends_of(settings: Settings, topic: str, partitions: int, isolation: str) -> list[int]:
    """End of each partition for a reader of an isolation level."""
    consumer = clients.reader(settings, f"ends-{topic}", overrides={"isolation.level": isolation})
    ends = [consumer.get_watermark_offsets(TopicPartition(topic, p), 10)[1] for p in range(partitions)]
    consumer.close()
    return ends


def no_transaction_is_open(settings: Settings, topic: str, partitions: int) -> bool:
    """Whether readers of committed records see the topic to its end: a killed worker's transaction is over."""
    committed = ends_of(settings, topic, partitions, "read_committed")
    return committed == ends_of(settings, topic, partitions, "read_uncommitted")


def read_all(settings: Settings, topic: str, partitions: int) -> list[Message]:
    """Every committed record of a topic up to its end, by partition in order."""
    consumer = clients.reader(settings, f"reader-{topic}")
    consumer.assign([TopicPartition(topic, p, 0) for p in range(partitions)])
    messages: list[Message] = []
    open_partitions = set(range(partitions))
    ends = time.monotonic() + 60
    while open_partitions:
        assert time.monotonic() < ends, f"{topic} does not end"
        message = consumer.poll(1)
        if message is None:
            continue
        error = message.error()
        if error is None:
            messages.append(message)
        elif error.code() == KafkaError._PARTITION_EOF:
            open_partitions.discard(message.partition() or 0)
    consumer.close()
    return messages


@dataclass(slots=True)
class Processes:
    """Worker processes that are started again when they die, as a supervisor would."""

    settings: Settings
    lanes: Sequence[Sequence[str]]
    out: str
    group: str
    cost_s: float
    log: Path
    running: list[subprocess.Popen[bytes]] = field(default_factory=list[subprocess.Popen[bytes]])
    starts: int = 0

    def start(self) -> subprocess.Popen[bytes]:
        """Start one more."""
        self.starts += 1
        given = {
            "settings": {
                "kafka_bootstrap": self.settings.kafka_bootstrap,
                "state_dir": str(self.settings.state_dir),
            },
            "lanes": self.lanes,
            "out": self.out,
            "group": self.group,
            "cost_s": self.cost_s,
        }
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "tests.integration.worker_process", json.dumps(given)],
                cwd=ROOT,
                stdout=log,
                stderr=log,
            )
        self.running.append(process)
        return process

    def tend(self) -> None:
        """Start again what died."""
        for process in [p for p in self.running if p.poll() is not None]:
            self.running.remove(process)
            self.start()

    def signal(self, n: int, number: int) -> None:
        """Send a signal to the n-th that runs."""
        os.kill(self.running[n].pid, number)

    def stop(self) -> list[int]:
        """Drain all. Gives their exit codes."""
        for process in self.running:
            process.send_signal(signal.SIGCONT)
            process.terminate()
        codes = [p.wait(40) for p in self.running]
        self.running.clear()
        return codes
