"""Client configuration from settings, and the class of each error."""

from __future__ import annotations

from pathlib import Path

import pytest
from confluent_kafka import KafkaError, KafkaException

from broker import clients
from broker.settings import Settings
from schemas.errors import Fatal, Transient


def test_without_a_broker_the_message_names_the_mend() -> None:
    with pytest.raises(Fatal, match="presscheck up"):
        clients.kafka_config(Settings.model_validate({}))


def test_tls_and_sasl_reach_the_client() -> None:
    settings = Settings.model_validate(
        {
            "kafka_bootstrap": "broker:9093",
            "kafka_security_protocol": "SASL_SSL",
            "kafka_sasl_mechanism": "SCRAM-SHA-256",
            "kafka_sasl_username": "press",
            "kafka_sasl_password": "check",
            "kafka_ssl_ca_file": Path("ca.pem"),
        }
    )
    config = clients.kafka_config(settings)
    assert config["security.protocol"] == "SASL_SSL"
    assert config["sasl.mechanism"] == "SCRAM-SHA-256"
    assert (config["sasl.username"], config["sasl.password"]) == ("press", "check")
    assert config["ssl.ca.location"] == "ca.pem"
    assert "ssl.key.location" not in config


def test_plain_text_says_nothing_of_secrets() -> None:
    config = clients.kafka_config(Settings.model_validate({"kafka_bootstrap": "b:1", "kafka_sasl_username": "unused"}))
    assert not [name for name in config if name.startswith(("sasl", "ssl"))]


def test_librdkafka_takes_every_property_that_is_set() -> None:
    settings = Settings.model_validate({"kafka_bootstrap": "127.0.0.1:1"})
    clients.producer(settings, transactional_id="t")
    clients.producer(settings)
    clients.consumer(settings, "g").close()
    clients.reader(settings, "g").close()


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (KafkaError(KafkaError.ILLEGAL_GENERATION), clients.StaleMember),
        (KafkaError(KafkaError.STALE_MEMBER_EPOCH), clients.StaleMember),
        (KafkaError(KafkaError.UNKNOWN_MEMBER_ID), clients.StaleMember),
        (KafkaError(KafkaError.PRODUCER_FENCED), Fatal),
        (KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED), Fatal),
        (KafkaError(KafkaError.UNKNOWN, "anything", fatal=True), Fatal),
        (KafkaError(KafkaError.NOT_COORDINATOR), Transient),
        (KafkaError(KafkaError.REQUEST_TIMED_OUT, retriable=True), Transient),
    ],
)
def test_errors_are_named_by_what_the_loop_must_do(error: KafkaError, kind: type[Exception]) -> None:
    assert type(clients.classed(KafkaException(error), "commit")) is kind
    assert str(clients.classed(error, "commit")).startswith("commit: ")
