"""Bars that a batch must clear before it is released, and guards that stop a release: limits of figures."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from rules.tree import nearest
from schemas.errors import BadConfig

Figures = Mapping[str, float | None]
"""Figures by name, shares as fractions; None where there is nothing to divide by."""

BARS: Final[Mapping[str, str]] = {
    "artifact-rate": "rendered images in which a verdict names a certain defect",
    "accept-rate": "runs that were accepted, held ones included",
    "review-rate": "runs that a person must decide on",
    "failure-rate": "attempts that gave no image",
    "text-score": "mean text score of what was accepted",
}
"""What a batch can be measured by, and what each share is of."""
GUARDS: Final[Mapping[str, str]] = {
    "touch-up-rate": "released assets on which hand work was reported",
    "wrong-rate": "released assets that a person labelled with a defect",
    "recall-rate": "released assets that were recalled",
}
"""What a release can be watched by: what people say of the assets after they have them."""
LIMIT: Final = re.compile(r"(?P<metric>[a-z][a-z-]*)\s*(?P<mark><=|>=)\s*(?P<number>\d+(?:\.\d+)?)(?P<percent>%?)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """The most, or where `at_least` the least, that a figure may be; shares as fractions."""

    metric: str
    at_least: bool
    bound: float

    def kept(self, value: float) -> bool:
        """Whether a figure is within."""
        return value >= self.bound if self.at_least else value <= self.bound

    def __str__(self) -> str:
        return f"{self.metric}{'>=' if self.at_least else '<='}{100 * self.bound:g}%"


def parse_limit(text: str, known: Mapping[str, str], *, option: str) -> Limit:
    """A limit as people write it: `artifact-rate<=2%`, `text-score>=0.95`. Raises BadConfig."""
    found = LIMIT.fullmatch(text.strip())
    if found is None:
        raise BadConfig(f"{option}: {text!r} is no limit", mend=f"write one such as {next(iter(known))}<=2%")
    if found["metric"] not in known:
        raise BadConfig(f"{option}: there is no {found['metric']!r}", mend=nearest(found["metric"], known))
    bound = float(found["number"]) / (100 if found["percent"] else 1)
    if bound > 1:
        raise BadConfig(f"{option}: {text!r} is above 100 %", mend="write shares as 2% or 0.02")
    return Limit(metric=found["metric"], at_least=found["mark"] == ">=", bound=bound)


def missed(bars: Sequence[Limit], figures: Figures) -> tuple[str, ...]:
    """The bars that a batch does not clear, in words; one without a figure is not cleared."""
    return tuple(_said(b, figures.get(b.metric)) for b in bars if not _kept(b, figures, unknown=False))


def tripped(guards: Sequence[Limit], figures: Figures) -> tuple[str, ...]:
    """The guards that say stop, in words; one without a figure has nothing to say yet."""
    return tuple(_said(g, figures.get(g.metric)) for g in guards if not _kept(g, figures, unknown=True))


def _kept(limit: Limit, figures: Figures, *, unknown: bool) -> bool:
    value = figures.get(limit.metric)
    return unknown if value is None else limit.kept(value)


def _said(limit: Limit, value: float | None) -> str:
    return f"{limit} is asked, and it is {'not known' if value is None else f'{100 * value:.3g}%'}"
