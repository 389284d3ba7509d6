"""The bounded look-ahead of one lane: records waiting their turn, dropped when their partition goes."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence

from broker.worker_port import Held, Place, Record


class LookAhead:
    """Records of one lane by partition. All threads share one condition, which every change notifies.

    `room` bounds how many records wait; `offer` takes a record beyond it (the client has handed it over already),
    so the poll thread asks `full` before it polls.
    """

    def __init__(self, changed: threading.Condition, *, room: int) -> None:
        self.changed = changed
        self.room = room
        self.version = 0
        self._queues: dict[Place, deque[Held]] = {}
        self._generation: dict[Place, int] = {}
        self._counter = 0
        self._size = 0

    def assign(self, places: Iterable[Place]) -> None:
        """Partitions are ours from now on, as a new generation."""
        with self.changed:
            for place in places:
                self._counter += 1
                self._drop(place)
                self._generation[place] = self._counter
                self._queues[place] = deque()
            self._notify()

    def revoke(self, places: Iterable[Place]) -> int:
        """Partitions are no longer ours: what waits of them is dropped. Gives how many records that were."""
        with self.changed:
            before = self._size
            for place in places:
                self._drop(place)
            self._notify()
            return before - self._size

    def offer(self, record: Record, at_s: float) -> None:
        """A record came at `at_s` (monotonic seconds). One of a partition that is not ours is let go."""
        with self.changed:
            generation = self._generation.get(record.place)
            if generation is None:
                return
            self._queues[record.place].append(Held(record, generation, at_s))
            self._size += 1
            self._notify()

    @property
    def size(self) -> int:
        """Records waiting."""
        return self._size

    @property
    def full(self) -> bool:
        """Whether no more should be polled for now."""
        return self._size >= self.room

    def peek(self) -> tuple[tuple[Held, ...], ...]:
        """What waits, by partition in order; the partition whose first record came first leads."""
        with self.changed:
            queues = [tuple(q) for q in self._queues.values() if q]
        return tuple(sorted(queues, key=lambda q: q[0].arrived_s))

    def claim(
        self, chosen: Sequence[Held], membership: Callable[[], object | None]
    ) -> tuple[tuple[Held, ...], object | None]:
        """Take chosen records out, less those that a revocation took meanwhile, with our standing of this moment.

        `chosen` holds a prefix of each partition's queue, as `peek` gave it.
        """
        with self.changed:
            mine = tuple(h for h in chosen if self._owned(h))
            for held in mine:
                self._queues[held.record.place].remove(held)
            self._size -= len(mine)
            self._notify()
            return mine, membership()

    def owned(
        self, held: Sequence[Held], membership: Callable[[], object | None]
    ) -> tuple[tuple[Held, ...], object | None]:
        """Which of these are still ours, with our standing of the same moment."""
        with self.changed:
            return tuple(h for h in held if self._owned(h)), membership()

    def _owned(self, held: Held) -> bool:
        return self._generation.get(held.record.place) == held.generation

    def _drop(self, place: Place) -> None:
        self._generation.pop(place, None)
        self._size -= len(self._queues.pop(place, ()))

    def _notify(self) -> None:
        self.version += 1
        self.changed.notify_all()
