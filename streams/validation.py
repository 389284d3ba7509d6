"""The validation stage: measurements become verdicts, and verdicts say where an asset goes next."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from broker import logs
from broker.broadcast import (
    HoldTable,
    RolloutTable,
    RulesetTable,
    follow_holds,
    follow_rollouts,
    follow_rulesets,
)
from broker.outbox_kafka import KafkaLog
from broker.outbox_port import Source
from broker.ruling import Ruling, Rulings
from broker.settings import Settings
from rules import decide
from rules.looks import look_of
from schemas.catalogue import DESIGN_QUEUE, HELD, IMAGES_INSPECTED, LOOKS, REPLAY, REVIEW
from schemas.errors import Poison
from schemas.events import (
    AssetApproved,
    AssetHeld,
    AssetRejected,
    Event,
    HoldChanged,
    ImageInspected,
    ReviewRequested,
    Verdict,
)
from schemas.registry import codec_for
from streams.runner import READY_S, Runner
from streams.stage import Output, StageDecider, now_ms

NAME = "validation"


class Validation:
    """Decides with the rulesets and the holds in force; remembers nothing."""

    name = NAME
    inputs = (IMAGES_INSPECTED,)

    def __init__(self, ruling: Callable[[], Ruling], holds: Callable[[], Mapping[str, HoldChanged]]) -> None:
        self._ruling, self._holds = ruling, holds

    def taken_over(self, source: Source) -> None:
        """Nothing to read back: attempts and cost travel in the records."""

    def batch(self, source: Source) -> ValidationBatch:
        """Begin a batch with the rulesets and the holds in force. Raises Transient where no ruleset is."""
        return ValidationBatch(self._ruling(), self._holds())


class ValidationBatch:
    """Decisions of one batch."""

    def __init__(self, ruling: Ruling, holds: Mapping[str, HoldChanged]) -> None:
        self._ruling, self._holds = ruling, holds

    def handle(self, event: Event, at_ms: int) -> list[Output]:
        """Where the asset goes; of one that passed also how it looks, for the rest of its campaign.

        The twin of a paired job leaves no look: what nobody will see must not make the campaign's assets alike.
        """
        if not isinstance(event, ImageInspected):
            raise Poison(f"validation does not take {type(event).__name__}")
        assignment = event.request.assignment
        decided = decide.on_inspected(event, self._ruling.of(assignment), self._holds, at_ms)
        job_id = event.request.job.job_id
        outputs = [Output(topic=_topic(decided), key=job_id, event=decided)]
        shadow = assignment is not None and assignment.shadow
        seen = decided.judgement.verdict is Verdict.ACCEPT and not shadow
        look = look_of(event, at_ms) if seen else None
        if look is not None:
            outputs.append(Output(topic=LOOKS, key=job_id, event=look))
        return outputs

    def written(self, outputs: Sequence[Output]) -> None:
        """Nothing is remembered."""

    def kept(self) -> None:
        """Nothing is remembered."""


def _topic(decided: AssetApproved | AssetRejected | ReviewRequested | AssetHeld) -> str:
    match decided:
        case AssetApproved():
            return DESIGN_QUEUE
        case AssetRejected():
            return REPLAY
        case ReviewRequested():
            return REVIEW
        case AssetHeld():
            return HELD


def main(settings: Settings) -> int:
    """Run the stage until SIGTERM; the exit code. Raises Transient where the broker does not answer."""
    logs.set_up(settings, process=NAME)
    codec = codec_for(settings.schema_registry_url)
    log = KafkaLog(settings, NAME)
    with (
        follow_rulesets(settings) as rulesets,
        follow_rollouts(settings) as rollouts,
        follow_holds(settings) as holds,
    ):
        for table in (rulesets, rollouts, holds):
            table.wait_ready(READY_S)
        ruling = Rulings(rulesets=RulesetTable(rulesets), rollouts=RolloutTable(rollouts).current)
        stage = Validation(ruling, HoldTable(holds).active)
        code = Runner(settings, NAME, stage.inputs, log, StageDecider(stage, codec, now_ms)).run()
    log.close()
    return code
