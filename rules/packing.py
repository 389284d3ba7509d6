"""Optimal assignment: which phrase takes which pieces, no piece twice, most value in all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

BUDGET: Final = 20_000
"""Most steps of one search. Posters need tens; beyond, the best found so far stands and is not called certain."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """One way to show a phrase: the indices of its units, and what it is worth."""

    units: frozenset[int]
    value: float


@dataclass(frozen=True, slots=True)
class Packing:
    """For each phrase the candidate it got, or None. `complete` is False where the search ran out of budget."""

    chosen: tuple[Candidate | None, ...]
    complete: bool


def pack(options: Sequence[Sequence[Candidate]]) -> Packing:
    """Candidates for each phrase, pairwise disjoint, with the largest sum of values."""
    order = sorted((i for i, o in enumerate(options) if o), key=lambda i: len(options[i]))
    ranked = [sorted(options[i], key=lambda c: -c.value) for i in order]
    rest = [0.0] * (len(order) + 1)
    for i in range(len(order) - 1, -1, -1):
        rest[i] = rest[i + 1] + ranked[i][0].value
    best: list[Candidate | None] = [None] * len(order)
    best_value = -1.0
    steps = 0
    # Depth first without recursion: a frame is (phrase, next option to try, value so far).
    chosen: list[Candidate | None] = []
    stack: list[tuple[int, float]] = [(0, 0.0)]
    taken: list[frozenset[int]] = [frozenset()]
    while stack and steps < BUDGET:
        steps += 1
        option, value = stack[-1]
        depth = len(stack) - 1
        if depth == len(order):
            if value > best_value:
                best, best_value = list(chosen), value
            option = len(ranked[-1]) + 1 if ranked else 1
        if depth == len(order) or option > len(ranked[depth]) or value + rest[depth] <= best_value:
            stack.pop()
            taken.pop()
            if chosen:
                chosen.pop()
            continue
        stack[-1] = (option + 1, value)
        candidate = ranked[depth][option] if option < len(ranked[depth]) else None
        if candidate is not None and candidate.units & taken[-1]:
            continue
        chosen.append(candidate)
        taken.append(taken[-1] | candidate.units if candidate else taken[-1])
        stack.append((0, value + (candidate.value if candidate else 0.0)))
    out: list[Candidate | None] = [None] * len(options)
    for i, candidate in zip(order, best, strict=True):
        out[i] = candidate
    return Packing(tuple(out), complete=not stack)
