"""The security settings reach Faust's client as they reach librdkafka."""

from __future__ import annotations

import ssl
from pathlib import Path

import faust
import pytest

from broker.settings import Settings
from schemas.errors import BadConfig
from streams.credentials import credentials


def given(**values: object) -> Settings:
    return Settings.model_validate({"kafka_bootstrap": "broker:9092", **values})


def test_plaintext_needs_none() -> None:
    assert credentials(given()) is None


@pytest.mark.parametrize(("protocol", "tls"), [("SASL_PLAINTEXT", False), ("SASL_SSL", True)])
def test_sasl_names_user_password_and_mechanism(protocol: str, tls: bool) -> None:
    made = credentials(
        given(
            kafka_security_protocol=protocol,
            kafka_sasl_username="me",
            kafka_sasl_password="secret",
            kafka_sasl_mechanism="SCRAM-SHA-256",
        )
    )
    assert isinstance(made, faust.SASLCredentials)
    assert (made.username, made.password, made.mechanism.value) == ("me", "secret", "SCRAM-SHA-256")
    assert made.protocol.value == protocol
    assert (made.ssl_context is not None) is tls


def test_tls_checks_the_broker() -> None:
    made = credentials(given(kafka_security_protocol="SSL"))
    assert isinstance(made, faust.SSLCredentials)
    assert made.context.verify_mode is ssl.CERT_REQUIRED
    assert made.context.check_hostname


@pytest.mark.parametrize("name", ["kafka_ssl_ca_file", "kafka_ssl_cert_file"])
def test_a_file_that_cannot_be_used_is_named(tmp_path: Path, name: str) -> None:
    wrong = tmp_path / "wrong.pem"
    wrong.write_text("nothing")
    with pytest.raises(BadConfig, match=f"PRESSCHECK_{name.upper()}"):
        credentials(given(kafka_security_protocol="SSL", **{name: wrong}))
