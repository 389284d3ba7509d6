"""How far the pipeline and people agree on each defect: precision, recall and Cohen's kappa, with their intervals."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from audit.labels import Agreed, Stratum
from ops.bench.intervals import Z_95, score_bounds

ANYONE: Final = "anyone"
"""Assets that somebody spoke of, each counted once: reviewers see the doubtful ones, so it is no rate of the whole."""
STREAM: Final = "stream"
"""All assets that were judged, as the random sample tells: each counts for as many as it was drawn from."""
METHOD: Final = (
    "95 %: Wilson's score interval for precision and recall, with Kish's effective size where assets are weighted; "
    "for kappa the delta method of Fleiss, Cohen and Everitt (1969), by strata"
)
NO_SPREAD: Final = 1e-12
"""A variance up to this is rounding: every label says the same, which tells nothing of how labels spread."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Assets by whether the pipeline found a defect and whether people say that it is there."""

    both: int = 0
    found_only: int = 0
    said_only: int = 0
    neither: int = 0

    @property
    def total(self) -> int:
        """Assets that somebody spoke of."""
        return self.both + self.found_only + self.said_only + self.neither

    def __add__(self, other: Table) -> Table:
        """Both counted together."""
        return Table(
            both=self.both + other.both,
            found_only=self.found_only + other.found_only,
            said_only=self.said_only + other.said_only,
            neither=self.neither + other.neither,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A stratum of `size` assets, and the table of those of them that people looked at."""

    size: int
    table: Table


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A number with a 95 % interval; None where it is not defined, or where nothing tells how wide it is."""

    value: float | None
    low: float | None
    high: float | None


UNKNOWN: Final = Estimate(value=None, low=None, high=None)


def whole(table: Table) -> tuple[Part, ...]:
    """A table that stands for itself alone."""
    return (Part(size=table.total, table=table),)


def precision(parts: Sequence[Part]) -> Estimate:
    """Of what the pipeline found, the share that people confirm."""
    return _share(parts, [(p.table.both, p.table.both + p.table.found_only) for p in parts])


def recall(parts: Sequence[Part]) -> Estimate:
    """Of what people see, the share that the pipeline found."""
    return _share(parts, [(p.table.both, p.table.both + p.table.said_only) for p in parts])


def _share(parts: Sequence[Part], counts: Sequence[tuple[int, int]]) -> Estimate:
    """A ratio of weighted counts: an asset stands for as many as its stratum has for each that was looked at.

    The effective size is (sum of weights)² / sum of squared weights. Source: Kish, Survey Sampling (1965), 8.2.
    """
    weighted = [(_weight(part), hits, total) for part, (hits, total) in zip(parts, counts, strict=True) if total]
    if not weighted:
        return UNKNOWN
    mass = sum(w * total for w, _, total in weighted)
    value = min(1.0, sum(w * hits for w, hits, _ in weighted) / mass)
    low, high = score_bounds(value, mass**2 / sum(w * w * total for w, _, total in weighted))
    return Estimate(value=value, low=low, high=high)


def _weight(part: Part) -> float:
    return part.size / part.table.total


def kappa(parts: Sequence[Part]) -> Estimate:
    """Agreement beyond chance, -1 to 1; the interval by the delta method, stratum by stratum.

    Sources: Cohen, A coefficient of agreement for nominal scales, Educational and Psychological Measurement 20 (1960);
    Fleiss, Cohen and Everitt, Large sample standard errors of kappa and weighted kappa, Psychological Bulletin 72
    (1969), p. 324, which is the case of one stratum; Cochran, Sampling Techniques (1977), 5.4 for several. Where all
    labels agree or one side names nothing that variance is 0, which says nothing, so no interval is given.
    """
    size = sum(p.size for p in parts)
    if size == 0:
        return UNKNOWN
    shares = [p.size / size for p in parts]
    cells = [_cells(p.table) for p in parts]
    p = [[sum(w * c[i][j] for w, c in zip(shares, cells, strict=True)) for j in (0, 1)] for i in (0, 1)]
    rows, columns = [sum(r) for r in p], [p[0][j] + p[1][j] for j in (0, 1)]
    seen, chance = p[0][0] + p[1][1], rows[0] * columns[0] + rows[1] * columns[1]
    if math.isclose(chance, 1):
        return UNKNOWN
    value = (seen - chance) / (1 - chance)
    # By how much kappa moves with the share of each cell.
    slope = [
        [(i == j) / (1 - chance) - (1 - seen) * (columns[i] + rows[j]) / (1 - chance) ** 2 for j in (0, 1)]
        for i in (0, 1)
    ]
    variance = 0.0
    for part, share, cell in zip(parts, shares, cells, strict=True):
        middle = sum(cell[i][j] * slope[i][j] for i in (0, 1) for j in (0, 1))
        spread = sum(cell[i][j] * (slope[i][j] - middle) ** 2 for i in (0, 1) for j in (0, 1))
        variance += share**2 * spread / part.table.total
    if variance <= NO_SPREAD:
        return Estimate(value=value, low=None, high=None)
    half = Z_95 * math.sqrt(variance)
    return Estimate(value=value, low=max(-1.0, value - half), high=min(1.0, value + half))


def _cells(table: Table) -> tuple[tuple[float, float], tuple[float, float]]:
    n = table.total
    return (table.both / n, table.found_only / n), (table.said_only / n, table.neither / n)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """Assets of a stratum: judged, meant for a person (drawn by the audit, or in review), and looked at of these."""

    judged: int
    drawn: int
    looked_at: int


def sampling(rows: Sequence[Agreed]) -> dict[str, Sampling]:
    """How much of each stratum people looked at."""
    own = [r for r in rows if r.mode is None]
    return {
        stratum.value: Sampling(
            judged=sum(r.assets for r in own if r.stratum == stratum),
            drawn=sum(r.drawn for r in own if r.stratum == stratum),
            looked_at=sum(r.assets for r in own if r.stratum == stratum and r.sampled),
        )
        for stratum in Stratum
        if any(r.stratum == stratum for r in own)
    }


def tables(rows: Sequence[Agreed], *, sampled_only: bool) -> dict[str, dict[str, Table]]:
    """The tables of each failure mode that somebody named, by stratum.

    Assets of which a mode was not named count as neither. Strata in which nobody spoke of anything are left out.
    """
    counted = [r for r in rows if r.told and (r.sampled or not sampled_only)]
    totals: defaultdict[str, int] = defaultdict(int)
    sums: defaultdict[str, defaultdict[str, list[int]]] = defaultdict(lambda: defaultdict(lambda: [0, 0, 0]))
    for r in counted:
        if r.mode is None:
            totals[r.stratum] += r.assets
        else:
            kept = sums[r.mode][r.stratum]
            kept[:] = [kept[0] + r.both, kept[1] + r.found_only, kept[2] + r.said_only]

    def table(total: int, counts: Sequence[int]) -> Table:
        both, found, said = counts
        return Table(both=both, found_only=found, said_only=said, neither=total - both - found - said)

    return {
        mode: {stratum: table(total, sums[mode].get(stratum, (0, 0, 0))) for stratum, total in totals.items() if total}
        for mode in sorted(sums)
    }


def facts(rows: Sequence[Agreed]) -> list[dict[str, Any]]:
    """The agreement of the report, by failure mode: over all assets that were spoken of, and over the whole stream.

    null where there is nothing to divide by; for the stream also where a stratum has assets and nobody looked at any.
    """
    strata = sampling(rows)
    blind = [stratum for stratum, found in strata.items() if not found.looked_at]
    out: list[dict[str, Any]] = [
        {"mode": mode, "assets": ANYONE, "unseen": [], **_one(joined, whole(joined))}
        for mode, by_stratum in tables(rows, sampled_only=False).items()
        for joined in [sum(by_stratum.values(), Table())]
    ]
    for mode, by_stratum in tables(rows, sampled_only=True).items():
        parts = [Part(size=strata[stratum].judged, table=table) for stratum, table in by_stratum.items()]
        counted = sum(by_stratum.values(), Table())
        out.append({"mode": mode, "assets": STREAM, "unseen": blind, **_one(counted, () if blind else parts)})
    return out


def _one(table: Table, parts: Sequence[Part]) -> dict[str, Any]:
    return {
        "both": table.both,
        "found_only": table.found_only,
        "said_only": table.said_only,
        "neither": table.neither,
        "precision": _plain(precision(parts)),
        "recall": _plain(recall(parts)),
        "kappa": _plain(kappa(parts)),
    }


def _plain(found: Estimate) -> dict[str, float | None] | None:
    return None if found.value is None else {"value": found.value, "low": found.low, "high": found.high}


def cells(found: Iterable[dict[str, Any]]) -> Iterable[tuple[str, ...]]:
    """Rows of the table that `presscheck report` prints."""
    for f in found:
        yield (
            f["mode"], f["assets"], str(f["both"]), str(f["found_only"]), str(f["said_only"]), str(f["neither"]),
            *(_shown(f[name]) for name in ("precision", "recall", "kappa")),
        )  # fmt: skip


def _shown(value: dict[str, float | None] | None) -> str:
    if value is None:
        return "–"
    bounds = "" if value["low"] is None else f" ({value['low']:.2f}–{value['high']:.2f})"
    return f"{value['value']:.2f}{bounds}"
