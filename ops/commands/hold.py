"""`presscheck hold`: keep assets back from the design queue, and let them go."""

from __future__ import annotations

import time
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import psutil
import typer

from ops.console import EXIT_FINDING, JsonOption, StateOption, err, out, print_json, print_table
from ops.stack.running import running_stack
from rules.tree import nearest
from schemas.errors import BadConfig
from schemas.events import HoldScope

if TYPE_CHECKING:
    from ops.recovery.holds import Released

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Keep assets back from the design queue, and let them go.",
)

HoldArgument = Annotated[str, typer.Argument(metavar="HOLD_ID", help="Name of the hold, for example spring-recall.")]
WhoOption = Annotated[str | None, typer.Option("--who", help="Who does it (default: the user of this process).")]


@app.command("set")
def set_command(
    hold_id: HoldArgument,
    *,
    campaign: Annotated[str | None, typer.Option("--campaign", help="Hold what is for this campaign.")] = None,
    engine: Annotated[str | None, typer.Option("--engine", help="Hold what this engine made.")] = None,
    tag: Annotated[str | None, typer.Option("--tag", help="Hold what sanity gave this tag.")] = None,
    replay: Annotated[str | None, typer.Option("--replay", metavar="REPLAY_ID", help="Hold a replay's output.")] = None,
    why: Annotated[str, typer.Option("--why", help="Why, for those who find the hold later.")],
    who: WhoOption = None,
    state: StateOption = None,
) -> None:
    """Hold assets that pass from now on: by exactly one of --campaign, --engine, --tag and --replay.

    Example: presscheck hold set spring-recall --campaign spring --why "wrong logo"
    """
    from ops.recovery.holds import set_hold
    from ops.rulesets.publish import read_config

    given = {
        HoldScope.CAMPAIGN: campaign,
        HoldScope.ENGINE: engine,
        HoldScope.TAG: tag,
        HoldScope.REPLAY: replay,
    }
    chosen = [(scope, value) for scope, value in given.items() if value is not None]
    if len(chosen) != 1:
        raise BadConfig(
            f"{len(chosen)} of --campaign, --engine, --tag and --replay are given", mend="say what to hold by one"
        )
    scope, value = chosen[0]
    settings = running_stack(state, database=False)
    if scope in {HoldScope.ENGINE, HoldScope.TAG}:  # a misspelt one would hold nothing, and nobody would notice
        ruleset = read_config(settings.config_dir)
        known = frozenset(ruleset.engines) if scope is HoldScope.ENGINE else ruleset.lexicon.tag_names
        if value not in known:
            raise BadConfig(f"there is no {scope.value} {value!r}", mend=nearest(value, known))
    if set_hold(settings, hold_id, scope, value, who=who or _user(), why=why, at_ms=_now_ms()):
        out().print(f"holding {scope.value} {value}; let go by: presscheck hold release {hold_id}", markup=False)
    else:
        out().print(f"{hold_id} holds {scope.value} {value} already", markup=False)


@app.command("list")
def list_command(
    everything: Annotated[bool, typer.Option("--all", help="Released holds too.")] = False,
    state: StateOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the holds that are active."""
    from ops.recovery.holds import current

    found = [h for h in current(running_stack(state, database=False)).values() if h.active or everything]
    if as_json:
        print_json([asdict(h) for h in found])
        return
    if not found:
        out().print("nothing is held")
        return
    print_table(
        ("hold", "of", "value", "state", "since", "who", "why"),
        [
            (h.hold_id, h.scope.value, h.value, "active" if h.active else "released", _shown(h.at_ms), h.who, h.why)
            for h in found
        ],
    )


@app.command("release")
def release_command(
    hold_id: HoldArgument,
    *,
    lot: Annotated[int | None, typer.Option("--lot", min=1, help="Deliver so many, pause, and go on.")] = None,
    pause: Annotated[str, typer.Option("--pause", help="How long to pause between two lots: 30s, 5m.")] = "30s",
    guard: Annotated[
        list[str] | None,
        typer.Option("--guard", help="Stop by itself, as touch-up-rate<=5% (wrong-rate, recall-rate)."),
    ] = None,
    why: Annotated[str, typer.Option("--why", help="Why it is let go.")] = "",
    who: WhoOption = None,
    state: StateOption = None,
    as_json: JsonOption = False,
) -> None:
    """Release a hold and deliver what it kept, each asset once; run it again if it was interrupted.

    What another active hold covers stays back, and is delivered when that one is released. With --lot the hold stays
    active until the last lot, and the command exits with 1 where a guard stopped it.
    """
    from broker.signals import StopSignals
    from ops.recovery.guard import parse_guards, parse_pause, watched_lots
    from ops.recovery.holds import release

    if guard and lot is None:
        raise BadConfig("--guard needs --lot", mend="say how many assets may go before it is asked: --lot 20")
    guards, pause_s = parse_guards(guard or ()), parse_pause(pause)
    settings = running_stack(state, database=bool(guards))
    with StopSignals() as stop:
        lots = None
        if lot is not None:
            lots = watched_lots(
                settings, hold_id, size=lot, pause_s=pause_s, guards=guards, wait=stop.wait,
                told=lambda done: err().print(f"{done.delivered} delivered", markup=False),
            )  # fmt: skip
        done = release(settings, hold_id, who=who or _user(), why=why, now_ms=_now_ms, lots=lots)
    if as_json:
        print_json({"hold_id": hold_id, **asdict(done)})
    else:
        _print(hold_id, done)
    if done.stopped:
        raise typer.Exit(EXIT_FINDING)


def _print(hold_id: str, done: Released) -> None:
    before = f", {done.delivered_before} were delivered before" if done.delivered_before else ""
    if done.stopped:
        out().print(f"stopped: {done.stopped}; {hold_id} keeps the rest", markup=False)
        out().print(f"{done.delivered} assets delivered{before}; go on by running it again", markup=False)
    else:
        out().print(f"released {hold_id}: {done.delivered} assets delivered{before}", markup=False)
    for other, count in done.still_held.items():
        out().print(f"{count} stay back: the hold {other} covers them", markup=False)


def _user() -> str:
    return psutil.Process().username()


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _shown(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%MZ")
