"""Topic administration: creates what the catalogue says, reports where the broker differs, measures lag."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, replace
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

from broker.clients import MAX_MESSAGE_BYTES, classed, kafka_config, reader
from broker.settings import Settings
from schemas.catalogue import Topic, topics_for
from schemas.errors import Fatal, Transient

WAIT_S: Final = 30.0
"""Longest wait for one answer of the broker."""
RETRY_S: Final = 0.1
FEW: Final = 4
"""A lag as small as this is looked at: it may be nothing but the markers of transactions."""
MARKERS_S: Final = 3.0
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


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionLag:
    """How far a group is behind on one partition, in records that read_committed readers may see.

    `position` is the next offset to read: the committed one, or the partition's start where none was committed.
    """

    topic: str
    partition: int
    position: int
    end: int

    @property
    def records(self) -> int:
        """Offsets still to be read; among records, the markers that end transactions count too."""
        return max(self.end - self.position, 0)


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
    there = _partitions(client)
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
    there = _partitions(client)
    gone = [Difference(topic=n, what="topic", is_now="missing", wanted="created") for n in wanted if n not in there]
    return (*gone, *_compare(client, {n: t for n, t in wanted.items() if n in there}, there))


def _partitions(client: Admin) -> dict[str, int]:
    try:
        metadata = client.list_topics(timeout=WAIT_S)
    except KafkaException as e:
        raise classed(e, "list topics") from e
    return {name: len(t.partitions) for name, t in metadata.topics.items()}


def _known(client: Admin, names: frozenset[str]) -> dict[str, int]:
    """Partitions of topics once the broker knows all of these: it learns of a new one a moment after its controller."""
    end = time.monotonic() + WAIT_S
    while not names <= (there := _partitions(client)).keys():
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


def lag(settings: Settings, group: str, topics: Iterable[str]) -> tuple[PartitionLag, ...]:
    """How far a group is behind on every partition of these topics; topics that do not exist are left out.

    The positions of the apps sanity and validation lie in their side groups, `<app>-outbox`. Raises Transient where
    the broker cannot be reached.
    """
    wanted = _existing(admin_client(settings), topics)
    return lag_behind(settings, _committed(settings, group, wanted), topics) if wanted else ()


def _existing(client: Admin, topics: Iterable[str]) -> list[tuple[str, int]]:
    there = _partitions(client)
    return [(t, p) for t in topics if t in there for p in range(there[t])]


def lag_behind(
    settings: Settings, positions: Mapping[tuple[str, int], int], topics: Iterable[str]
) -> tuple[PartitionLag, ...]:
    """The same for positions that lie elsewhere: next offset by topic and partition."""
    client = admin_client(settings)
    wanted = _existing(client, topics)
    if not wanted:
        return ()
    starts = _offsets(client, wanted, cast("OffsetSpec", OffsetSpec.earliest()))
    ends = _offsets(client, wanted, cast("OffsetSpec", OffsetSpec.latest()))
    found = [
        PartitionLag(topic=t, partition=p, position=max(positions.get((t, p), 0), starts[t, p]), end=ends[t, p])
        for t, p in wanted
    ]
    done = _only_markers(settings, [f for f in found if 0 < f.records <= FEW])
    return tuple(replace(f, position=f.end) if (f.topic, f.partition) in done else f for f in found)


def _only_markers(settings: Settings, few: list[PartitionLag]) -> set[tuple[str, int]]:
    """Those of these partitions on which no record is left, only the marker of the last transaction.

    A position stands after the last record, the end after the marker: without this look, a stage that has nothing
    to do would seem to be behind for ever.
    """
    waiting = {(f.topic, f.partition): f for f in few}
    done: set[tuple[str, int]] = set()
    if not waiting:
        return done
    look = reader(settings, "lag-look")
    try:
        look.assign([TopicPartition(f.topic, f.partition, f.position) for f in few])
        end = time.monotonic() + MARKERS_S
        while waiting and time.monotonic() < end:
            message = look.poll(RETRY_S)
            if message is None:
                continue
            place = (cast("str", message.topic()), cast("int", message.partition()))
            error = message.error()
            if error is None:
                waiting.pop(place, None)
            elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - its public name carries the underscore
                if waiting.pop(place, None) is not None:
                    done.add(place)
            else:
                raise classed(error, "look for records")
    finally:
        look.close()
    return done


def assigned(settings: Settings, group: str) -> frozenset[tuple[str, int]]:
    """Topic and partition of all that the members of a group hold now; empty where there is no such group."""
    client = admin_client(settings)
    try:
        answer = client.describe_consumer_groups([group])[group].result(WAIT_S)
    except KafkaException as e:
        error = classed(e, f"members of group {group}")
        if isinstance(error, Fatal) and cast("KafkaError", e.args[0]).code() != KafkaError.GROUP_ID_NOT_FOUND:
            raise error from e
        return frozenset()
    return frozenset((p.topic, p.partition) for m in answer.members for p in m.assignment.topic_partitions)


def _committed(settings: Settings, group: str, wanted: list[tuple[str, int]]) -> dict[tuple[str, int], int]:
    # Not AdminClient.list_consumer_group_offsets: while the broker still loads its groups, the answer to that one
    # makes librdkafka 2.16 ask a consumer for its group where there is no consumer, and the process dies.
    member, end = reader(settings, group), time.monotonic() + WAIT_S
    try:
        while True:
            try:
                answer = member.committed([TopicPartition(t, p) for t, p in wanted], timeout=WAIT_S)
                return {(p.topic, p.partition): p.offset for p in answer if p.offset >= 0}
            except KafkaException as e:
                error = classed(e, f"positions of group {group}")
                if isinstance(error, Fatal) or time.monotonic() > end:
                    raise error from e
                time.sleep(RETRY_S)  # a broker that has just started has not found its groups yet
    finally:
        member.close()


def _offsets(client: Admin, wanted: list[tuple[str, int]], spec: OffsetSpec) -> dict[tuple[str, int], int]:
    asked = {TopicPartition(t, p): spec for t, p in wanted}
    pending = client.list_offsets(asked, isolation_level=IsolationLevel.READ_COMMITTED, request_timeout=WAIT_S)
    found: dict[tuple[str, int], int] = {}
    for partition, future in pending.items():
        try:
            found[partition.topic, partition.partition] = int(future.result(WAIT_S).offset)
        except KafkaException as e:
            raise classed(e, f"offsets of {partition.topic}") from e
    if len(found) != len(wanted):
        raise Fatal(f"the broker gave offsets of {len(found)} partitions, want {len(wanted)}")
    return found
