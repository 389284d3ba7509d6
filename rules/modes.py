"""The failure-mode catalogue, and the check that everything in the ruleset belongs to it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from rules.tree import Node, nearest
from schemas.errors import BadConfig

NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
KINDS: Final = {"caught_by": "check", "prevented_by": "routing rule", "repaired_by": "repair"}


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureMode:
    """One way in which an asset or a prompt can be wrong, and what stands against it.

    `kinds` are finer names for it, as the simulator injects them; no check tells them apart.
    """

    name: str
    title: str
    caught_by: tuple[str, ...]
    prevented_by: tuple[str, ...]
    repaired_by: tuple[str, ...]
    kinds: tuple[str, ...]
    how: str


def parse_modes(root: Node) -> Mapping[str, FailureMode]:
    """failure-modes.yml by itself: shapes only; `check_catalogue` ties it to the rest. Raises BadConfig."""
    table = root.fields(["failure_modes"])["failure_modes"].table()
    out: dict[str, FailureMode] = {}
    for name in sorted(table):
        node = table[name]
        if not NAME.fullmatch(name):
            raise node.bad(f"{name!r} is no name of a failure mode", "use small letters, digits and hyphens")
        f = node.fields(["title", *KINDS, "how"], ["kinds"])
        out[name] = FailureMode(
            name=name,
            title=f["title"].text(),
            caught_by=f["caught_by"].texts(),
            prevented_by=f["prevented_by"].texts(),
            repaired_by=f["repaired_by"].texts(),
            kinds=f["kinds"].texts() if "kinds" in f else (),
            how=f["how"].text(),
        )
    return out


def check_catalogue(
    modes: Mapping[str, FailureMode],
    root: Node,
    *,
    checks: Sequence[str],
    rules: Sequence[str],
    repairs: Sequence[str],
    detected: Mapping[str, str],
) -> None:
    """Every mode is caught, prevented and repaired, and every check, rule and repair belongs to a mode.

    `detected` holds the modes that the code reports, with the check that shows each.
    Raises BadConfig with all that is missing, each with its line.
    """
    known = {"caught_by": checks, "prevented_by": rules, "repaired_by": repairs}
    table = root.table()["failure_modes"].table()
    wrong: list[tuple[Node, str]] = []
    for name in modes:
        fields = table[name].table()
        for key, what in KINDS.items():
            items = fields[key].items()
            if not items:
                wrong.append((fields[key], f"nothing is named that has {name} {key.replace('_', ' ')} it"))
            wrong += [
                (item, f"{name}: there is no {what} {item.text()!r} in force, {nearest(item.text(), known[key])}")
                for item in items
                if item.text() not in known[key]
            ]
    for key, what in KINDS.items():
        used = {n for mode in modes.values() for n in _named(mode, key)}
        wrong += [(root, f"the {what} {n!r} belongs to no failure mode") for n in known[key] if n not in used]
    for name, check in detected.items():
        if check in checks and (name not in modes or check not in modes[name].caught_by):
            wrong.append(
                (table.get(name, root), f"the check {check!r} finds {name!r}, and the catalogue does not say so")
            )
    if wrong:
        first = wrong[0][0]
        listed = "; ".join(
            f"{text}{f' (line {node.line})' if node.line and node is not root else ''}" for node, text in wrong
        )
        raise BadConfig(
            f"the catalogue does not hold: {listed}",
            file=first.file,
            line=first.line,
            mend="name a check, a rule and a repair for each mode, and a mode for each of them",
        )


def _named(mode: FailureMode, key: str) -> tuple[str, ...]:
    return {"caught_by": mode.caught_by, "prevented_by": mode.prevented_by, "repaired_by": mode.repaired_by}[key]
