"""The story of a bad change, played on a whole stack while jobs keep coming, with counts that add up at its end."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from ops.rulesets import publish as rulesets
from schemas.catalogue import DESIGN_QUEUE, HELD, PROMPTS_REFUSED, REVIEW
from schemas.events import (
    Arm,
    AssetApproved,
    ImageGenerated,
    ImageInspected,
    Job,
    Outcome,
    Rendering,
    RenderRequested,
    ReviewRequested,
    RolloutState,
)
from tests.chaos.driver import Stack, running
from tests.integration.steady_load import STATE_OF, Load, Seen, ends, small_job
from tests.integration.test_whole import seeds
from tests.waiting import until
from workers.engines import damage
from workers.engines.damage import Damage

RATE = 25.0
MOST_UNDER_WAY = 40
"""So that what is done to the stack is soon seen in its results, on a machine that cannot bear the rate."""
GUIDANCE = 9.5
PRICE_USD = 0.01
"""Of a picture by the other rules; by the first it is its time alone, a tenth of a cent for a second."""
STAGES, DECIDE = {"sanity", "render", "inspect", "validation"}, {"sanity", "validation"}
"""All that follow rulesets, and those that decide by the one in force."""
APPLIED_S = 5.0
"""Stages promise 2 s on a machine that is not busy with tests."""
WAVE = 20
"""Jobs that a ruleset has decided before the next thing is done to the stack."""
SPOILT = 0.05
"""Share of jobs whose first picture is damaged whatever the ruleset, for repairs and for the stable arm's rate."""


def job_of(sound: list[int], spoilt: list[int], number: int) -> Job:
    """Of twenty jobs one is spoilt and mended, of fifty one refused."""
    if number % 50 == 7:
        return small_job(f"story-{number}", number, prompt="   ")
    pool = spoilt if number % round(1 / SPOILT) == 3 else sound
    return small_job(f"story-{number}", pool[number % len(pool)])


def changed(folder: Path, **edits: tuple[str, str]) -> Path:
    """The configuration with parts of files replaced."""
    shutil.copytree(rulesets.IN_CHECKOUT, folder, ignore=shutil.ignore_patterns("demo"))
    for name, (old, new) in edits.items():
        file = folder / f"{name}.yml"
        text = file.read_text(encoding="utf-8")
        assert text.count(old) == 1, f"{file} holds {text.count(old)} of {old!r}"
        file.write_text(text.replace(old, new), encoding="utf-8")
    return folder


def bad_candidate(folder: Path) -> Path:
    """A preset that breaks three pictures of four, and no repairs that would hide it."""
    worse = simulator("standard:", "guidance: 3.5", f"guidance: {GUIDANCE}")
    return changed(folder, engines=worse, ladder=("max_attempts: 4", "max_attempts: 1"))


def other_rules(folder: Path) -> Path:
    """What render and inspect do by these shows in what they write: a picture has a price, and faces are not sought."""
    return changed(
        folder,
        engines=simulator("price_per_image_usd:", "usd: 0", f"usd: {PRICE_USD}"),
        verdict=(", outcome, people]", ", outcome]"),
        **{"failure-modes": ("caught_by: [people]", "caught_by: [outcome]")},
    )


def simulator(line: str, old: str, new: str) -> tuple[str, str]:
    """The simulator's own profile, and the same with a part of one line replaced."""
    engines = rulesets.IN_CHECKOUT.joinpath("engines.yml").read_text(encoding="utf-8")
    own = engines[engines.index("\n  simulator:\n") :]
    (was,) = (found for found in own.splitlines() if found.strip().startswith(line))
    assert old in was
    return own, own.replace(was, was.replace(old, new))


def runs_in_audit(stack: Stack) -> dict[tuple[str, str], str]:
    with psycopg.connect(stack.settings.database_url.get_secret_value()) as conn:
        return {(str(j), r): s for j, r, s in conn.execute("SELECT job_id, replay_id, state FROM runs")}


@pytest.mark.timeout(600)
def test_a_bad_change_is_taken_back_and_what_it_spoilt_comes_back_once(tmp_path: Path) -> None:
    sound = seeds(None, 200)
    spoilt = [s for s in seeds(Damage.TRUNCATED, 40) if damage.broken_by(GUIDANCE, s) is None]
    with running(Stack(state=tmp_path / "state")) as stack:
        load = Load(stack.settings, lambda n: job_of(sound, spoilt, n), rate=RATE, most=MOST_UNDER_WAY)
        with load.flowing():
            load.until("the first jobs have ended", lambda: len(load.ended) >= 10)
            stable, _ = change_rules(stack, load, tmp_path)
            candidate = roll_out(stack, load, tmp_path, stable)
            recovered = recover(stack, load, candidate)
        load.settle()
        print(f"{len(load.jobs)} jobs in {load.seconds:.0f} s: {len(load.jobs) / load.seconds:.1f}/s")  # noqa: T201 - a measurement
        adds_up(stack, load, recovered)


def change_rules(stack: Stack, load: Load, folder: Path) -> tuple[str, str]:
    """Other rules are made active and taken back while jobs flow; both ids, the first is that which decides again."""
    before = lives(stack)
    other = other_rules(folder / "other")
    told: dict[str, Any] = json.loads(
        stack.call("rules", "publish", "--config", str(other), "--activate", "--yes", "--json")
    )
    first, second = told["former_id"], told["ruleset_id"]

    def at_work(ruleset_id: str, since_ms: int) -> set[str]:
        return {w.stage for w in work(load, first, second) if w.ruleset_id == ruleset_id and w.at_ms >= since_ms}

    load.until("the other rules decide", lambda: load.decided_by(second) >= WAVE)
    load.until("every stage works by them", lambda: at_work(second, 0) == STAGES)
    stack.call("rules", "rollback")
    decided = load.decided_by(first)
    load.until("the first rules decide again", lambda: load.decided_by(first) >= decided + WAVE)
    changed_ms, back_ms = load.activated_ms(second), load.activated_ms(first)
    load.until("every stage works by them again", lambda: at_work(first, back_ms) == STAGES)

    done = work(load, first, second)
    # In every stage, and on either side of both changes, an attempt is worked on by the rules that its request names.
    assert {w.named for w in done} == {first, second}
    assert [w for w in done if w.ruleset_id != w.named] == []
    soon = {s: min(w.at_ms for w in done if (w.stage, w.named) == (s, second)) - changed_ms for s in STAGES}
    late = {s: max(w.at_ms for w in done if (w.stage, w.named) == (s, second)) - back_ms for s in DECIDE}
    print(f"ms from the activation to the first by it {soon}, from the way back to the last {late}")  # noqa: T201 - a measurement
    assert min(soon.values()) >= 0
    assert max(late.values()) < APPLIED_S * 1000, "the rules that were taken back went on deciding"
    assert lives(stack) == before, "a process was started again"
    return first, second


@dataclass(frozen=True, slots=True)
class Work:
    """What a stage did: when, by its own clock, the ruleset that the record names, and the one that it was done by."""

    stage: str
    at_ms: int
    named: str
    ruleset_id: str


def work(load: Load, first: str, second: str) -> list[Work]:
    """What the stages did whose rulesets are told apart by what they do: a price, or faces that are not sought."""
    done: list[Work] = []
    for e in (s.event for s in [*load.seen]):
        match e:
            case RenderRequested():
                done.append(Work("sanity", e.at_ms, e.request.ruleset_id, e.request.ruleset_id))
            case ImageGenerated(rendering=Rendering(outcome=Outcome.RENDERED) as made):
                priced = made.cost_usd > PRICE_USD / 2
                done.append(Work("render", e.at_ms, e.request.ruleset_id, second if priced else first))
            case ImageInspected() if "composition" in (found := {m.check for m in e.inspection.measurements}):
                done.append(Work("inspect", e.at_ms, e.request.ruleset_id, first if "people" in found else second))
            case AssetApproved() | ReviewRequested():
                done.append(Work("validation", e.at_ms, e.judgement.ruleset_id, e.judgement.ruleset_id))
            case _:
                pass
    return done


def lives(stack: Stack) -> dict[str, tuple[int, int]]:
    """Which process is each part of the stack, and how often it was started again."""
    return {name: (row["pid"], row["restarts"]) for name, row in stack.processes().items()}


def roll_out(stack: Stack, load: Load, folder: Path, stable: str) -> str:
    """A candidate that does harm is tried, and taken back by the controller; its id."""
    told = json.loads(
        stack.call(
            "rollout", "start", str(bad_candidate(folder / "candidate")), "--name", "story", "--stages", "50,100",
            "--min-jobs", "20", "--paired", "10%", "--guard", "artifact-rate:+2pp", "--yes", "--json",
        )
    )  # fmt: skip
    ended = load.until(
        "the roll-out has ended",
        lambda: s if (s := load.step("story")) and s.state is not RolloutState.RUNNING else None,
    )
    assert (ended.state, ended.who) == (RolloutState.ROLLED_BACK, "roll-out controller")
    assert "artifact-rate:+2pp" in ended.reason
    numbers = ended.numbers
    assert numbers["artifact-rate:+2pp.evidence"] >= numbers["artifact-rate:+2pp.needed"]
    assert numbers["candidate.artifact-rate"] > numbers["stable.artifact-rate"] + 0.3
    assert json.loads(stack.call("rules", "list", "--json"))["active"] == stable
    mine = {e.request.job.job_id for _, e in load.requests() if e.request.assignment}
    load.until("the jobs of the roll-out have ended", lambda: mine <= load.ended)
    back = load.decided_by(stable)
    load.until("all jobs go to the stable rules", lambda: load.decided_by(stable) >= back + WAVE)
    last = [e for _, e in load.requests()][-WAVE // 2 :]
    assert {e.request.ruleset_id for e in last} == {stable}
    return str(told["candidate_ruleset_id"])


def recover(stack: Stack, load: Load, candidate: str) -> set[str]:
    """What the candidate spoilt is brought back under a hold and released in lots; the jobs."""
    bad = {
        s.event.request.job.job_id for s in [*load.seen]
        if isinstance(s.event, ReviewRequested) and s.event.request.ruleset_id == candidate
    }  # fmt: skip
    assert len(bad) >= 10
    done = json.loads(
        stack.call(
            "recover", "--from", "-1h", "--ruleset", candidate, "--id", "mended", "--bar", "accept-rate>=90%",
            "--sampling", "standard", "--same-seeds", "--lot", str(len(bad) // 3), "--pause", "1s",
            "--why", "a bad preset", "--yes", "--json",
        )
    )  # fmt: skip
    assert (done["step"], done["plan"]["assets"]) == ("completed", len(bad))
    assert (done["numbers"]["before_accepted"], done["numbers"]["delivered"]) == (0, len(bad))
    return bad


def adds_up(stack: Stack, load: Load, recovered: set[str]) -> None:
    """Nothing lost, nothing twice, nothing past a hold, and the audit says the same."""
    found = ends(load.seen)
    twins = {r for r in found.runs if r[1] == "story.pair"}
    wanted = {(j, "") for j in load.jobs} | {(j, "mended") for j in recovered} | twins
    assert {run: dict(n) for run, n in found.runs.items() if n.total() != 1} == {}, "ended twice"
    assert (wanted - found.runs.keys(), found.runs.keys() - wanted) == (set(), set()), "lost, or from nowhere"
    assert load.repeats > 0
    asked = {e for s in load.seen if (e := twin(s))}
    assert {run[0] for run in twins} == asked != set()

    # Whatever was held: a twin for good, and what was recovered until its release, once each and never before.
    holds = Counter(h.hold_id for h in found.held.values())
    assert holds == {"mended": len(recovered), "shadow:story": len(twins)}
    assert not found.strays
    steps = [json.loads(line) for line in stack.call(
        "tail", "recoveries", "--from-beginning", "--until-end", "--json").splitlines()]  # fmt: skip
    released_ms = next(s["value"]["at_ms"] for s in steps if s["value"]["step"] == "releasing")
    for held_id, times in found.released.items():
        held = found.held[held_id]
        assert len(times) == (held.hold_id == "mended"), held
        assert all(t >= released_ms for t in times)
    delivered = Counter(
        (s.event.request.job.job_id, s.event.request.replay_id or "")
        for s in load.seen if isinstance(s.event, AssetApproved)
    )  # fmt: skip
    assert max(delivered.values()) == 1
    assert not {run for run in delivered if run in twins}

    on_topics = {run: STATE_OF[next(iter(n))] for run, n in found.runs.items()}
    on_topics |= {(j, "mended"): "approved" for j in recovered}
    until("the audit says the same", lambda: runs_in_audit(stack) == on_topics, 60.0)
    stack.call("audit", "verify")
    of = Counter(topic for n in found.runs.values() for topic in n)
    print(f"{dict(of)}; recovered {len(recovered)}, twins {len(twins)}")  # noqa: T201 - a measurement
    assert min(of[DESIGN_QUEUE], of[REVIEW], of[HELD], of[PROMPTS_REFUSED]) > 0
    assert Arm.CANDIDATE in {a.arm for _, e in load.requests() if (a := e.request.assignment)}


def twin(seen: Seen) -> str | None:
    """The job that a twin was routed for."""
    request = getattr(seen.event, "request", None)
    return request.job.job_id if request is not None and request.replay_id == "story.pair" else None
