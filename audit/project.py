"""What the projections say of an event, with no I/O: topics come in any order, and the outcome is the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from audit.letters import dead_letter_row
from audit.operations import Operation, operation_of, recall_of
from audit.rollout_rows import first_verdict, rollout_step
from audit.rows import (
    OWN_RUN,
    AttemptRow,
    DeadLetterRow,
    DefectRow,
    FirstVerdictRow,
    JobRow,
    LabelRow,
    MeasurementRow,
    OperationRow,
    RecallRow,
    RolloutStepRow,
    RunRow,
    TouchUpRow,
    VerdictRow,
)
from rules.decide import VALIDATION
from rules.lifecycle import STATE_AFTER, TERMINAL, JobEvent
from schemas.codec import plain
from schemas.events import (
    AssetApproved,
    AssetHeld,
    AssetLabelled,
    AssetRecalled,
    AssetRejected,
    DeadLetter,
    Event,
    HoldChanged,
    ImageGenerated,
    ImageInspected,
    Job,
    Judgement,
    PromptRefused,
    PromptSubmitted,
    RecoveryChanged,
    Rendering,
    RenderRequest,
    RenderRequested,
    ReplayChanged,
    ReplayRequested,
    ReviewRequested,
    RolloutChanged,
    RulesetActivated,
    ShareChanged,
    TouchUpReported,
)

RANK: Final[Mapping[type[Event], int]] = {
    PromptSubmitted: 0,
    ReplayRequested: 0,
    PromptRefused: 1,
    RenderRequested: 1,
    ImageGenerated: 2,
    ImageInspected: 3,
    ReviewRequested: 4,
    AssetHeld: 5,
    AssetRejected: 6,
    AssetApproved: 6,
    AssetRecalled: 7,
}
"""Order of a run's records within one attempt. Review and hold come before what a person makes of them."""


class Projected:
    """The rows of one batch, each key once."""

    def __init__(self) -> None:
        self.jobs: dict[str, JobRow] = {}
        self.runs: dict[tuple[str, str], RunRow] = {}
        self.attempts: dict[tuple[str, str, int], AttemptRow] = {}
        self.measurements: dict[tuple[str, str, int, int], MeasurementRow] = {}
        self.verdicts: dict[str, VerdictRow] = {}
        self.defects: dict[tuple[str, int], DefectRow] = {}
        self.first_verdicts: dict[tuple[str, str, bool], FirstVerdictRow] = {}
        self.rollout_steps: dict[str, RolloutStepRow] = {}
        self.touch_ups: dict[str, TouchUpRow] = {}
        self.labels: dict[str, LabelRow] = {}
        self.dead_letters: dict[str, DeadLetterRow] = {}
        self.recalls: dict[str, RecallRow] = {}
        self.operations: dict[str, OperationRow] = {}

    def take(self, event: Event, job_id: str | None, given_up: Event | None = None) -> None:
        """Add what an event says. `job_id` is the ledger's, for records that only their key ties to a job.

        `given_up`: The record in a dead letter; None where it cannot be read.
        """
        match event:
            case PromptSubmitted(job=job):
                self._job(job)
                self._run(event, job.job_id, at_ms=job.submitted_at_ms, started_at_ms=job.submitted_at_ms)
            case ReplayRequested(job=job):
                self._job(job)
                self._run(event, job.job_id, replay_id=event.replay_id, at_ms=event.at_ms, started_at_ms=event.at_ms)
            case PromptRefused(job=job):
                self._job(job)
                self._run(
                    event, job.job_id, replay_id=event.replay_id or OWN_RUN, at_ms=event.at_ms, reasons=event.reasons,
                    started_at_ms=None if event.replay_id else job.submitted_at_ms, ruleset_id=event.ruleset_id,
                )  # fmt: skip
            case RenderRequested(request=request):
                self._progress(event, request, event.at_ms)
                self._attempt(replace(_asked(request), requested_at_ms=event.at_ms))
            case ImageGenerated(request=request):
                self._progress(event, request, event.at_ms)
                self._attempt(replace(_rendered(request, event.rendering), generated_at_ms=event.at_ms))
            case ImageInspected(request=request):
                self._progress(event, request, event.at_ms)
                self._inspected(event)
            case AssetApproved() | AssetHeld() | AssetRejected() | ReviewRequested():
                self._progress(event, event.request, event.at_ms)
                self._attempt(_rendered(event.request, event.rendering))
                self._verdict(event)
                if (first := first_verdict(event)) is not None:
                    self.first_verdicts.setdefault((first.rollout_id, first.job_id, first.shadow), first)
            case DeadLetter():
                self.dead_letters[event.event_id] = dead_letter_row(event, job_id, given_up)
            case _:
                self._take_word(event)

    def _take_word(self, event: Event) -> None:
        """What people say of assets, and what operators do."""
        match event:
            case TouchUpReported():
                self.touch_ups.setdefault(event.event_id, TouchUpRow(**plain(event)))
            case AssetLabelled():
                self._label(event)
            case RolloutChanged():
                self.rollout_steps[event.event_id] = rollout_step(event)
                self._operation(event)
            case AssetRecalled():
                self.recalls[event.event_id] = recall_of(event)
            case HoldChanged() | RecoveryChanged() | ReplayChanged() | RulesetActivated() | ShareChanged():
                self._operation(event)
            case _:
                pass  # documents of rulesets and keys seen are in the ledger alone

    def _operation(self, event: Operation) -> None:
        if (row := operation_of(event)) is not None:
            self.operations[event.event_id] = row

    def _job(self, job: Job) -> None:
        row = JobRow(
            job_id=job.job_id,
            idempotency_key=job.idempotency_key,
            prompt=job.prompt,
            campaign=job.campaign,
            brand=job.brand,
            lane=job.lane.value,
            required_text=job.required_text,
            submitted_at_ms=job.submitted_at_ms,
        )
        self.jobs.setdefault(job.job_id, row)

    def _run(self, event: JobEvent, job_id: str, *, replay_id: str = OWN_RUN, attempt: int = 0, **known: Any) -> None:
        state = STATE_AFTER[type(event)]
        row = RunRow(
            job_id=job_id,
            replay_id=replay_id,
            state=state,
            attempt=attempt,
            rank=RANK[type(event)],
            ended_at_ms=known["at_ms"] if state in TERMINAL else None,
            **known,
        )
        key = (job_id, replay_id)
        self.runs[key] = row.later(self.runs[key]) if key in self.runs else row

    def _progress(self, event: JobEvent, request: RenderRequest, at_ms: int) -> None:
        self._job(request.job)
        self._run(
            event,
            request.job.job_id,
            replay_id=request.replay_id or OWN_RUN,
            attempt=request.attempt,
            at_ms=at_ms,
            engine=request.engine,
            ruleset_id=request.ruleset_id,
            started_at_ms=None if request.replay_id else request.job.submitted_at_ms,
        )

    def _attempt(self, row: AttemptRow) -> None:
        key = (row.job_id, row.replay_id, row.attempt)
        self.attempts[key] = self.attempts[key].joined(row) if key in self.attempts else row

    def _inspected(self, event: ImageInspected) -> None:
        row = replace(
            _rendered(event.request, event.rendering),
            inspect_ms=event.inspection.elapsed_ms,
            inspected_at_ms=event.at_ms,
        )
        self._attempt(row)
        for number, m in enumerate(event.inspection.measurements):
            self.measurements[(row.job_id, row.replay_id, row.attempt, number)] = MeasurementRow(
                job_id=row.job_id,
                replay_id=row.replay_id,
                attempt=row.attempt,
                number=number,
                check=m.check,
                name=m.name,
                value=m.value,
            )

    def _verdict(self, event: AssetApproved | AssetHeld | AssetRejected | ReviewRequested) -> None:
        judgement: Judgement = event.judgement
        asset = event.rendering.asset
        self.verdicts[event.event_id] = VerdictRow(
            event_id=event.event_id,
            job_id=event.request.job.job_id,
            replay_id=event.request.replay_id or OWN_RUN,
            attempt=event.request.attempt,
            verdict=judgement.verdict.value,
            record=type(event).__name__,
            decided_by=event.approved_by if isinstance(event, AssetApproved) else VALIDATION,
            ruleset_id=judgement.ruleset_id,
            scores=judgement.scores,
            reasons=judgement.reasons,
            repair_rung=event.repair.rung.value if isinstance(event, AssetRejected) else None,
            hold_id=event.hold_id if isinstance(event, AssetHeld) else None,
            asset_sha256=None if asset is None else asset.sha256,
            audit=judgement.audit,
            at_ms=event.at_ms,
        )
        for number, defect in enumerate(judgement.defects):
            self.defects[(event.event_id, number)] = DefectRow(event_id=event.event_id, number=number, **plain(defect))

    def _label(self, event: AssetLabelled) -> None:
        self.labels[event.event_id] = LabelRow(
            event_id=event.event_id,
            job_id=event.job_id,
            asset_sha256=event.asset_sha256,
            source=event.source.value,
            defects=event.defects,
            who=event.who,
            why=event.why,
            at_ms=event.at_ms,
        )


def _asked(request: RenderRequest) -> AttemptRow:
    return AttemptRow(
        job_id=request.job.job_id,
        replay_id=request.replay_id or OWN_RUN,
        attempt=request.attempt,
        rung=request.rung.value,
        rule=request.rule,
        engine=request.engine,
        lane=request.lane.value,
        risk=request.risk.value,
        ruleset_id=request.ruleset_id,
        scheduler=request.sampling.scheduler,
        steps=request.sampling.steps,
        guidance=request.sampling.guidance,
        seed=request.sampling.seed,
        wants_text=bool(request.text.phrases),
        tags=tuple(sorted({t.name for t in request.tags})),
        shadow=request.assignment is not None and request.assignment.shadow,
        rollout_id=None if request.assignment is None else request.assignment.rollout_id,
        arm=None if request.assignment is None else request.assignment.arm.value,
    )


def _rendered(request: RenderRequest, rendering: Rendering) -> AttemptRow:
    asset, failure = rendering.asset, rendering.failure
    return replace(
        _asked(request),
        outcome=rendering.outcome.value,
        backend=rendering.backend,
        model_digest=rendering.model_digest,
        device=rendering.device,
        failure_kind=None if failure is None else failure.kind.value,
        failure_message=None if failure is None else failure.message,
        asset_sha256=None if asset is None else asset.sha256,
        media_type=None if asset is None else asset.media_type,
        size_bytes=None if asset is None else asset.size_bytes,
        manifest_sha256=rendering.manifest_sha256,
        engine_ms=rendering.engine_ms,
        batch_size=rendering.batch_size,
        cost_usd=rendering.cost_usd,
    )
