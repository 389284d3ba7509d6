"""How a roll-out stands: arms, guards, pairs and steps, as plain data for programs and as tables for people."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

import psycopg
from rich.console import Group, RenderableType
from rich.text import Text

from audit import rollouts as store
from ops.bench.intervals import wilson
from ops.console import table
from rules.rollout import ARTIFACT_RATE, P95, guard_text, under_way
from rules.rollout_decision import OVERDUE_MS
from schemas.events import Arm, Guard, RolloutChanged, RolloutState

STEPS_SHOWN: Final = 10
STALE_MS: Final = 10_000
"""A controller that has not looked for so long does not decide now."""
ARMS: Final = (Arm.STABLE.value, Arm.CANDIDATE.value)


def facts(
    conn: psycopg.Connection,
    rollout: RolloutChanged,
    at_ms: int,
    *,
    steps: int = STEPS_SHOWN,
    overdue_ms: int = OVERDUE_MS,
) -> dict[str, Any]:
    """All that is known of a roll-out; shares are fractions with their 95 % interval, times ms.

    `at_ms` is the time now, ms since 1970 UTC; a job without a verdict for `overdue_ms` is overdue.
    """
    look = store.last_look(conn, rollout.rollout_id)
    going = under_way(rollout.state)
    numbers = look.numbers if look is not None and going else rollout.numbers
    waiting = {(r.arm, r.shadow): r for r in store.routed(conn, rollout.rollout_id, before_ms=at_ms - overdue_ms)}
    return {
        "rollout_id": rollout.rollout_id,
        "state": rollout.state.value,
        "stage": rollout.stage,
        "stages": list(rollout.stages),
        "percent": rollout.percent,
        "stable_ruleset_id": rollout.stable_ruleset_id,
        "candidate_ruleset_id": rollout.candidate_ruleset_id,
        "since_ms": rollout.at_ms,
        "who": rollout.who,
        "reason": rollout.reason,
        "waits_for": (look.reason if look is not None else "the first verdicts") if going else None,
        "unstored": int(numbers.get("audit.unstored", 0)),
        "looked_ms": None if look is None else look.at_ms,
        "controller": store.lease_is_held(conn),
        "alpha": rollout.alpha,
        "min_jobs": rollout.min_jobs,
        "paired_share": rollout.paired_share,
        "arms": [_arm(arm, numbers, waiting) for arm in ARMS],
        "guards": [_guard(guard, numbers) for guard in rollout.guards],
        "pairs": _pairs(numbers),
        "steps": [
            {"at_ms": s.at_ms, "state": s.state, "percent": s.percent, "who": s.who, "reason": s.reason}
            for s in store.history(conn, rollout.rollout_id, steps)
        ],
    }


def _arm(arm: str, numbers: Mapping[str, float], waiting: Mapping[tuple[str, bool], store.Routed]) -> dict[str, Any]:
    jobs, share = int(numbers.get(f"{arm}.jobs", 0)), numbers.get(f"{arm}.{ARTIFACT_RATE}")
    seen = None if share is None else wilson(round(share * jobs), jobs)
    own = waiting.get((arm, False))
    return {
        "arm": arm,
        "routed": 0 if own is None else own.routed,
        "waiting": 0 if own is None else own.waiting,
        "overdue": 0 if own is None else own.overdue,
        "verdicts": jobs,
        "stage_verdicts": int(numbers.get(f"{arm}.stage-jobs", 0)),
        "artifact_rate": share,
        "artifact_rate_95": None if seen is None else [seen.low, seen.high],
        "p95_ms": numbers.get(f"{arm}.p95-ms"),
    }


def _guard(guard: Guard, numbers: Mapping[str, float]) -> dict[str, Any]:
    name = guard_text(guard)
    latency = guard.metric == P95
    evidence, needed = numbers.get(f"{name}.evidence"), numbers.get(f"{name}.needed")
    return {
        "guard": name,
        **{arm: numbers.get(f"{arm}.p95-ms" if latency else f"{arm}.{guard.metric}") for arm in ARMS},
        "evidence": evidence,
        "alarm_at": needed,
        "candidate_at_least_ms": numbers.get("candidate.p95-at-least-ms") if latency else None,
    }


def _pairs(numbers: Mapping[str, float]) -> dict[str, Any] | None:
    if "pairs.same" not in numbers:
        return None
    counts = {name: int(numbers[f"pairs.{name}"]) for name in ("better", "worse", "same")}
    return {**counts, "p_value": numbers["pairs.p-value"]}


def shown(told: Mapping[str, Any], at_ms: int) -> RenderableType:
    """The same as tables. `at_ms` is the time now, ms since 1970 UTC."""
    parts: list[RenderableType] = [Text(_headline(told))]
    if told["waits_for"] is not None:
        parts.append(Text(f"waits: {told['waits_for']}"))
        looked = told["looked_ms"]
        if not told["controller"]:
            parts.append(Text("no controller is there to decide: presscheck run rollouts", style="yellow"))
        elif looked is not None and at_ms - looked > STALE_MS:
            parts.append(Text(f"the last look was {(at_ms - looked) / 1000:.0f} s ago", style="yellow"))
        if told["unstored"]:
            behind = f"the audit is behind by {told['unstored']} records: all figures are older than the verdicts"
            parts.append(Text(behind, style="yellow"))
        if late := ", ".join(f"{a['overdue']} of the {a['arm']} arm" for a in told["arms"] if a["overdue"]):
            since = f"{OVERDUE_MS / 60_000:g} minutes"
            parts.append(Text(f"jobs without a verdict for more than {since}: {late}", style="yellow"))
    else:
        parts.append(Text(f"why: {told['reason']}"))
    columns = ("arm", ">jobs", ">waiting", ">overdue", ">verdicts", ">in this stage", ">artifacts", ">95 %", ">p95")
    arms = [
        (a["arm"], a["routed"], a["waiting"], a["overdue"], a["verdicts"], a["stage_verdicts"],
         _percent(a["artifact_rate"]), _interval(a["artifact_rate_95"]), _ms(a["p95_ms"]))
        for a in told["arms"]
    ]  # fmt: skip
    parts.append(table(columns, arms))
    guards = [
        (g["guard"], _value(g, "stable"), _value(g, "candidate"), _number(g["evidence"]), _number(g["alarm_at"]))
        for g in told["guards"]
    ]
    parts.append(table(("guard", ">stable", ">candidate", ">evidence", ">alarm at"), guards))
    if (pairs := told["pairs"]) is not None:
        parts.append(
            Text(
                f"pairs: {pairs['better']} better, {pairs['worse']} worse, {pairs['same']} same"
                f" (sign test p={pairs['p_value']:.3g}, for one look)"
            )
        )
    steps = [(when(s["at_ms"]), s["state"], f"{s['percent']} %", s["who"], s["reason"]) for s in told["steps"]]
    if steps:
        parts.append(table(("step", "state", ">share", "by", "why"), steps))
    return Group(*parts)


def _headline(told: Mapping[str, Any]) -> str:
    number, of = told["stage"] + 1, len(told["stages"])
    at = f"stage {number} of {of}: {told['percent']} % to the candidate" if told["waits_for"] is not None else ""
    rulesets = f"candidate {told['candidate_ruleset_id'][:12]}, stable {told['stable_ruleset_id'][:12]}"
    said = f"{told['rollout_id']}: {told['state'].replace('_', ' ')} since {when(told['since_ms'])}"
    return "\n".join(part for part in (said, rulesets, at) if part)


def is_finding(state: str) -> bool:
    """Whether a roll-out in this state is a finding to act on."""
    return state == RolloutState.ROLLED_BACK.value


def when(at_ms: int) -> str:
    """A time as people read it."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def _value(guard: Mapping[str, Any], arm: str) -> str:
    return (_ms if guard["guard"].startswith(f"{P95}:") else _percent)(guard[arm])


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.1f} %"


def _interval(bounds: list[float] | None) -> str:
    return "" if bounds is None else f"{100 * bounds[0]:.1f} to {100 * bounds[1]:.1f} %"


def _ms(value: float | None) -> str:
    return "" if value is None else f"{value:,.0f} ms"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}"
