"""Shared by the stream tests: a process of a stage that can be killed, frozen and started again; reading a topic."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from confluent_kafka import KafkaError, Message, TopicPartition

from broker import clients
from broker.settings import Settings

ROOT = Path(__file__).parents[2]


@dataclass
class StageProcess:
    """Runs `python -m module argument` (or several), its log in a file."""

    module: str
    argument: str | tuple[str, ...]
    log: Path
    running: subprocess.Popen[bytes] | None = None
    starts: int = 0

    def start(self) -> None:
        """Start it, or start it again with a fresh log."""
        self.starts += 1
        with self.log.open("wb") as out:
            words = (self.argument,) if isinstance(self.argument, str) else self.argument
            self.running = subprocess.Popen(
                [sys.executable, "-m", self.module, *words], cwd=ROOT, stdout=out, stderr=out
            )

    def process(self) -> subprocess.Popen[bytes]:
        """The process that runs."""
        assert self.running is not None, "not started"
        return self.running

    def kill(self) -> None:
        """kill -9, and be gone."""
        self.process().kill()
        self.process().wait(10)

    def freeze(self) -> None:
        """SIGSTOP."""
        os.kill(self.process().pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT."""
        os.kill(self.process().pid, signal.SIGCONT)

    def revive(self) -> None:
        """What a supervisor does: start it again where it ended."""
        if self.process().poll() is not None:
            self.start()

    def stop(self) -> int:
        """SIGTERM; gives the exit code."""
        self.thaw() if self.process().poll() is None else None
        self.process().terminate()
        return self.process().wait(40)

    def said(self, words: str) -> bool:
        """Whether the log holds these words."""
        return words in self.log.read_text(encoding="utf-8", errors="replace")


@dataclass
class Follower:
    """Reads committed records of topics from their beginning, as they come."""

    settings: Settings
    partitions: dict[str, int]
    messages: list[Message] = field(default_factory=list[Message])

    def __post_init__(self) -> None:
        """Assign every partition."""
        self._consumer = clients.reader(self.settings, "test-follower")
        self._consumer.assign([TopicPartition(t, p, 0) for t, n in self.partitions.items() for p in range(n)])

    def look(self) -> list[Message]:
        """All that was read so far."""
        for message in self._consumer.consume(5_000, 0.1):
            error = message.error()
            if error is None:
                self.messages.append(message)
            else:
                assert error.code() == KafkaError._PARTITION_EOF, error.str()
        return self.messages

    def of(self, topic: str) -> list[Message]:
        """What was read of one topic."""
        return [m for m in self.messages if m.topic() == topic]

    def to_the_end(self) -> None:
        """Read until every partition's end was seen, whatever was read before."""
        ends = {
            (t, p): self._consumer.get_watermark_offsets(TopicPartition(t, p), 10)[1]
            for t, n in self.partitions.items()
            for p in range(n)
        }
        while any(
            self._consumer.position([TopicPartition(t, p)])[0].offset < end for (t, p), end in ends.items() if end
        ):
            self.look()

    def close(self) -> None:
        """Let the consumer go."""
        self._consumer.close()


def send(settings: Settings, topic: str, records: Iterable[tuple[str, bytes | None]]) -> None:
    """Write keys and values, and wait until they are there."""
    producer = clients.producer(settings)
    for key, value in records:
        producer.produce(topic, key=key.encode(), value=value)
        producer.poll(0)
    assert producer.flush(30) == 0


def argument(settings: Settings, app: str, inputs: Sequence[str], out: str) -> str:
    """What `streams_process` takes."""
    given = {"kafka_bootstrap": settings.kafka_bootstrap, "state_dir": str(settings.state_dir)}
    return json.dumps({"settings": given, "app": app, "inputs": list(inputs), "out": out})
