"""The language of `--where`: which recorded work is meant. Parsed into a tree and checked; never evaluated as code.

tag=layout and verdict=rejected
campaign='Spring 26' and not (engine=typeset or attempt!=0)
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias, assert_never

from rules.ruleset import Ruleset
from rules.tree import nearest
from schemas.errors import BadConfig
from schemas.events import FailureKind, Lane, Outcome, Risk, Verdict

MAX_CHARS: Final = 2_000
MAX_DEPTH: Final = 20
PREFIX_MIN: Final = 6
"""Digits of a ruleset's or a job's id that are enough to name it."""
ALIASES: Final[Mapping[str, Mapping[str, str]]] = {
    "verdict": {
        "accepted": Verdict.ACCEPT.value,
        "approved": Verdict.ACCEPT.value,
        "rejected": Verdict.REJECT.value,
        "reviewed": Verdict.REVIEW.value,
    }
}
"""What people say, and what records say."""
FIELD_ALIASES: Final[Mapping[str, str]] = {"mode": "defect"}
BY_PREFIX: Final = frozenset({"ruleset", "job"})
_JOB_FIELDS: Final = frozenset({"job", "lane", "campaign", "brand", "record", "tag", "risk", "engine", "rule"})
_ATTEMPT_FIELDS: Final = _JOB_FIELDS | {"attempt", "ruleset"}
_RENDERED_FIELDS: Final = _ATTEMPT_FIELDS | {"outcome", "failure"}
_JUDGED_FIELDS: Final = _RENDERED_FIELDS | {"verdict", "defect"}
FIELDS: Final[Mapping[str, frozenset[str]]] = {
    "prompts": _JOB_FIELDS,
    "images.generated": _RENDERED_FIELDS,
    "images.inspected": _JUDGED_FIELDS,
    "replay": _JUDGED_FIELDS,
    "dead-letters": _JUDGED_FIELDS | {"stage"},
}
"""What the records of each topic can be asked for. Dead letters are asked for what the record in them says."""
_TOKEN: Final = re.compile(
    r"""\s*(?:(?P<mark>!=|=|\(|\))|(?P<quoted>'[^']*'|"[^"]*")|(?P<word>[^\s()=!'"]+)|(?P<bad>\S))"""
)
_HEX: Final = re.compile(r"[0-9a-f-]+")


@dataclass(frozen=True, slots=True)
class Is:
    """Holds where one of the record's values of a field is this one, or begins with it for an id."""

    field: str
    value: str


@dataclass(frozen=True, slots=True)
class Not:
    """Holds where the part does not."""

    part: Where


@dataclass(frozen=True, slots=True)
class Both:
    """Holds where every part does."""

    parts: tuple[Where, ...]


@dataclass(frozen=True, slots=True)
class Either:
    """Holds where some part does."""

    parts: tuple[Where, ...]


Where: TypeAlias = Is | Not | Both | Either
Facts: TypeAlias = Mapping[str, frozenset[str]]
"""The values of each field that a record has: several tags and defects, none of what it does not say."""

EVERYTHING: Final[Where] = Both(())


@dataclass(frozen=True, slots=True)
class _Token:
    """A piece of the text, and where it begins, from 1. `kind` is mark, quoted, word or end."""

    kind: str
    text: str
    at: int


def holds(where: Where, facts: Facts) -> bool:
    """Whether a record with these facts is meant."""
    match where:
        case Is(field, value):
            found = facts.get(field, frozenset())
            return any(v.startswith(value) for v in found) if field in BY_PREFIX else value in found
        case Not(part):
            return not holds(part, facts)
        case Both(parts):
            return all(holds(p, facts) for p in parts)
        case Either(parts):
            return any(holds(p, facts) for p in parts)
        case _:
            assert_never(where)


def written(where: Where) -> str:
    """The condition in one canonical form; empty where everything is meant."""
    match where:
        case Is(field, value):
            return f"{field}={_quoted(value)}"
        case Not(Is(field, value)):
            return f"{field}!={_quoted(value)}"
        case Not(part):
            return f"not ({written(part)})"
        case Both(parts):
            return " and ".join(f"({written(p)})" if isinstance(p, Either) else written(p) for p in parts)
        case Either(parts):
            return " or ".join(written(p) for p in parts)
        case _:
            assert_never(where)


def _quoted(value: str) -> str:
    return f'"{value}"' if "'" in value else f"'{value}'"


def parse_where(text: str, topic: str, ruleset: Ruleset) -> Where:
    """The condition that a person wrote, checked for what records of the topic can say; empty text means everything.

    Names of tags, engines, brands, failure modes and rules are those of the ruleset; one in quotes is taken as it is,
    for what older rulesets knew. Raises BadConfig with the position and the nearest right name.
    """
    if len(text) > MAX_CHARS:
        raise BadConfig(f"--where has {len(text)} characters", mend=f"write it in {MAX_CHARS}")
    if not text.strip():
        return EVERYTHING
    return _Parser(text, topic, ruleset).whole()


class _Parser:
    """Reads tokens from left to right: or binds less than and, and less than not."""

    def __init__(self, text: str, topic: str, ruleset: Ruleset) -> None:
        self._topic, self._fields = topic, FIELDS[topic]
        self._known = _names(ruleset)
        self._tokens = _tokens(text)
        self._next = 0

    def whole(self) -> Where:
        """The whole text as one condition."""
        found = self._either(0)
        if self._now.kind != "end":
            raise _bad(self._now, f"did not expect {self._now.text!r}", "join conditions by and, or")
        return found

    @property
    def _now(self) -> _Token:
        return self._tokens[self._next]

    def _take(self) -> _Token:
        token = self._now
        self._next += 1
        return token

    def _says(self, word: str) -> bool:
        return self._now.kind == "word" and self._now.text.casefold() == word

    def _either(self, depth: int) -> Where:
        parts = [self._both(depth)]
        while self._says("or"):
            self._take()
            parts.append(self._both(depth))
        return parts[0] if len(parts) == 1 else Either(tuple(parts))

    def _both(self, depth: int) -> Where:
        parts = [self._one(depth)]
        while self._says("and"):
            self._take()
            parts.append(self._one(depth))
        return parts[0] if len(parts) == 1 else Both(tuple(parts))

    def _one(self, depth: int) -> Where:
        if depth > MAX_DEPTH:
            raise _bad(self._now, f"nests deeper than {MAX_DEPTH}", "take brackets away")
        if self._says("not"):
            self._take()
            return Not(self._one(depth + 1))
        if self._now.text == "(" and self._now.kind == "mark":
            opened = self._take()
            inside = self._either(depth + 1)
            if (self._now.kind, self._now.text) != ("mark", ")"):
                raise _bad(self._now, f"the bracket at position {opened.at} is not closed", "add )")
            self._take()
            return inside
        return self._comparison()

    def _comparison(self) -> Where:
        name = self._take()
        if name.kind != "word":
            raise _bad(name, "want a field here", f"fields are {', '.join(sorted(self._fields))}")
        field = FIELD_ALIASES.get(name.text.casefold(), name.text.casefold())
        if field not in self._fields:
            everywhere = any(field in f for f in FIELDS.values())
            what = f"records of {self._topic} say no {field}" if everywhere else f"there is no field {name.text!r}"
            raise _bad(name, what, nearest(field, self._fields))
        mark = self._now
        if mark.kind != "mark" or mark.text not in {"=", "!="}:
            raise _bad(mark, f"want = or != after {name.text}", f"as in {field}=VALUE")
        self._take()
        value = self._take()
        if value.kind not in {"word", "quoted"}:
            raise _bad(value, f"want a value of {field}", "put one with blanks or brackets in quotes")
        atom = Is(field, self._value(field, value))
        return atom if mark.text == "=" else Not(atom)

    def _value(self, field: str, token: _Token) -> str:
        text = token.text[1:-1] if token.kind == "quoted" else token.text
        if field == "attempt" and not (text.isascii() and text.isdigit()):
            raise _bad(token, f"{text!r} is no number of an attempt", "the first one is 0")
        if field in BY_PREFIX and (len(text) < PREFIX_MIN or _HEX.fullmatch(text) is None):
            raise _bad(token, f"{text!r} is no {field} id", f"give at least its first {PREFIX_MIN} digits")
        text = ALIASES.get(field, {}).get(text, text)
        known = self._known.get(field)
        if known is not None and text not in known and token.kind == "word":
            mend = nearest(text, known) + f"; in quotes it is taken as it is: {field}='{text}'"
            raise _bad(token, f"there is no {field} {text!r}", mend)
        return text


def _names(ruleset: Ruleset) -> Mapping[str, Iterable[str]]:
    """The values that a field can have, where they are known."""
    return {
        "tag": ruleset.lexicon.tag_names,
        "engine": ruleset.engines.keys(),
        "brand": ruleset.brands.keys(),
        "defect": ruleset.failure_modes.keys(),
        "verdict": list(Verdict),
        "lane": list(Lane),
        "risk": list(Risk),
        "outcome": list(Outcome),
        "failure": list(FailureKind),
    }


def _tokens(text: str) -> list[_Token]:
    found: list[_Token] = []
    place = 0
    while (match := _TOKEN.match(text, place)) is not None:
        kind = match.lastgroup or ""
        token = _Token(kind, match[kind], match.start(kind) + 1)
        if kind == "bad":
            what = "this quotation mark is not closed" if token.text in "'\"" else f"did not expect {token.text!r}"
            raise _bad(token, what, "put values with blanks or marks in quotes")
        found.append(token)
        place = match.end()
    return [*found, _Token("end", "", len(text) + 1)]


def _bad(token: _Token, what: str, mend: str) -> BadConfig:
    return BadConfig(f"--where, position {token.at}: {what}", mend=mend)
