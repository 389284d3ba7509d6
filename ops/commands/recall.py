"""`presscheck recall`: take delivered assets back that turn out to be wrong."""

from __future__ import annotations

import sys
import time
from collections import Counter
from dataclasses import asdict
from typing import Annotated

import psutil
import typer

from broker.settings import Settings
from ops.console import EXIT_FINDING, JsonOption, StateOption, err, out, print_json, print_table
from ops.log_range import find_range, parse_bound
from ops.replay.console import bar
from ops.rulesets.publish import resolve
from ops.stack.running import running_stack
from rules.recall import Wrong
from rules.tree import nearest
from schemas.catalogue import IMAGES_INSPECTED
from schemas.errors import BadConfig

SHOWN = 20
ASSET_MIN = 8


def recall(
    *,
    ruleset: Annotated[
        str | None, typer.Option("--ruleset", help="What this ruleset rejects: active, an id, or a folder.")
    ] = None,
    begin: Annotated[str, typer.Option("--from", help="Assets seen since: 2026-05-01T09:30 (UTC), -7d.")] = "-7d",
    end: Annotated[str | None, typer.Option("--to", help="Time to end before (default: now).")] = None,
    asset: Annotated[str | None, typer.Option("--asset", help="Or one asset, by the beginning of its sha256.")] = None,
    mode: Annotated[list[str] | None, typer.Option("--mode", help="With --asset: what is wrong with it.")] = None,
    recovery_id: Annotated[str | None, typer.Option("--recovery", help="Recovery that this belongs to.")] = None,
    why: Annotated[str, typer.Option("--why", help="Why; design tools show it.")],
    who: Annotated[str | None, typer.Option("--who", help="Who does it (default: the user of this process).")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be recalled, and write nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    state: StateOption = None,
    as_json: JsonOption = False,
) -> None:
    """Recall delivered assets: those that a ruleset rejects by their recorded measurements, or one that a person names.

    Nothing is measured again. Design tools read the recall on the design queue, after the approval that it takes back.

    Example: presscheck recall --ruleset active --from -7d --dry-run --why "letters were missed"
    """
    from ops.recovery.recall import write

    if (ruleset is None) == (asset is None):
        raise BadConfig("exactly one of --ruleset and --asset is wanted", mend="say what finds the assets wrong")
    settings = running_stack(state, database=False)
    if asset is not None:
        ruleset_id, wrong = None, _named(settings, asset, tuple(mode or ()))
    else:
        ruleset_id, wrong = _judged(settings, ruleset or "", begin, end)
    if not as_json:
        _show(wrong)
    if not wrong:
        err().print("nothing that was delivered is wrong")
    if wrong and not dry_run:
        question = f"Recall {len(wrong)} delivered assets?"
        if not yes and not (sys.stdin.isatty() and typer.confirm(question, err=True)):
            raise BadConfig("nothing was recalled: nobody agreed", mend="say --yes where nobody can be asked")
        done = write(
            settings, wrong, ruleset_id=ruleset_id, recovery_id=recovery_id, who=who or psutil.Process().username(),
            why=why, at_ms=_now_ms(),
        )  # fmt: skip
        if not as_json:
            out().print(f"{done} assets recalled")
    if as_json:
        print_json({"recalled": [asdict(w) for w in wrong], "dry_run": dry_run, "ruleset_id": ruleset_id})
    if not wrong:
        raise typer.Exit(EXIT_FINDING)


def _named(settings: Settings, asset: str, modes: tuple[str, ...]) -> list[Wrong]:
    """Deliveries of an asset that a person names."""
    from ops.recovery.recall import delivered

    known = resolve(settings, "active").failure_modes
    if len(asset) < ASSET_MIN:
        raise BadConfig(f"--asset: {asset!r} is too short", mend=f"give at least {ASSET_MIN} digits")
    for name in modes:
        if name not in known:
            raise BadConfig(f"there is no failure mode {name!r}", mend=nearest(name, known))
    return list(delivered(settings).of_asset(asset, modes))


def _judged(settings: Settings, name: str, begin: str, end: str | None) -> tuple[str, list[Wrong]]:
    """The id of a ruleset, and the deliveries that it rejects."""
    from ops.recovery.recall import delivered, found_wrong

    rules, now_ms = resolve(settings, name), _now_ms()
    last = None if end is None else parse_bound(end, option="--to", now_ms=now_ms)
    wanted = find_range(settings, IMAGES_INSPECTED, parse_bound(begin, option="--from", now_ms=now_ms), last)
    with bar("judged") as shown:
        wrong = found_wrong(settings, delivered(settings), rules, wanted, lambda done: shown(done, wanted.offsets))
        return rules.id, list(wrong)


def _show(wrong: list[Wrong]) -> None:
    if wrong:
        print_table(("failure mode", ">assets"), Counter(m for w in wrong for m in w.defects).most_common())
    for one in wrong[:SHOWN]:
        out().print(f"  job {one.job_id}, asset {one.asset_sha256[:12]}", markup=False)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
