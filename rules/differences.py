"""What differs between two rulesets, path by path, as a person would say it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias, cast

from rules.ruleset import Ruleset
from rules.tree import Plain

NAME: Final = "name"
ORDER: Final = "(order)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One place where two rulesets differ. `former` or `new` is None where there is nothing on that side.

    path: Keys with dots; an entry of a list by its name, or by its number from 0.
    """

    file: str
    path: str
    former: str | None
    new: str | None


def differences(former: Ruleset, new: Ruleset) -> tuple[Difference, ...]:
    """Every difference, by file and then in the order of keys. Comments and layout of the files are none."""
    old, now = (cast("dict[str, Plain]", json.loads(r.document)) for r in (former, new))
    return tuple(
        Difference(file=file, path=path, former=a, new=b)
        for file in sorted(old.keys() | now.keys())
        for path, a, b in _between("", old.get(file), now.get(file))
    )


_Found: TypeAlias = Iterator[tuple[str, str | None, str | None]]


def _between(path: str, old: Plain, new: Plain) -> _Found:
    if old == new:
        return
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted(old.keys() | new.keys()):
            yield from _between(f"{path}.{key}" if path else key, old.get(key), new.get(key))
    elif isinstance(old, list) and isinstance(new, list):
        yield from _lists(path, old, new)
    else:
        yield path, _shown(old), _shown(new)


def _lists(path: str, old: Sequence[Plain], new: Sequence[Plain]) -> _Found:
    before, after = _by_name(old), _by_name(new)
    if before is not None and after is not None:
        for name in [*before, *(n for n in after if n not in before)]:
            yield from _between(f"{path}[{name}]", before.get(name), after.get(name))
        kept, moved = [n for n in before if n in after], [n for n in after if n in before]
        if kept != moved:
            yield f"{path} {ORDER}", ", ".join(kept), ", ".join(moved)
    elif any(isinstance(v, dict | list) for v in (*old, *new)):
        for n in range(max(len(old), len(new))):
            yield from _between(f"{path}[{n}]", *(v[n] if n < len(v) else None for v in (old, new)))
    else:
        gone, come = [v for v in old if v not in new], [v for v in new if v not in old]
        if gone or come:
            yield path, _listed(gone), _listed(come)
        else:
            yield f"{path} {ORDER}", _listed(old), _listed(new)


def _by_name(values: Sequence[Plain]) -> dict[str, Plain] | None:
    """The entries by their names; None where some have none, or share one."""
    names = [v.get(NAME) if isinstance(v, dict) else None for v in values]
    if not all(isinstance(n, str) for n in names) or len(set(names)) < len(names):
        return None
    return dict(zip(cast("list[str]", names), values, strict=True))


def _listed(values: Sequence[Plain]) -> str | None:
    return ", ".join(s for v in values if (s := _shown(v)) is not None) or None


def _shown(value: Plain) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, sort_keys=True)
