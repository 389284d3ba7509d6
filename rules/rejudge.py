"""What another ruleset would say of recorded measurements. Pure: nothing is measured again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from rules.changes import Changes, Side
from rules.decide import on_inspected
from rules.ruleset import Ruleset
from schemas.events import AssetRejected, HoldChanged, ImageInspected

NO_HOLDS: Final[Mapping[str, HoldChanged]] = {}
TAG, ENGINE, LANE = "tag", "engine", "lane"


@dataclass(slots=True)
class Rejudge:
    """Judges inspected attempts by two rulesets. Cost is what the repairs that follow are expected to add."""

    former: Ruleset
    new: Ruleset
    changes: Changes = field(default_factory=Changes)

    def take(self, event: ImageInspected) -> None:
        """Count one attempt. Holds and parts in roll-outs are left aside: they say where it goes, not what it is."""
        request = event.request
        alone = replace(event, request=replace(request, assignment=None))
        former = _side(alone, self.former)
        new = former if self.former.id == self.new.id else _side(alone, self.new)
        self.changes.take(request.job.job_id, request.prompt, former, new)


def _side(event: ImageInspected, ruleset: Ruleset) -> Side:
    request = event.request
    decided = on_inspected(event, ruleset, NO_HOLDS, event.at_ms)
    names = {TAG: {t.name for t in request.tags}, ENGINE: (request.engine,), LANE: (request.lane.value,)}
    repair = decided.repair if isinstance(decided, AssetRejected) else None
    profile = None if repair is None else ruleset.engines[repair.engine]
    return Side(
        place=decided.judgement.verdict.value,
        names=names,
        cost_usd=0.0 if profile is None else profile.expected_cost_usd,
        modes=frozenset(d.mode for d in decided.judgement.defects),
        note="" if repair is None else f"{repair.rung.value}, {repair.engine}",
    )
