"""The worker loop's port on Kafka: a lane's consumer with its poll thread's turn, and transactions."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import structlog
from confluent_kafka import TIMESTAMP_NOT_AVAILABLE, Consumer, KafkaException, Message, Producer, TopicPartition

from broker.bounded import Stuck, bounded
from broker.clients import TRANSACTION_TIMEOUT_MS, classed, consumer, producer
from broker.settings import Settings
from broker.worker_lookahead import LookAhead
from broker.worker_port import Place, Record
from schemas.errors import Fatal, Transient

POLL_S: Final = 0.1
"""Longest poll: how soon a stop or a wish for quiet is seen."""
STALL_S: Final = 1.0
"""A look-ahead full for this long is in front of long work: the lane then pauses, so that polling can go on.

Pausing drops what the client prefetched and costs about half a second. At least two batches of work lie in the
look-ahead by then, each longer than half this time, so the engine does not notice; short batches never get here.
"""
QUIET_TURNS: Final = 5_000
"""Most records taken over the look-ahead's bound while the group's news is fetched from behind them."""
COMMIT_S: Final = TRANSACTION_TIMEOUT_MS / 1000
"""How long a commit is asked about; after that the broker has aborted the transaction or made it visible."""


class KafkaLane:
    """One consumer of a group. `poll_once` belongs to its poll thread; the rest may be called from any."""

    def __init__(self, settings: Settings, group: str, topics: Sequence[str], ahead: LookAhead) -> None:
        self.ahead = ahead
        self.topics = tuple(topics)
        self._log = structlog.get_logger(__name__).bind(group=group)
        # What the client holds back must stay small too: news of the group queues up behind it.
        overrides = {"queued.min.messages": max(1, ahead.room), "queued.max.messages.kbytes": 16 * 1024}
        self._consumer: Consumer = consumer(settings, group, overrides=overrides)
        self._paused = False
        self._full_since: float | None = None
        self._wants_quiet = False
        self._quiet = 0
        self._standing: object | None = None
        self._said = ""

    def subscribe(self) -> None:
        """Join the group."""
        self._consumer.subscribe(
            list(self.topics), on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._lost
        )

    def membership(self) -> object | None:
        """Group metadata of the last moment of which all news has reached the look-ahead; None before."""
        return self._standing

    def wait_quiet(self, timeout_s: float) -> bool:
        """Wait until all that the client knew of the group when this was called is in the look-ahead.

        News of the group queues up behind records in the client, so a fresh epoch may be known there before the
        loss of a partition is known here. False where the time ran out.
        """
        with self.ahead.changed:
            before = self._quiet
            self._wants_quiet = True
            self.ahead.changed.notify_all()
            return self.ahead.changed.wait_for(lambda: self._quiet > before, timeout_s)

    def poll_once(self) -> None:
        """One turn of the poll thread. Raises Fatal where this member can never go on."""
        if self._wants_quiet:
            self._be_quiet()
        elif not self._paused and self.ahead.full:
            self._stand_back()
            return
        elif self._paused and not self.ahead.full:
            self._consumer.resume(self._consumer.assignment())
            self._paused, self._full_since = False, None
        self._full_since = None if not self._paused else self._full_since
        self._take(self._poll(POLL_S))

    def drain_once(self) -> None:
        """A turn of the poll thread after the last batch was claimed: the group is served, records are let go."""
        if self._wants_quiet:
            self._be_quiet()
        self._poll(POLL_S)

    def close(self) -> None:
        """Leave the group."""
        self._consumer.close()

    def _stand_back(self) -> None:
        now = time.monotonic()
        self._full_since = self._full_since or now
        if now - self._full_since >= STALL_S:
            self._consumer.pause(self._consumer.assignment())
            self._paused = True
            return
        with self.ahead.changed:
            self.ahead.changed.wait_for(lambda: not self.ahead.full or self._wants_quiet, POLL_S)

    def _poll(self, timeout_s: float) -> Message | None:
        """Poll; nothing polled means that whatever the client knew before the poll has been told."""
        standing = self._consumer.consumer_group_metadata()
        message = self._consumer.poll(timeout_s)
        if message is None:
            self._standing = standing
        return message

    def _be_quiet(self) -> None:
        for _ in range(QUIET_TURNS):
            message = self._poll(0)
            if message is None:
                break
            self._take(message)
        with self.ahead.changed:
            self._quiet += 1
            self._wants_quiet = False
            self.ahead.changed.notify_all()

    def _take(self, message: Message | None) -> None:
        if message is None:
            return
        error = message.error()
        if error is not None:
            what = classed(error, f"reading {', '.join(self.topics)}")
            if isinstance(what, Fatal):
                raise what
            if str(what) != self._said:
                self._said = str(what)
                self._log.warning("kafka is unwell", error=self._said)
            return
        self.ahead.offer(_record(message), time.monotonic())

    def _assigned(self, its: Consumer, partitions: list[TopicPartition]) -> None:
        self.ahead.assign(_places(partitions))
        self._log.info("partitions assigned", partitions=_names(partitions))
        its.incremental_assign(partitions)
        # The client remembers a pause for as long as it lives, and a partition may have been taken away in one: it
        # would stand still for good. A partition that was never here comes running, and must wait with the others.
        (its.pause if self._paused else its.resume)(partitions)

    def _revoked(self, _its: Consumer, partitions: list[TopicPartition]) -> None:
        dropped = self.ahead.revoke(_places(partitions))
        self._log.info("partitions revoked", partitions=_names(partitions), dropped=dropped)

    def _lost(self, _its: Consumer, partitions: list[TopicPartition]) -> None:
        dropped = self.ahead.revoke(_places(partitions))
        self._log.warning("partitions lost", partitions=_names(partitions), dropped=dropped)


class KafkaTransactions:
    """One transactional producer. One thread calls it."""

    def __init__(self, settings: Settings, transactional_id: str) -> None:
        self._producer: Producer = producer(settings, transactional_id=transactional_id, linger_ms=0)
        self._open = False
        self._log = structlog.get_logger(__name__).bind(transactional_id=transactional_id)

    def start(self) -> None:
        """Fence any former holder of the id. Raises Transient, Fatal."""
        self._call("starting transactions", lambda: self._producer.init_transactions(COMMIT_S))

    def begin(self) -> None:
        """Open a transaction; one that could not be aborted before is aborted first."""
        self.abort()
        self._call("beginning a transaction", self._producer.begin_transaction)
        self._open = True

    def produce(self, topic: str, key: bytes, value: bytes) -> None:
        """Write a record in the open transaction."""
        ends = time.monotonic() + COMMIT_S
        while True:
            try:
                self._producer.produce(topic, key=key, value=value)
            except BufferError:
                if time.monotonic() > ends:
                    raise Transient(f"writing to {topic}: the client's queue stays full") from None
                self._producer.poll(POLL_S)
                continue
            except KafkaException as e:
                raise classed(e, f"writing to {topic}") from e
            self._producer.poll(0)
            return

    def send_offsets(self, positions: Mapping[Place, int], membership: object) -> None:
        """Commit next offsets in the open transaction."""
        offsets = [TopicPartition(topic, partition, offset) for (topic, partition), offset in positions.items()]
        self._call(
            "committing offsets",
            lambda: self._producer.send_offsets_to_transaction(offsets, membership, COMMIT_S),
        )

    def commit(self) -> None:
        """Make it all visible at once. Where the outcome stays unknown, a new process must read it from the broker."""
        try:
            self._call("committing", lambda: self._producer.commit_transaction(COMMIT_S))
        except Transient as e:
            if not _aborts(e):
                raise Fatal(f"{e}; whether it is committed is unknown, the next process will see") from e
            raise
        self._open = False

    def abort(self) -> None:
        """Drop the open transaction."""
        if self._open:
            self._call("aborting", lambda: self._producer.abort_transaction(COMMIT_S))
            self._open = False

    def _call(self, doing: str, call: Callable[[], object]) -> None:
        """Make a call; again where librdkafka says that the very same call may be made again, up to COMMIT_S.

        Raises Fatal where it never returns: what such a producer still does is only known to be over once a fresh
        process has fenced it.
        """
        ends = time.monotonic() + COMMIT_S
        while True:
            try:
                bounded(doing, call, COMMIT_S)
            except Stuck as e:
                raise Fatal(f"{e}; a fresh process must go on") from e
            except KafkaException as e:
                if e.args[0].retriable() and time.monotonic() < ends:
                    self._log.warning("makes the same call again", doing=doing, error=e.args[0].str())
                    self._producer.poll(POLL_S)
                    continue
                raise classed(e, doing) from e
            return


def _aborts(error: Transient) -> bool:
    """Whether librdkafka says that the transaction must be aborted, which means that it was not committed."""
    cause = error.__cause__
    return isinstance(cause, KafkaException) and cause.args[0].txn_requires_abort()


def _record(message: Message) -> Record:
    topic, partition, offset = message.topic(), message.partition(), message.offset()
    if topic is None or partition is None or offset is None:
        raise Fatal("the client handed over a record with no topic, partition or offset")
    kind, stamp = message.timestamp()
    headers = message.headers() or []
    pairs = headers.items() if isinstance(headers, dict) else headers
    return Record(
        topic=topic,
        partition=partition,
        offset=offset,
        key=message.key(),
        value=message.value(),
        headers=tuple((name, v.encode() if isinstance(v, str) else v) for name, v in pairs),
        timestamp_ms=-1 if kind == TIMESTAMP_NOT_AVAILABLE else stamp,
    )


def _places(partitions: Sequence[TopicPartition]) -> list[Place]:
    return [(p.topic, p.partition) for p in partitions]


def _names(partitions: Sequence[TopicPartition]) -> str:
    return " ".join(f"{p.topic}/{p.partition}" for p in partitions)
