"""Shows what another ruleset would change: as tables for people, as plain data for programs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Final

from ops.console import out, print_table
from rules.changes import Changes, Group
from rules.what_if import Cover

KINDS: Final = ("engine", "lane", "tag")
ROWS_MAX: Final = 40
"""Rows of one table; --json holds all."""


def facts(changes: Changes) -> dict[str, Any]:
    """All counts, largest first."""
    return {
        "jobs": changes.jobs,
        "unusable": changes.unusable,
        "changed": changes.whole.changed,
        "cost_usd": {"former": round(changes.whole.former_usd, 4), "new": round(changes.whole.new_usd, 4)},
        **{kind: {name: _rounded(g) for name, g in _of(changes, kind)} for kind in KINDS},
        "moves": [{"former": a, "new": b, "jobs": n} for (a, b), n in changes.moves.most_common()],
        "modes": [{"mode": m, "former": a, "new": b, "jobs": n} for (m, a, b), n in changes.modes.most_common()],
        "modes_gained": dict(changes.gained.most_common()),
        "modes_lost": dict(changes.lost.most_common()),
        "sample": [asdict(c) for c in changes.sample],
    }


def show(changes: Changes, *, moves: str) -> None:
    """The counts as tables; `moves` names what a job moves between."""
    whole = changes.whole
    out().print(
        f"{changes.jobs} jobs, {whole.changed} of them change;"
        f" expected cost {whole.former_usd:.2f} -> {whole.new_usd:.2f} USD"
        + (f"; {changes.unusable} records could not be used" if changes.unusable else "")
    )
    if not whole.changed and whole.former_usd == whole.new_usd and not changes.gained and not changes.lost:
        return
    changed = [(a, b, n) for (a, b), n in changes.moves.most_common() if a != b]
    if changed:
        print_table((f"former {moves}", f"new {moves}", ">jobs"), changed[:ROWS_MAX], title="moves")
    for kind in KINDS:
        rows = [(n, g) for n, g in _of(changes, kind) if g.changed or g.former_usd != g.new_usd or g.former != g.new]
        if rows:
            cells = [
                (n, g.former, g.new, g.changed, f"{g.former_usd:.2f}", f"{g.new_usd:.2f}") for n, g in rows[:ROWS_MAX]
            ]
            print_table((kind, ">former", ">new", ">changed", ">former USD", ">new USD"), cells, title=f"by {kind}")
    modes = sorted(changes.gained.keys() | changes.lost.keys())
    if modes:
        rows_of = [(m, changes.gained[m], changes.lost[m]) for m in modes]
        print_table(("failure mode", ">gained", ">lost"), rows_of, title="failure modes, by jobs")
    if changes.sample:
        sample = [(c.job_id, c.former, c.new, c.prompt[:60]) for c in changes.sample]
        print_table(("job", "former", "new", "prompt"), sample, title="a sample of what changes")


def show_covers(found: Sequence[Cover]) -> None:
    """Failure modes whose checks, rules or repairs differ."""
    rows = [
        (c.mode, "the mode is gone" if c.gained is None else ", ".join(c.gained),
         "the mode is new" if c.lost is None else ", ".join(c.lost))
        for c in found
    ]  # fmt: skip
    if rows:
        print_table(("failure mode", "gains", "loses"), rows, title="cover")


def show_matrix(changes: Changes) -> None:
    """For each defect, how many attempts move between which verdicts."""
    rows = [(m, a, b, n) for (m, a, b), n in sorted(changes.modes.items()) if a != b]
    if rows:
        columns = ("defect", "former verdict", "new verdict", ">attempts")
        print_table(columns, rows[:ROWS_MAX], title="verdicts that change, by defect")


def _of(changes: Changes, kind: str) -> list[tuple[str, Group]]:
    found = [(name, g) for (k, name), g in changes.groups.items() if k == kind]
    return sorted(found, key=lambda row: (-max(row[1].former, row[1].new), row[0]))


def _rounded(group: Group) -> dict[str, float]:
    return {k: round(v, 4) for k, v in asdict(group).items()}
