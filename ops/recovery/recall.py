"""Recalls of delivered assets: found by judging recorded measurements again, written once each to the design queue."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from confluent_kafka import KafkaException

from broker import clients
from broker.settings import Settings
from ops.log_range import Range, read_slice, slice_reader
from ops.whole_topic import whole_topic_events
from rules.recall import Delivered, Wrong, recalled
from rules.ruleset import Ruleset
from schemas.catalogue import DESIGN_QUEUE
from schemas.errors import BadConfig, Poison
from schemas.events import AssetApproved, AssetRecalled, ImageInspected
from schemas.registry import codec_for

TRANSACTIONAL_ID: Final = "ops-recall"
WRITE_S: Final = 30.0
BATCH: Final = 200
DELIVERED_MAX: Final = 2_000_000
"""Deliveries that are remembered at once: some 400 bytes each."""


def delivered(settings: Settings) -> Delivered:
    """What stands on the design queue. Raises BadConfig where it is more than fits, Transient."""
    found, count = Delivered(), 0
    for event in whole_topic_events(settings, DESIGN_QUEUE, codec_for(settings.schema_registry_url)):
        if isinstance(event, AssetApproved | AssetRecalled):
            found.take(event)
            count += 1
        if count > DELIVERED_MAX:
            raise BadConfig(f"more than {DELIVERED_MAX} assets were delivered", mend="recall single ones by --asset")
    return found


def found_wrong(
    settings: Settings, there: Delivered, ruleset: Ruleset, wanted: Range, shown: Callable[[int], None]
) -> Iterator[Wrong]:
    """Delivered assets of a range of measurements that a ruleset rejects; `shown` hears how many offsets are done."""
    codec = codec_for(settings.schema_registry_url)
    consumer = slice_reader(settings)
    done = 0
    try:
        for part in wanted.slices:
            for message in read_slice(consumer, part):
                try:
                    event = codec.decode(message.value())
                except Poison:
                    continue
                wrong = there.judged(event, ruleset) if isinstance(event, ImageInspected) else None
                if wrong is not None:
                    yield wrong
            done += part.end - part.start
            shown(done)
    finally:
        consumer.close()


def write(
    settings: Settings,
    wrong: Sequence[Wrong],
    *,
    ruleset_id: str | None,
    recovery_id: str | None,
    who: str,
    why: str,
    at_ms: int,
) -> int:
    """Write the recalls, in transactions of 200; those written before are left out. Gives how many were new.

    A second process is fenced: it reads what this one wrote and leaves it out. Raises Transient, Fatal.
    """
    codec = codec_for(settings.schema_registry_url)
    producer = clients.producer(settings, transactional_id=TRANSACTIONAL_ID)
    written = 0
    try:
        producer.init_transactions(WRITE_S)
        before = {
            e.approval_id for e in whole_topic_events(settings, DESIGN_QUEUE, codec) if isinstance(e, AssetRecalled)
        }
        new = list({w.approval_id: w for w in wrong if w.approval_id not in before}.values())
        for n in range(0, len(new), BATCH):
            producer.begin_transaction()
            for one in new[n : n + BATCH]:
                event = recalled(one, ruleset_id=ruleset_id, recovery_id=recovery_id, who=who, why=why, at_ms=at_ms)
                producer.produce(DESIGN_QUEUE, key=one.job_id.encode(), value=codec.encode(event))
            producer.commit_transaction(WRITE_S)
            written += len(new[n : n + BATCH])
    except KafkaException as e:
        raise clients.classed(e, "recalling assets") from e
    return written
