"""Whether a rule can ever fire: a search for facts that it takes and no earlier rule does."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Final, TypeAlias, assert_never

from rules.conditions import (
    NUMBER_FIELDS,
    OPERATORS,
    TEXT_FIELDS,
    All,
    AnyOf,
    Atom,
    Bounded,
    Condition,
    Facts,
    HasTag,
    IsOneOf,
    Not,
    decide,
)

Variable: TypeAlias = tuple[str, str]
"""("tag", name), ("text", field) or ("number", field)."""
Value: TypeAlias = bool | str | float
OTHER: Final = "\x00other"
"""Stands for every name that no rule mentions."""


def atoms(condition: Condition) -> Iterator[Atom]:
    """Every statement in a condition."""
    match condition:
        case All(parts) | AnyOf(parts):
            for part in parts:
                yield from atoms(part)
        case Not(part):
            yield from atoms(part)
        case HasTag() | IsOneOf() | Bounded():
            yield condition
        case _:
            return


def witness(wanted: Condition, earlier: Sequence[Condition]) -> Facts | None:
    """Facts for which `wanted` holds and none of `earlier` does; None where there are none.

    Tags and fields are taken as independent of each other, and numbers are tried at, below and above each
    bound that is mentioned: between two bounds every rule answers the same, so nothing is missed.
    """
    search = _Search(wanted, tuple(earlier))
    return search.facts() if search.run() else None


def _variable(atom: Atom) -> Variable:
    match atom:
        case HasTag(name):
            return ("tag", name)
        case IsOneOf(field, _):
            return ("text", field)
        case Bounded(field, _, _):
            return ("number", field)
        case _:
            assert_never(atom)


class _Search:
    def __init__(self, wanted: Condition, earlier: tuple[Condition, ...]) -> None:
        self._wanted, self._earlier = wanted, earlier
        found = [a for c in (wanted, *earlier) for a in atoms(c)]
        self._domains: dict[Variable, tuple[Value, ...]] = {}
        for atom in found:
            variable = _variable(atom)
            if variable not in self._domains:
                self._domains[variable] = _domain(variable, found)
        self._given: dict[Variable, Value] = {}
        self._open: Variable | None = None

    def run(self) -> bool:
        """Whether the values given so far can be completed. Leaves them completed where they can."""
        self._open = None
        states = [decide(self._wanted, self._ask)]
        if states[0] is False:
            return False
        for condition in self._earlier:
            state = decide(condition, self._ask)
            if state is True:
                return False
            states.append(state)
        variable = self._open
        if None not in states or variable is None:
            return True
        for value in self._domains[variable]:
            self._given[variable] = value
            if self.run():
                return True
        del self._given[variable]
        return False

    def facts(self) -> Facts:
        """The values given, with a plain value wherever none was needed."""
        texts: dict[str, str] = {f: (v[0] if v else "") for f, v in TEXT_FIELDS.items()}
        numbers: dict[str, float] = {f: n.low for f, n in NUMBER_FIELDS.items()}
        for (kind, name), value in self._given.items():
            if kind == "text":
                texts[name] = str(value)
            elif kind == "number":
                numbers[name] = float(value)
        tags = frozenset(name for (kind, name), value in self._given.items() if kind == "tag" and value)
        return Facts(tags=tags, texts=texts, numbers=numbers)

    def _ask(self, atom: Atom) -> bool | None:
        variable = _variable(atom)
        if variable not in self._given:
            self._open = self._open or variable
            return None
        value = self._given[variable]
        match atom:
            case HasTag():
                return bool(value)
            case IsOneOf(_, values):
                return value in values
            case Bounded(_, operator, bound):
                return OPERATORS[operator](float(value), bound)
            case _:
                assert_never(atom)


def _domain(variable: Variable, found: Sequence[Atom]) -> tuple[Value, ...]:
    kind, name = variable
    if kind == "tag":
        return (True, False)
    if kind == "text":
        known = TEXT_FIELDS[name]
        if known is not None:
            return known
        named = {v for a in found if isinstance(a, IsOneOf) and a.field == name for v in a.values}
        return (*sorted(named), OTHER)
    return _numbers(name, {a.bound for a in found if isinstance(a, Bounded) and a.field == name})


def _numbers(name: str, bounds: set[float]) -> tuple[Value, ...]:
    spec = NUMBER_FIELDS[name]
    if spec.whole:
        points = {b + d for b in bounds for d in (-1, 0, 1)}
    else:
        marks = sorted({spec.low, spec.high, *bounds})
        points = {*marks, *((a + b) / 2 for a, b in pairwise(marks))}
    return tuple(sorted(p for p in {*points, spec.low, spec.high} if spec.low <= p <= spec.high))


def shadow(conditions: Mapping[str, Condition], name: str) -> tuple[str, ...]:
    """Names of the earlier rules that leave nothing for this one; empty where it can fire.

    One name where a single earlier rule does it, else all that share in it.
    """
    names = list(conditions)
    before = names[: names.index(name)]
    if witness(conditions[name], [conditions[n] for n in before]) is not None:
        return ()
    for other in before:
        if witness(conditions[name], [conditions[other]]) is None:
            return (other,)
    needed = list(before)
    for other in before:
        fewer = [n for n in needed if n != other]
        if witness(conditions[name], [conditions[n] for n in fewer]) is None:
            needed = fewer
    return tuple(needed)
