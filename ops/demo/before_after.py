"""The mission's five figures, for a plain run and for the pipeline, on the same prompts and defects."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from ops.contact_sheet import Table

TOUCH_UP_MINUTES: Final = 25.0
"""Assumed: a designer notices a damaged asset, opens it, mends or re-briefs it, exports it again."""
REVIEW_MINUTES: Final = 2.0
"""Assumed: a reviewer looks at an asset that the pipeline would not decide on."""
MS_PER_HOUR: Final = 3_600_000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How one job ended.

    injected: defects that the simulator put into the asset that was delivered; empty where none was.
    text_score: 0 to 1, how much of the wanted text the delivered asset shows; None where none was wanted.
    latency_ms: from submission to the end of the job. engine_ms: over all its attempts.
    """

    delivered: bool
    reviewed: bool
    refused: bool
    attempts: int
    injected: tuple[str, ...]
    text_score: float | None
    latency_ms: float
    engine_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """The mission's figures for one run; rates are 0 to 1 and NaN where nothing was delivered."""

    jobs: int
    delivered: int
    damaged: int
    repaired: int
    reviewed: int
    refused: int
    artifact_rate: float
    p95_latency_s: float
    images_per_engine_hour: float
    text_score: float
    touch_hours: float


def quantile(values: Sequence[float], q: float) -> float:
    """The nearest-rank quantile: the smallest value that at least a share q of the values do not exceed."""
    return sorted(values)[max(math.ceil(q * len(values)), 1) - 1] if values else math.nan


def figures(outcomes: Sequence[Outcome]) -> Figures:
    """Count one run."""
    delivered = [o for o in outcomes if o.delivered]
    damaged = [o for o in delivered if o.injected]
    reviewed = sum(o.reviewed for o in outcomes)
    engine_hours = sum(o.engine_ms for o in outcomes) / MS_PER_HOUR
    scores = [o.text_score for o in delivered if o.text_score is not None]
    minutes = len(damaged) * TOUCH_UP_MINUTES + reviewed * REVIEW_MINUTES
    return Figures(
        jobs=len(outcomes),
        delivered=len(delivered),
        damaged=len(damaged),
        repaired=sum(o.attempts > 1 for o in delivered),
        reviewed=reviewed,
        refused=sum(o.refused for o in outcomes),
        artifact_rate=len(damaged) / len(delivered) if delivered else math.nan,
        p95_latency_s=quantile([o.latency_ms for o in delivered], 0.95) / 1000,
        images_per_engine_hour=(len(delivered) - len(damaged)) / engine_hours if engine_hours else math.nan,
        text_score=sum(scores) / len(scores) if scores else math.nan,
        touch_hours=minutes / 60,
    )


def caught(plain: Sequence[Outcome], pipeline: Sequence[Outcome]) -> Mapping[str, tuple[int, int]]:
    """For each defect: how many delivered assets carry it in the plain run and in the pipeline's."""
    before = Counter(mode for o in plain if o.delivered for mode in o.injected)
    after = Counter(mode for o in pipeline if o.delivered for mode in o.injected)
    return {mode: (before[mode], after[mode]) for mode in sorted(before | after)}


def _number(value: float, form: str) -> str:
    return "–" if math.isnan(value) else format(value, form)


def mission_table(plain: Figures, pipeline: Figures, rates: Mapping[str, float]) -> Table:
    """The before/after table with the notes that say what it rests on. `rates` are the simulator's shares."""
    both = (plain, pipeline)
    rows = (
        ("Prompts", *(str(f.jobs) for f in both)),
        ("Delivered to designers", *(str(f.delivered) for f in both)),
        ("… of these damaged", *(str(f.damaged) for f in both)),
        ("Artifact rate", *(_number(f.artifact_rate, ".1%") for f in both)),
        ("p95 latency, prompt to delivery", *(_number(f.p95_latency_s, ".2f") + " s" for f in both)),
        ("Sound images per engine-hour", *(_number(f.images_per_engine_hour, ",.0f") for f in both)),
        ("Text score of delivered assets", *(_number(f.text_score, ".3f") for f in both)),
        ("Manual-touch hours", *(_number(f.touch_hours, ".1f") for f in both)),
        ("Repaired without a human", *(str(f.repaired) for f in both)),
        ("For a reviewer", *(str(f.reviewed) for f in both)),
        ("Refused before a render", *(str(f.refused) for f in both)),
    )
    shares = ", ".join(f"{mode} {rate:.1%}" for mode, rate in rates.items())
    return Table(
        head=("", "plain: one fast engine, no checks", "Presscheck"),
        rows=rows,
        notes=(
            (
                "Both runs drew the same prompts with the same seeds; the simulator stood in for the image models and"
                f" injected these defects on purpose, decided by the seed alone: {shares}."
                " The table shows what is caught. It says nothing about how often a real model fails, and the"
                " simulator's speed says nothing about a model's."
            ),
            (
                f"Manual-touch hours assume {TOUCH_UP_MINUTES:g} minutes for each damaged asset that reaches a designer"
                f" and {REVIEW_MINUTES:g} for each asset that a reviewer looks at."
            ),
        ),
    )
