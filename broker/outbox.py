"""The exactly-once outbox: one fenced transactional producer for each input partition; no Faust, no Kafka client.

Protocol, for each source (a topic's partition):

1. *Take over*: open the producer of that source (which fences the former owner and aborts what it left open), then
   read the position committed in the side group, then let the decider read back state that must be exact.
2. *Emit*: events below the position are skipped; the rest is decided and becomes one transaction of outputs and the
   new position. Either all of it is seen by read_committed readers, or none.
3. Whatever goes wrong in a way that leaves unclear whether a transaction counted is mended by step 1: the position
   read after fencing says what counted.

The position is the only truth; the consumer that feeds the outbox may deliver events again, but must not skip any.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import structlog

from broker.faults import no_fault
from broker.outbox_port import Aborted, Decider, Fenced, Inbound, Owner, Source, TransactionalLog
from schemas.errors import Fatal, Transient

Step = Literal["fenced", "begun", "produced", "positioned", "committed"]
ATTEMPTS: Final = 8
"""Tries of one batch before the process gives up: about half a minute of back-off, and the calls' own time-outs."""
BACKOFF_S: Final = 0.1
MAX_BACKOFF_S: Final = 10.0


@dataclass(slots=True)
class _Lease:
    owner: Owner
    position: int
    open: bool = False
    """A transaction was begun and is not known to have ended."""
    abortable: bool = False
    """An abort is enough to mend it."""


class Outbox:
    """Takes sources over and emits their batches. Threads may share it; one source's calls are put in line.

    `still_ours` asks the live assignment before a source is taken over again after an unclear failure; `pause` waits
    the given seconds between tries (and may return early when the process stops); `fault` is called at every step.
    """

    def __init__(
        self,
        log: TransactionalLog,
        decider: Decider,
        *,
        still_ours: Callable[[Source], bool],
        pause: Callable[[float], object],
        attempts: int = ATTEMPTS,
        fault: Callable[[Step], None] = no_fault,
    ) -> None:
        self._log, self._decider, self._still_ours = log, decider, still_ours
        self._pause, self._attempts, self._fault = pause, attempts, fault
        self._guard = threading.Lock()
        self._locks: dict[Source, threading.Lock] = {}
        self._leases: dict[Source, _Lease] = {}
        self._released: set[Source] = set()

    def take_over(self, source: Source) -> int:
        """Become the only owner of a source; returns the offset to read from.

        Raises Fatal where it could not be taken over in the bounded number of tries.
        """
        failure: Transient | None = None
        with self._lock(source):
            self._released.discard(source)
            self._discard(source)
            for attempt in range(self._attempts):
                try:
                    return self._take(source).position
                except Transient as e:
                    failure = e
                    self._wait(attempt, source, e)
            raise Fatal(f"could not take over {_name(source)} in {self._attempts} tries: {failure}")

    def emit(self, source: Source, events: Sequence[Inbound]) -> bool:
        """Decide and commit one batch, in offset order. False where the source is no longer ours: nothing was written.

        Raises Fenced where another owner took over, Fatal where the bounded number of tries is used up.
        """
        failure: Transient | None = None
        with self._lock(source):
            for attempt in range(self._attempts):
                try:
                    lease = self._fit(source)
                    if lease is None:
                        return False
                    self._transact(source, lease, events)
                except Fenced:
                    self._discard(source)
                    raise
                except Transient as e:
                    failure = e
                    if (broken := self._leases.get(source)) is not None:
                        broken.abortable = isinstance(e, Aborted)
                    self._wait(attempt, source, e)
                else:
                    return True
            raise Fatal(f"gave up on {_name(source)} after {self._attempts} tries: {failure}")

    def release(self, sources: Iterable[Source]) -> None:
        """Let sources go: a batch that is committing ends first, and one that keeps failing stops trying."""
        sources = list(sources)
        self._released.update(sources)
        for source in sources:
            with self._lock(source):
                self._discard(source)

    def owned(self) -> frozenset[Source]:
        """Sources that we hold now."""
        with self._guard:
            return frozenset(self._leases)

    def close(self) -> None:
        """Let everything go."""
        self.release(self.owned())

    def _lock(self, source: Source) -> threading.Lock:
        with self._guard:
            return self._locks.setdefault(source, threading.Lock())

    def _take(self, source: Source) -> _Lease:
        owner = self._log.open(source)
        try:
            self._fault("fenced")
            position = self._log.position(source)
            self._decider.taken_over(source)
        except (Transient, Fatal):
            owner.close()
            raise
        lease = _Lease(owner, position)
        with self._guard:
            self._leases[source] = lease
        return lease

    def _fit(self, source: Source) -> _Lease | None:
        """The source's lease, mended where the last try failed inside a transaction. None where it is not ours."""
        lease = self._leases.get(source)
        if lease is None or source in self._released:
            self._discard(source)
            return None
        if not lease.open:
            return lease
        if lease.abortable:
            lease.owner.abort()
            lease.open = False
            return lease
        # Fencing by a process that lost the source would only hurt its new owner; so ask first.
        if not self._still_ours(source):
            self._discard(source)
            return None
        lease.owner.close()
        return self._take(source)

    def _discard(self, source: Source) -> None:
        with self._guard:
            lease = self._leases.pop(source, None)
        if lease is not None:
            lease.owner.close()

    def _transact(self, source: Source, lease: _Lease, events: Sequence[Inbound]) -> None:
        fresh = [e for e in events if e.offset >= lease.position]
        if not fresh:
            return
        decision = self._decider.decide(source, fresh)
        owner, after = lease.owner, fresh[-1].offset + 1
        owner.begin()
        lease.open = True
        self._fault("begun")
        for record in decision.outgoing:
            owner.produce(record)
        self._fault("produced")
        owner.send_position(after)
        self._fault("positioned")
        owner.commit()
        self._fault("committed")
        lease.open, lease.position = False, after
        decision.kept()

    def _wait(self, attempt: int, source: Source, error: Transient) -> None:
        structlog.get_logger(__name__).warning(
            "trying again", topic=source.topic, partition=source.partition, attempt=attempt + 1, error=str(error)
        )
        self._pause(min(BACKOFF_S * 2**attempt, MAX_BACKOFF_S))


def _name(source: Source) -> str:
    return f"{source.topic}/{source.partition}"
