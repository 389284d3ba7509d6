"""The journal of a replay: its requests and its positions in one transaction, under a fenced transactional id."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final, Literal, Protocol, TypeAlias

from confluent_kafka import KafkaException, Producer

from broker import clients
from broker.faults import no_fault
from broker.settings import Settings
from ops.whole_topic import whole_topic_events
from schemas.catalogue import REPLAY_REQUESTS, REPLAYS
from schemas.events import ReplayChanged, ReplayRequested
from schemas.registry import codec_for

WRITE_S: Final = 30.0

Point: TypeAlias = Literal["taken over", "announced", "held", "produced", "committed"]
"""Where a replay can be killed: nothing written, its plan written, its hold set, a step written, a step committed."""
Fault: TypeAlias = Callable[[Point], None]


class Journal(Protocol):
    """What a replay has done, and the one way of doing more."""

    def take_over(self) -> ReplayChanged | None:
        """Fence whoever wrote before, undo what it left open, and give where the replay stands; None: nowhere yet."""
        ...

    def write(self, requests: Sequence[ReplayRequested], change: ReplayChanged) -> None:
        """Requests and the new standing, all or nothing. Raises Fatal where another took over, Transient."""
        ...


class KafkaJournal:
    """The journal on topics `replay.requests` and `replays`."""

    def __init__(self, settings: Settings, replay_id: str, fault: Fault = no_fault) -> None:
        self._settings, self._replay_id, self._fault = settings, replay_id, fault
        self._codec = codec_for(settings.schema_registry_url)
        self._producer: Producer = clients.producer(settings, transactional_id=f"replay-{replay_id}")

    def take_over(self) -> ReplayChanged | None:
        """Fence, then read: nothing that a former process left open can be committed any more."""
        try:
            self._producer.init_transactions(WRITE_S)
        except KafkaException as e:
            raise clients.classed(e, f"taking replay {self._replay_id} over") from e
        return known(self._settings).get(self._replay_id)

    def write(self, requests: Sequence[ReplayRequested], change: ReplayChanged) -> None:
        """One transaction."""
        try:
            self._producer.begin_transaction()
            for request in requests:
                value = self._codec.encode(request)
                self._producer.produce(REPLAY_REQUESTS, key=request.job.job_id.encode(), value=value)
            self._producer.produce(REPLAYS, key=change.replay_id.encode(), value=self._codec.encode(change))
            self._fault("produced")
            self._producer.commit_transaction(WRITE_S)
        except KafkaException as e:
            raise clients.classed(e, f"replay {self._replay_id}") from e
        self._fault("committed")


def known(settings: Settings) -> Mapping[str, ReplayChanged]:
    """Where every replay stands, by id, the latest change last. Raises Transient, BadConfig."""
    newest: dict[str, ReplayChanged] = {}
    for event in whole_topic_events(settings, REPLAYS, codec_for(settings.schema_registry_url)):
        if isinstance(event, ReplayChanged):
            newest.pop(event.replay_id, None)
            newest[event.replay_id] = event
    return newest
