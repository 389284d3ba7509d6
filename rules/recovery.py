"""Recovery of a bad batch: which assets it means, under which terms they are released, and what comes next. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, cast

from rules.limits import Figures, Limit, missed
from rules.replay_plan import Plan, plan_of
from schemas.events import RecoveryStep

TOPIC: Final = "images.inspected"
"""Where assets are looked for: every attempt passes here, whatever became of it."""

NEXT: Final[Mapping[RecoveryStep, frozenset[RecoveryStep]]] = {
    RecoveryStep.TAGGED: frozenset({RecoveryStep.REPLAYING, RecoveryStep.CANCELLED}),
    RecoveryStep.REPLAYING: frozenset({RecoveryStep.VALIDATING, RecoveryStep.STOPPED, RecoveryStep.CANCELLED}),
    RecoveryStep.VALIDATING: frozenset({RecoveryStep.RELEASING, RecoveryStep.STOPPED, RecoveryStep.CANCELLED}),
    RecoveryStep.RELEASING: frozenset({RecoveryStep.COMPLETED, RecoveryStep.STOPPED, RecoveryStep.CANCELLED}),
    RecoveryStep.STOPPED: frozenset({RecoveryStep.REPLAYING, RecoveryStep.CANCELLED}),
    RecoveryStep.COMPLETED: frozenset(),
    RecoveryStep.CANCELLED: frozenset(),
}
"""What may follow. One that was stopped goes on from its replay: each step leaves out what it did before."""
ENDED: Final = frozenset({RecoveryStep.COMPLETED, RecoveryStep.CANCELLED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """How a recovery goes on after its replay: bars, then lots of so many, a pause of seconds between, and guards."""

    bars: tuple[Limit, ...]
    lot: int
    pause_s: float
    guards: tuple[Limit, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovery:
    """The plan of a recovery: assets seen from from_ms to to_ms (ms since 1970 UTC), their replay, and the terms."""

    from_ms: int
    to_ms: int
    replay: Plan
    terms: Terms

    @property
    def document(self) -> str:
        """Canonical JSON of all of it."""
        return json.dumps(asdict(self), sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def recovery_of(document: str) -> Recovery:
    """The plan that a document holds; it was written by `Recovery.document`."""
    data = cast("dict[str, Any]", json.loads(document))
    terms = cast("dict[str, Any]", data["terms"])
    limits = {name: tuple(Limit(**limit) for limit in terms.pop(name)) for name in ("bars", "guards")}
    return Recovery(
        from_ms=data["from_ms"],
        to_ms=data["to_ms"],
        replay=plan_of(json.dumps(data["replay"])),
        terms=Terms(**limits, **terms),
    )


def where_of(
    *, rulesets: Sequence[str] = (), engines: Sequence[str] = (), modes: Sequence[str] = (), more: str = ""
) -> str:
    """The condition of failed assets: no accept, and of these rulesets, engines and failure modes where any is given.

    `more` is a condition as a person wrote it, which must hold as well.
    """
    parts = ["verdict!=accept"]
    for field, values in (("ruleset", rulesets), ("engine", engines), ("mode", modes)):
        if values:
            parts.append(f"({' or '.join(f'{field}={value}' for value in values)})")
    return " and ".join([*parts, *([f"({more})"] if more.strip() else [])])


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """How the replay of a recovery stands: jobs it is to have, runs that have ended, and the figures of its runs."""

    jobs: int
    ended: int
    figures: Figures


def validated(look: Look, bars: Sequence[Limit]) -> tuple[str, ...] | None:
    """The bars that the batch does not clear, empty where it may be released; None while runs are under way.

    The batch is counted whole, so there is no sample whose chance would have to be allowed for.
    """
    return None if look.ended < look.jobs else missed(bars, look.figures)
