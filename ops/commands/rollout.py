"""`presscheck rollout`: a candidate ruleset gets more and more of the jobs, and is taken back where it does harm."""

from __future__ import annotations

import time
from contextlib import nullcontext
from dataclasses import asdict
from typing import Annotated, Any, Final

import psutil
import typer
from rich.console import RenderableType
from rich.live import Live

from audit.migrate import connect
from broker.settings import Settings
from ops.console import EXIT_FINDING, JsonOption, StateOption, err, out, print_json, print_table
from ops.rollout import changes as rollouts
from ops.rollout.status import facts, is_finding, shown, when
from ops.rollout.topic import read_rollouts
from ops.rulesets.confirm import unapplied_or_confirmed
from ops.rulesets.publish import publish, resolve
from ops.stack.running import running_stack
from rules.rollout import (
    USUAL_GUARDS,
    USUAL_STAGES,
    guard_text,
    parse_guard,
    parse_stages,
    plan,
    under_way,
)
from rules.tree import nearest
from schemas.errors import BadConfig
from schemas.events import RolloutChanged, RolloutState

WATCH_S: Final = 1.0

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Give a candidate ruleset more and more of the jobs; take it back where it does harm.",
)

WhoOption = Annotated[str | None, typer.Option("--who", help="Who does it (default: the user of this process).")]
WhyOption = Annotated[str, typer.Option("--why", help="Why, for those who read the history.")]
NameArgument = Annotated[
    str | None, typer.Argument(metavar="[ROLLOUT]", help="Name of the roll-out (default: the one under way).")
]


@app.command()
def start(
    candidate: Annotated[
        str, typer.Argument(metavar="CANDIDATE", help="The beginning of a published id, or a folder to publish.")
    ],
    *,
    stages: Annotated[str, typer.Option("--stages", help="Percents of the jobs, from small to 100.")] = ",".join(
        map(str, USUAL_STAGES)
    ),
    guard: Annotated[
        list[str] | None,
        typer.Option(
            "--guard",
            help="What must not become worse, as artifact-rate:+2pp, p95:+20% or corrupt-bytes:1% (repeatable;"
            f" default: {', '.join(map(guard_text, USUAL_GUARDS))}).",
        ),
    ] = None,
    alpha: Annotated[float, typer.Option("--alpha", help="Most chance of a false alarm over the whole of it.")] = 0.05,
    min_jobs: Annotated[int, typer.Option("--min-jobs", help="Verdicts of each arm before a stage may end.")] = 200,
    paired: Annotated[str, typer.Option("--paired", help="Share of jobs that go through both arms, as 5%.")] = "0%",
    name: Annotated[str | None, typer.Option("--name", help="Name of the roll-out (default: time and id).")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Start even where no worker serves an engine.")] = False,
    who: WhoOption = None,
    why: WhyOption = "",
    state: StateOption = None,
    as_json: JsonOption = False,
) -> None:
    """Start a roll-out of a candidate against the ruleset that decides now; the process `rollouts` carries it on."""
    settings = running_stack(state)
    at_ms, by = _now_ms(), who or _user()
    tried, stable = resolve(settings, candidate), rollouts.active_ruleset(settings)
    asked = plan(
        stages=parse_stages(stages),
        guards=[parse_guard(g) for g in guard] if guard else USUAL_GUARDS,
        modes=[*tried.failure_modes, *stable.failure_modes],
        alpha=alpha,
        min_jobs=min_jobs,
        paired_share=_share(paired),
    )
    rollout_id = name or rollouts.new_id(tried.id, at_ms)
    rollouts.check_id(rollout_id)
    lacking = unapplied_or_confirmed(settings, tried, yes=yes, doing="Start")
    was_known = publish(settings, tried, who=by, at_ms=at_ms, activate=False).was_known
    step = rollouts.begin(
        settings,
        asked,
        rollout_id=rollout_id,
        stable=stable.id,
        candidate=tried.id,
        who=by,
        reason=why or "started",
        at_ms=at_ms,
    )
    if as_json:
        more = {"unserved_engines": list(lacking.engines), "missing_readers": list(lacking.readers)}
        print_json({**asdict(step), "was_published": was_known, **more})
        return
    out().print(
        f"roll-out {step.rollout_id}: {step.percent} % of new jobs go to ruleset {tried.id[:12]}; follow it by:"
        " presscheck rollout status --watch",
        markup=False,
    )


@app.command()
def status(
    name: NameArgument = None,
    *,
    watch: Annotated[bool, typer.Option("--watch", help="Go on until it has ended.")] = False,
    state: StateOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show how a roll-out stands and what it waits for; exit status 1 where it was rolled back."""
    settings = running_stack(state)
    told = _followed(settings, name) if watch else _told(settings, name)
    if as_json:
        print_json(told)
    else:
        out().print(_shown(told))
    if told is not None and is_finding(told["state"]):
        raise typer.Exit(EXIT_FINDING)


@app.command()
def pause(
    name: NameArgument = None, *, why: WhyOption = "", who: WhoOption = None, state: StateOption = None,
    as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Give the candidate no new jobs for now. Those it has stay, and guards go on watching them."""
    _change(name, RolloutState.PAUSED, why or "paused", who, state, as_json=as_json)


@app.command()
def resume(
    name: NameArgument = None, *, why: WhyOption = "", who: WhoOption = None, state: StateOption = None,
    as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Go on where it was paused, at the same share."""
    _change(name, RolloutState.RUNNING, why or "resumed", who, state, as_json=as_json)


@app.command()
def abort(
    name: NameArgument = None, *, why: WhyOption = "", who: WhoOption = None, state: StateOption = None,
    as_json: JsonOption = False,
) -> None:  # fmt: skip
    """End it: the active ruleset decides all jobs from now on, repairs of the candidate's included."""
    _change(name, RolloutState.ABORTED, why or "aborted", who, state, as_json=as_json)


@app.command("list")
def list_command(
    limit: Annotated[int, typer.Option("--limit", min=1, max=1000, help="Roll-outs on a page.")] = 20,
    after: Annotated[str | None, typer.Option("--after", metavar="ROLLOUT", help="Go on where a page ended.")] = None,
    state: StateOption = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """List roll-outs, the one that changed last first."""
    known = [*read_rollouts(running_stack(state, database=False)).values()][::-1]
    names = [r.rollout_id for r in known]
    if after is not None and after not in names:
        raise BadConfig(f"there is no roll-out {after!r}", mend=nearest(after, names[:20]))
    begin = 0 if after is None else names.index(after) + 1
    page = known[begin : begin + limit]
    rest = page[-1].rollout_id if page and begin + limit < len(known) else None
    if as_json:
        print_json({"rollouts": [asdict(r) for r in page], "next": rest})
        return
    if not page:
        out().print("no roll-out was started")
        return
    columns = ("roll-out", "state", ">share", "candidate", "last step", "by", "why")
    print_table(columns, [_row(r) for r in page])
    if rest is not None:
        out().print(f"go on with --after {rest}", markup=False)


def _row(r: RolloutChanged) -> tuple[str, ...]:
    share = f"{r.percent} %"
    return (r.rollout_id, r.state.value, share, r.candidate_ruleset_id[:12], when(r.at_ms), r.who, r.reason)


def _change(name: str | None, to: RolloutState, why: str, who: str | None, state: Any, *, as_json: bool) -> None:
    settings = running_stack(state, database=False)
    step = rollouts.change(settings, name, to, who=who or _user(), reason=why, at_ms=_now_ms())
    if as_json:
        print_json(asdict(step))
        return
    out().print(f"roll-out {step.rollout_id} is {step.state.value} at {step.percent} %", markup=False)


def _told(settings: Settings, name: str | None) -> dict[str, Any] | None:
    known = read_rollouts(settings)
    if not known and name is None:
        return None
    going = next((r for r in known.values() if under_way(r.state)), None)
    rollout = rollouts.find(known, name or (going or [*known.values()][-1]).rollout_id)
    with connect(settings.database_url.get_secret_value(), autocommit=True) as conn:
        return facts(conn, rollout, _now_ms())


def _shown(told: dict[str, Any] | None) -> RenderableType:
    return "no roll-out was started" if told is None else shown(told, _now_ms())


def _followed(settings: Settings, name: str | None) -> dict[str, Any] | None:
    """What is told once it has ended; meanwhile shown on standard error, where somebody is there to see it."""
    console = err()
    with Live(console=console, auto_refresh=False, transient=True) if console.is_terminal else nullcontext() as live:
        while True:
            told = _told(settings, name)
            if told is None or told["waits_for"] is None:
                return told
            name = told["rollout_id"]  # this one, whatever is started after it
            if live is not None:
                live.update(_shown(told), refresh=True)
            time.sleep(WATCH_S)


def _share(text: str) -> float:
    """`5%` as a fraction. Raises BadConfig."""
    number = text.strip().removesuffix("%").strip()
    try:
        return float(number) / 100
    except ValueError:
        raise BadConfig(f"{text!r} is no share", mend="write a percentage, as 5%") from None


def _user() -> str:
    return psutil.Process().username()


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
