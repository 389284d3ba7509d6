"""Shares with their uncertainty, and goals that are met only where the uncertainty allows it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

Z_95: Final = 1.959963984540054
"""Two-sided 95 % of the normal distribution."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """`hits` of `total`, and the bounds of its Wilson interval; of nothing, anything is possible."""

    hits: int
    total: int
    low: float
    high: float


def wilson(hits: int, total: int, z: float = Z_95) -> Share:
    """The score interval of a proportion.

    Source: Wilson, Probable inference, the law of succession, and statistical inference, JASA 22 (1927), p. 209.
    """
    if total == 0:
        return Share(hits=0, total=0, low=0.0, high=1.0)
    low, high = score_bounds(hits / total, total, z)
    return Share(hits=hits, total=total, low=low, high=high)


def score_bounds(p: float, size: float, z: float = Z_95) -> tuple[float, float]:
    """Wilson's interval of a proportion p, 0 to 1, that so many tell of; `size` > 0 may be an effective number."""
    square = z * z
    middle = (p + square / (2 * size)) / (1 + square / size)
    half = z / (1 + square / size) * math.sqrt(p * (1 - p) / size + square / (4 * size * size))
    return 0.0 if p <= 0 else middle - half, 1.0 if p >= 1 else middle + half


class Standing(StrEnum):
    """Whether a goal is met. Undecided: the interval holds the limit, so the pictures are too few to tell."""

    MET = "met"
    MISSED = "missed"
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """A limit of a share, and what was seen."""

    name: str
    limit: float
    at_least: bool
    seen: Share

    @property
    def standing(self) -> Standing:
        """By the whole interval, never by its middle."""
        good, bad = (self.seen.low, self.seen.high) if self.at_least else (-self.seen.high, -self.seen.low)
        limit = self.limit if self.at_least else -self.limit
        if good >= limit:
            return Standing.MET
        return Standing.MISSED if bad < limit else Standing.UNDECIDED
