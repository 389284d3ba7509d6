"""Topic `rollouts` as it stands, and the one kind of transaction that changes which rulesets decide.

Rulesets and roll-outs share one transactional.id: whoever begins to change either fences whoever else is about to. So
what was read is what is changed, and a roll-out can end with its candidate active, or not at all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final, Literal, TypeAlias

from confluent_kafka import KafkaException

from broker import clients
from broker.faults import no_fault
from broker.settings import Settings
from ops.whole_topic import whole_topic_events
from rules.rollout import current, moved
from schemas import catalogue
from schemas.errors import Transient
from schemas.events import Event, RolloutChanged, RolloutState, RulesetActivated
from schemas.registry import codec_for

WRITE_S: Final = 30.0
TRANSACTIONAL_ID: Final = "ops-rulesets"

Write = tuple[str, str, Event | None]
"""Topic, key and event; None deletes the key."""
Step: TypeAlias = Literal["fenced", "produced", "committed"]
"""Where a change can be interrupted: others are fenced off, all is written, all is committed."""
Fault: TypeAlias = Callable[[Step], None]


class Overtaken(Transient):
    """Somebody else changed rulesets or roll-outs at the same time, and nothing was written: look again."""


def read_rollouts(settings: Settings) -> Mapping[str, RolloutChanged]:
    """The newest step of every roll-out by its id, in the order of these steps.

    Raises BadConfig where the topic does not exist, Transient where the broker does not answer.
    """
    newest: dict[str, RolloutChanged] = {}
    for event in whole_topic_events(settings, catalogue.ROLLOUTS, codec_for(settings.schema_registry_url)):
        if isinstance(event, RolloutChanged):
            newest[event.rollout_id] = event
    return dict(sorted(newest.items(), key=lambda item: item[1].at_ms))


def in_one_transaction(settings: Settings, decide: Callable[[], Sequence[Write]], *, fault: Fault = no_fault) -> None:
    """Write what `decide` gives, all of it or nothing; it reads the topics once others are fenced off.

    Whoever else changes rulesets or roll-outs meanwhile loses the race and is told so: two that go back at once go one
    step back. Raises what `decide` does, Overtaken, and Fatal or Transient where the broker does not take it.
    """
    producer = clients.producer(settings, transactional_id=TRANSACTIONAL_ID)
    try:
        producer.init_transactions(WRITE_S)
        fault("fenced")
        codec = codec_for(settings.schema_registry_url)
        records = [(t, k.encode(), None if e is None else codec.encode(e)) for t, k, e in decide()]
        if records:
            producer.begin_transaction()
            for topic, key, value in records:
                producer.produce(topic, key=key, value=value)
            fault("produced")
            producer.commit_transaction(WRITE_S)
            fault("committed")
    except KafkaException as e:
        if e.args[0].code() in clients.FENCED:
            raise Overtaken("somebody else changes the rulesets or a roll-out at this moment; look again") from e
        raise clients.classed(e, "change the rulesets") from e


def ended_by_hand(settings: Settings, activated: RulesetActivated) -> list[Write]:
    """What ends a roll-out under way because somebody chose the ruleset that decides; nothing where there is none."""
    was = current(read_rollouts(settings))
    if was is None:
        return []
    why = f"ruleset {activated.ruleset_id[:12]} was activated meanwhile"
    step = moved(was, RolloutState.ABORTED, who=activated.who, reason=why, at_ms=activated.at_ms)
    return [(catalogue.ROLLOUTS, step.rollout_id, step)]
