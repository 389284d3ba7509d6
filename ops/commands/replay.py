"""`presscheck replay TOPIC`: have recorded jobs rendered again, by a plan; list, resume and cancel replays."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from typing import Annotated, Any, Final

import psutil
import typer
from typer.core import TyperGroup

from broker.settings import Settings
from broker.signals import StopSignals
from ops.console import EXIT_FINDING, JsonOption, StateOption, err, out, print_json, print_table, progress
from ops.log_range import Bound
from ops.replay.bounds import bound_of, command_of
from ops.replay.console import (
    Standing,
    bar,
    sending_bar,
    show_gone,
    show_plan,
    show_standing,
    shown_time,
    standing,
    standing_facts,
)
from ops.replay.journal import known
from ops.replay.run import Planned, Runner, id_of, make_plan
from ops.replay.source import AUDIT, LOG, MANIFESTS, LedgerSource, Wanted
from ops.stack.running import running_stack
from rules.replay_plan import Asked, Entry, plan_of
from rules.replay_steps import parse_rate
from rules.tree import nearest
from rules.where import FIELDS
from schemas.errors import BadConfig
from schemas.events import Lane, Preset, ReplayChanged, ReplayState

RUN: Final = "run"
HASH_MIN: Final = 8
LOOK_S: Final = 1.0


class ReplayGroup(TyperGroup):
    """Takes what is no command for a topic: `replay prompts` is `replay run prompts`. Contexts are Any, as typer's."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put `run` in front of a topic or its options."""
        if args and args[0] not in self.commands and args[0] not in {"--help", "-h"}:
            args = [RUN, *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=ReplayGroup,
    add_completion=False,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Have recorded jobs rendered again: `replay TOPIC …` plans, asks and runs; replays are resumed and cancelled.",
)

IdArgument = Annotated[str, typer.Argument(metavar="REPLAY_ID", help="As `replay list` shows it.")]
WhoOption = Annotated[str | None, typer.Option("--who", help="Who asks (default: the user of this process).")]
AuditOption = Annotated[bool, typer.Option("--from-audit", help="Read the audit ledger, which keeps all records.")]


@app.command(RUN)
def run_command(
    topic: Annotated[str, typer.Argument(metavar="TOPIC", help=f"One of {', '.join(FIELDS)}.")],
    *,
    from_offset: Annotated[int | None, typer.Option("--from-offset", min=0, help="First offset.")] = None,
    from_time: Annotated[str | None, typer.Option("--from-time", help="First time: 2026-05-01T09:30, -24h.")] = None,
    to_offset: Annotated[int | None, typer.Option("--to-offset", min=0, help="Offset to end before.")] = None,
    to_time: Annotated[str | None, typer.Option("--to-time", help="Time to end before (default: now).")] = None,
    partition: Annotated[int | None, typer.Option("--partition", min=0, help="Read this partition alone.")] = None,
    where: Annotated[str, typer.Option("--where", help="Which records: 'tag=layout and verdict=rejected'.")] = "",
    engine: Annotated[str | None, typer.Option("--engine", help="Engine to use (default: as the rules say).")] = None,
    sampling: Annotated[Preset, typer.Option("--sampling", help="Preset of the engine.")] = Preset.STANDARD,
    new_seeds: Annotated[bool, typer.Option("--new-seeds", help="Not the seeds that the jobs had.")] = False,
    lane: Annotated[Lane | None, typer.Option("--lane", help="Lane to use (default: the job's).")] = None,
    hold: Annotated[str | None, typer.Option("--hold", help="Keep the results back under a hold of this name.")] = None,
    rate: Annotated[str, typer.Option("--rate", help="Jobs to send: 20/s, 90/min, 500/h.")] = "20/s",
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="Replay so many jobs at most.")] = None,
    cap: Annotated[int, typer.Option("--cap", min=1, max=1000, help="Replays of one job, all in all.")] = 3,
    from_audit: AuditOption = False,
    from_manifests: Annotated[
        bool, typer.Option("--from-manifests", help="Take jobs from the store's manifests, where no record is left.")
    ] = False,
    replay_id: Annotated[str | None, typer.Option("--id", help="Id of the replay (default: from its plan).")] = None,
    plan_hash: Annotated[str | None, typer.Option("--plan", help="Run only if the plan still has this hash.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan, and write nothing.")] = False,
    why: Annotated[str | None, typer.Option("--why", help="Why; kept on every record of it.")] = None,
    who: WhoOption = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    state: StateOption = None,
    as_json: JsonOption = False,
) -> None:
    """Plan a replay of recorded jobs, show what it will do and cost, ask, and run it by that plan.

    Example: presscheck replay prompts --where 'tag=layout' --from-time -24h --dry-run
    """
    if topic not in FIELDS:
        raise BadConfig(f"{topic!r} cannot be replayed", mend=nearest(topic, FIELDS))
    if not dry_run and not why:
        raise BadConfig("--why is missing", mend="say why, for those who find the records later; --dry-run needs none")
    if from_audit and from_manifests:
        raise BadConfig("--from-audit and --from-manifests are both given", mend="choose one")
    settings = running_stack(state, database=from_audit)
    now_ms = _now_ms()
    begin = bound_of("from", from_offset, from_time, now_ms)
    end = bound_of("to", to_offset, to_time, now_ms) or Bound(at_ms=now_ms)
    wanted = Wanted(topic=topic, begin=begin, end=end, partition=partition)
    source = AUDIT if from_audit else MANIFESTS if from_manifests else LOG
    asked = Asked(
        topic=topic, source=source, where=where, engine=engine, preset=sampling, lane=lane,
        hold=hold, rate=parse_rate(rate), limit=limit, cap=cap, new_seeds=new_seeds,
    )  # fmt: skip
    planned = make_plan(settings, wanted, asked, _shown)
    plan = planned.plan
    runner = _runner(settings, replay_id or id_of(plan))
    in_ledger = _in_ledger(settings, wanted, planned)
    facts = {
        "replay_id": runner.replay_id,
        "plan": asdict(plan),
        "plan_sha256": plan.sha256,
        "gone": [asdict(g) for g in planned.gone],
        "gone_in_ledger": in_ledger,
    }
    if not as_json:
        show_gone(planned.gone, asked.source, topic, in_ledger)
        show_plan(plan)
    if plan_hash is not None and (len(plan_hash) < HASH_MIN or not plan.sha256.startswith(plan_hash)):
        err().print(f"the plan has changed: it is {plan.sha256} now, not {plan_hash}", style="red", markup=False)
        raise typer.Exit(EXIT_FINDING)
    if dry_run or not plan.jobs:
        _say_dry(facts, command_of(plan, wanted), as_json=as_json)
        raise typer.Exit(0 if plan.jobs else EXIT_FINDING)
    if not yes and not (sys.stdin.isatty() and typer.confirm(f"Replay {plan.jobs} jobs?", err=True)):
        raise BadConfig("nothing was replayed: nobody agreed", mend="say --yes where nobody can be asked")
    with bar("requested") as update, StopSignals() as stop:
        runner.told, runner.pause = sending_bar(update), stop.wait
        done = runner.start(planned, who=who or _user(), why=why or "")
    _say_ended(done, facts, as_json=as_json)


@app.command("list")
def list_command(
    limit: Annotated[int, typer.Option("--limit", min=1, max=1000, help="Replays on a page.")] = 20,
    after: Annotated[str | None, typer.Option("--after", metavar="REPLAY_ID", help="Go on where a page ended.")] = None,
    state: StateOption = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """List replays, the one that changed last first."""
    there = [*known(running_stack(state, database=False)).values()][::-1]
    names = [c.replay_id for c in there]
    if after is not None and after not in names:
        raise BadConfig(f"there is no replay {after!r}", mend=nearest(after, names))
    begin = 0 if after is None else names.index(after) + 1
    page = there[begin : begin + limit]
    rest = page[-1].replay_id if begin + limit < len(there) else None
    if as_json:
        print_json({"replays": [standing_facts(c) for c in page], "next": rest})
        return
    if not page:
        out().print("nothing was replayed")
        return
    print_table(
        ("replay", "of", "state", ">sent", ">jobs", "changed", "who", "why"),
        [
            (c.replay_id, p.asked.topic, c.state.value, c.sent, p.jobs, shown_time(c.at_ms), c.who, c.why)
            for c in page
            for p in [plan_of(c.plan)]
        ],
    )
    if rest is not None:
        out().print(f"go on with --after {rest}", markup=False)


@app.command("status")
def status_command(
    replay_id: IdArgument,
    *,
    follow: Annotated[bool, typer.Option("--follow", help="Show a bar until all its runs are at an end.")] = False,
    state: StateOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say how far a replay is: what it has requested, what waits for sanity, and where its runs are."""
    settings = running_stack(state, database=False)
    now = _standing(settings, replay_id)
    if follow and not now.done:
        total = plan_of(now.change.plan).jobs
        with bar("at an end") as update, StopSignals() as stop:
            while not now.done and not stop.wait(LOOK_S):
                now = _standing(settings, replay_id)
                update(now.ended_runs, total)
    if as_json:
        print_json(now.facts())
    else:
        show_standing(now)


@app.command("resume")
def resume_command(
    replay_id: IdArgument,
    *,
    from_audit: AuditOption = False,
    state: StateOption = None,
    as_json: JsonOption = False,
) -> None:
    """Go on with a replay that was interrupted or killed; nothing is requested twice."""
    settings = running_stack(state, database=from_audit)
    runner = _runner(settings, replay_id)
    with bar("requested") as update, StopSignals() as stop:
        runner.told, runner.pause = sending_bar(update), stop.wait
        done = runner.resume(source=AUDIT if from_audit else None)
    _say_ended(done, {}, as_json=as_json)


@app.command("cancel")
def cancel_command(
    replay_id: IdArgument,
    why: Annotated[str, typer.Option("--why", help="Why it ends.")] = "",
    *,
    who: WhoOption = None,
    state: StateOption = None,
    as_json: JsonOption = False,
) -> None:
    """End a replay for good, running or not: no further job is requested. What was requested runs on."""
    done = _runner(running_stack(state, database=False), replay_id).cancel(who=who or _user(), why=why)
    if as_json:
        print_json(standing_facts(done))
    else:
        out().print(f"cancelled {replay_id} after {done.sent} jobs", markup=False)


def _in_ledger(settings: Settings, wanted: Wanted, planned: Planned) -> int | None:
    """Records that the log has lost and the ledger holds; None where nothing is lost, or no database is known."""
    if not planned.gone or not settings.database_url.get_secret_value():
        return None
    return LedgerSource(settings).records(wanted, planned.gone)


def _say_dry(facts: dict[str, Any], command: str, *, as_json: bool) -> None:
    if as_json:
        print_json({**facts, "command": command})
    elif facts["plan"]["jobs"]:
        out().print(f"run it by: {command} --why …", markup=False)
    else:
        err().print("nothing is to be replayed", style="yellow")


def _say_ended(done: ReplayChanged, facts: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json({**facts, **standing_facts(done)})
    else:
        out().print(f"{done.replay_id}: {done.state.value}, {done.sent} jobs requested", markup=False)
        out().print(f"watch them by: presscheck replay status {done.replay_id} --follow", markup=False)
    if done.state is ReplayState.RUNNING:
        err().print(f"interrupted; go on by: presscheck replay resume {done.replay_id}", markup=False)
        raise typer.Exit(EXIT_FINDING)


def _change(settings: Settings, replay_id: str) -> ReplayChanged:
    there = known(settings)
    if replay_id not in there:
        raise BadConfig(f"there is no replay {replay_id!r}", mend=nearest(replay_id, there))
    return there[replay_id]


def _standing(settings: Settings, replay_id: str) -> Standing:
    return standing(settings, _change(settings, replay_id))


def _runner(settings: Settings, replay_id: str) -> Runner:
    return Runner(
        settings=settings, replay_id=replay_id, now_ms=_now_ms, clock=time.monotonic, pause=lambda _seconds: False
    )


def _shown(entries: Iterator[Entry], offsets: int | None) -> Iterator[Entry]:
    return progress(entries, offsets, "records")


def _user() -> str:
    return psutil.Process().username()


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
