"""The outbox's ports: what it reads, what it writes, who decides, and the log that keeps its positions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from schemas.errors import Fatal, Transient


class Source(NamedTuple):
    """An input partition."""

    topic: str
    partition: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Inbound:
    """One record as it was read. `timestamp_ms` is -1 where it had none."""

    source: Source
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """One record to write. `partition` None lets the key choose."""

    topic: str
    key: bytes
    value: bytes
    partition: int | None = None


def _nothing() -> None:
    """What a decider without memory does once its outputs count."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What a batch leads to. `kept` is called once the outputs count; before that nothing may be remembered."""

    outgoing: tuple[Outgoing, ...]
    kept: Callable[[], None] = _nothing


class Fenced(Fatal):
    """Another owner took the source over: what was open is aborted, nothing more may be written."""


class Aborted(Transient):
    """The transaction cannot commit; abort it, then the batch may be tried again with the same producer."""


class Owner(Protocol):
    """One fenced transactional producer.

    Every method raises Fenced where another owner took over, Aborted where the transaction must be aborted, any other
    Transient where it is unclear what counted, Fatal where nothing can mend it.
    """

    def begin(self) -> None:
        """Begin a transaction."""
        ...

    def produce(self, record: Outgoing) -> None:
        """Put a record into the transaction."""
        ...

    def send_position(self, position: int) -> None:
        """Put the source's new position (next offset) in the side group into the transaction."""
        ...

    def commit(self) -> None:
        """Make the transaction count."""
        ...

    def abort(self) -> None:
        """Undo the transaction."""
        ...

    def close(self) -> None:
        """Let the producer go without waiting for anything it holds. Raises nothing."""
        ...


class TransactionalLog(Protocol):
    """Where owners come from and positions are kept."""

    def open(self, source: Source) -> Owner:
        """A producer for a source; once this returns, no former owner can write. Raises Transient, Fatal."""
        ...

    def position(self, source: Source) -> int:
        """Next offset by the side group, 0 where none was ever committed. Raises Transient, Fatal."""
        ...


class Decider(Protocol):
    """What the stage makes of events."""

    def taken_over(self, source: Source) -> None:
        """Read back what must be exact about a source; called after fencing, before its events. Raises Transient."""
        ...

    def decide(self, source: Source, events: Sequence[Inbound]) -> Decision:
        """The outputs of a batch. Poison is answered with a dead letter, not raised. Raises Transient, Fatal."""
        ...
