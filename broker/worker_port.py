"""What the worker loop is made of, without Kafka: records, the handler's port, transactions, and crash points."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol, TypeVar

from schemas.errors import Poison
from schemas.events import Event, Origin

T = TypeVar("T")

STEPS: Final = ("claimed", "worked", "settled", "begun", "produced", "offsets-sent", "committed")
"""Steps of a batch, in order. The loop calls `fault(step)` after each, so that a test can crash there."""
Fault = Callable[[str], None]

Place = tuple[str, int]
"""Topic and partition."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One record as it lay in Kafka. `timestamp_ms` is -1 where it had none."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...] = ()
    timestamp_ms: int = -1

    @property
    def place(self) -> Place:
        """Topic and partition."""
        return self.topic, self.partition

    @property
    def origin(self) -> Origin:
        """Where it lay."""
        return Origin(topic=self.topic, partition=self.partition, offset=self.offset)


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A record with the event in it, as a handler gets it."""

    record: Record
    event: Event


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """One event to publish."""

    topic: str
    key: bytes
    event: Event


class Handler(Protocol[T]):
    """What a stage does with a batch. `T` is whatever `work` hands to `settle`.

    `ready`, `batch_key`, `max_batch` and `work` run in the engine thread, `settle` in the commit thread while the
    next batch is worked on. All of them may run again for the same records, in this or another process.
    """

    def ready(self, event: Event) -> bool:
        """Whether work on it could begin at once; False where something large had to be fetched or swapped first.

        Within a lane, ready events go first, for `WorkerPlan.swap_wait_s` at most. Raises Poison as `batch_key` does.
        """
        ...

    def batch_key(self, event: Event) -> str:
        """Events with one key may share a batch. Raises Poison where the event does not belong here."""
        ...

    def max_batch(self, event: Event) -> int:
        """Largest batch for events like this one, from 1."""
        ...

    def work(self, batch: Sequence[Delivery], tries: int) -> T:
        """The heavy part. `tries` counts from 1. Raises Transient (asked again after a pause) or Fatal.

        Poison from a batch of several makes the loop ask for each alone; from one alone it is dead-lettered. Long work
        looks at the plan's `Drain` and raises Transient where it cannot be done in time: it is then left uncommitted.
        """
        ...

    def settle(self, done: T) -> Sequence[Sequence[Output] | Poison]:
        """Store what must be stored, then say what to publish: one entry for each delivery, in order.

        Raises Transient (asked again with the same `done`) or Fatal.
        """
        ...


class Transactions(Protocol):
    """One transactional producer. Every call raises Transient (then abort), StaleMember likewise, or Fatal."""

    def begin(self) -> None:
        """Open a transaction."""
        ...

    def produce(self, topic: str, key: bytes, value: bytes) -> None:
        """Write a record in the open transaction."""
        ...

    def send_offsets(self, positions: Mapping[Place, int], membership: object) -> None:
        """Commit next offsets in the open transaction, as the member that `membership` names."""
        ...

    def commit(self) -> None:
        """Make it all visible at once. Raises Fatal where it cannot be known whether it is."""
        ...

    def abort(self) -> None:
        """Drop the open transaction; nothing happens where there is none."""
        ...


class Membership(Protocol):
    """A consumer's standing in its group."""

    def membership(self) -> object | None:
        """Group metadata (group, member id, epoch) of a moment of which all news has reached the look-ahead.

        None before there was one. The client may know a fresh epoch while the loss of a partition still queues up
        behind records; to commit with that epoch would commit what another member has by now.
        """
        ...


@dataclass(slots=True, eq=False)
class Held:
    """A record in the look-ahead, with the generation of the assignment that brought it."""

    record: Record
    generation: int
    arrived_s: float
    event: Event | None = None
    poison: Poison | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What was claimed from one lane: usable records and poisoned ones, by partition in order."""

    lane: int
    held: tuple[Held, ...]
    membership: object | None

    @property
    def good(self) -> tuple[Held, ...]:
        """Those that a handler may see."""
        return tuple(h for h in self.held if h.poison is None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A share of a batch that the handler did in one go; `done` is None where it was poisoned."""

    held: tuple[Held, ...]
    done: object
    poison: Poison | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Worked:
    """A batch after `work`."""

    batch: Batch
    parts: tuple[Part, ...]


@dataclass(slots=True, kw_only=True)
class Settled:
    """A batch that is stored and encoded: what to publish for each record, ready to commit."""

    batch: Batch
    writes: dict[int, list[tuple[str, bytes, bytes]]] = field(default_factory=dict[int, list[tuple[str, bytes, bytes]]])
    """By index in `batch.held`: topic, key and value."""
