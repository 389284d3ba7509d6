"""Deterministic ids: what caused a record, and which stage, decide its id."""

from __future__ import annotations

import uuid
from typing import Final

NAMESPACE: Final = uuid.uuid5(uuid.NAMESPACE_URL, "https://presscheck.dev/ids")


def job_id(idempotency_key: str) -> str:
    """Id of the job behind an idempotency key: uuid5 of `job` and the key."""
    return str(uuid.uuid5(NAMESPACE, f"job/{idempotency_key}"))


def event_id(cause: str, stage: str, detail: str = "") -> str:
    """Id of the record that a stage makes of a cause (an event id); `detail` tells several apart."""
    return str(uuid.uuid5(NAMESPACE, f"event/{stage}/{cause}/{detail}"))
