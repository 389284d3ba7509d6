"""Dead letters: a record that a stage could not use, kept whole with where it lay and why."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from schemas import ids
from schemas.errors import Poison, Undecodable
from schemas.events import DeadLetter, DeadLetterKind, Header, Origin

MAX_KEPT_BYTES: Final = 900_000
"""Largest value kept in a dead letter; topics take 1 MiB, and headers and the error need room too."""
MAX_ERROR_CHARS: Final = 4000


def dead_letter(
    stage: str,
    origin: Origin,
    *,
    key: bytes | None,
    value: bytes | None,
    headers: Sequence[tuple[str, bytes | None]] = (),
    timestamp_ms: int,
    error: Poison,
    at_ms: int,
) -> DeadLetter:
    """The dead letter of one record: the same id on every redelivery, the bytes as they came.

    `timestamp_ms` is the record's own time (-1 where it had none), `at_ms` when the stage gave it up.
    """
    kept = value is None or len(value) <= MAX_KEPT_BYTES
    size = sum(len(name) + len(v or b"") for name, v in headers) + len(key or b"")
    small = size <= MAX_KEPT_BYTES // 10
    kind = DeadLetterKind.UNDECODABLE if isinstance(error, Undecodable) else DeadLetterKind.POISON
    return DeadLetter(
        event_id=ids.event_id(address(origin).decode(), stage, "dead-letter"),
        at_ms=at_ms,
        stage=stage,
        kind=kind if kept and small else DeadLetterKind.TOO_LARGE,
        error=str(error)[:MAX_ERROR_CHARS],
        origin=origin,
        timestamp_ms=timestamp_ms,
        key=key if small else None,
        value=value if kept else None,
        headers=tuple(Header(name=n, value=v) for n, v in headers) if small else (),
    )


def address(origin: Origin) -> bytes:
    """Key of a dead letter: topic, partition and offset of the record."""
    return f"{origin.topic}/{origin.partition}/{origin.offset}".encode()
