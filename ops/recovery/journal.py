"""The steps of recoveries on their topic, under a transactional id that fences a second process of the same one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from confluent_kafka import KafkaException, Producer

from broker import clients
from broker.settings import Settings
from ops.whole_topic import whole_topic_events
from rules.tree import nearest
from schemas.catalogue import RECOVERIES
from schemas.errors import BadConfig
from schemas.events import RecoveryChanged
from schemas.registry import codec_for

WRITE_S: Final = 30.0


class Journal:
    """What one recovery has done, and the one way of doing more. Raises Transient, Fatal where another took over."""

    def __init__(self, settings: Settings, recovery_id: str) -> None:
        self._settings, self._recovery_id = settings, recovery_id
        self._codec = codec_for(settings.schema_registry_url)
        self._producer: Producer = clients.producer(settings, transactional_id=f"recovery-{recovery_id}")
        self._owned = False

    def take_over(self) -> RecoveryChanged | None:
        """Fence whoever wrote before, and give where the recovery stands; None: nowhere yet."""
        try:
            if not self._owned:  # once for each producer
                self._producer.init_transactions(WRITE_S)
        except KafkaException as e:
            raise clients.classed(e, f"taking recovery {self._recovery_id} over") from e
        self._owned = True
        return known(self._settings).get(self._recovery_id)

    def write(self, change: RecoveryChanged) -> None:
        """One step."""
        try:
            self._producer.begin_transaction()
            self._producer.produce(RECOVERIES, key=change.recovery_id.encode(), value=self._codec.encode(change))
            self._producer.commit_transaction(WRITE_S)
        except KafkaException as e:
            raise clients.classed(e, f"recovery {self._recovery_id}") from e


def known(settings: Settings) -> Mapping[str, RecoveryChanged]:
    """Where every recovery stands, by id, the latest change last. Raises Transient, BadConfig."""
    newest: dict[str, RecoveryChanged] = {}
    for event in whole_topic_events(settings, RECOVERIES, codec_for(settings.schema_registry_url)):
        if isinstance(event, RecoveryChanged):
            newest.pop(event.recovery_id, None)
            newest[event.recovery_id] = event
    return newest


def find(settings: Settings, recovery_id: str) -> RecoveryChanged:
    """Where one stands. Raises BadConfig with the nearest right id."""
    there = known(settings)
    if recovery_id not in there:
        raise BadConfig(f"there is no recovery {recovery_id!r}", mend=nearest(recovery_id, there))
    return there[recovery_id]
