"""The language of conditions in routing and review rules: a tree in YAML, never evaluated as code.

always: true                          {tag: people}
all: [CONDITION, …]                   {field: lane, equals: critical}
any: [CONDITION, …]                   {field: brand, in: [halden-outdoor, northwind-coffee]}
not: CONDITION                        {field: pixels, gt: 1048576}        (gt, ge, lt, le)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias, assert_never

from rules.tree import Node, nearest
from schemas.events import Lane, Risk


@dataclass(frozen=True, slots=True)
class NumberField:
    """A field that counts or measures, with its bounds."""

    low: float
    high: float
    whole: bool = True


TEXT_FIELDS: Final[Mapping[str, tuple[str, ...] | None]] = {
    "lane": tuple(Lane),
    "risk": tuple(Risk),
    "brand": None,
    "campaign": None,
}
"""Fields that hold a name: their values where these are known, None where they are free."""
NUMBER_FIELDS: Final[Mapping[str, NumberField]] = {
    "width": NumberField(64, 8192),
    "height": NumberField(64, 8192),
    "pixels": NumberField(64 * 64, 8192 * 8192),
    "aspect": NumberField(1 / 128, 128, whole=False),
    "phrases": NumberField(0, 64),
    "longest_phrase": NumberField(0, 500),
    "prompt_length": NumberField(0, 20000),
    "files": NumberField(0, 16),
}
"""Fields that hold a number. `aspect` is width over height, lengths are in characters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What rules may look at: tags by name, and fields."""

    tags: frozenset[str]
    texts: Mapping[str, str]
    numbers: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Always:
    """Holds."""


@dataclass(frozen=True, slots=True)
class HasTag:
    """Holds where the tag is there."""

    name: str


@dataclass(frozen=True, slots=True)
class IsOneOf:
    """Holds where a field has one of the values."""

    field: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Bounded:
    """Holds where a number compares like this."""

    field: str
    operator: str
    bound: float


@dataclass(frozen=True, slots=True)
class All:
    """Holds where every part does."""

    parts: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """Holds where some part does."""

    parts: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """Holds where the part does not."""

    part: Condition


Condition: TypeAlias = Always | HasTag | IsOneOf | Bounded | All | AnyOf | Not
Atom: TypeAlias = HasTag | IsOneOf | Bounded

OPERATORS: Final[Mapping[str, Callable[[float, float], bool]]] = {
    "equals": lambda value, bound: value == bound,
    "gt": lambda value, bound: value > bound,
    "ge": lambda value, bound: value >= bound,
    "lt": lambda value, bound: value < bound,
    "le": lambda value, bound: value <= bound,
}


def decide(condition: Condition, ask: Callable[[Atom], bool | None]) -> bool | None:
    """Whether it holds, by three-valued logic: None where what is asked for is not known yet."""
    match condition:
        case Always():
            return True
        case HasTag() | IsOneOf() | Bounded():
            return ask(condition)
        case All(parts):
            found = [decide(p, ask) for p in parts]
            return False if False in found else None if None in found else True
        case AnyOf(parts):
            found = [decide(p, ask) for p in parts]
            return True if True in found else None if None in found else False
        case Not(part):
            inner = decide(part, ask)
            return None if inner is None else not inner
        case _:
            assert_never(condition)


Test: TypeAlias = Callable[[Facts], bool]


def ready(condition: Condition) -> Test:
    """A condition as one function, for facts which are whole: no part is unknown, so the first that tells is enough."""
    match condition:
        case Always():
            return lambda _: True
        case All(parts):
            return _all([ready(p) for p in parts])
        case AnyOf(parts):
            return _any([ready(p) for p in parts])
        case Not(part):
            inner = ready(part)
            return lambda facts: not inner(facts)
        case HasTag(name):
            return lambda facts: name in facts.tags
        case IsOneOf(field, values):
            return lambda facts: facts.texts[field] in values
        case Bounded(field, operator, bound):
            compare = OPERATORS[operator]
            return lambda facts: compare(facts.numbers[field], bound)
        case _:
            assert_never(condition)


def _all(parts: Sequence[Test]) -> Test:
    def every(facts: Facts) -> bool:
        for part in parts:  # noqa: SIM110 - a generator for each rule and record costs more than the tests themselves
            if not part(facts):
                return False
        return True

    return every


def _any(parts: Sequence[Test]) -> Test:
    def some(facts: Facts) -> bool:
        for part in parts:  # noqa: SIM110 - as above
            if part(facts):
                return True
        return False

    return some


def parse_condition(node: Node, tags: frozenset[str], brands: frozenset[str]) -> Condition:
    """A condition from its YAML. Raises BadConfig with the nearest right name for tags, fields and values."""
    table = node.table()
    if "field" in table:
        return _parse_field(node, table, brands)
    f = node.fields([], ["always", "tag", "all", "any", "not"])
    if len(f) != 1:
        raise node.bad("want exactly one of always, tag, field, all, any, not")
    ((key, value),) = f.items()
    match key:
        case "always":
            if not value.flag():
                raise value.bad("a rule that never holds is no rule", "remove it")
            return Always()
        case "tag":
            return HasTag(value.choice(tags, "tag"))
        case "not":
            return Not(parse_condition(value, tags, brands))
        case _:
            parts = tuple(parse_condition(n, tags, brands) for n in value.items())
            if not parts:
                raise value.bad("lists no condition", "add one")
            return All(parts) if key == "all" else AnyOf(parts)


def _parse_field(node: Node, table: Mapping[str, Node], brands: frozenset[str]) -> Condition:
    field = table["field"].choice([*TEXT_FIELDS, *NUMBER_FIELDS], "field")
    operators = [k for k in table if k != "field"]
    allowed = ["equals", "in"] if field in TEXT_FIELDS else list(OPERATORS)
    if len(operators) != 1:
        raise node.bad(f"want exactly one comparison beside field: {', '.join(allowed)}")
    operator = operators[0]
    value = table[operator]
    if operator not in allowed:
        raise value.bad(f"{field} cannot be compared by {operator!r}", nearest(operator, allowed))
    if field in NUMBER_FIELDS:
        spec = NUMBER_FIELDS[field]
        bound = value.integer(int(spec.low), int(spec.high)) if spec.whole else value.number(spec.low, spec.high)
        return Bounded(field, operator, float(bound))
    known = {"brand": tuple(brands), "campaign": None}.get(field, TEXT_FIELDS[field])
    items = [value] if operator == "equals" else list(value.items())
    if not items:
        raise value.bad("lists no value", "add one")
    return IsOneOf(field, tuple(sorted({n.text() if known is None else n.choice(known, field) for n in items})))
