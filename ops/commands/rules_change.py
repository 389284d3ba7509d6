"""`presscheck rules publish|activate|rollback|list`: rulesets on their topic, and which one decides."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import psutil
import typer

from ops.console import JsonOption, StateOption, out, print_json, print_table
from ops.rulesets import publish as rulesets
from ops.rulesets.confirm import Unapplied, unapplied_or_confirmed
from ops.rulesets.topic import Published, parsed, read_topic
from ops.stack.running import running_stack

ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", metavar="DIR", help="Folder with pipeline.yml (default: PRESSCHECK_CONFIG_DIR)."),
]
WhoOption = Annotated[str | None, typer.Option("--who", help="Who does it (default: the user of this process).")]
YesOption = Annotated[bool, typer.Option("--yes", help="Activate even if an engine or reader is missing.")]


def publish_command(
    config: ConfigOption = None,
    *,
    activate: Annotated[bool, typer.Option("--activate", help="Let it decide at once.")] = False,
    yes: YesOption = False,
    who: WhoOption = None,
    state: StateOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check the files and publish them as a ruleset; what fails the check is not published."""
    settings = running_stack(state, database=False)
    ruleset = rulesets.read_config(config or settings.config_dir)
    lacking = unapplied_or_confirmed(settings, ruleset, yes=yes, doing="Activate") if activate else Unapplied()
    done = rulesets.publish(settings, ruleset, who=who or _user(), at_ms=_now_ms(), activate=activate)
    if as_json:
        print_json(_facts(done, activate=activate, lacking=lacking))
        return
    out().print(f"{'published before' if done.was_known else 'published'}: ruleset {ruleset.id[:12]}")
    if activate:
        _say_active(done)
    else:
        out().print(f"let it decide by: presscheck rules activate {ruleset.id[:12]}")


def activate_command(
    name: Annotated[str, typer.Argument(metavar="RULESET", help="The beginning of a published id, 6 digits or more.")],
    *,
    yes: YesOption = False,
    who: WhoOption = None,
    state: StateOption = None,
    as_json: JsonOption = False,
) -> None:
    """Let a published ruleset decide: every running stage applies it within two seconds, and no restart is needed."""
    settings = running_stack(state, database=False)
    ruleset = parsed(read_topic(settings).find(name))
    lacking = unapplied_or_confirmed(settings, ruleset, yes=yes, doing="Activate")
    done = rulesets.activate(settings, ruleset.id, who=who or _user(), at_ms=_now_ms())
    if as_json:
        print_json(_facts(done, activate=True, lacking=lacking))
        return
    _say_active(done)


def rollback_command(who: WhoOption = None, state: StateOption = None, *, as_json: JsonOption = False) -> None:
    """Let the ruleset decide again that did before the present one; a further rollback goes one further back."""
    settings = running_stack(state, database=False)
    done = rulesets.roll_back(settings, who=who or _user(), at_ms=_now_ms())
    if as_json:
        print_json(_facts(done, activate=True, lacking=Unapplied()))
        return
    _say_active(done)


def list_command(
    limit: Annotated[int, typer.Option("--limit", min=1, max=1000, help="Rulesets on a page.")] = 20,
    after: Annotated[str | None, typer.Option("--after", metavar="RULESET", help="Go on where a page ended.")] = None,
    state: StateOption = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """List published rulesets, the newest first: which one decides, and which one a rollback leads to."""
    now = read_topic(running_stack(state, database=False))
    ids = [*now.rulesets][::-1]
    begin = 0 if after is None else ids.index(now.find(after).ruleset_id) + 1
    page = [_row(now, ruleset_id) for ruleset_id in ids[begin : begin + limit]]
    rest = page[-1]["ruleset_id"] if begin + limit < len(ids) else None
    if as_json:
        print_json({"rulesets": page, "active": now.active_id, "former": now.former(), "next": rest})
        return
    if not page:
        out().print("no ruleset is published")
        return
    columns = ("ruleset_id", "state", "published_ms", "published_by", "activated_ms", "activated_by")
    print_table(
        ("ruleset", "state", "published", "by", "last activated", "by"),
        [[_cell(c, row[c]) for c in columns] for row in page],
    )
    if rest is not None:
        out().print(f"go on with --after {rest[:12]}")


def _row(now: Published, ruleset_id: str) -> dict[str, Any]:
    published = now.rulesets[ruleset_id]
    last = next((a for a in reversed(now.activations) if a.ruleset_id == ruleset_id), None)
    state = "active" if ruleset_id == now.active_id else "former" if ruleset_id == now.former() else ""
    return {
        "ruleset_id": ruleset_id,
        "state": state,
        "published_ms": published.at_ms,
        "published_by": published.who,
        "activated_ms": last and last.at_ms,
        "activated_by": last and last.who,
    }


def _cell(column: str, value: Any) -> str:
    if column == "ruleset_id":
        return value[:12]
    if column.endswith("_ms") and value is not None:
        return datetime.fromtimestamp(value / 1000, UTC).strftime("%Y-%m-%d %H:%MZ")
    return value or ""


def _facts(done: rulesets.Changed, *, activate: bool, lacking: Unapplied) -> dict[str, Any]:
    return {
        "ruleset_id": done.ruleset_id,
        "former_id": done.former_id,
        "was_published": done.was_known,
        "activated": activate,
        "unserved_engines": list(lacking.engines),
        "missing_readers": list(lacking.readers),
    }


def _say_active(done: rulesets.Changed) -> None:
    if done.former_id == done.ruleset_id:
        out().print(f"ruleset {done.ruleset_id[:12]} decides already")
        return
    before = f" after {done.former_id[:12]}" if done.former_id else ""
    out().print(f"ruleset {done.ruleset_id[:12]} decides now{before}; take it back by: presscheck rules rollback")


def _user() -> str:
    return psutil.Process().username()


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
