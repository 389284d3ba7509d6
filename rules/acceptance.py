"""How much doubt an accepted asset may carry: thresholds that `presscheck calibrate` fitted, and one until then."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from rules.tree import Node, nearest
from schemas.events import Lane

ANY_ENGINE: Final = "*"
DATE: Final = re.compile(r"\d{4}-\d{2}-\d{2}")
RULESET: Final = re.compile(r"[0-9a-f]{12,64}")
MOST_LABELS: Final = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibrated:
    """One fitted threshold: an accept whose doubt is not below it becomes a review.

    The promise: at most a share `alpha` of what it accepts shows the defect, with confidence 1 - `delta`, by so many
    `labels`, under the ruleset whose id begins with `fitted_on`, on `date`.
    """

    lane: Lane
    engine: str
    mode: str
    accept_below: float
    alpha: float
    delta: float
    labels: int
    fitted_on: str
    date: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Acceptance:
    """All thresholds of doubt. `uncalibrated` is by failure mode, and holds for critical work alone."""

    calibrated: Mapping[tuple[Lane, str, str], Calibrated]
    uncalibrated: Mapping[str, float]

    def below(self, lane: Lane, engine: str, mode: str) -> tuple[float, str] | None:
        """The doubt that is too much for an accept, and whose word that is; None where any doubt may pass.

        A threshold of the engine itself goes before one that was fitted on all engines of the lane.
        """
        for name in (engine, ANY_ENGINE):
            if fitted := self.calibrated.get((lane, name, mode)):
                return fitted.accept_below, f"calibrated {fitted.date} on {fitted.labels} labels"
        if lane is Lane.CRITICAL and mode in self.uncalibrated:
            return self.uncalibrated[mode], "not calibrated yet"
        return None


def parse_acceptance(
    uncalibrated: Node, calibrated: Node, *, modes: frozenset[str], engines: frozenset[str]
) -> Acceptance:
    """The two parts of verdict.yml. Raises BadConfig; one cell may have one threshold only."""
    waiting: dict[str, float] = {}
    for mode, node in uncalibrated.table().items():
        if mode not in modes:
            raise node.bad(f"there is no failure mode {mode!r}", nearest(mode, modes))
        waiting[mode] = node.number(0, 1)
    fitted: dict[tuple[Lane, str, str], Calibrated] = {}
    for item in calibrated.items():
        entry = _entry(item, modes, engines)
        key = (entry.lane, entry.engine, entry.mode)
        if key in fitted:
            raise item.bad(f"{entry.lane.value}, {entry.engine}, {entry.mode} has two thresholds", "remove one")
        fitted[key] = entry
    return Acceptance(calibrated=fitted, uncalibrated=waiting)


def _entry(item: Node, modes: frozenset[str], engines: frozenset[str]) -> Calibrated:
    f = item.fields(["lane", "engine", "mode", "accept_below", "alpha", "delta", "labels", "fitted_on", "date"])
    for key, form, what in (("fitted_on", RULESET, "the id of a ruleset"), ("date", DATE, "a date, as 2026-05-01")):
        if not form.fullmatch(f[key].text()):
            raise f[key].bad(f"{f[key].text()!r} is not {what}", "copy the entry from `presscheck calibrate` again")
    return Calibrated(
        lane=Lane(f["lane"].choice([lane.value for lane in Lane], "lane")),
        engine=f["engine"].choice([*engines, ANY_ENGINE], "engine"),
        mode=f["mode"].choice(modes, "failure mode"),
        accept_below=f["accept_below"].number(0, 1),
        alpha=f["alpha"].number(0, 1),
        delta=f["delta"].number(0, 1),
        labels=f["labels"].integer(0, MOST_LABELS),
        fitted_on=f["fitted_on"].text(),
        date=f["date"].text(),
    )
