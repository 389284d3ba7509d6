"""Recalls: which delivered assets the rules of today would not have let pass. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

from rules.ruleset import Ruleset
from rules.verdict import judge
from schemas import ids
from schemas.events import AssetApproved, AssetRecalled, ImageInspected, Verdict

RECALL = "recall"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wrong:
    """A delivered asset, and the failure modes that are seen in it now."""

    approval_id: str
    job_id: str
    replay_id: str | None
    asset_sha256: str
    defects: tuple[str, ...]


@dataclass(slots=True)
class Delivered:
    """What stands on the design queue and was not taken back, by attempt."""

    _by_attempt: dict[tuple[str, str, int], tuple[str, str]] = field(
        default_factory=dict[tuple[str, str, int], tuple[str, str]]
    )
    _recalled: set[str] = field(default_factory=set[str])

    def take(self, event: AssetApproved | AssetRecalled) -> None:
        """Count one record of the design queue."""
        if isinstance(event, AssetRecalled):
            self._recalled.add(event.approval_id)
            return
        asset = event.rendering.asset
        if asset is not None:
            request = event.request
            key = (request.job.job_id, request.replay_id or "", request.attempt)
            self._by_attempt[key] = (event.event_id, asset.sha256)

    def judged(self, event: ImageInspected, ruleset: Ruleset) -> Wrong | None:
        """What a ruleset says of a delivered asset by its recorded measurements; None where it may stay.

        Only what it rejects is wrong: what it would ask a person about has passed one way or the other already.
        """
        request = event.request
        key = (request.job.job_id, request.replay_id or "", request.attempt)
        approval_id, sha256 = self._by_attempt.get(key, ("", ""))
        if not approval_id or approval_id in self._recalled:
            return None
        judgement = judge(event.inspection, event.rendering, request, ruleset)
        if judgement.verdict is not Verdict.REJECT:
            return None
        modes = tuple(dict.fromkeys(d.mode for d in judgement.defects if d.certain))
        return Wrong(
            approval_id=approval_id,
            job_id=request.job.job_id,
            replay_id=request.replay_id,
            asset_sha256=sha256,
            defects=modes[:64],
        )

    def of_asset(self, asset_sha256: str, defects: tuple[str, ...]) -> tuple[Wrong, ...]:
        """The deliveries of an asset that a person found wrong; `asset_sha256` may be the beginning of its address."""
        return tuple(
            Wrong(
                approval_id=approval_id, job_id=job_id, replay_id=replay_id or None, asset_sha256=sha256,
                defects=defects,
            )
            for (job_id, replay_id, _), (approval_id, sha256) in self._by_attempt.items()
            if sha256.startswith(asset_sha256) and approval_id not in self._recalled
        )  # fmt: skip


def recalled(
    wrong: Wrong, *, ruleset_id: str | None, recovery_id: str | None, who: str, why: str, at_ms: int
) -> AssetRecalled:
    """The event that takes an asset back: the same id whenever it is made."""
    return AssetRecalled(
        event_id=ids.event_id(wrong.approval_id, RECALL),
        at_ms=at_ms,
        job_id=wrong.job_id,
        replay_id=wrong.replay_id,
        approval_id=wrong.approval_id,
        asset_sha256=wrong.asset_sha256,
        defects=wrong.defects,
        ruleset_id=ruleset_id,
        recovery_id=recovery_id,
        who=who,
        why=why,
    )
