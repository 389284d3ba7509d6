"""Topic administration: creates what the catalogue says, reports where the broker differs."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Final, Protocol, cast

from confluent_kafka import (
    IsolationLevel,
    KafkaError,
    KafkaException,
    TopicPartition,
)
from confluent_kafka.admin import (
    AdminClient,
    ConfigResource,  # pyright: ignore[reportPrivateImportUsage]
    OffsetSpec,  # pyright: ignore[reportPrivateImportUsage]
    ResourceType,  # pyright: ignore[reportPrivateImportUsage]
)
from confluent_kafka.cimpl import NewTopic

from broker.clients import MAX_MESSAGE_BYTES, classed, kafka_config
from broker.settings import Settings
from schemas.catalogue import Topic, topics_for
from schemas.errors import Transient

WAIT_S: Final = 30.0
"""Longest wait for one answer of the broker."""
RETRY_S: Final = 0.1
SEGMENT_BYTES: Final = 16 * 1024 * 1024
"""Segment of a compacted topic: the newest one is never compacted, so it must not be as large as a day's keys."""
HOUR_MS: Final = 3_600_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A topic that is there, but not as the catalogue says."""

    topic: str
    what: str
    is_now: str
    wanted: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicsReport:
    """What `ensure_topics` did and saw. Differences are never mended in silence: records may hang on them."""

    created: tuple[str, ...]
    kept: tuple[str, ...]
    differences: tuple[Difference, ...]


class Admin(Protocol):
    """What we use of librdkafka's AdminClient, with the types that it leaves open.

    Keep a reference to it until its futures are done: where it is collected, they fail.
    """

    def list_topics(self, *, timeout: float) -> Any:
        """The cluster's metadata."""
        ...

    def create_topics(self, new_topics: list[NewTopic], *, operation_timeout: float) -> Mapping[str, Future[None]]:
        """A future for each topic's name."""
        ...

    def describe_configs(self, resources: list[ConfigResource]) -> Mapping[ConfigResource, Future[Mapping[str, Any]]]:
        """Configuration entries by name, for each resource."""
        ...

    def describe_consumer_groups(self, group_ids: list[str]) -> Mapping[str, Future[Any]]:
        """Members and what they hold, for each group."""
        ...

    def list_offsets(
        self,
        topic_partition_offsets: Mapping[TopicPartition, OffsetSpec],
        *,
        isolation_level: IsolationLevel,
        request_timeout: float,
    ) -> Mapping[TopicPartition, Future[Any]]:
        """Start or end of each partition."""
        ...


def admin_client(settings: Settings) -> Admin:
    """A client for administration."""
    return cast("Admin", AdminClient({**kafka_config(settings), "log_level": 3}))


def topic_config(topic: Topic) -> dict[str, str]:
    """The broker-side configuration that the catalogue asks for."""
    retention = -1 if topic.retention_hours < 0 else topic.retention_hours * HOUR_MS
    config = {"max.message.bytes": str(MAX_MESSAGE_BYTES), "retention.ms": str(retention)}
    if not topic.compacted:
        return {**config, "cleanup.policy": "delete"}
    policy = "compact" if retention < 0 else "compact,delete"
    return {**config, "cleanup.policy": policy, "segment.bytes": str(SEGMENT_BYTES)}


def ensure_topics(settings: Settings, engines: Iterable[str]) -> TopicsReport:
    """Create the catalogue's topics that are missing, for these engines; compare the others.

    Raises Transient where the broker cannot be reached, Fatal where it refuses.
    """
    client = admin_client(settings)
    wanted = {t.name: t for t in topics_for(engines)}
    there = partitions(client)
    replicas = settings.kafka_replication_factor
    new = [
        NewTopic(name, num_partitions=t.partitions, replication_factor=replicas, config=topic_config(t))
        for name, t in wanted.items()
        if name not in there
    ]
    created = _create(client, new) if new else ()
    kept = {name: t for name, t in wanted.items() if name not in created}
    return TopicsReport(
        created=created, kept=tuple(kept), differences=_compare(client, kept, _known(client, frozenset(wanted)))
    )


def check_topics(settings: Settings, engines: Iterable[str]) -> tuple[Difference, ...]:
    """Compare only: a topic that is missing is a difference as well."""
    client = admin_client(settings)
    wanted = {t.name: t for t in topics_for(engines)}
    there = partitions(client)
    gone = [Difference(topic=n, what="topic", is_now="missing", wanted="created") for n in wanted if n not in there]
    return (*gone, *_compare(client, {n: t for n, t in wanted.items() if n in there}, there))


def partitions(client: Admin) -> dict[str, int]:
    """Every topic that there is, and how many partitions it has. Raises Transient."""
    try:
        metadata = client.list_topics(timeout=WAIT_S)
    except KafkaException as e:
        raise classed(e, "list topics") from e
    return {name: len(t.partitions) for name, t in metadata.topics.items()}


def _known(client: Admin, names: frozenset[str]) -> dict[str, int]:
    """Partitions of topics once the broker knows all of these: it learns of a new one a moment after its controller."""
    end = time.monotonic() + WAIT_S
    while not names <= (there := partitions(client)).keys():
        if time.monotonic() > end:
            raise Transient(f"the broker does not know {sorted(names - there.keys())} yet")
        time.sleep(RETRY_S)
    return there


def _create(client: Admin, new: list[NewTopic]) -> tuple[str, ...]:
    created: list[str] = []
    for name, future in client.create_topics(new, operation_timeout=WAIT_S).items():
        try:
            future.result(WAIT_S)
            created.append(name)
        except KafkaException as e:
            error = cast("KafkaError", e.args[0])
            if error.code() != KafkaError.TOPIC_ALREADY_EXISTS:  # another `up` was faster: as good
                raise classed(e, f"create topic {name}") from e
    return tuple(created)


def _compare(client: Admin, topics: Mapping[str, Topic], there: Mapping[str, int]) -> tuple[Difference, ...]:
    if not topics:
        return ()
    found: list[Difference] = []
    asked = [ConfigResource(ResourceType.TOPIC, name) for name in topics]
    for resource, future in client.describe_configs(asked).items():
        name = resource.name
        topic = topics[name]
        if there[name] != topic.partitions:
            found.append(
                Difference(topic=name, what="partitions", is_now=str(there[name]), wanted=str(topic.partitions))
            )
        try:
            values = future.result(WAIT_S)
        except KafkaException as e:
            raise classed(e, f"describe topic {name}") from e
        for key, wanted in topic_config(topic).items():
            is_now = str(values[key].value)
            if is_now != wanted:
                found.append(Difference(topic=name, what=key, is_now=is_now, wanted=wanted))
    return tuple(found)
