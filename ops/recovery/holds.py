"""Holds: setting them, listing them, and releasing them with what they kept.

A release delivers each asset once, however often it is run and wherever it was killed: one transactional.id for all
releases fences a second one that runs beside it; then the ids that stand on the design queue already are left out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, Literal, TypeAlias

from confluent_kafka import KafkaException, Producer

from broker import clients
from broker.faults import no_fault
from broker.settings import Settings
from ops.whole_topic import whole_topic_events
from rules.holds import approval_id, let_go
from rules.tree import nearest
from schemas import ids
from schemas.catalogue import DESIGN_QUEUE, HELD, HOLDS
from schemas.errors import BadConfig, Transient
from schemas.events import AssetApproved, AssetHeld, HoldChanged, HoldScope
from schemas.registry import codec_for

STAGE: Final = "ops"
TRANSACTIONAL_ID: Final = "ops-release"
"""One for all holds: an asset that two holds cover may be delivered by the release of either."""
WRITE_S: Final = 30.0
BATCH: Final = 200
"""Assets in one transaction."""
ASKED_TO_END: Final = "it was asked to end"
MAX_PASSES: Final = 20
"""Looks at what is held. Each one that found something is followed by another: for a moment after the release,
validation may still go by what it knew of the hold."""

Step: TypeAlias = Literal["announced", "produced", "committed"]
"""Where a release can be interrupted: the hold is released, a batch is written, a batch is committed."""


@dataclass(slots=True, kw_only=True)
class Released:
    """What a release did: assets delivered now, delivered before, and kept by each other hold that is active.

    `stopped` says why a release in lots ended early; the hold is active then, and keeps the rest.
    """

    delivered: int = 0
    delivered_before: int = 0
    still_held: dict[str, int] = field(default_factory=dict[str, int])
    stopped: str = ""


def go_on(_done: Released) -> str | None:
    """The guard of a release that nothing stops."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lots:
    """How a release goes step by step: `size` assets, then `pause_s` seconds, and the guard is asked before each lot.

    guard: why to stop; None to go on. wait: pauses; True where whoever runs it wants to end.
    """

    size: int
    pause_s: float
    wait: Callable[[float], bool]
    guard: Callable[[Released], str | None] = go_on


def current(settings: Settings) -> Mapping[str, HoldChanged]:
    """The newest change of every hold, by hold id, in order of the id. Raises Transient, BadConfig."""
    newest: dict[str, HoldChanged] = {}
    for event in whole_topic_events(settings, HOLDS, codec_for(settings.schema_registry_url)):
        if isinstance(event, HoldChanged):
            newest[event.hold_id] = event
    return dict(sorted(newest.items()))


def set_hold(settings: Settings, hold_id: str, scope: HoldScope, value: str, *, who: str, why: str, at_ms: int) -> bool:
    """Set a hold; False where the same one is active already, and nothing was written.

    Raises BadConfig where the id names another hold or was used before, Poison for a value out of bounds, Transient.
    """
    change = HoldChanged(
        event_id=ids.event_id(hold_id, STAGE, f"set {at_ms}"),
        at_ms=at_ms,
        hold_id=hold_id,
        scope=scope,
        value=value,
        active=True,
        who=who,
        why=why,
    )
    former = current(settings).get(hold_id)
    if former is not None:
        if former.active and (former.scope, former.value) == (scope, value):
            return False
        state = "is active" if former.active else "was released"
        raise BadConfig(
            f"the hold {hold_id!r} {state}, for {former.scope.value} {former.value!r}", mend="choose another id"
        )
    producer = clients.producer(settings)
    failed: list[str] = []
    producer.produce(
        HOLDS,
        key=hold_id.encode(),
        value=codec_for(settings.schema_registry_url).encode(change),
        on_delivery=lambda error, _: failed.append(error.str()) if error is not None else None,
    )
    if producer.flush(WRITE_S) or failed:
        raise Transient(f"the hold was not taken: {failed[0] if failed else f'no answer in {WRITE_S:g} s'}")
    return True


def release(
    settings: Settings,
    hold_id: str,
    *,
    who: str,
    why: str,
    now_ms: Callable[[], int],
    batch: int = BATCH,
    lots: Lots | None = None,
    fault: Callable[[Step], None] = no_fault,
) -> Released:
    """Release a hold and deliver what it kept, except what another active hold still covers.

    It may be run again, to finish one that was interrupted or to look once more. `now_ms` gives milliseconds since
    1970 UTC, `batch` is how many assets share a transaction, `fault` is called at every step. With `lots` the hold
    stays active, and keeps what passes meanwhile, until all it kept has been delivered. Raises BadConfig where
    there is no such hold, Fatal where another release took over, Transient where the broker is away: run it again.
    """
    known = current(settings)
    if hold_id not in known:
        raise BadConfig(f"there is no hold {hold_id!r}", mend=nearest(hold_id, known))
    return _Release(settings, known[hold_id], who, now_ms, batch, lots, fault).run(why)


class _Release:
    """One run of a release."""

    def __init__(
        self,
        settings: Settings,
        hold: HoldChanged,
        who: str,
        now_ms: Callable[[], int],
        batch: int,
        lots: Lots | None,
        fault: Callable[[Step], None],
    ) -> None:
        self._settings, self._hold, self._who = settings, hold, who
        self._now_ms, self._fault = now_ms, fault
        self._batch = batch if lots is None else lots.size
        self._lots = lots if hold.active else None  # what was released once keeps nothing back any more
        self._codec = codec_for(settings.schema_registry_url)
        self._producer: Producer = clients.producer(settings, transactional_id=TRANSACTIONAL_ID)
        self._done = Released()

    def run(self, why: str) -> Released:
        """Fence others, announce the release, then deliver until a look finds nothing more to deliver.

        In lots it is announced once all that was kept is delivered: the guard may stop it before.
        """
        try:
            # Before anything is read: what a former run left open is aborted now, and it can commit nothing more.
            self._producer.init_transactions(WRITE_S)
            first = True
            if self._lots is not None:
                while self._pass(first=first) and not self._done.stopped:
                    first = False
                if self._done.stopped:
                    return self._done
                first, self._lots = False, None
            if self._hold.active:
                self._announce(why)
            self._fault("announced")
            for number in range(MAX_PASSES):
                if not self._pass(first=first and number == 0) and number > 0:
                    return self._done
        except KafkaException as e:
            raise clients.classed(e, f"releasing {self._hold.hold_id}") from e
        raise Transient(f"assets are still being held for {self._hold.hold_id}; run the release again")

    def _announce(self, why: str) -> None:
        at_ms = self._now_ms()
        event_id = ids.event_id(self._hold.hold_id, STAGE, f"released {at_ms}")
        change = replace(self._hold, event_id=event_id, at_ms=at_ms, active=False, who=self._who, why=why)
        self._producer.begin_transaction()
        self._producer.produce(HOLDS, key=change.hold_id.encode(), value=self._codec.encode(change))
        self._producer.commit_transaction(WRITE_S)

    def _pass(self, *, first: bool) -> int:
        """One look at topic held; gives how many assets it delivered."""
        holds = current(self._settings)
        waiting: set[str] = set()
        kept: dict[str, str] = {}
        for event in self._held():
            match self._decided(event, holds):
                case AssetApproved(event_id=event_id):
                    waiting.add(event_id)
                case AssetHeld(event_id=event_id, hold_id=other):
                    kept[event_id] = other
                case None:
                    pass
        found = len(waiting)
        if waiting or kept:
            for event in whole_topic_events(self._settings, DESIGN_QUEUE, self._codec):
                if isinstance(event, AssetApproved):
                    waiting.discard(event.event_id)
                    kept.pop(event.event_id, None)
        self._done.still_held = dict(Counter(kept.values()))
        if first:
            self._done.delivered_before = found - len(waiting)
        return self._deliver(waiting) if waiting else 0

    def _deliver(self, waiting: set[str]) -> int:
        """Deliver the held assets whose new ids are waiting, in batches of one transaction each."""
        delivered, batch = 0, list[AssetHeld]()
        for event in self._held():
            if approval_id(event) in waiting:
                waiting.discard(approval_id(event))
                batch.append(event)
            if len(batch) >= self._batch:
                delivered += self._commit(batch)
                batch = []
                if self._stops(more=bool(waiting)):
                    return delivered
        return delivered + (self._commit(batch) if batch else 0)

    def _commit(self, batch: list[AssetHeld]) -> int:
        if self._lots is not None and (why := self._lots.guard(self._done)) is not None:
            self._done.stopped = why
            return 0
        holds = current(self._settings)  # a hold that was set since the look keeps its own back
        passed = [a for e in batch if isinstance(a := self._decided(e, holds), AssetApproved)]
        self._producer.begin_transaction()
        for event in passed:
            key = event.request.job.job_id.encode()
            self._producer.produce(DESIGN_QUEUE, key=key, value=self._codec.encode(event))
        self._fault("produced")
        self._producer.commit_transaction(WRITE_S)
        self._done.delivered += len(passed)
        self._fault("committed")
        return len(passed)

    def _stops(self, *, more: bool) -> bool:
        """Pause between two lots; whether to end here."""
        if self._lots is not None and more and not self._done.stopped and self._lots.wait(self._lots.pause_s):
            self._done.stopped = ASKED_TO_END
        return bool(self._done.stopped)

    def _decided(self, event: AssetHeld, holds: Mapping[str, HoldChanged]) -> AssetApproved | AssetHeld | None:
        return let_go(event, self._hold, holds, who=self._who, at_ms=self._now_ms())

    def _held(self) -> Iterator[AssetHeld]:
        for event in whole_topic_events(self._settings, HELD, self._codec):
            if isinstance(event, AssetHeld):
                yield event
