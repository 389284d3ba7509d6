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
from broker.settings import Settings
from ops.whole_topic import whole_topic_events
from rules.decide import held_by
from rules.tree import nearest
from schemas import ids
from schemas.catalogue import DESIGN_QUEUE, HELD, HOLDS
from schemas.errors import BadConfig, Transient
from schemas.events import AssetApproved, AssetHeld, HoldChanged, HoldScope
from schemas.registry import codec_for

STAGE: Final = "ops"
RELEASE: Final = "release"
TRANSACTIONAL_ID: Final = "ops-release"
"""One for all holds: an asset that two holds cover may be delivered by the release of either."""
WRITE_S: Final = 30.0
BATCH: Final = 200
"""Assets in one transaction."""
MAX_PASSES: Final = 20
"""Looks at what is held. Each one that found something is followed by another: for a moment after the release,
validation may still go by what it knew of the hold."""

Step: TypeAlias = Literal["announced", "produced", "committed"]
"""Where a release can be interrupted: the hold is released, a batch is written, a batch is committed."""


def no_fault(_step: Step) -> None:
    """The fault hook of production: nothing happens."""


@dataclass(slots=True, kw_only=True)
class Released:
    """What a release did: assets delivered now, delivered before, and kept by each other hold that is active."""

    delivered: int = 0
    delivered_before: int = 0
    still_held: dict[str, int] = field(default_factory=dict[str, int])


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
    fault: Callable[[Step], None] = no_fault,
) -> Released:
    """Release a hold and deliver what it kept, except what another active hold still covers.

    It may be run again, to finish one that was interrupted or to look once more. `now_ms` gives milliseconds since
    1970 UTC, `batch` is how many assets share a transaction, `fault` is called at every step. Raises BadConfig where
    there is no such hold, Fatal where another release took over, Transient where the broker is away: run it again.
    """
    known = current(settings)
    if hold_id not in known:
        raise BadConfig(f"there is no hold {hold_id!r}", mend=nearest(hold_id, known))
    return _Release(settings, known[hold_id], who, now_ms, batch, fault).run(why)


class _Release:
    """One run of a release."""

    def __init__(
        self,
        settings: Settings,
        hold: HoldChanged,
        who: str,
        now_ms: Callable[[], int],
        batch: int,
        fault: Callable[[Step], None],
    ) -> None:
        self._settings, self._hold, self._who = settings, hold, who
        self._now_ms, self._batch, self._fault = now_ms, batch, fault
        self._codec = codec_for(settings.schema_registry_url)
        self._producer: Producer = clients.producer(settings, transactional_id=TRANSACTIONAL_ID)
        self._done = Released()

    def run(self, why: str) -> Released:
        """Fence others, announce the release, then deliver until a look finds nothing more to deliver."""
        try:
            # Before anything is read: what a former run left open is aborted now, and it can commit nothing more.
            self._producer.init_transactions(WRITE_S)
            if self._hold.active:
                self._announce(why)
            self._fault("announced")
            for number in range(MAX_PASSES):
                if not self._pass(first=number == 0) and number > 0:
                    return self._done
        except KafkaException as e:
            raise clients.classed(e, f"releasing {self._hold.hold_id}") from e
        raise Transient(f"assets are still being held for {self._hold.hold_id}; run the release again")

    def _announce(self, why: str) -> None:
        at_ms = self._now_ms()
        change = replace(
            self._hold,
            event_id=ids.event_id(self._hold.hold_id, STAGE, f"released {at_ms}"),
            at_ms=at_ms,
            active=False,
            who=self._who,
            why=why,
        )
        self._producer.begin_transaction()
        self._producer.produce(HOLDS, key=change.hold_id.encode(), value=self._codec.encode(change))
        self._producer.commit_transaction(WRITE_S)

    def _pass(self, *, first: bool) -> int:
        """One look at topic held; gives how many assets it delivered."""
        active = {k: h for k, h in current(self._settings).items() if h.active and k != self._hold.hold_id}
        waiting: set[str] = set()
        kept: dict[str, str] = {}
        for event in self._held():
            if other := held_by(event.request, active):
                kept[_id(event)] = other
            else:
                waiting.add(_id(event))
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
        delivered, batch = 0, list[AssetApproved]()
        for event in self._held():
            if _id(event) in waiting:
                waiting.discard(_id(event))
                batch.append(self._approved(event))
            if len(batch) >= self._batch:
                delivered += self._commit(batch)
                batch = []
        return delivered + (self._commit(batch) if batch else 0)

    def _commit(self, batch: list[AssetApproved]) -> int:
        self._producer.begin_transaction()
        for event in batch:
            key = event.request.job.job_id.encode()
            self._producer.produce(DESIGN_QUEUE, key=key, value=self._codec.encode(event))
        self._fault("produced")
        self._producer.commit_transaction(WRITE_S)
        self._done.delivered += len(batch)
        self._fault("committed")
        return len(batch)

    def _held(self) -> Iterator[AssetHeld]:
        """What this hold kept, and what it covers of what others kept."""
        mine: Mapping[str, HoldChanged] = {self._hold.hold_id: replace(self._hold, active=True)}
        for event in whole_topic_events(self._settings, HELD, self._codec):
            if isinstance(event, AssetHeld) and (event.hold_id in mine or held_by(event.request, mine)):
                yield event

    def _approved(self, event: AssetHeld) -> AssetApproved:
        return AssetApproved(
            event_id=_id(event),
            at_ms=self._now_ms(),
            request=event.request,
            rendering=event.rendering,
            judgement=event.judgement,
            approved_by=f"{RELEASE} by {self._who}",
        )


def _id(event: AssetHeld) -> str:
    """Id of the approval that a held asset becomes: the same in every run."""
    return ids.event_id(event.event_id, RELEASE)
