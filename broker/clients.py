"""librdkafka clients from settings: one place for security, partitioner, isolation, and the class of errors."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, Final

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer

from broker.settings import Settings
from schemas.errors import Fatal, Transient

TRANSACTION_TIMEOUT_MS: Final = 15_000
"""A dead worker's open transaction holds read_committed readers up for at most this long."""
FETCH_WAIT_MS: Final = 100
"""How long a broker holds an empty fetch. Data ends the wait at once; a new assignment waits this out."""
FETCH_RETRY_MS: Final = 10
"""How soon a full local queue is looked at again; the client's default of 1 s costs throughput."""
RETRY_MS: Final = (2, 250)
"""First and longest pause before a request is sent again. A transaction that follows another closely is answered
CONCURRENT_TRANSACTIONS once or twice, until the former's markers are written, which takes a few milliseconds: with the
client's default of 100 ms, sending offsets took 92 ms (p50, measured on a busy machine), with 2 ms it took 7 ms."""
MAX_MESSAGE_BYTES: Final = 1_048_576
"""Largest record, as the topics' max.message.bytes."""

Config = dict[str, Any]
"""What librdkafka takes: text, numbers, booleans and callbacks by property name."""

STALE: Final = frozenset(
    {
        KafkaError.ILLEGAL_GENERATION,
        KafkaError.STALE_MEMBER_EPOCH,
        KafkaError.UNKNOWN_MEMBER_ID,
        KafkaError.FENCED_MEMBER_EPOCH,
        KafkaError.REBALANCE_IN_PROGRESS,
    }
)
"""Codes that say: the group has moved on; look at the assignment again and retry."""
FENCED: Final = frozenset(
    {
        KafkaError._FENCED,  # noqa: SLF001 - librdkafka's local codes carry the underscore in their public names
        KafkaError.PRODUCER_FENCED,
        KafkaError.INVALID_PRODUCER_EPOCH,
        KafkaError.TRANSACTION_COORDINATOR_FENCED,
        KafkaError.FENCED_INSTANCE_ID,
    }
)
"""Codes that say: another took our place; only a fresh process may go on."""
HOPELESS: Final = frozenset(
    {
        KafkaError._AUTHENTICATION,  # noqa: SLF001 - as above
        KafkaError._SSL,  # noqa: SLF001 - as above
        KafkaError._INVALID_ARG,  # noqa: SLF001 - as above
        KafkaError._STATE,  # noqa: SLF001 - as above
        KafkaError._FATAL,  # noqa: SLF001 - as above
        KafkaError.SASL_AUTHENTICATION_FAILED,
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
        KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
        KafkaError.UNSUPPORTED_VERSION,
        KafkaError.UNSUPPORTED_SASL_MECHANISM,
        KafkaError.MSG_SIZE_TOO_LARGE,
        KafkaError.INVALID_CONFIG,
    }
)
"""Codes that no amount of waiting mends."""


class StaleMember(Transient):
    """The group moved on while we worked: take a fresh look at what is ours, then try again."""


def kafka_config(settings: Settings) -> Config:
    """What every client needs: where the brokers are and how to prove who we are.

    Raises Fatal where there is no broker to talk to.
    """
    if not settings.kafka_bootstrap:
        raise Fatal("no Kafka is known: run `presscheck up` first, or set PRESSCHECK_KAFKA_BOOTSTRAP")
    config: Config = {
        "bootstrap.servers": settings.kafka_bootstrap,
        "security.protocol": settings.kafka_security_protocol,
        "socket.keepalive.enable": True,
        # Without this, the client waits for the kernel to gather small requests: tens of milliseconds a hop.
        "socket.nagle.disable": True,
        "reconnect.backoff.ms": 50,
        "reconnect.backoff.max.ms": 1_000,
    }
    if settings.kafka_security_protocol.startswith("SASL"):
        config["sasl.mechanism"] = settings.kafka_sasl_mechanism
        config["sasl.username"] = settings.kafka_sasl_username
        config["sasl.password"] = settings.kafka_sasl_password.get_secret_value()
    if settings.kafka_security_protocol.endswith("SSL"):
        for name, path in (
            ("ssl.ca.location", settings.kafka_ssl_ca_file),
            ("ssl.certificate.location", settings.kafka_ssl_cert_file),
            ("ssl.key.location", settings.kafka_ssl_key_file),
        ):
            if path is not None:
                config[name] = str(path)
    return config


def producer(settings: Settings, *, transactional_id: str | None = None, linger_ms: float = 1) -> Producer:
    """An idempotent producer, transactional where it has an id (call init_transactions before use).

    It partitions as the Java clients do, so that one key lies in one partition whoever wrote it.
    """
    config = kafka_config(settings) | {
        "enable.idempotence": True,
        "acks": "all",
        "partitioner": "murmur2_random",
        "linger.ms": linger_ms,
        "compression.type": "lz4",
        "message.max.bytes": MAX_MESSAGE_BYTES,
        "delivery.timeout.ms": 60_000,
        "logger": logging.getLogger("librdkafka.producer"),
    }
    if transactional_id is not None:
        config["transactional.id"] = transactional_id
        config["retry.backoff.ms"], config["retry.backoff.max.ms"] = RETRY_MS
        config["transaction.timeout.ms"] = TRANSACTION_TIMEOUT_MS
        config["delivery.timeout.ms"] = TRANSACTION_TIMEOUT_MS
    return Producer(config)


def consumer(settings: Settings, group: str, *, overrides: Mapping[str, Any] | None = None) -> Consumer:
    """A read_committed member of a KIP-848 group; it commits nothing by itself and starts at the earliest record."""
    config = kafka_config(settings) | {
        "group.id": group,
        "group.protocol": "consumer",
        "isolation.level": "read_committed",
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "auto.offset.reset": "earliest",
        "fetch.wait.max.ms": FETCH_WAIT_MS,
        "fetch.queue.backoff.ms": FETCH_RETRY_MS,
        "logger": logging.getLogger("librdkafka.consumer"),
    }
    return Consumer(config | dict(overrides or {}))


def reader(settings: Settings, group: str, *, overrides: Mapping[str, Any] | None = None) -> Consumer:
    """A read_committed consumer that assigns its partitions itself, joins no group and commits nothing.

    `group` only names the group whose positions it may ask for with `committed`.
    """
    config = kafka_config(settings) | {
        "group.id": group,
        "isolation.level": "read_committed",
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "enable.partition.eof": True,
        "auto.offset.reset": "earliest",
        "fetch.wait.max.ms": FETCH_WAIT_MS,
        "logger": logging.getLogger("librdkafka.consumer"),
    }
    return Consumer(config | dict(overrides or {}))


def classed(error: KafkaException | KafkaError, doing: str) -> Transient | Fatal:
    """The error in our tree: what the loop must do about it. `doing` names the call, for the message."""
    what = error if isinstance(error, KafkaError) else error.args[0]
    said = f"{doing}: {what.name()}: {what.str()}"
    if what.fatal() or what.code() in FENCED or what.code() in HOPELESS:
        return Fatal(said)
    if what.code() in STALE:
        return StaleMember(said)
    return Transient(said)
