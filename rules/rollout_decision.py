"""What becomes of a roll-out: guards watch the verdicts of both arms, and any alarm of theirs takes it back.

`Figures` holds all that verdicts leave behind, in bounded memory; `decide` reads it and says hold, advance, roll back
or complete. The roll-out's alpha is shared out equally among its guards, so that all of them together keep it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from rules.latency import Latencies
from rules.rollout import ARTIFACT_RATE, FEWEST_JOBS, P95, Action, Decision, guard_text
from rules.sequential import OneArm, Pairs, TwoArms, Wealth, sign_test
from schemas.events import Arm, Guard, GuardKind, RolloutChanged, RolloutState

HARD_EVENTS: Final = 3
"""Jobs of the candidate that must show it before a hard guard takes a roll-out back: one may be bad luck."""
OVERDUE_MS: Final = 300_000
"""A job without a verdict so long after it was routed is overdue: longer than an engine of `engines.yml` may take."""
OVERDUE_SHARE: Final = 0.01
"""Of the candidate's jobs: more of them overdue, HARD_EVENTS at least, and no stage ends. Jobs that hang are counted
by no guard, so the verdicts of the others would flatter the candidate."""
STABLE, CANDIDATE = Arm.STABLE.value, Arm.CANDIDATE.value


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstVerdict:
    """The first verdict of a job in the roll-out: of repairs nothing counts, for their number depends on the verdict.

    artifact: Whether the verdict names a certain defect. modes: The failure modes of those defects.
    latency_ms: From the request to the verdict; None where it was not measured.
    """

    arm: Arm
    artifact: bool
    modes: frozenset[str] = frozenset()
    latency_ms: float | None = None

    def shows(self, metric: str) -> bool:
        """Whether it counts against a share."""
        return self.artifact if metric == ARTIFACT_RATE else metric in self.modes


class Figures:
    """What the verdicts of a roll-out add up to. A verdict costs the same however many came before.

    It begins at stage 0. Verdicts are to come in one order that does not depend on what they say: that in which the
    audit stored them.
    """

    def __init__(self, rollout: RolloutChanged) -> None:
        stages = len(rollout.stages)
        self.stage = 0
        self.jobs = {STABLE: 0, CANDIDATE: 0}
        self.stage_jobs = {STABLE: 0, CANDIDATE: 0}
        self.bad: dict[str, dict[str, int]] = {g.metric: {STABLE: 0, CANDIDATE: 0} for g in rollout.guards}
        self.pairs = {"better": 0, "worse": 0, "same": 0}
        self.latencies = {STABLE: Latencies(), CANDIDATE: Latencies()}
        self._metrics = {guard_text(g): g.metric for g in rollout.guards}
        self._alone: dict[str, OneArm] = {}
        self._arms: dict[str, TwoArms] = {}
        self._pairs: dict[str, Pairs] = {}
        for guard in rollout.guards:
            name = guard_text(guard)
            if guard.metric == P95:
                continue
            if guard.kind is GuardKind.HARD:
                self._alone[name] = OneArm(limit=guard.limit, stages=stages)
                continue
            relative = guard.kind is GuardKind.RELATIVE
            ratio, margin = (1 + guard.limit, 0.0) if relative else (1.0, guard.limit)
            self._arms[name] = TwoArms(ratio=ratio, margin=margin, stages=stages)
            if rollout.paired_share > 0:
                self._pairs[name] = Pairs(ratio=ratio, margin=margin, stages=stages)

    def see(self, outcome: FirstVerdict) -> None:
        """The first verdict of one job more; not of a shadow."""
        arm, candidate = outcome.arm.value, outcome.arm is Arm.CANDIDATE
        self.jobs[arm] += 1
        self.stage_jobs[arm] += 1
        for metric, counts in self.bad.items():
            counts[arm] += outcome.shows(metric)
        if outcome.latency_ms is not None:
            self.latencies[arm].see(outcome.latency_ms)
        for name, arms in self._arms.items():
            arms.see(candidate=candidate, bad=outcome.shows(self._metrics[name]))
        if candidate:
            for name, alone in self._alone.items():
                alone.see(bad=outcome.shows(self._metrics[name]))

    def see_pair(self, candidate: FirstVerdict, stable: FirstVerdict) -> None:
        """The first verdicts of one prompt and seed in both arms; `see` counts the one that is no shadow as well."""
        differ = stable.artifact - candidate.artifact
        self.pairs["better" if differ > 0 else "worse" if differ < 0 else "same"] += 1
        for name, game in self._pairs.items():
            metric = self._metrics[name]
            game.see(candidate_bad=candidate.shows(metric), stable_bad=stable.shows(metric))

    def enter(self, stage: int) -> None:
        """The roll-out has reached a later stage: jobs and latencies of it are counted from 0."""
        while self.stage < stage:
            self.stage += 1
            self.stage_jobs = {STABLE: 0, CANDIDATE: 0}
            self.latencies = {STABLE: Latencies(), CANDIDATE: Latencies()}
            for _, wealth in self._games():
                wealth.next_stage()

    def wealth(self, guard: Guard) -> tuple[float, bool]:
        """The evidence against a guard on a share, and whether it leans that way in this stage.

        Where pairs are played, it is the mean of both games: a mean of fair games is fair.
        """
        name = guard_text(guard)
        games = [g.wealth for of in (self._alone, self._arms, self._pairs) if (g := of.get(name))]
        return math.fsum(g.value for g in games) / len(games), any(g.leans for g in games)

    def _games(self) -> Iterator[tuple[str, Wealth]]:
        for kind, of in (("alone", self._alone), ("arms", self._arms), ("pairs", self._pairs)):
            for name, game in of.items():
                yield f"{kind}/{name}", game.wealth

    def dump(self) -> dict[str, Any]:
        """All of its state as plain JSON, to go on from after a restart."""
        return {
            "stage": self.stage,
            "jobs": dict(self.jobs),
            "stage_jobs": dict(self.stage_jobs),
            "bad": {metric: dict(counts) for metric, counts in self.bad.items()},
            "pairs": dict(self.pairs),
            "latencies": {arm: seen.dump() for arm, seen in self.latencies.items()},
            "games": {name: wealth.dump() for name, wealth in self._games()},
            "blocks": {name: game.dump() for name, game in self._arms.items()},
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """Take up the state that `dump` told, of the same roll-out."""
        self.stage = int(state["stage"])
        self.jobs, self.stage_jobs = dict(state["jobs"]), dict(state["stage_jobs"])
        self.bad = {metric: dict(counts) for metric, counts in state["bad"].items()}
        self.pairs = dict(state["pairs"])
        for arm, bins in state["latencies"].items():
            self.latencies[arm].load(bins)
        for name, wealth in self._games():
            wealth.load(state["games"][name])
        for name, game in self._arms.items():
            game.load(state["blocks"][name])


@dataclass(frozen=True, slots=True, kw_only=True)
class Unseen:
    """What the figures cannot hold: jobs without a verdict, and records that the audit has not stored.

    routed, overdue: Jobs by arm; `overdue` since OVERDUE_MS. No shadows.
    unstored: Records of verdicts that were there before the verdicts were counted, and were not among them.
    """

    routed: Mapping[str, int] = field(default_factory=dict[str, int])
    overdue: Mapping[str, int] = field(default_factory=dict[str, int])
    unstored: int = 0

    def told(self) -> str:
        """The overdue jobs of the candidate in words; empty where there are none."""
        late, beside = self.overdue.get(CANDIDATE, 0), self.overdue.get(STABLE, 0)
        since = f"{OVERDUE_MS / 60_000:g} minutes"
        return f"{late} jobs of the candidate have no verdict after {since} (stable arm: {beside})" if late else ""

    def hangs(self) -> bool:
        """Whether so many of the candidate's jobs are overdue, more than of the stable arm's, that no stage ends."""
        late, beside = self._share(CANDIDATE), self._share(STABLE)
        return self.overdue.get(CANDIDATE, 0) >= HARD_EVENTS and late > max(OVERDUE_SHARE, beside)

    def _share(self, arm: str) -> float:
        return self.overdue.get(arm, 0) / max(1, self.routed.get(arm, 0))


NOTHING: Final = Unseen()


@dataclass(frozen=True, slots=True)
class _Stand:
    """How one guard stands."""

    alarm: str = ""
    wait: str = ""


def decide(rollout: RolloutChanged, figures: Figures, unseen: Unseen = NOTHING) -> Decision:
    """What becomes of a roll-out that is running or paused, by all verdicts so far.

    An alarm of any guard takes it back, paused or not, whatever is unseen: no later verdict could unmake the evidence.
    It advances where both arms have the verdicts that a stage needs, no guard leans towards an alarm, the candidate's
    jobs do not hang and the audit has stored all that there was; what is short of that holds. At 100 % there is no
    stable arm: hard guards and the number of jobs decide.
    """
    numbers = _numbers(rollout, figures)
    numbers |= {f"{arm}.overdue": float(n) for arm, n in unseen.overdue.items() if n}
    if unseen.unstored:
        numbers["audit.unstored"] = float(unseen.unstored)
    stands = [_stand(guard, rollout, figures, numbers) for guard in rollout.guards]
    alarms = [s.alarm for s in stands if s.alarm]

    def so(action: Action, reason: str) -> Decision:
        return Decision(action=action, reason=reason[:1000], numbers=numbers)

    if alarms:
        return so(Action.ROLL_BACK, "; ".join(alarms))
    if rollout.state is not RolloutState.RUNNING:
        return so(Action.HOLD, f"the roll-out is {rollout.state.value}")
    behind = f"the audit has not stored {unseen.unstored} records that were there" if unseen.unstored else ""
    needed = max(FEWEST_JOBS, rollout.min_jobs)
    alone = rollout.percent == 100
    here, at = figures.stage_jobs, f"at {rollout.percent} %"
    for arm in (CANDIDATE,) if alone else (CANDIDATE, STABLE):
        if here[arm] < needed:
            few = f"{at}: {here[arm]} of {needed} verdicts of the {arm} arm"
            return so(Action.HOLD, "; ".join(said for said in (few, unseen.told(), behind) if said))
    waits = [s.wait for s in stands if s.wait]
    if unseen.hangs():
        waits.append(unseen.told())
    if behind:
        waits.append(behind)
    if waits:
        return so(Action.HOLD, f"{at}: " + "; ".join(waits))
    last = rollout.stage == len(rollout.stages) - 1
    done = f"{at}: {here[CANDIDATE]} verdicts of the candidate, and no guard leans towards an alarm"
    return so(Action.COMPLETE if last else Action.ADVANCE, done)


def _numbers(rollout: RolloutChanged, figures: Figures) -> dict[str, float]:
    out: dict[str, float] = {"alpha": rollout.alpha}
    for arm in (STABLE, CANDIDATE):
        jobs = figures.jobs[arm]
        out[f"{arm}.jobs"], out[f"{arm}.stage-jobs"] = float(jobs), float(figures.stage_jobs[arm])
        for metric, counts in figures.bad.items():
            if metric != P95 and jobs:
                out[f"{arm}.{metric}"] = counts[arm] / jobs
    if sum(figures.pairs.values()):
        out |= {f"pairs.{name}": float(count) for name, count in figures.pairs.items()}
        out["pairs.p-value"] = sign_test(figures.pairs["better"], figures.pairs["worse"])
    return out


def _stand(guard: Guard, rollout: RolloutChanged, figures: Figures, numbers: dict[str, float]) -> _Stand:
    alpha = rollout.alpha / len(rollout.guards)
    name = guard_text(guard)
    if guard.metric == P95:
        return _latency(guard, alpha / len(rollout.stages), figures, numbers, alone=rollout.percent == 100)
    wealth, leans = figures.wealth(guard)
    numbers[f"{name}.evidence"], numbers[f"{name}.needed"] = wealth, 1 / alpha
    counts = figures.bad[guard.metric]
    enough = guard.kind is not GuardKind.HARD or counts[CANDIDATE] >= HARD_EVENTS
    if wealth >= 1 / alpha and enough:
        seen = f"{counts[CANDIDATE]} of {figures.jobs[CANDIDATE]} in the candidate arm"
        if guard.kind is not GuardKind.HARD:
            seen += f", {counts[STABLE]} of {figures.jobs[STABLE]} in the stable arm"
        return _Stand(alarm=f"{name}: {seen} (evidence {wealth:.3g}, alarm at {1 / alpha:.3g})")
    # At 100 % nothing new can be learnt of a comparison, so its lean must not hold the roll-out for ever.
    if leans and (guard.kind is GuardKind.HARD or rollout.percent < 100):
        return _Stand(wait=f"{name} leans towards an alarm (evidence {wealth:.3g} of {1 / alpha:.3g})")
    return _Stand()


def _latency(guard: Guard, alpha: float, figures: Figures, numbers: dict[str, float], *, alone: bool) -> _Stand:
    """By a bound on each arm, and half of alpha for each; a hard guard has one arm and the whole of it.

    Where the candidate is `alone`, what the stable arm leaves are stragglers, too few to lean on: no more will come.
    """
    name, hard = guard_text(guard), guard.kind is GuardKind.HARD
    tried, stable = figures.latencies[CANDIDATE], figures.latencies[STABLE]
    low = tried.lower(alpha if hard else alpha / 2)
    high, base = (0.0, 0.0) if hard else (stable.upper(alpha / 2), stable.p95())
    ratio, margin = (1 + guard.limit, 0.0) if guard.kind is GuardKind.RELATIVE else (1.0, guard.limit)
    numbers["candidate.p95-ms"], numbers["candidate.p95-at-least-ms"] = tried.p95(), low
    if not hard:
        numbers["stable.p95-ms"] = base
        if math.isfinite(high):
            numbers["stable.p95-at-most-ms"] = high
    if low > ratio * high + margin:
        beside = "" if hard else f", of the stable arm at most {high:.0f} ms"
        return _Stand(alarm=f"{name}: the candidate's p95 is at least {low:.0f} ms{beside}")
    if tried.count and (hard or (stable.count and not alone)) and tried.p95() > ratio * base + margin:
        beside = "" if hard else f", of the stable arm {base:.0f} ms"
        return _Stand(wait=f"{name} leans towards an alarm (p95 of the candidate {tried.p95():.0f} ms{beside})")
    return _Stand()
