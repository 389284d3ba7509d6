"""Security settings as Faust and aiokafka want them; librdkafka's are in `broker.clients`."""

from __future__ import annotations

import ssl

import faust
from faust.types.auth import CredentialsT

from broker.settings import Settings
from schemas.errors import BadConfig


def ssl_context(settings: Settings) -> ssl.SSLContext | None:
    """The TLS context of the settings; None where the protocol has no TLS.

    Raises BadConfig naming the variable whose file cannot be used.
    """
    if not settings.kafka_security_protocol.endswith("SSL"):
        return None
    try:
        context = ssl.create_default_context(cafile=settings.kafka_ssl_ca_file)
    except (OSError, ssl.SSLError) as e:
        raise BadConfig(f"PRESSCHECK_KAFKA_SSL_CA_FILE: {settings.kafka_ssl_ca_file}: {e}") from e
    if settings.kafka_ssl_cert_file is not None:
        try:
            context.load_cert_chain(settings.kafka_ssl_cert_file, settings.kafka_ssl_key_file)
        except (OSError, ssl.SSLError) as e:
            raise BadConfig(f"PRESSCHECK_KAFKA_SSL_CERT_FILE: {settings.kafka_ssl_cert_file}: {e}") from e
    return context


def credentials(settings: Settings) -> CredentialsT | None:
    """Faust's credentials; None for PLAINTEXT. Raises BadConfig where a file cannot be used."""
    context = ssl_context(settings)
    if settings.kafka_security_protocol.startswith("SASL"):
        return faust.SASLCredentials(
            username=settings.kafka_sasl_username,
            password=settings.kafka_sasl_password.get_secret_value(),
            mechanism=settings.kafka_sasl_mechanism,
            ssl_context=context,
        )
    return None if context is None else faust.SSLCredentials(context)
