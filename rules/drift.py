"""Colour drift across a campaign: a control chart of how far each asset's colours are from what they should be.

Two charts on one series, as is usual for single observations (NIST/SEMATECH e-Handbook of Statistical Methods, 6.3.2.2
and 6.3.2.4): Shewhart's chart for individuals, with sigma from the mean moving range (d2 = 1.128 for pairs), sees one
asset that jumps; an exponentially weighted moving average (Roberts, Control Chart Tests Based on Geometric Moving
Averages, Technometrics 1 (1959)) sees many that creep. Upper limits alone: an asset nearer to its brand is no fault.

The series holds logarithms, ln(1 + ΔE00), since distances are positive and skewed: of 58 drawn pictures of two
campaigns their skewness was 1.1 and 1.7 as they are, and 0.2 and 0.8 in logarithms. Sigma is kept between two bounds of
the ruleset. The lower one keeps a campaign of one picture in many sizes from calling a hair's breadth drift; the upper
one keeps a campaign whose colours jump about from widening its own limits until nothing is beyond them: there the
standard is given and no longer learnt (Shewhart 1931). What jumps from the first asset on has no standard at all; that
is seen by its spread, the mean ΔE00 from each asset's mean colour to the next one's.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from rules.findings import Numbers, defect
from schemas.events import Defect

MODE: Final = "campaign-drift"
CHECK: Final = "drift"
WINDOW: Final = 50
"""Assets that the chart looks back on."""
WEIGHT: Final = 0.2
"""Weight of the newest asset in the moving average: Roberts's range for shifts of about one sigma is 0.2 to 0.3."""
D2: Final = 1.128
"""Mean range of two draws from a normal distribution, in sigmas."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """What the chart of a series of ΔE00 shows for its newest value; all but `count` in logarithms, ln(1 + ΔE00).

    count: Values before it. mean, sigma: Of those; sigma from their moving ranges, 0 for fewer than two.
    value: The newest. ewma: The moving average up to and with it, begun at the mean.
    """

    count: int
    mean: float
    sigma: float
    value: float
    ewma: float


def chart(former: Sequence[float], value: float) -> Chart:
    """The chart of the last WINDOW distances (ΔE00), oldest first, and one more. `former` must not be empty."""
    window = [math.log1p(v) for v in former[-WINDOW:]]
    newest = math.log1p(value)
    mean = math.fsum(window) / len(window)
    ranges = [abs(b - a) for a, b in pairwise(window)]
    sigma = math.fsum(ranges) / len(ranges) / D2 if ranges else 0.0
    ewma = mean
    for each in (*window, newest):
        ewma += WEIGHT * (each - ewma)
    return Chart(count=len(window), mean=mean, sigma=sigma, value=newest, ewma=ewma)


def scores(seen: Chart, sigma_min: float, sigma_max: float) -> tuple[float, float]:
    """How many sigmas the newest value and the moving average lie above the mean.

    The newest value's is that of a prediction, for the mean is itself an estimate of `count` values. The moving
    average's variance is Roberts's, as of as many steps.
    """
    sigma = min(max(seen.sigma, sigma_min), sigma_max)
    single = (seen.value - seen.mean) / (sigma * math.sqrt(1 + 1 / seen.count))
    grown = 1 - (1 - WEIGHT) ** (2 * (seen.count + 1))
    return single, (seen.ewma - seen.mean) / (sigma * math.sqrt(WEIGHT / (2 - WEIGHT) * grown))


def drift_defects(measured: Numbers, limits: Mapping[str, float]) -> list[Defect]:
    """An asset out of its campaign's line; nothing before the campaign has enough assets to tell. Never certain."""
    count, mean, sigma = (measured.get(CHECK, n) for n in ("count", "mean", "sigma"))
    value, ewma = measured.get(CHECK, "value"), measured.get(CHECK, "ewma")
    if count is None or mean is None or sigma is None or value is None or ewma is None:
        return []
    if count < limits["drift.count_min"]:
        return []
    seen = Chart(count=int(count), mean=mean, sigma=sigma, value=value, ewma=ewma)
    single, moving = scores(seen, limits["drift.sigma_min"], limits["drift.sigma_max"])
    middle = math.expm1(mean)
    line = f"the last {seen.count} of the campaign, which lie about ΔE00 {middle:.1f}"
    if single > (most := limits["drift.score_max"]):
        evidence = f"its colours lie at ΔE00 {math.expm1(value):.1f}, {single:.1f} sigma beyond {line}"
        return [defect(MODE, CHECK, single, most, evidence, certain=False)]
    if moving > (most := limits["drift.ewma_max"]):
        evidence = f"the campaign's colours creep away: their moving average is {moving:.1f} sigma beyond {line}"
        return [defect(MODE, CHECK, moving, most, evidence, certain=False)]
    spread = measured.get(CHECK, "spread")
    if spread is not None and spread > (most := limits["drift.spread_max"]) and value > mean:
        evidence = f"the campaign's colours jump about: ΔE00 {spread:.0f} from one asset to the next, and this one adds"
        return [defect(MODE, CHECK, spread, most, evidence, certain=False)]
    return []
