"""Configuration as a tree of nodes that know their file and line, so that every refusal can name them."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias, cast

import yaml

from schemas.errors import BadConfig

Scalar: TypeAlias = str | int | float | bool | None
Plain: TypeAlias = Scalar | list["Plain"] | dict[str, "Plain"]

MAX_DEPTH: Final = 20
"""Nesting beyond this is refused; the deepest file of ours needs 8."""
# libyaml's parser, where PyYAML was built with it, is eighteen times as fast and gives the same nodes.
_LOADER: Final = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader
_NULL: Final = "tag:yaml.org,2002:null"
_BOOL: Final = "tag:yaml.org,2002:bool"
_INT: Final = "tag:yaml.org,2002:int"
_FLOAT: Final = "tag:yaml.org,2002:float"
_STR: Final = "tag:yaml.org,2002:str"


def nearest(name: str, known: Iterable[str]) -> str:
    """The mend for a name that does not exist: the nearest right one, or all of them."""
    names = sorted(str(n) for n in known)
    folded = {n.casefold(): n for n in names}
    begun = sorted((n for n in folded if name and n.startswith(name.casefold())), key=len)
    close = begun or difflib.get_close_matches(name.casefold(), folded, n=1, cutoff=0.6)
    if close:
        return f"did you mean {folded[close[0]]!r}?"
    return f"known are {', '.join(names)}" if names else "none are known"


@dataclass(frozen=True, slots=True)
class Node:
    """One value with its place. `line` is 1-based; None where the tree came from a ruleset document."""

    file: str
    line: int | None
    path: str
    value: Mapping[str, Node] | tuple[Node, ...] | Scalar

    def bad(self, what: str, mend: str = "") -> BadConfig:
        """The error that this node is wrong."""
        return BadConfig(f"{self.path}: {what}" if self.path else what, file=self.file, line=self.line, mend=mend)

    def table(self) -> Mapping[str, Node]:
        """The entries of a mapping with free keys."""
        if not isinstance(self.value, Mapping):
            raise self.bad(f"want a mapping, found {self._shown()}")
        return self.value

    def fields(self, required: Sequence[str], optional: Sequence[str] = ()) -> Mapping[str, Node]:
        """The entries of a mapping with known keys; refuses unknown and missing ones."""
        found = self.table()
        known = (*required, *optional)
        for key, node in found.items():
            if key not in known:
                raise node.bad(f"unknown key {key!r}", nearest(key, known))
        missing = [k for k in required if k not in found]
        if missing:
            raise self.bad(f"lacks {', '.join(missing)}", f"add {'it' if len(missing) == 1 else 'them'}")
        return found

    def items(self) -> tuple[Node, ...]:
        """The items of a list."""
        if not isinstance(self.value, tuple):
            raise self.bad(f"want a list, found {self._shown()}")
        return self.value

    def text(self) -> str:
        """A string with at least one character that is no blank."""
        if not isinstance(self.value, str):
            raise self.bad(f"want text, found {self._shown()}", "put it in quotes" if self._is_scalar() else "")
        if not self.value.strip():
            raise self.bad("is empty", "write it out, or leave the key away")
        return self.value

    def texts(self) -> tuple[str, ...]:
        """A list of strings, each once."""
        out: list[str] = []
        for item in self.items():
            if item.text() in out:
                raise item.bad(f"{item.text()!r} stands here twice", "remove one")
            out.append(item.text())
        return tuple(out)

    def choice(self, known: Iterable[str], what: str) -> str:
        """A string that is one of the known names."""
        name = self.text()
        names = list(known)
        if name not in names:
            raise self.bad(f"there is no {what} {name!r}", nearest(name, names))
        return name

    def choices(self, known: Iterable[str], what: str) -> tuple[str, ...]:
        """A list of known names, each once."""
        names = list(known)
        for item in self.items():
            item.choice(names, what)
        return self.texts()

    def number(self, low: float, high: float) -> float:
        """A number in low..high, inclusive."""
        if isinstance(self.value, bool) or not isinstance(self.value, int | float):
            raise self.bad(f"want a number, found {self._shown()}")
        # A NaN compares false with everything, so the bound is asked this way round.
        if not low <= self.value <= high:
            raise self.bad(f"is {self.value:g}, want {low:g} to {high:g}")
        return float(self.value)

    def integer(self, low: int, high: int) -> int:
        """A whole number in low..high, inclusive."""
        if isinstance(self.value, bool) or not isinstance(self.value, int):
            raise self.bad(f"want a whole number, found {self._shown()}")
        if not low <= self.value <= high:
            raise self.bad(f"is {self.value}, want {low} to {high}")
        return self.value

    def flag(self) -> bool:
        """True or false."""
        if not isinstance(self.value, bool):
            raise self.bad(f"want true or false, found {self._shown()}")
        return self.value

    def scalar(self) -> Scalar:
        """Any single value."""
        if not self._is_scalar():
            raise self.bad(f"want a single value, found {self._shown()}")
        return cast("Scalar", self.value)

    def plain(self) -> Plain:
        """The tree without places, ready for JSON."""
        if isinstance(self.value, Mapping):
            return {k: n.plain() for k, n in self.value.items()}
        if isinstance(self.value, tuple):
            return [n.plain() for n in self.value]
        return self.value

    def _is_scalar(self) -> bool:
        return not isinstance(self.value, Mapping | tuple)

    def _shown(self) -> str:
        if isinstance(self.value, Mapping):
            return "a mapping"
        if isinstance(self.value, tuple):
            return "a list"
        return "nothing" if self.value is None else json.dumps(self.value)


def read_yaml(file: str, text: str) -> Node:
    """The tree of one YAML file. Raises BadConfig for bad YAML, duplicate keys, aliases and odd types."""
    try:
        # The stubs leave compose() untyped.
        root = cast("yaml.Node | None", cast("Any", yaml).compose(text, Loader=_LOADER))
    except yaml.MarkedYAMLError as e:
        line = e.problem_mark.line + 1 if e.problem_mark else None
        raise BadConfig(f"is not YAML: {e.problem}", file=file, line=line) from None
    except yaml.reader.ReaderError as e:
        raise BadConfig(f"is not YAML: {e.reason} at character {e.position}", file=file) from None
    if root is None:
        raise BadConfig("is empty", file=file, mend="restore it from version control")
    return _Reader(file).node(root, root.start_mark.line + 1, "", 0)


class _Reader:
    """Turns PyYAML's nodes into ours, remembering which it has met."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._met: set[int] = set()

    def node(self, raw: yaml.Node, line: int, path: str, depth: int) -> Node:
        here = Node(self._file, line, path, None)
        if depth > MAX_DEPTH:
            raise here.bad(f"is nested more than {MAX_DEPTH} deep", "flatten it")
        if id(raw) in self._met:
            # An alias costs nothing to write and everything to unfold, and hides what a line means.
            raise here.bad("uses a YAML alias", "write the value out")
        self._met.add(id(raw))
        if isinstance(raw, yaml.MappingNode):
            return Node(self._file, line, path, self._mapping(raw, path, depth))
        if isinstance(raw, yaml.SequenceNode):
            items = cast("list[yaml.Node]", raw.value)
            return Node(
                self._file,
                line,
                path,
                tuple(self.node(n, n.start_mark.line + 1, f"{path}[{i}]", depth + 1) for i, n in enumerate(items)),
            )
        return Node(self._file, line, path, _scalar(here, raw.tag, str(cast("object", raw.value))))

    def _mapping(self, raw: yaml.MappingNode, path: str, depth: int) -> Mapping[str, Node]:
        out: dict[str, Node] = {}
        for key, value in cast("list[tuple[yaml.Node, yaml.Node]]", raw.value):
            line = key.start_mark.line + 1
            name = str(cast("object", key.value))
            inner = f"{path}.{name}" if path else name
            if not isinstance(key, yaml.ScalarNode) or key.tag != _STR:
                raise Node(self._file, line, path, None).bad(f"the key {name!r} is not text", "put it in quotes")
            if name in out:
                raise Node(self._file, line, path, None).bad(
                    f"the key {name!r} stands twice, first in line {out[name].line}", "remove one"
                )
            out[name] = self.node(value, line, inner, depth + 1)
        return out


def _scalar(here: Node, tag: str, text: str) -> Scalar:
    if tag == _STR:
        return text
    if tag == _NULL:
        return None
    if tag == _BOOL:
        # YAML 1.1 takes no, off and on for truth values; a list of words must not turn into them.
        if text not in {"true", "false"}:
            raise here.bad(f"{text!r} could be meant as a word or as a truth value", "write true, false or quotes")
        return text == "true"
    if tag in {_INT, _FLOAT}:
        try:
            return int(text) if tag == _INT else float(text)
        except ValueError:
            raise here.bad(f"{text!r} is no plain number", "write it in decimals, or in quotes") from None
    raise here.bad(f"{text!r} has a type of its own ({tag.rpartition(':')[2]})", "put it in quotes")


def read_plain(file: str, value: object, path: str = "") -> Node:
    """The tree of a value that came from JSON. Its nodes know no line."""
    if isinstance(value, dict):
        entries = cast("dict[str, object]", value)
        return Node(
            file, None, path, {k: read_plain(file, v, f"{path}.{k}" if path else k) for k, v in entries.items()}
        )
    if isinstance(value, list):
        items = cast("list[object]", value)
        return Node(file, None, path, tuple(read_plain(file, v, f"{path}[{i}]") for i, v in enumerate(items)))
    return Node(file, None, path, cast("Scalar", value))
