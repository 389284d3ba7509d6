"""The validation stage: measurements become verdicts, and verdicts say where an asset goes next."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from broker import logs
from broker.broadcast import HoldTable, RulesetTable, follow_holds, follow_rulesets
from broker.outbox_kafka import KafkaLog
from broker.outbox_port import Source
from broker.settings import Settings
from rules import decide
from rules.looks import look_of
from rules.ruleset import Ruleset
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
    """Decides with the ruleset and the holds in force; remembers nothing."""

    name = NAME
    inputs = (IMAGES_INSPECTED,)

    def __init__(self, ruleset: Callable[[], Ruleset], holds: Callable[[], Mapping[str, HoldChanged]]) -> None:
        self._ruleset, self._holds = ruleset, holds

    def taken_over(self, source: Source) -> None:
        """Nothing to read back: attempts and cost travel in the records."""

    def batch(self, source: Source) -> ValidationBatch:
        """Begin a batch with the ruleset and the holds in force. Raises Transient where there is no ruleset."""
        return ValidationBatch(self._ruleset(), self._holds())


class ValidationBatch:
    """Decisions of one batch."""

    def __init__(self, ruleset: Ruleset, holds: Mapping[str, HoldChanged]) -> None:
        self._ruleset, self._holds = ruleset, holds

    def handle(self, event: Event, at_ms: int) -> list[Output]:
        """Where the asset goes; of one that passed also how it looks, for the rest of its campaign."""
        if not isinstance(event, ImageInspected):
            raise Poison(f"validation does not take {type(event).__name__}")
        decided = decide.on_inspected(event, self._ruleset, self._holds, at_ms)
        job_id = event.request.job.job_id
        outputs = [Output(topic=_topic(decided), key=job_id, event=decided)]
        look = look_of(event, at_ms) if decided.judgement.verdict is Verdict.ACCEPT else None
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
    with follow_rulesets(settings) as rulesets, follow_holds(settings) as holds:
        rulesets.wait_ready(READY_S)
        holds.wait_ready(READY_S)
        stage = Validation(RulesetTable(rulesets).current, HoldTable(holds).active)
        code = Runner(settings, NAME, stage.inputs, log, StageDecider(stage, codec, now_ms)).run()
    log.close()
    return code
