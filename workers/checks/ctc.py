"""Reading a recogniser's output: connectionist temporal classification, decoded greedily and summed exactly.

The output is a table of probabilities, one row for each column of the strip of letters, one entry for each character
of the vocabulary and one, BLANK, for "no new character". A text is spelt by every path that gives it once repeated
entries are merged and blanks dropped (Graves et al., 2006).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

Table = npt.NDArray[np.float32]
"""Probabilities, shape (columns, 1 + characters); each row sums to 1."""
BLANK: Final = 0
IMPOSSIBLE: Final = -1e4
"""Natural logarithm that stands for a probability of zero: sums of it stay finite."""
FLOOR: Final = 1e-12
"""Probabilities are not taken as smaller: the network's own rounding is coarser."""


@dataclass(frozen=True, slots=True)
class Spelt:
    """Characters as they were decoded.

    columns: Middle of the run of columns in which each character stands, counted in columns from the left edge.
    confidences: Highest probability of each character in its run.
    """

    entries: tuple[int, ...]
    columns: tuple[float, ...]
    confidences: tuple[float, ...]


def decode(table: Table) -> Spelt:
    """The most probable entry of every column, repeated ones merged and blanks dropped."""
    best = table.argmax(axis=1)
    entries: list[int] = []
    columns: list[float] = []
    confidences: list[float] = []
    starts = np.flatnonzero(np.diff(best, prepend=-1))
    for start, end in zip(starts, [*starts[1:], len(best)], strict=True):
        entry = int(best[start])
        if entry != BLANK:
            run = table[start:end, entry]
            entries.append(entry)
            columns.append((float(start) + float(end)) / 2)
            confidences.append(float(run.max()))
    return Spelt(tuple(entries), tuple(columns), tuple(confidences))


def log_likelihood(table: Table, entries: Sequence[int]) -> float:
    """Natural logarithm of the probability that the strip spells exactly these entries; IMPOSSIBLE where it cannot."""
    return log_likelihoods(table, [entries])[0]


def log_likelihoods(table: Table, texts: Sequence[Sequence[int]]) -> list[float]:
    """The same of several texts of one length. Raises ValueError where they differ in length.

    The forward algorithm over the entries with a blank before, between and behind them.
    """
    if not texts:
        return []
    states = np.full((len(texts), 2 * len(texts[0]) + 1), BLANK)
    states[:, 1::2] = np.array(texts, int).reshape(len(texts), -1)
    scores = np.log(np.maximum(table[:, states], FLOOR)).astype(np.float64)
    # From a state one comes again, from the one before, or past a blank from another character.
    skips = np.zeros(states.shape, bool)
    skips[:, 3::2] = states[:, 3::2] != states[:, 1:-2:2]
    along = np.full(states.shape, IMPOSSIBLE)
    along[:, :2] = scores[0, :, :2]
    for row in scores[1:]:
        before = np.pad(along, ((0, 0), (2, 0)), constant_values=IMPOSSIBLE)
        one, two = before[:, 1:-1], before[:, :-2]
        along = np.logaddexp(np.logaddexp(along, one), np.where(skips, two, IMPOSSIBLE)) + row
    ends = along[:, -1] if states.shape[1] == 1 else np.logaddexp(along[:, -1], along[:, -2])
    return [max(float(v), IMPOSSIBLE) for v in ends]
