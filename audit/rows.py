"""Rows of the projections, one type for each table: field names are column names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Final

from rules.lifecycle import State

OWN_RUN: Final = ""
"""The replay id of a job's own run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRow:
    """What was asked for."""

    job_id: str
    idempotency_key: str
    prompt: str
    campaign: str
    brand: str
    lane: str
    required_text: tuple[str, ...]
    submitted_at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRow:
    """How far a run is: attempt, rank and at_ms order its records; times in milliseconds since 1970 UTC."""

    job_id: str
    replay_id: str
    state: State
    attempt: int
    rank: int
    at_ms: int
    engine: str | None = None
    reasons: tuple[str, ...] | None = None
    ruleset_id: str | None = None
    started_at_ms: int | None = None
    ended_at_ms: int | None = None

    def later(self, other: RunRow) -> RunRow:
        """Both as one: the state of the later one, the earliest start and the first end."""
        order = (self.attempt, self.rank, self.at_ms)
        newest, older = (self, other) if order >= (other.attempt, other.rank, other.at_ms) else (other, self)
        return replace(
            newest,
            engine=newest.engine or older.engine,
            reasons=older.reasons if newest.reasons is None else newest.reasons,
            ruleset_id=newest.ruleset_id or older.ruleset_id,
            started_at_ms=_first(self.started_at_ms, other.started_at_ms),
            ended_at_ms=_first(self.ended_at_ms, other.ended_at_ms),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptRow:
    """One attempt: what was asked, and as it becomes known, what came of it."""

    job_id: str
    replay_id: str
    attempt: int
    rung: str
    rule: str
    engine: str
    lane: str
    risk: str
    ruleset_id: str
    scheduler: str
    steps: int
    guidance: float
    seed: int
    wants_text: bool
    tags: tuple[str, ...] = ()
    shadow: bool = False
    rollout_id: str | None = None
    arm: str | None = None
    requested_at_ms: int | None = None
    outcome: str | None = None
    backend: str | None = None
    model_digest: str | None = None
    device: str | None = None
    failure_kind: str | None = None
    failure_message: str | None = None
    asset_sha256: str | None = None
    media_type: str | None = None
    size_bytes: int | None = None
    manifest_sha256: str | None = None
    engine_ms: float | None = None
    batch_size: int | None = None
    cost_usd: float | None = None
    generated_at_ms: int | None = None
    inspect_ms: float | None = None
    inspected_at_ms: int | None = None

    def joined(self, other: AttemptRow) -> AttemptRow:
        """Both as one: what either knows."""
        known = {f.name: getattr(other, f.name) for f in fields(self) if getattr(self, f.name) is None}
        return replace(self, **known)


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasurementRow:
    """One number that a check measured."""

    job_id: str
    replay_id: str
    attempt: int
    number: int
    check: str
    name: str
    value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class VerdictRow:
    """One verdict, of validation or of a person."""

    event_id: str
    job_id: str
    replay_id: str
    attempt: int
    verdict: str
    record: str
    decided_by: str
    ruleset_id: str
    scores: Mapping[str, float]
    reasons: tuple[str, ...]
    repair_rung: str | None
    hold_id: str | None
    asset_sha256: str | None
    audit: bool
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DefectRow:
    """One failure mode that a verdict found."""

    event_id: str
    number: int
    mode: str
    check: str
    value: float
    threshold: float
    evidence: str
    certain: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstVerdictRow:
    """The first verdict of a job in a roll-out, or of its shadow. `latency_ms` is from submission; None of a shadow."""

    rollout_id: str
    job_id: str
    shadow: bool
    arm: str
    artifact: bool
    modes: tuple[str, ...]
    latency_ms: float | None
    event_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutStepRow:
    """One step of a roll-out. `position`: the last first verdict that had been counted when its stage was decided."""

    event_id: str
    rollout_id: str
    state: str
    stage: int
    percent: int
    position: int
    numbers: Mapping[str, float]
    reason: str
    who: str
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TouchUpRow:
    """Hand work on a delivered asset."""

    event_id: str
    job_id: str
    asset_sha256: str
    minutes: float
    defect: str
    who: str
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelRow:
    """What a person says of an asset."""

    event_id: str
    job_id: str
    asset_sha256: str
    source: str
    defects: tuple[str, ...]
    who: str
    why: str
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RecallRow:
    """A delivered asset that was taken back."""

    event_id: str
    job_id: str
    replay_id: str
    approval_id: str
    asset_sha256: str
    defects: tuple[str, ...]
    ruleset_id: str | None
    recovery_id: str | None
    who: str
    why: str
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationRow:
    """What an operator did: a hold, a step of a recovery, a ruleset that decides from then on."""

    event_id: str
    kind: str
    subject: str
    step: str
    numbers: Mapping[str, float]
    who: str
    why: str
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetterRow:
    """A record that a stage gave up."""

    event_id: str
    stage: str
    kind: str
    error: str
    origin_topic: str
    origin_partition: int
    origin_offset: int
    job_id: str | None
    replay_id: str | None
    at_ms: int


Row = (
    JobRow
    | RunRow
    | AttemptRow
    | MeasurementRow
    | VerdictRow
    | DefectRow
    | FirstVerdictRow
    | RolloutStepRow
    | TouchUpRow
    | LabelRow
    | DeadLetterRow
    | RecallRow
    | OperationRow
)


def _first(a: int | None, b: int | None) -> int | None:
    return b if a is None else a if b is None else min(a, b)
