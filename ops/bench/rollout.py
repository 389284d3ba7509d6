"""Roll-outs by simulation: how often a rule takes a sound one back, and how soon a bad one, on the same streams."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from multiprocessing import get_context
from typing import Final

import numpy as np

from ops.bench.intervals import Share, wilson
from ops.bench.rollout_rules import Flags, Stream, rules
from ops.console import out, print_table

ALPHA: Final = 0.05
BASE: Final = 0.10
"""Artifact rate of the stable arm."""
HARM: Final = 0.10
DRIFT: Final = (0.05, 0.30)
"""Rates of both arms in the first stage and in the last one, in a stream that becomes harder."""
CHUNK: Final = 4
DRAWN: Final = 512
"""Verdicts drawn at a time."""


class Scenario(StrEnum):
    """What is true of the candidate."""

    SAME = "no difference"
    DRIFT = "no difference, and the stream drifts"
    WORSE = "+10 points from the first job on"
    LATE = "+10 points from the middle of the stages on"

    @property
    def sound(self) -> bool:
        """Whether taking it back is a false alarm."""
        return self in {Scenario.SAME, Scenario.DRIFT}

    def rates(self, stage: int, of: int) -> tuple[float, float]:
        """Artifact rates of the stable arm and of the candidate in a stage of so many."""
        if self is Scenario.DRIFT:
            rate = DRIFT[0] + (DRIFT[1] - DRIFT[0]) * stage / max(1, of - 1)
            return rate, rate
        harmed = self is Scenario.WORSE or (self is Scenario.LATE and stage >= of // 2)
        return BASE, BASE + HARM * harmed


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """Where a rule took a roll-out back: jobs since the harm began (since the start where there is none)."""

    jobs: int
    candidate_jobs: int
    early: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One rule in one scenario. Jobs, until it was taken back, are of those alone that were; None where none was.

    early: Roll-outs that were taken back before any harm; a false alarm as well.
    """

    scenario: str
    rule: str
    runs: int
    taken_back: int
    early: int
    share: Share
    jobs_p50: int | None
    jobs_p95: int | None
    candidate_p50: int | None
    candidate_p95: int | None


def play(scenario: Scenario, stages: Sequence[int], min_jobs: int, seed: Sequence[int]) -> Mapping[str, Alarm | None]:
    """One roll-out through all stages, each until the candidate has `min_jobs` verdicts; every rule looks after each.

    `stages` are shares of the candidate, percent, below 100: there is nothing to compare with at 100. A rule that took
    it back looks no further; the others see the stream to its end.
    """
    rng = np.random.default_rng(list(seed))
    rates = [scenario.rates(stage, len(stages)) for stage in range(len(stages))]
    parts = [_verdicts(rng, p / 100, *rate, min_jobs) for p, rate in zip(stages, rates, strict=True)]
    begins = np.cumsum([0, *(len(arms) for arms, _ in parts)]).tolist()
    stream = Stream(np.concatenate([a for a, _ in parts]), np.concatenate([b for _, b in parts]), begins[1:-1])
    harm = next((begin for begin, (stable, tried) in zip(begins, rates, strict=False) if tried > stable), 0)
    found: dict[str, Alarm | None] = {}
    for name, rule in rules(ALPHA, base=BASE, harm=HARM, share=stages[0] / 100).items():
        at = rule.alarm(stream)
        found[name] = None if at is None else _alarm(stream, at, harm)
    return found


def _alarm(stream: Stream, at: int, harm: int) -> Alarm:
    """After which verdict, and where the harm began; one before the harm counts from the start."""
    since = 0 if at < harm else harm
    tried_before = int(stream.jobs[1, since - 1]) if since else 0
    return Alarm(jobs=at + 1 - since, candidate_jobs=int(stream.jobs[1, at]) - tried_before, early=at < harm)


def _verdicts(
    rng: np.random.Generator, share: float, stable: float, candidate: float, min_jobs: int
) -> tuple[Flags, Flags]:
    """The verdicts of a stage until the candidate has `min_jobs`: which are the candidate's, and which are bad."""
    parts: list[tuple[Flags, Flags]] = []
    left = min_jobs
    while left > 0:
        arms = rng.random(DRAWN) < share
        bad = rng.random(DRAWN) < np.where(arms, candidate, stable)
        tried = np.flatnonzero(arms)
        end = int(tried[left - 1]) + 1 if len(tried) >= left else DRAWN
        parts.append((arms[:end], bad[:end]))
        left -= len(tried)
    return np.concatenate([a for a, _ in parts]), np.concatenate([b for _, b in parts])


def measure(
    runs: int, stages: Sequence[int], min_jobs: int, seed: int, processes: int
) -> Iterator[tuple[Scenario, Mapping[str, Alarm | None]]]:
    """Every roll-out of every scenario, as it ends."""
    context = get_context("spawn")
    with ProcessPoolExecutor(max_workers=processes, mp_context=context) as pool:
        for number, scenario in enumerate(Scenario):
            seeds = [(seed, number, run) for run in range(runs)]
            for found in pool.map(partial(play, scenario, stages, min_jobs), seeds, chunksize=CHUNK):
                yield scenario, found


def summed(played: Sequence[tuple[Scenario, Mapping[str, Alarm | None]]]) -> list[Row]:
    """A row for each rule in each scenario."""
    rows: list[Row] = []
    for scenario in Scenario:
        mine = [found for s, found in played if s is scenario]
        for rule in mine[0] if mine else ():
            alarms = [a for found in mine if (a := found[rule])]
            timed = [a for a in alarms if not a.early]
            rows.append(
                Row(
                    scenario=scenario.value,
                    rule=rule,
                    runs=len(mine),
                    taken_back=len(alarms),
                    early=len(alarms) - len(timed),
                    share=wilson(len(alarms), len(mine)),
                    jobs_p50=_quantile([a.jobs for a in timed], 0.5),
                    jobs_p95=_quantile([a.jobs for a in timed], 0.95),
                    candidate_p50=_quantile([a.candidate_jobs for a in timed], 0.5),
                    candidate_p95=_quantile([a.candidate_jobs for a in timed], 0.95),
                )
            )
    return rows


def _quantile(values: Sequence[int], p: float) -> int | None:
    return sorted(values)[min(len(values) - 1, int(p * len(values)))] if values else None


def holds(rows: Sequence[Row], promise: Sequence[str]) -> bool:
    """Whether no rule of `promise` shows, beyond its interval, more false alarms than alpha."""
    sound = {s.value for s in Scenario if s.sound}
    return all(r.share.low <= ALPHA for r in rows if r.rule in promise and r.scenario in sound)


def show(rows: Sequence[Row], stages: Sequence[int], min_jobs: int) -> None:
    """The rows for people, a table for each scenario."""
    for scenario in Scenario:
        mine = [r for r in rows if r.scenario == scenario.value]
        print_table(
            ("rule", ">taken back, %", ">too early", ">jobs p50", ">jobs p95", ">of the candidate p50", ">p95"),
            [
                (
                    r.rule,
                    f"{100 * r.share.hits / r.share.total:.1f} ({100 * r.share.low:.1f} to {100 * r.share.high:.1f})",
                    None if scenario.sound else r.early,
                    r.jobs_p50,
                    r.jobs_p95,
                    r.candidate_p50,
                    r.candidate_p95,
                )
                for r in mine
            ],
            title=f"{scenario.value}: {mine[0].runs} roll-outs",
        )
    console = out()
    console.print(f"Stages of {', '.join(map(str, stages))} %, each until the candidate has {min_jobs} verdicts.")
    console.print(f"{100 * BASE:g} % artifacts in the stable arm; alpha {ALPHA:g}. All rules see the same streams.")
    console.print(
        "In brackets, 95 % Wilson intervals. Jobs: since the harm began, of roll-outs that were taken back then."
    )
