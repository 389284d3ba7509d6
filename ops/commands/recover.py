"""`presscheck recover`: bring a bad batch back, from finding its assets to releasing what replaces them."""

from __future__ import annotations

import sys
import time
from typing import Annotated, Any

import psutil
import typer

from broker.settings import Settings
from broker.signals import StopSignals
from ops.console import EXIT_FINDING, JsonOption, StateOption, err, out, print_json, print_table
from ops.log_range import parse_bound
from ops.recovery.guard import parse_guards, parse_pause
from ops.recovery.journal import find, known
from ops.recovery.run import Runner
from ops.replay.console import show_plan, shown_time
from ops.replay.run import make_plan
from ops.replay.source import LOG, Wanted
from ops.stack.running import running_stack
from rules.limits import BARS, parse_limit
from rules.recovery import ENDED, TOPIC, Recovery, Terms, recovery_of, where_of
from rules.replay_plan import Asked
from rules.replay_steps import parse_rate
from schemas.errors import BadConfig
from schemas.events import Lane, Preset, RecoveryChanged, RecoveryStep

app = typer.Typer(
    add_completion=False,
    invoke_without_command=True,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Bring a bad batch back: find it, replay it under a hold, hold it against a bar, release it in lots."
    "\n\nAn asset is meant where its job's last verdict in that time is no accept. It asks before it renders anything."
    "\n\nExample: presscheck recover --from -24h --engine sd3.5-large --engine-safe typeset --why 'bad batch'",
)

IdArgument = Annotated[str, typer.Argument(metavar="RECOVERY_ID", help="As `recover list` shows it.")]
WhoOption = Annotated[str | None, typer.Option("--who", help="Who does it (default: the user of this process).")]
YesOption = Annotated[bool, typer.Option("--yes", help="Do not ask.")]


@app.callback()
def recover_command(
    context: typer.Context,
    *,
    begin: Annotated[str, typer.Option("--from", help="Assets seen since: 2026-05-01T09:30 (UTC), -24h.")] = "-24h",
    end: Annotated[str | None, typer.Option("--to", help="Time to end before (default: now).")] = None,
    ruleset: Annotated[list[str] | None, typer.Option("--ruleset", help="Decided by this ruleset.")] = None,
    engine: Annotated[list[str] | None, typer.Option("--engine", help="Made by this engine.")] = None,
    mode: Annotated[list[str] | None, typer.Option("--mode", help="Failed in this way of the catalogue.")] = None,
    where: Annotated[str, typer.Option("--where", help="And this: 'campaign=spring and lane=critical'.")] = "",
    engine_safe: Annotated[str | None, typer.Option("--engine-safe", help="Engine that renders them again.")] = None,
    sampling: Annotated[Preset, typer.Option("--sampling", help="Its preset.")] = Preset.SAFE,
    same_seeds: Annotated[
        bool, typer.Option("--same-seeds", help="Keep the seeds, which may bring the same defects back.")
    ] = False,
    lane: Annotated[Lane | None, typer.Option("--lane", help="Lane to use (default: the job's).")] = None,
    rate: Annotated[str, typer.Option("--rate", help="Jobs to send: 20/s, 90/min.")] = "20/s",
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="Take so many jobs at most.")] = None,
    cap: Annotated[int, typer.Option("--cap", min=1, max=1000, help="Replays of one job, all in all.")] = 3,
    bar: Annotated[
        list[str] | None, typer.Option("--bar", help=f"What the batch must reach; of {', '.join(BARS)}.")
    ] = None,
    lot: Annotated[int, typer.Option("--lot", min=1, help="Release so many, pause, and go on.")] = 20,
    pause: Annotated[str, typer.Option("--pause", help="How long to pause: 10s, 5m.")] = "10s",
    guard: Annotated[list[str] | None, typer.Option("--guard", help="Stop releasing: touch-up-rate<=5%.")] = None,
    recovery_id: Annotated[str | None, typer.Option("--id", help="Id of the recovery.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what it would do, and write nothing.")] = False,
    why: Annotated[str, typer.Option("--why", help="Why; kept on every record of it.")] = "a bad batch",
    who: WhoOption = None,
    yes: YesOption = False,
    state: StateOption = None,
    as_json: JsonOption = False,
) -> None:
    """Find the assets that failed, replay them with a careful engine under a hold, and release what clears the bar.

    An asset is meant where its job's last verdict in that time is no accept, judged by the ruleset that decides now.
    It asks before it renders anything. Interrupted or stopped, it goes on by `recover resume ID`.
    """
    if context.invoked_subcommand is not None:
        return
    bars = tuple(parse_limit(text, BARS, option="--bar") for text in bar or ("artifact-rate<=2%",))
    terms = Terms(bars=bars, lot=lot, pause_s=parse_pause(pause), guards=parse_guards(guard or ()))
    settings = running_stack(state)
    now_ms = _now_ms()
    first, last = (
        parse_bound(begin, option="--from", now_ms=now_ms),
        parse_bound(end or "-0s", option="--to", now_ms=now_ms),
    )
    if first.at_ms is None or last.at_ms is None:
        raise BadConfig("--from and --to take times", mend="give one such as 2026-05-01T09:30 (UTC), or -24h")
    asked = Asked(
        topic=TOPIC,
        source=LOG,
        where=where_of(rulesets=ruleset or (), engines=engine or (), modes=mode or (), more=where),
        engine=engine_safe,
        preset=sampling,
        lane=lane,
        hold=recovery_id or f"recovery-{now_ms}",
        rate=parse_rate(rate),
        limit=limit,
        cap=cap,
        latest=True,
        new_seeds=not same_seeds,
    )
    planned = make_plan(settings, Wanted(topic=TOPIC, begin=first, end=last), asked)
    plan = Recovery(from_ms=first.at_ms, to_ms=last.at_ms, replay=planned.plan, terms=terms)
    if not as_json or dry_run:
        _show(plan, as_json=as_json)
    if dry_run or not planned.plan.jobs:
        if not planned.plan.jobs:
            err().print("nothing failed there: no asset is meant")
        raise typer.Exit(0 if planned.plan.jobs else EXIT_FINDING)
    _agreed(f"Render {planned.plan.jobs} jobs again, for about {planned.plan.cost_usd:,.2f} US dollars?", yes=yes)
    with StopSignals() as stop:
        runner = _runner(settings, asked.hold or "", who, stop)
        runner.tag(plan, why=why)
        _tell(runner.carry_on(), as_json=as_json)


@app.command("resume")
def resume_command(
    recovery_id: IdArgument,
    who: WhoOption = None,
    yes: YesOption = False,
    state: StateOption = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """Go on with a recovery that was interrupted or stopped: nothing is rendered or delivered twice."""
    settings = running_stack(state)
    now = find(settings, recovery_id)
    if now.step not in ENDED:
        _agreed(f"Go on with {recovery_id}, which is {now.step.value}?", yes=yes)
    with StopSignals() as stop:
        _tell(_runner(settings, recovery_id, who, stop).carry_on(), as_json=as_json)


@app.command("cancel")
def cancel_command(
    recovery_id: IdArgument,
    why: Annotated[str, typer.Option("--why", help="Why.")] = "",
    who: WhoOption = None,
    state: StateOption = None,
) -> None:
    """End a recovery for good. Its hold stays: what it keeps is let go by `hold release`, or never."""
    settings = running_stack(state, database=False)
    find(settings, recovery_id)
    with StopSignals() as stop:
        _runner(settings, recovery_id, who, stop).cancel(why)
    out().print(f"cancelled; held still: presscheck hold release {recovery_id}", markup=False)


@app.command("status")
def status_command(recovery_id: IdArgument, state: StateOption = None, *, as_json: JsonOption = False) -> None:
    """Show where a recovery stands, by which figures, and under which terms."""
    now = find(running_stack(state, database=False), recovery_id)
    if as_json:
        print_json(_facts(now))
    else:
        _show(recovery_of(now.plan), as_json=False)
        _say(now)


@app.command("list")
def list_command(
    limit: Annotated[int, typer.Option("--limit", min=1, max=1000, help="Show the newest so many.")] = 50,
    state: StateOption = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """List recoveries, the newest first."""
    found = [*known(running_stack(state, database=False)).values()][::-1][:limit]
    if as_json:
        print_json([_facts(c) for c in found])
    elif not found:
        out().print("there was no recovery")
    else:
        print_table(
            ("recovery", "step", ">assets", "since", "who", "why"),
            [
                (c.recovery_id, c.step.value, recovery_of(c.plan).replay.jobs, shown_time(c.at_ms), c.who, c.why)
                for c in found
            ],
        )


def _runner(settings: Settings, recovery_id: str, who: str | None, stop: StopSignals) -> Runner:
    return Runner(
        settings=settings,
        recovery_id=recovery_id,
        who=who or psutil.Process().username(),
        now_ms=_now_ms,
        pause=stop.wait,
        told=lambda line: err().print(line, markup=False),
    )


def _agreed(question: str, *, yes: bool) -> None:
    if not yes and not (sys.stdin.isatty() and typer.confirm(question, err=True)):
        raise BadConfig("nothing was done: nobody agreed", mend="say --yes where nobody can be asked")


def _show(plan: Recovery, *, as_json: bool) -> None:
    terms = plan.terms
    if as_json:
        print_json({"plan": _plan_facts(plan)})
        return
    show_plan(plan.replay)
    out().print(f"released only where {' and '.join(map(str, terms.bars))}", markup=False)
    watched = f", while {' and '.join(map(str, terms.guards))}" if terms.guards else ""
    out().print(f"in lots of {terms.lot}, {terms.pause_s:g} s apart{watched}", markup=False)


def _plan_facts(plan: Recovery) -> dict[str, Any]:
    return {
        "from_ms": plan.from_ms,
        "to_ms": plan.to_ms,
        "assets": plan.replay.jobs,
        "cost_usd": plan.replay.cost_usd,
        "where": plan.replay.asked.where,
        "engine": plan.replay.asked.engine,
        "sampling": plan.replay.asked.preset.value,
        "new_seeds": plan.replay.asked.new_seeds,
        "bars": [str(b) for b in plan.terms.bars],
        "lot": plan.terms.lot,
        "pause_s": plan.terms.pause_s,
        "guards": [str(g) for g in plan.terms.guards],
    }


def _facts(now: RecoveryChanged) -> dict[str, Any]:
    return {
        "recovery_id": now.recovery_id,
        "step": now.step.value,
        "why": now.why,
        "who": now.who,
        "at_ms": now.at_ms,
        "replay_id": now.replay_id,
        "hold_id": now.hold_id,
        "numbers": dict(now.numbers),
        "plan": _plan_facts(recovery_of(now.plan)),
    }


def _say(now: RecoveryChanged) -> None:
    out().print(f"{now.recovery_id}: {now.step.value}{f': {now.why}' if now.why else ''}", markup=False)
    names = sorted({k.split("_", 1)[1] for k in now.numbers if k.startswith(("before_", "after_"))})
    rows = [
        (n.replace("_", " "), *(_shown(now.numbers.get(f"{side}_{n}")) for side in ("before", "after"))) for n in names
    ]
    if rows:
        print_table(("figure", ">before", ">after"), rows)
    if "delivered" in now.numbers:
        out().print(f"{now.numbers['delivered']:g} delivered, {now.numbers['still_held']:g} kept by other holds")


def _shown(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}"


def _tell(now: RecoveryChanged, *, as_json: bool) -> None:
    if as_json:
        print_json(_facts(now))
    else:
        _say(now)
    if now.step is not RecoveryStep.COMPLETED:
        if not as_json:
            out().print(f"go on by: presscheck recover resume {now.recovery_id}", markup=False)
        raise typer.Exit(EXIT_FINDING)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
