"""How far the pipeline and people agree on each defect: precision, recall and Cohen's kappa, with their intervals."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from audit.labels import Agreed
from ops.bench.intervals import Z_95, Share, wilson

ANYONE: Final = "anyone"
AUDIT: Final = "audit"
"""Which assets count: all that somebody spoke of, or only those that a hash chose."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Assets by whether the pipeline found a defect and whether people say that it is there."""

    both: int
    found_only: int
    said_only: int
    neither: int

    @property
    def total(self) -> int:
        """Assets that somebody spoke of."""
        return self.both + self.found_only + self.said_only + self.neither


@dataclass(frozen=True, slots=True, kw_only=True)
class Kappa:
    """Cohen's kappa with a 95 % interval; None where it is not defined, or the interval would be a point."""

    value: float | None
    low: float | None
    high: float | None


def kappa(table: Table) -> Kappa:
    """Agreement beyond chance, -1 to 1; the interval by the delta method.

    Sources: Cohen, A coefficient of agreement for nominal scales, Educational and Psychological Measurement 20 (1960);
    Fleiss, Cohen and Everitt, Large sample standard errors of kappa and weighted kappa, Psychological Bulletin 72
    (1969), p. 324. At perfect agreement that variance is 0, which says nothing, so no interval is given.
    """
    n = table.total
    if n == 0:
        return Kappa(value=None, low=None, high=None)
    p = ((table.both / n, table.found_only / n), (table.said_only / n, table.neither / n))
    rows, columns = [sum(r) for r in p], [p[0][j] + p[1][j] for j in (0, 1)]
    seen, chance = p[0][0] + p[1][1], rows[0] * columns[0] + rows[1] * columns[1]
    if math.isclose(chance, 1):
        return Kappa(value=None, low=None, high=None)
    value = (seen - chance) / (1 - chance)
    same = sum(p[i][i] * (1 - (rows[i] + columns[i]) * (1 - value)) ** 2 for i in (0, 1))
    apart = (1 - value) ** 2 * sum(p[i][1 - i] * (columns[i] + rows[1 - i]) ** 2 for i in (0, 1))
    variance = (same + apart - (value - chance * (1 - value)) ** 2) / (n * (1 - chance) ** 2)
    if variance <= 1e-15:
        return Kappa(value=value, low=None, high=None)
    half = Z_95 * math.sqrt(variance)
    return Kappa(value=value, low=max(-1.0, value - half), high=min(1.0, value + half))


def tables(rows: Sequence[Agreed], *, audited_only: bool) -> dict[str, Table]:
    """The table of each failure mode that somebody named. Assets of which a mode was not named count as neither."""
    counted = [r for r in rows if r.audit or not audited_only]
    total = sum(r.assets for r in counted if r.mode is None)
    sums: defaultdict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
    for r in counted:
        if r.mode is not None:
            sums[r.mode] = [a + b for a, b in zip(sums[r.mode], (r.both, r.found_only, r.said_only), strict=True)]
    return {
        mode: Table(both=both, found_only=found, said_only=said, neither=total - both - found - said)
        for mode, (both, found, said) in sorted(sums.items())
    }


def facts(rows: Sequence[Agreed]) -> list[dict[str, Any]]:
    """The agreement of the report, by failure mode: over all assets that were spoken of, and over the random sample.

    precision: of what the pipeline found, the share that people confirm. recall: of what people see, the share that
    the pipeline found. Both with Wilson's interval; null where there is nothing to divide by.
    """
    return [
        {"mode": mode, "assets": name, **_one(table)}
        for name, audited in ((ANYONE, False), (AUDIT, True))
        for mode, table in tables(rows, audited_only=audited).items()
    ]


def _one(table: Table) -> dict[str, Any]:
    k = kappa(table)
    return {
        "both": table.both,
        "found_only": table.found_only,
        "said_only": table.said_only,
        "neither": table.neither,
        "precision": _share(wilson(table.both, table.both + table.found_only)),
        "recall": _share(wilson(table.both, table.both + table.said_only)),
        "kappa": None if k.value is None else {"value": k.value, "low": k.low, "high": k.high},
    }


def _share(share: Share) -> dict[str, float] | None:
    if not share.total:
        return None
    return {"value": share.hits / share.total, "low": share.low, "high": share.high}


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
