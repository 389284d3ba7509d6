"""How far a consumer group is behind, and which partitions its members hold."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final, cast

from confluent_kafka import IsolationLevel, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import (
    OffsetSpec,  # pyright: ignore[reportPrivateImportUsage]
)

from broker.admin import RETRY_S, WAIT_S, Admin, admin_client, partitions
from broker.clients import classed, reader
from broker.settings import Settings
from schemas.errors import Fatal

FEW: Final = 4
"""A lag as small as this is looked at: it may be nothing but the markers of transactions."""
MARKERS_S: Final = 3.0


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


def lag(settings: Settings, group: str, topics: Iterable[str]) -> tuple[PartitionLag, ...]:
    """How far a group is behind on every partition of these topics; topics that do not exist are left out.

    The positions of the apps sanity and validation lie in their side groups, `<app>-outbox`. Raises Transient where
    the broker cannot be reached.
    """
    wanted = _existing(admin_client(settings), topics)
    return lag_behind(settings, _committed(settings, group, wanted), topics) if wanted else ()


def _existing(client: Admin, topics: Iterable[str]) -> list[tuple[str, int]]:
    there = partitions(client)
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
