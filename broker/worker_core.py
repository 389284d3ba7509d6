"""The worker loop's steps without threads or Kafka: choose a batch, work, settle, commit. Crash-tested as it is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, cast

from broker.clients import MAX_MESSAGE_BYTES, StaleMember
from broker.deadletter import address, dead_letter
from broker.worker_lookahead import LookAhead
from broker.worker_port import (
    Batch,
    Delivery,
    Fault,
    Handler,
    Held,
    Membership,
    Output,
    Part,
    Place,
    Settled,
    Transactions,
    Worked,
)
from schemas.catalogue import DEAD_LETTERS
from schemas.codec import Codec
from schemas.errors import Poison, Transient

WATCH_S: Final = 1.0
"""Longest wait for a change; whatever changes ends it at once."""
PATIENCE: Final = 4
"""Batches that may pass a lower lane by while it has work; then it has its turn, so that it never starves."""
MAX_VALUE_BYTES: Final = MAX_MESSAGE_BYTES - 16 * 1024
"""Largest encoded event; what is left is for the key, headers and the record's frame."""
MAX_POISONED: Final = 100
"""Largest batch of nothing but poisoned records."""


@dataclass(frozen=True, slots=True)
class Lane:
    """One consumer's topics: its look-ahead and its standing in the group. Lanes are served in order."""

    ahead: LookAhead
    member: Membership


@dataclass(frozen=True, slots=True, kw_only=True)
class Waits:
    """Longest waits, seconds: of a batch for company, and of what is not ready for what is."""

    batch_s: float = 0.0
    swap_s: float = 0.0


class Core:
    """Steps of a batch. `choose` and `work` belong to the engine thread, `settle` and `commit` to the commit thread."""

    def __init__(
        self,
        *,
        stage: str,
        lanes: Sequence[Lane],
        handler: Handler[Any],
        codec: Codec,
        transactions: Transactions,
        now_ms: Callable[[], int],
        waits: Waits,
        fault: Fault,
    ) -> None:
        self._stage, self._lanes, self._handler, self._codec = stage, lanes, handler, codec
        self._transactions, self._now_ms, self._waits, self._fault = transactions, now_ms, waits, fault
        self._passed_by = [0] * len(lanes)

    def choose(self, at_s: float, *, committing: bool = False) -> Batch | float:
        """The next batch, or how many seconds to wait for one (or for a change) at most.

        The first lane with work goes first, unless a later one was passed by `PATIENCE` times; within a lane see
        `_next`. A batch that is not full waits for company until its oldest record is `batch_wait_s` old, and while
        the one before is `committing`: it could not be published sooner, and fewer transactions are quicker ones.
        Raises Transient where a registry is away.
        """
        waiting = [n for n, lane in enumerate(self._lanes) if lane.ahead.size]
        if not waiting:
            return WATCH_S
        turn = next((n for n in waiting if self._passed_by[n] >= PATIENCE), waiting[0])
        lane = self._lanes[turn]
        chosen, full = self._next(lane.ahead, at_s)
        if not chosen:
            return 0.0
        left_s = min(h.arrived_s for h in chosen) + self._waits.batch_s - at_s
        if not full and (left_s > 0 or committing):
            return left_s if left_s > 0 else WATCH_S
        mine, standing = lane.ahead.claim(chosen, lane.member.membership)
        if not mine:
            return 0.0
        for n in waiting:
            self._passed_by[n] = 0 if n == turn else self._passed_by[n] + 1
        self._fault("claimed")
        return Batch(lane=turn, held=mine, membership=standing)

    def work(self, batch: Batch, tries: int) -> Worked:
        """Let the handler do its heavy part. Raises what it raises, save Poison."""
        parts = self._work(batch.good, tries) if batch.good else ()
        self._fault("worked")
        return Worked(batch=batch, parts=parts)

    def settle(self, worked: Worked) -> Settled:
        """Let the handler store what it made, and encode what is to be published. Raises Transient, Fatal."""
        made: dict[int, Sequence[Output] | Poison] = {id(h): h.poison for h in worked.batch.held if h.poison}
        for part in worked.parts:
            results = [part.poison] * len(part.held) if part.poison else self._handler.settle(part.done)
            made.update((id(h), result) for h, result in zip(part.held, results, strict=True))
        settled = Settled(batch=worked.batch)
        for n, held in enumerate(worked.batch.held):
            result = made[id(held)]
            settled.writes[n] = self._letter(held, result) if isinstance(result, Poison) else self._encode(held, result)
        self._fault("settled")
        return settled

    def commit(self, settled: Settled) -> int:
        """Publish and commit in one transaction what is still ours. Gives how many records that were.

        Raises Transient or StaleMember with nothing published: then call `renew` after the group has settled and
        commit again. Raises Fatal where this process must end.
        """
        batch = settled.batch
        lane = self._lanes[batch.lane]
        mine, _ = lane.ahead.owned(batch.held, lambda: None)
        if not mine:
            return 0
        if batch.membership is None:
            raise StaleMember("our standing in the group is not known yet")
        keep = {id(h) for h in mine}
        positions: dict[Place, int] = {}
        try:
            self._transactions.begin()
            self._fault("begun")
            for n, held in enumerate(batch.held):
                if id(held) in keep:
                    for topic, key, value in settled.writes[n]:
                        self._transactions.produce(topic, key, value)
                    positions[held.record.place] = held.record.offset + 1
            self._fault("produced")
            self._transactions.send_offsets(positions, batch.membership)
            self._fault("offsets-sent")
            self._transactions.commit()
        except Transient:
            self._transactions.abort()
            raise
        self._fault("committed")
        return len(mine)

    def renew(self, settled: Settled) -> Settled:
        """The same batch as the member that we are now, less what we lost. Call it once the group has settled."""
        lane = self._lanes[settled.batch.lane]
        mine, standing = lane.ahead.owned(settled.batch.held, lane.member.membership)
        keep = {id(h) for h in mine}
        writes = [settled.writes[n] for n, held in enumerate(settled.batch.held) if id(held) in keep]
        return Settled(batch=replace(settled.batch, held=mine, membership=standing), writes=dict(enumerate(writes)))

    def _next(self, ahead: LookAhead, at_s: float) -> tuple[list[Held], bool]:
        """The batch whose turn it is in a lane, and whether it is full.

        The partition whose first record came first leads. Where that one is not ready (its engine had to be swapped
        in), ready ones go before it until it has waited for `swap_wait_s`: from then on it is the next in its lane, so
        that nothing is passed over for longer. A look-ahead that is full, but not of what is ready, does not wait
        either: what would fill the ready batch cannot come in, and the rest would be rendered by dribs and drabs.
        """
        queues = ahead.peek()
        if not queues or at_s - queues[0][0].arrived_s >= self._waits.swap_s or self._ready(queues[0][0]):
            return self._fill(queues)
        chosen, full = self._fill([q for q in queues if self._ready(q[0])])
        if not chosen or (ahead.full and not full):
            return self._fill(queues)
        return chosen, full

    def _ready(self, held: Held) -> bool:
        """Whether the handler can work on a record at once; a poisoned one costs nothing."""
        if self._key(held) is None:
            return True
        return self._handler.ready(_event(held))

    def _fill(self, queues: Sequence[Sequence[Held]]) -> tuple[list[Held], bool]:
        """A batch from the fronts of the partitions: one key, each partition in order. True where it is full."""
        key: str | None = None
        room = MAX_POISONED
        chosen: list[Held] = []
        for queue in queues:
            for held in queue:
                if len(chosen) >= room:
                    return chosen, True
                its = self._key(held)
                if its is not None and key is None:
                    key, room = its, max(len(chosen) + 1, self._handler.max_batch(_event(held)))
                elif its not in (None, key):
                    break
                chosen.append(held)
        return chosen, len(chosen) >= room

    def _key(self, held: Held) -> str | None:
        """The batch key of a record; None where it is poisoned and may ride with any batch."""
        if held.poison is not None:
            return None
        try:
            held.event = held.event or self._codec.decode(held.record.value)
            return self._handler.batch_key(held.event)
        except Poison as e:
            held.poison = e
            return None

    def _work(self, held: tuple[Held, ...], tries: int) -> tuple[Part, ...]:
        deliveries = [Delivery(record=h.record, event=_event(h)) for h in held]
        try:
            return (Part(held=held, done=self._handler.work(deliveries, tries)),)
        except Poison as e:
            if len(held) == 1:
                return (Part(held=held, done=None, poison=e),)
        return tuple(part for h in held for part in self._work((h,), tries))

    def _encode(self, held: Held, outputs: Sequence[Output]) -> list[tuple[str, bytes, bytes]]:
        writes = [(o.topic, o.key, self._codec.encode(o.event)) for o in outputs]
        largest = max((len(value) for _, _, value in writes), default=0)
        if largest > MAX_VALUE_BYTES:
            return self._letter(held, Poison(f"what came of it has {largest} bytes, a topic takes {MAX_VALUE_BYTES}"))
        return writes

    def _letter(self, held: Held, why: Poison) -> list[tuple[str, bytes, bytes]]:
        record = held.record
        letter = dead_letter(
            self._stage,
            record.origin,
            key=record.key,
            value=record.value,
            headers=record.headers,
            timestamp_ms=record.timestamp_ms,
            error=why,
            at_ms=self._now_ms(),
        )
        return [(DEAD_LETTERS, address(record.origin), self._codec.encode(letter))]


def _event(held: Held) -> Any:
    return cast("Any", held.event)


__all__ = ["PATIENCE", "Core", "Lane", "StaleMember", "Waits"]
