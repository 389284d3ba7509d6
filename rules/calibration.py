"""How far doubt may go before an asset is accepted: the bound on what escapes, from labelled samples.

Learn then Test (Angelopoulos, Bates, Candès, Jordan and Lei 2021, arXiv 2110.01052): each threshold on a grid that was
fixed before is a hypothesis "of what it accepts, more than alpha is wrong". Of n accepted assets in a random sample,
the wrong ones are binomial, so the exact lower tail is a valid p-value. The hypotheses are tested in a fixed sequence,
from the strictest threshold outwards, each at the whole delta, until one stands: so the chosen threshold lets more
than alpha through with probability delta at most, whatever doubt is worth. The sequence begins where assets outside
of the sample say that enough labels will lie: that looks at no label.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Final

STEPS: Final = 100
"""Thresholds of the grid: 0.01, 0.02 … 1. A doubt of exactly 1 is never accepted."""
BUCKETS: Final = STEPS + 1
START_WRONG: Final = (0, 1, 4)
"""Defects that the strictest threshold is to survive: none or one where labels are few, four where there are plenty."""
START_MORE: Final = 1.04
"""Times the labels that this needs are asked for: as many are to be expected, and chance may give some less."""
SEARCH: Final = 60
"""Halvings of an interval: beyond the precision of a float."""
MOST_LABELS: Final = 10_000_000
"""Where counting labels that are missing ends."""


class Standing(StrEnum):
    """What a calibration found for a cell."""

    BOUNDED = "bounded"
    """A threshold keeps the promise."""
    OPEN = "open"
    """Too few labels to tell."""
    OVER = "over"
    """The labels show that even the strictest threshold lets more than alpha through."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """One cell, by hundredths of doubt: bucket b holds doubts from b/100 up to (b+1)/100, the last one only 1.

    `labelled` and `wrong` count the random sample; `placing` counts assets without a label.
    """

    labelled: tuple[int, ...]
    wrong: tuple[int, ...]
    placing: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """What was found for a cell at `accept_below` (for an open one, where the sequence begins).

    `accepted` and `wrong` are counts in the sample of `labelled`; `share` is the part of it that is accepted, `upper`
    the Clopper-Pearson limit at 1 - delta for that threshold alone. `missing` labels would bring the promise, and
    `missing_tighter` that of the tighter rate, if no more of them are wrong.
    """

    standing: Standing
    accept_below: float
    labelled: int
    accepted: int
    wrong: int
    share: float
    upper: float
    missing: int
    missing_tighter: int


def lower_tail(wrong: int, of: int, rate: float) -> float:
    """P(Binomial(of, rate) <= wrong), for 0 < rate < 1: the p-value against "more than `rate` is wrong"."""
    if wrong >= of:
        return 1.0
    odds = math.log(rate) - math.log1p(-rate)
    term = of * math.log1p(-rate)
    total = 0.0
    for k in range(wrong + 1):
        total += math.exp(term)
        term += odds + math.log((of - k) / (k + 1))
    return min(1.0, total)


@lru_cache(maxsize=4096)
def upper_limit(wrong: int, of: int, delta: float) -> float:
    """The largest rate that the sample does not rule out at 1 - delta, one-sided.

    Source: Clopper and Pearson, The use of confidence or fiducial limits, Biometrika 26 (1934), p. 404.
    """
    if wrong >= of:
        return 1.0
    low, high = 0.0, 1.0
    for _ in range(SEARCH):
        middle = (low + high) / 2
        if lower_tail(wrong, of, middle) > delta:
            low = middle
        else:
            high = middle
    return high


@lru_cache(maxsize=4096)
def labels_needed(wrong: int, alpha: float, delta: float) -> int:
    """Accepted assets that must be labelled for the promise, where so many are wrong.

    Where none is, that is ln delta / ln(1 - alpha). At most MOST_LABELS is told.
    """
    low, high = wrong, max(1, 2 * wrong)
    while lower_tail(wrong, high, alpha) > delta:
        if high >= MOST_LABELS:
            return MOST_LABELS
        low, high = high, min(2 * high, MOST_LABELS)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if lower_tail(wrong, middle, alpha) > delta else (low, middle)
    return high


def fit(counts: Counts, *, alpha: float, delta: float, tighter: float) -> Fit:
    """The loosest threshold that keeps the promise, or what is missing. 0 < tighter <= alpha < 1 and 0 < delta < 1."""
    accepted, wrong = _below(counts.labelled), _below(counts.wrong)
    total = accepted[-1]
    none, one, most = (math.ceil(START_MORE * labels_needed(k, alpha, delta)) for k in START_WRONG)
    start = _start(_below(counts.placing), min(max(one if total >= one else none, total // 2), most), total)
    best: int | None = None
    for step in range(start, BUCKETS):
        if lower_tail(wrong[step], accepted[step], alpha) > delta:
            break
        best = step
    step = start if best is None else best
    n, k = accepted[step], wrong[step]
    # At least k of n, had alpha been the rate: where that is improbable, the rate is above.
    over = best is None and k > 0 and 1 - lower_tail(k - 1, n, alpha) <= delta
    share = n / total if total else 0.0

    def missing(rate: float) -> int:
        more = max(0, labels_needed(k, rate, delta) - n)
        return math.ceil(more / share) if share else more

    return Fit(
        standing=Standing.OVER if over else Standing.OPEN if best is None else Standing.BOUNDED,
        accept_below=0.0 if over else step / STEPS,
        labelled=total,
        accepted=n,
        wrong=k,
        share=share,
        upper=upper_limit(k, n, delta),
        missing=0 if best is not None else missing(alpha),
        missing_tighter=missing(tighter),
    )


def _below(counts: Sequence[int]) -> tuple[int, ...]:
    """How many lie under each threshold 0, 0.01 … 1; one entry more counts those of a doubt of 1 as well."""
    out = [0]
    for count in counts:
        out.append(out[-1] + count)
    return tuple(out)


def _start(placing: Sequence[int], want: int, labelled: int) -> int:
    """The strictest threshold under which `want` of so many labels are to be expected, or all that can be.

    Without assets outside of the sample there is no place to begin but the loosest threshold.
    """
    total = placing[-1]
    enough = min(want * total, placing[STEPS] * labelled)
    return next((s for s in range(1, STEPS) if placing[s] * labelled >= enough), STEPS) if total else STEPS
