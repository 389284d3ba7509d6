"""The outbox on Kafka: transactional producers, the side group with the positions, and reading a partition back."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from time import monotonic
from typing import Any, Final, TypeVar, cast

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Producer, TopicPartition

from broker import clients
from broker.bounded import bounded
from broker.outbox_port import Aborted, Fenced, Outgoing, Source
from broker.settings import Settings
from schemas.errors import Fatal, PresscheckError, Transient

T = TypeVar("T")
CALL_S: Final = 10.0
"""Longest wait for one call; below the transactions' own time-out of 15 s."""
READ_BACK_S: Final = 60.0
"""Longest time without a record or the end while a partition is read back."""
LINGER_MS: Final = 1
FENCED: Final = clients.FENCED | {KafkaError.INVALID_PRODUCER_ID_MAPPING, KafkaError.UNKNOWN_PRODUCER_ID}


def side_group(app: str) -> str:
    """The group that holds an app's positions. Nobody joins it; lag is measured against it."""
    return f"{app}-outbox"


def _classed(error: KafkaException, doing: str) -> PresscheckError:
    """The error by what the outbox must do. A producer fences itself with a fatal error, so the code goes first."""
    what = cast("KafkaError", error.args[0])
    if what.code() in FENCED:
        return Fenced(f"{doing}: {what.name()}: {what.str()}")
    if what.txn_requires_abort():
        return Aborted(f"{doing}: {what.name()}: {what.str()}")
    return clients.classed(error, doing)


def _call(doing: str, call: Callable[[], T]) -> T:
    try:
        return call()
    except KafkaException as e:
        raise _classed(e, doing) from e


class KafkaOwner:
    """One transactional producer of confluent-kafka."""

    def __init__(self, source: Source, producer: Producer, group: Any) -> None:
        self._source, self._producer, self._group = source, producer, group

    def begin(self) -> None:
        """Begin a transaction."""
        _call("begin a transaction", self._producer.begin_transaction)

    def produce(self, record: Outgoing) -> None:
        """Put a record into the transaction; waits while the local queue is full."""
        until = monotonic() + CALL_S
        while True:
            try:
                self._producer.produce(
                    record.topic,
                    value=record.value,
                    key=record.key,
                    partition=-1 if record.partition is None else record.partition,
                )
            except BufferError as e:
                if monotonic() > until:
                    raise Aborted(f"the local queue to {record.topic} stayed full for {CALL_S:g} s") from e
                self._producer.poll(0.05)
            except KafkaException as e:
                raise _classed(e, f"produce to {record.topic}") from e
            else:
                return

    def send_position(self, position: int) -> None:
        """Put the source's new position into the transaction. Where the client sticks, another producer must do."""
        doing = "send the position"
        where = [TopicPartition(self._source.topic, self._source.partition, position)]

        def send() -> None:
            self._producer.send_offsets_to_transaction(where, self._group, CALL_S)

        _call(doing, lambda: bounded(doing, send, CALL_S))

    def commit(self) -> None:
        """Make the transaction count. A commit that only timed out is called again: the client allows that."""
        until = monotonic() + CALL_S
        while True:
            try:
                self._producer.commit_transaction(CALL_S)
            except KafkaException as e:
                error = _classed(e, "commit")
                retriable = cast("KafkaError", e.args[0]).retriable()
                if isinstance(error, (Aborted, Fatal)) or not retriable or monotonic() > until:
                    raise error from e
            else:
                return

    def abort(self) -> None:
        """Undo the transaction."""
        _call("abort", lambda: self._producer.abort_transaction(CALL_S))

    def close(self) -> None:
        """Let the producer go; what it still holds belongs to a transaction that will never count."""
        try:
            self._producer.purge()
        except KafkaException:  # fenced or fatal already: there is nothing to purge
            return


class KafkaLog:
    """Owners and positions of one app on a Kafka cluster. Safe to share between threads."""

    def __init__(self, settings: Settings, app: str) -> None:
        self._settings, self._app = settings, app
        self._lock = threading.Lock()
        self._positions = clients.reader(settings, side_group(app))
        self._group = self._positions.consumer_group_metadata()

    def open(self, source: Source) -> KafkaOwner:
        """Fence the former owner of a source and abort what it left open."""
        name = f"{self._app}-{source.topic}-{source.partition}"
        producer = clients.producer(self._settings, transactional_id=name, linger_ms=LINGER_MS)
        _call(f"take over {name}", lambda: producer.init_transactions(CALL_S))
        return KafkaOwner(source, producer, self._group)

    def position(self, source: Source) -> int:
        """Next offset by the side group; waits for transactions on it to end."""
        asked = [TopicPartition(source.topic, source.partition)]
        with self._lock:
            found = _call("read the position", lambda: self._positions.committed(asked, timeout=CALL_S))[0]
        if found.error is not None:
            raise clients.classed(found.error, "read the position")
        return max(found.offset, 0)

    def read_back(self, source: Source) -> Iterator[tuple[bytes | None, bytes | None]]:
        """Keys and values of a partition from its beginning to its end, committed records only, in order.

        Raises Transient where the broker stops answering before the end.
        """
        consumer = clients.reader(self._settings, f"{self._app}-read-back")
        try:
            consumer.assign([TopicPartition(source.topic, source.partition, OFFSET_BEGINNING)])
            yield from _to_the_end(consumer, source)
        finally:
            consumer.close()

    def close(self) -> None:
        """Let the position reader go."""
        with self._lock:
            self._positions.close()


def _to_the_end(consumer: Consumer, source: Source) -> Iterator[tuple[bytes | None, bytes | None]]:
    until = monotonic() + READ_BACK_S
    while monotonic() < until:
        # A record at a time: a batch would wait for its whole time-out although the end was reached.
        message = consumer.poll(0.5)
        if message is None:
            continue
        error = message.error()
        if error is None:
            until = monotonic() + READ_BACK_S
            yield message.key(), message.value()
        elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - its public name carries the underscore
            return
        elif not error.retriable():
            raise clients.classed(error, f"read {source.topic}/{source.partition} back")
    raise Transient(f"no end of {source.topic}/{source.partition} in {READ_BACK_S:g} s")
