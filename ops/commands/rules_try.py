"""`presscheck rules diff|what-if|rejudge`: what another ruleset says, and what it would change."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from ops.console import JsonOption, StateOption, err, out, print_json, print_table, progress
from ops.log_range import SLICE, find_range, parse_bound
from ops.rulesets.publish import resolve
from ops.stack.running import running_stack
from rules.changes import Changes
from rules.differences import differences
from rules.ruleset import Ruleset
from schemas.catalogue import IMAGES_INSPECTED, PROMPTS

NameArgument = Annotated[
    str, typer.Argument(metavar="RULESET", help="A published id (6 digits or more), `active`, or a folder of files.")
]

FromOption = Annotated[str, typer.Option("--from", help="First offset, or a time: 2026-05-01T09:30 (UTC), -24h.")]
ToOption = Annotated[str | None, typer.Option("--to", help="Offset or time to end before (default: the end now).")]
PartitionOption = Annotated[int | None, typer.Option("--partition", min=0, help="Read this partition alone.")]
AgainstOption = Annotated[str, typer.Option("--against", metavar="RULESET", help="What to compare it with.")]
WorkersOption = Annotated[int, typer.Option("--workers", min=0, max=8, help="Processes; 0 takes one a core.")]


def diff_command(
    name: NameArgument,
    other: Annotated[str, typer.Argument(metavar="[FORMER]", help="What to compare it with.")] = "active",
    state: StateOption = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """Show what a ruleset changes, path by path, against another one (by default the active one)."""
    settings = running_stack(state, database=False)
    new, former = resolve(settings, name), resolve(settings, other)
    found = differences(former, new)
    if as_json:
        facts = {"former_id": former.id, "new_id": new.id, "differences": [asdict(d) for d in found]}
        print_json(facts)
        return
    if not found:
        out().print(f"both are ruleset {new.id[:12]}")
        return
    print_table(
        ("file", "key", "former", "new"),
        [(d.file, d.path, d.former, d.new) for d in found],
        title=f"{former.id[:12]} -> {new.id[:12]}",
    )


def what_if_command(
    name: NameArgument,
    begin: FromOption = "0",
    end: ToOption = None,
    *,
    partition: PartitionOption = None,
    against: AgainstOption = "active",
    workers: WorkersOption = 0,
    state: StateOption = None,
    as_json: JsonOption = False,
) -> None:
    """Route recorded prompts by another ruleset, and show what would change. It renders and writes nothing."""
    from ops.rulesets.console import show_covers
    from rules.what_if import covers

    _try(
        PROMPTS, name, against, (begin, end, partition), workers, state, as_json=as_json,
        more=lambda _changes, former, new: show_covers(covers(former, new)), moves="engine",
    )  # fmt: skip


def rejudge_command(
    name: NameArgument,
    begin: FromOption = "0",
    end: ToOption = None,
    *,
    partition: PartitionOption = None,
    against: AgainstOption = "active",
    workers: WorkersOption = 0,
    state: StateOption = None,
    as_json: JsonOption = False,
) -> None:
    """Judge recorded measurements by another ruleset, and show which verdicts would change. It measures nothing."""
    from ops.rulesets.console import show_matrix

    _try(
        IMAGES_INSPECTED, name, against, (begin, end, partition), workers, state, as_json=as_json,
        more=lambda changes, _former, _new: show_matrix(changes), moves="verdict",
    )  # fmt: skip


def _try(
    topic: str,
    name: str,
    against: str,
    asked: tuple[str, str | None, int | None],
    workers: int,
    state: Path | None,
    *,
    as_json: bool,
    more: Callable[[Changes, Ruleset, Ruleset], None],
    moves: str,
) -> None:
    from ops.rulesets.console import facts, show
    from ops.rulesets.what_if import compare, total
    from rules.what_if import covers

    settings = running_stack(state, database=False)
    new, former = resolve(settings, name), resolve(settings, against)
    now_ms = time.time_ns() // 1_000_000
    begin, end, partition = asked
    first = parse_bound(begin, option="--from", now_ms=now_ms)
    last = None if end is None else parse_bound(end, option="--to", now_ms=now_ms)
    wanted = find_range(settings, topic, first, last, partition=partition)
    if wanted.gone:
        err().print(f"{wanted.gone} offsets of {topic} are past retention: they are not counted", style="yellow")
    parts = compare(settings, former, new, wanted, workers=workers)
    changes = total(progress(parts, len(wanted.slices), f"slices of {SLICE}"))
    if as_json:
        ids = {"former_id": former.id, "new_id": new.id, "topic": topic, "gone": wanted.gone}
        print_json({**ids, "cover": [asdict(c) for c in covers(former, new)], **facts(changes)})
        return
    out().print(f"{topic}: {former.id[:12]} -> {new.id[:12]}")
    show(changes, moves=moves)
    more(changes, former, new)
