"""Staged roll-outs on a real broker and database, with the real sanity, validation, audit and controller processes."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path

import psycopg
import pytest

from audit import rollouts as store
from broker.admin import ensure_topics
from broker.broadcast import RolloutTable, follow_rollouts
from broker.embedded.kafka import EmbeddedKafka
from broker.settings import Settings
from ops.rollout.changes import change
from ops.rollout.controller import Controller, counted_again
from ops.rollout.status import facts, shown
from ops.rollout.topic import Step, read_rollouts
from ops.rollout.unseen import EVERY_MS
from ops.rulesets.publish import activate, publish
from rules.rollout import POSITION, USUAL_GUARDS, assign, current
from rules.rollout_decision import decide
from rules.ruleset import load_ruleset
from schemas.catalogue import DESIGN_QUEUE, HELD
from schemas.events import Arm, AssetApproved, AssetHeld, AssetRejected, RenderRequest, RolloutState
from tests.integration.rollout_support import WITHIN_S, Pipeline, is_shadow, now_ms, spoils, stages
from tests.integration.streams_support import StageProcess
from tests.unit.rules import samples
from tests.waiting import until

STABLE = samples.ruleset()
CANDIDATE = load_ruleset(samples.changed("verdict.yml", "cast_max: 45", "cast_max: 44"))
FEW = ("--min-jobs", "30", "--yes")
DECIDES = "deciding roll-outs"
"""Said by a controller that has the lease."""
LOOSE = ("--guard", "artifact-rate:+2pp", "--guard", "corrupt-bytes:1%", "--guard", "p95:+900%")
"""The usual guards, but for a latency that a busy machine does not make lean: in both arms it is the machine's."""


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory, postgres: str) -> Iterator[Pipeline]:
    folder, name = tmp_path_factory.mktemp("rollouts"), "rollouts"
    with psycopg.connect(postgres, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}")  # pyright: ignore[reportArgumentType, reportCallIssue]
    dsn = f"{postgres.rsplit('/', 1)[0]}/{name}"
    with EmbeddedKafka(folder) as broker:
        settings = Settings.model_validate(
            {"kafka_bootstrap": broker.bootstrap, "database_url": dsn, "state_dir": folder}
        )
        ensure_topics(settings, STABLE.engines)
        publish(settings, STABLE, who="test", at_ms=1, activate=True)
        with stages(settings, dsn, folder) as audit:
            made = Pipeline(settings, dsn, folder, audit)
            yield made
            made.close()
    with psycopg.connect(postgres, autocommit=True) as admin:
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)")  # pyright: ignore[reportArgumentType, reportCallIssue]


@pytest.fixture
def flow(pipeline: Pipeline) -> Iterator[Pipeline]:
    """The pipeline with the stable ruleset active, and no roll-out under way before or after."""
    if pipeline.active_id() != STABLE.id:
        activate(pipeline.settings, STABLE.id, who="test", at_ms=now_ms())
    pipeline.spoilt, pipeline.hangs, pipeline.aged = spoils({}), lambda _request: False, lambda _job_id: 0
    assert not pipeline.hanging
    yield pipeline
    if current(read_rollouts(pipeline.settings)):
        change(pipeline.settings, None, RolloutState.ABORTED, who="test", reason="the test is over", at_ms=now_ms())


@pytest.fixture
def candidate_folder(tmp_path: Path) -> str:
    folder = tmp_path / "candidate"
    shutil.copytree(samples.CONFIG, folder, ignore=shutil.ignore_patterns("demo"))
    text = samples.changed("verdict.yml", "cast_max: 45", "cast_max: 44")["verdict.yml"]
    (folder / "verdict.yml").write_text(text, encoding="utf-8")
    return str(folder)


def _stored(flow: Pipeline, rollout_id: str) -> int:
    """First verdicts that the audit has of a roll-out."""
    with flow.database() as conn:
        return len(store.verdicts(conn, rollout_id, 0))


def _requests(flow: Pipeline, rollout_id: str) -> list[RenderRequest]:
    """Attempts of jobs that take part in a roll-out, repairs included."""
    asked = (r.request for r in flow.requests if r.request.assignment is not None)
    return [r for r in asked if r.assignment and r.assignment.rollout_id == rollout_id]


def _held(flow: Pipeline, rollout_id: str) -> int:
    """Twins that have come to their end."""
    return sum(isinstance(e, AssetHeld) and e.hold_id == f"shadow:{rollout_id}" for _, e in flow.verdicts)


def test_a_worse_candidate_is_taken_back_without_a_hand(flow: Pipeline, candidate_folder: str) -> None:
    flow.spoilt = spoils({STABLE.id: 0.05, CANDIDATE.id: 0.5})
    begun = flow.command(
        "start",
        candidate_folder,
        "--name",
        "worse",
        "--stages",
        "25,100",
        "--guard",
        "artifact-rate:+2pp",
        *FEW,
        process=True,
    )
    assert (begun["candidate_ruleset_id"], begun["stable_ruleset_id"]) == (CANDIDATE.id, STABLE.id)
    assert "roll-out worse is running" in flow.command("start", CANDIDATE.id[:12], *FEW, ok=2)["error"]
    with flow.controller():
        ended = flow.until_over("worse")
    assert ended is RolloutState.ROLLED_BACK
    assert flow.active_id() == STABLE.id
    step = flow.rollout("worse")
    assert "artifact-rate:+2pp" in step.reason
    assert step.numbers["candidate.artifact-rate"] > step.numbers["stable.artifact-rate"] + 0.2
    assert step.numbers["artifact-rate:+2pp.evidence"] >= step.numbers["artifact-rate:+2pp.needed"]
    flow.until_all_ended()
    before = len(flow.of("worse", Arm.CANDIDATE))
    flow.submit(60)
    flow.until_all_ended()
    assert len(flow.of("worse", Arm.CANDIDATE)) == before
    told = flow.command("status", "worse", "--watch", ok=1, process=True)
    assert told["state"] == "rolled_back"
    assert told["arms"][1]["artifact_rate_95"][0] > told["arms"][0]["artifact_rate"]


def test_an_equal_candidate_comes_through_all_stages_and_decides_then(flow: Pipeline) -> None:
    publish(flow.settings, CANDIDATE, who="test", at_ms=now_ms(), activate=False)
    flow.spoilt = spoils({STABLE.id: 0.05, CANDIDATE.id: 0.05})
    flow.command("start", CANDIDATE.id[:12], "--name", "equal", "--stages", "30,100", *LOOSE, *FEW)
    with flow.controller():
        ended = flow.until_over("equal")
    assert ended is RolloutState.COMPLETED
    assert flow.active_id() == CANDIDATE.id
    told = flow.command("status", "equal")
    assert [(s["state"], s["percent"]) for s in told["steps"]] == [
        ("completed", 100), ("running", 100), ("running", 30),
    ]  # fmt: skip
    with flow.database() as conn:
        positions = [s.position for s in store.history(conn, "equal", 10)]
        shown(facts(conn, flow.rollout("equal"), now_ms()), now_ms())
    assert positions == sorted(positions, reverse=True)
    assert positions[-1] == 0
    flow.until_all_ended()
    arms = {r.job.job_id: a.arm for r in _requests(flow, "equal") if (a := r.assignment)}
    repaired = [r for r in _requests(flow, "equal") if r.attempt > 0]
    assert repaired
    assert all(r.assignment and r.assignment.arm is arms[r.job.job_id] for r in repaired)


def _steps(controller: StageProcess) -> int:
    """Steps that a controller says it wrote since its last start."""
    return controller.log.read_text(encoding="utf-8").count('"a step of a roll-out"')


def test_of_two_controllers_one_decides_and_when_it_is_killed_the_other_with_the_same_numbers(flow: Pipeline) -> None:
    publish(flow.settings, CANDIDATE, who="test", at_ms=now_ms(), activate=False)
    flow.spoilt = spoils({STABLE.id: 0.05, CANDIDATE.id: 0.05})
    with flow.controller("first") as first, flow.controller("second") as second:
        both = (first, second)
        until("one decides", lambda: any(c.said(DECIDES) for c in both), WITHIN_S)
        holder, other = both if first.said(DECIDES) else both[::-1]
        until("the other waits", lambda: other.said("holds the lease; waiting"), WITHIN_S)
        flow.command(
            "start", CANDIDATE.id, "--name", "killed", "--stages", "40,70,100", "--paired", "20%", *LOOSE, *FEW
        )
        flow.until("the second stage", lambda: flow.rollout("killed").stage == 1)
        assert not other.said(DECIDES)
        holder.kill()
        decided = _steps(holder)
        holder.start()
        ended = flow.until_over("killed")
        until("it says so", lambda: decided + _steps(first) + _steps(second) == 3)
        assert (decided, _steps(holder), _steps(other)) == (1, 0, 2)
        assert holder.said("holds the lease; waiting")
    assert ended is RolloutState.COMPLETED
    final = flow.rollout("killed")
    with flow.database() as conn:
        until("the audit has the last step", lambda: store.history(conn, "killed", 1)[0].state == "completed")
        states = [(s.state, s.stage) for s in store.history(conn, "killed", 10)]
        again = counted_again(conn, final)
        assert again is not None
        while again.count(conn, until=int(final.numbers[POSITION])):
            pass
    assert states == [("completed", 2), ("running", 2), ("running", 1), ("running", 0)]
    running = replace(final, state=RolloutState.RUNNING)
    assert {**decide(running, again.figures).numbers, POSITION: final.numbers[POSITION]} == final.numbers


def test_one_controller_decides_at_a_time(flow: Pipeline) -> None:
    with flow.database() as asking:
        assert not store.lease_is_held(asking)
        with flow.database() as first, flow.database() as second:
            assert store.take_lease(first)
            assert not store.take_lease(second)
            assert store.lease_is_held(asking)
        until("the lease is free with its session", lambda: not store.lease_is_held(asking))


def test_a_crash_at_any_step_writes_it_once_or_not_at_all(flow: Pipeline) -> None:
    publish(flow.settings, CANDIDATE, who="test", at_ms=now_ms(), activate=False)
    flow.command("start", CANDIDATE.id, "--name", "crash", "--stages", "50,100", *LOOSE, *FEW)
    flow.until("verdicts for a stage", lambda: _stored(flow, "crash") > 150)

    class Crash(Exception):
        pass

    with flow.database() as conn, follow_rollouts(flow.settings) as followed:
        followed.wait_ready(60)
        table = RolloutTable(followed)

        def look(at: Step | None) -> None:
            def fault(step: Step) -> None:
                if step == at:
                    raise Crash

            controller = Controller(flow.settings, conn, table.current, fault=fault)

            def decided() -> bool:
                controller.look(now_ms())
                return flow.rollout("crash").stage == 1

            until("it decides", decided)  # not at once: first the audit stores what there is

        for step in ("fenced", "produced"):
            with pytest.raises(Crash):
                look(step)
            assert flow.rollout("crash").stage == 0
        with pytest.raises(Crash):
            look("committed")
        assert flow.rollout("crash").stage == 1
        until("the follower sees it", lambda: table.current()["crash"].stage == 1)
        until("the audit has it", lambda: len(store.history(conn, "crash", 10)) == 2)
        look(None)
        assert [s.stage for s in store.history(conn, "crash", 10)] == [1, 0]


def test_no_stage_ends_on_a_stale_audit_and_an_alarm_waits_for_nothing(flow: Pipeline) -> None:
    """The audit stands still: what it has not stored may hold the harm, and what it has stored is evidence."""
    publish(flow.settings, CANDIDATE, who="test", at_ms=now_ms(), activate=False)
    flow.command("start", CANDIDATE.id, "--name", "stale", "--stages", "50,100", "--guard", "blank-frame:1%", *FEW)
    flow.until("verdicts for a stage", lambda: _stored(flow, "stale") > 120)
    flow.until_all_ended()
    with flow.database() as conn, follow_rollouts(flow.settings) as followed:
        followed.wait_ready(60)
        controller = Controller(flow.settings, conn, RolloutTable(followed).current)
        flow.audit.freeze()
        try:
            flow.submit(40)
            flow.until_all_ended()
            for _ in range(3):
                controller.look(now_ms())
            told = flow.command("status", "stale")
            assert (told["stage"], told["unstored"] > 0) == (0, True)
            assert "the audit has not stored" in told["waits_for"]
        finally:
            flow.audit.thaw()

        def ends() -> bool:
            controller.look(now_ms())
            return flow.rollout("stale").stage == 1

        until("the stage ends once the audit has caught up", ends, WITHIN_S)
        flow.spoilt = spoils({CANDIDATE.id: 1.0})
        before = _stored(flow, "stale")
        flow.until("harm is stored", lambda: _stored(flow, "stale") > before + 40)
        flow.audit.freeze()
        try:
            flow.submit(40)
            flow.until_all_ended()
            until("the follower has the stage", lambda: RolloutTable(followed).current()["stale"].stage == 1)
            controller.look(now_ms())
            assert flow.ended_as("stale") is RolloutState.ROLLED_BACK
        finally:
            flow.audit.thaw()


def test_jobs_of_the_candidate_that_hang_hold_a_stage_and_are_told(flow: Pipeline) -> None:
    publish(flow.settings, CANDIDATE, who="test", at_ms=now_ms(), activate=False)
    # No guard on the latency: what hung would be late, and rightly hold the stage.
    flow.command("start", CANDIDATE.id, "--name", "hangs", "--stages", "50,100", "--guard", "artifact-rate:+2pp", *FEW)

    def hangs(request: RenderRequest) -> bool:
        """A quarter of the candidate's; not by ruleset, which may decide a job of the test before a little longer."""
        assigned = request.assignment
        return assigned is not None and assigned.arm is Arm.CANDIDATE and request.job.job_id[0] in "0123"

    flow.hangs = hangs
    with flow.database() as conn, follow_rollouts(flow.settings) as followed:
        followed.wait_ready(60)
        controller = Controller(flow.settings, conn, RolloutTable(followed).current, overdue_ms=0)
        flow.until("some hang", lambda: len(flow.hanging) > 10 and _stored(flow, "hangs") > 120)
        flow.until("the rest has ended", lambda: len(flow.ended) + len(flow.hanging) >= flow.submitted, submit=False)
        hung, clock = len(flow.hanging), count(now_ms(), EVERY_MS)  # each look counts what is overdue

        def held() -> bool:
            controller.look(next(clock))
            look = store.last_look(conn, "hangs")
            said.append(look.reason if look else "")
            return f"{hung} jobs of the candidate have no verdict" in said[-1]

        said: list[str] = []
        try:
            until("the controller tells of them", held, WITHIN_S)
        except AssertionError as e:
            raise AssertionError(f"{hung} hang, and it said: {said[-1]}") from e
        assert flow.command("status", "hangs")["waits_for"] == said[-1]
        assert flow.rollout("hangs").stage == 0
        arms = {a["arm"]: a for a in facts(conn, flow.rollout("hangs"), now_ms(), overdue_ms=0)["arms"]}
        assert (arms["candidate"]["overdue"], arms["stable"]["overdue"]) == (hung, 0)
        assert facts(conn, flow.rollout("hangs"), now_ms())["arms"][1]["overdue"] == 0
        flow.hangs = lambda _request: False
        flow.let_go()
        flow.until_all_ended()

        def ends() -> bool:
            controller.look(next(clock))
            return flow.rollout("hangs").stage == 1

        until("the stage ends once they have their verdicts", ends, WITHIN_S)


def test_a_paused_one_takes_no_jobs_and_is_watched_all_the_same(flow: Pipeline) -> None:
    publish(flow.settings, CANDIDATE, who="test", at_ms=now_ms(), activate=False)
    flow.command("start", CANDIDATE.id, "--name", "paused", "--stages", "50,100", "--guard", "blank-frame:1%", *FEW)
    flow.until("some are tried", lambda: len(flow.of("paused", Arm.CANDIDATE)) >= 20)
    assert flow.command("pause", "--why", "lunch")["percent"] == 50
    assert "cannot become" in flow.command("pause", ok=2)["error"]
    flow.until_all_ended()

    def untouched() -> bool:
        """Whether a job that is submitted now takes no part."""
        flow.submit(1)
        flow.until_all_ended()
        return flow.requests[-1].request.assignment is None

    until("sanity knows of the pause", untouched)
    routed = len(flow.of("paused", Arm.CANDIDATE))
    assert flow.command("resume")["state"] == "running"
    flow.spoilt = spoils({CANDIDATE.id: 1.0})
    flow.until("more are tried", lambda: len(flow.of("paused", Arm.CANDIDATE)) >= routed + 20)
    flow.command("pause")
    flow.until_all_ended()
    with flow.controller():
        ended = flow.until_over("paused", submit=False)
    assert ended is RolloutState.ROLLED_BACK
    assert [s["state"] for s in flow.command("status", "paused", ok=1)["steps"]] == [
        "rolled_back", "paused", "running", "paused", "running",
    ]  # fmt: skip


def test_an_aborted_one_leaves_the_jobs_of_its_candidate_to_the_active_rules(flow: Pipeline) -> None:
    publish(flow.settings, CANDIDATE, who="test", at_ms=now_ms(), activate=False)
    flow.until_all_ended()
    given = ("start", CANDIDATE.id, "--name", "hot", "--stages", "50,100")
    refused = flow.command(*given, "--min-jobs", "30", ok=2)["error"]
    assert f"no running worker serves {', '.join(sorted(CANDIDATE.engines))}" in refused
    assert "hot" not in read_rollouts(flow.settings)
    assert flow.command(*given, *FEW)["unserved_engines"] == sorted(CANDIDATE.engines)

    flow.spoilt = spoils({CANDIDATE.id: 1.0})
    flow.hangs = lambda request: request.ruleset_id == CANDIDATE.id
    flow.until("the candidate has jobs", lambda: len(flow.hanging) >= 20)
    said = flow.command("abort", "--who", "ann", "--why", "too hot", process=True)
    assert (said["rollout_id"], said["state"], said["percent"]) == ("hot", "aborted", 0)
    assert (said["who"], said["reason"]) == ("ann", "too hot")
    again = flow.command("abort", "hot", ok=2, process=True)["error"]
    assert "roll-out hot has ended: aborted by ann, too hot" in again
    assert "no roll-out is under way" in flow.command("abort", ok=2)["error"]
    assert flow.active_id() == STABLE.id

    def untouched() -> bool:
        """Whether a job that is submitted now takes no part."""
        flow.submit(1)
        flow.until("it is routed", lambda: len(flow.ended) + len(flow.hanging) >= flow.submitted, submit=False)
        return flow.requests[-1].request.assignment is None

    until("sanity knows of it", untouched)
    job_id, judged_by = "", ""
    while judged_by != STABLE.id:  # as soon as validation knows of it, too
        assert flow.hanging, "the candidate went on judging its jobs after the abort"
        (job_id,) = flow.let_go(1)
        flow.until("it has its verdict", lambda j=job_id: j in flow.ended, submit=False)
        rejected = [e for _, e in flow.verdicts if isinstance(e, AssetRejected)]
        judged_by = next(e.judgement.ruleset_id for e in rejected if e.request.job.job_id == job_id)
    left = {*flow.let_go(), job_id}
    assert len(left) >= 5

    def theirs() -> list[AssetRejected | AssetApproved]:
        judged = [e for _, e in flow.verdicts if isinstance(e, AssetRejected | AssetApproved)]
        return [e for e in judged if e.request.job.job_id in left]

    flow.until("repairs of all are delivered", lambda: len(theirs()) >= 2 * len(left), submit=False)
    for kind in (AssetRejected, AssetApproved):
        assert {e.request.job.job_id for e in theirs() if isinstance(e, kind)} == left
    assert {e.judgement.ruleset_id for e in theirs()} == {STABLE.id}
    attempts = [r for r in _requests(flow, "hot") if r.job.job_id in left]
    assert {(r.attempt, r.ruleset_id) for r in attempts} == {(0, CANDIDATE.id), (1, STABLE.id)}
    with flow.database() as conn:
        until("the audit has its end", lambda: store.history(conn, "hot", 1)[0].state == "aborted")
        assert (store.history(conn, "hot", 1)[0].who, store.history(conn, "hot", 1)[0].reason) == ("ann", "too hot")


def test_twins_are_compared_and_never_delivered(flow: Pipeline) -> None:
    publish(flow.settings, CANDIDATE, who="test", at_ms=now_ms(), activate=False)
    flow.spoilt = spoils({STABLE.id: 0.02, CANDIDATE.id: 0.3})
    flow.command(
        "start", CANDIDATE.id, "--name", "pairs", "--stages", "20,100", "--paired", "60%",
        "--guard", "artifact-rate:+1pp", *FEW,
    )  # fmt: skip
    with flow.controller():
        ended = flow.until_over("pairs")
    assert ended is RolloutState.ROLLED_BACK
    flow.until_all_ended()
    twins = [*flow.of("pairs", Arm.STABLE, shadow=True), *flow.of("pairs", Arm.CANDIDATE, shadow=True)]
    flow.until("every twin has ended", lambda: _held(flow, "pairs") >= len(twins), submit=False)
    assert len(twins) > 20
    own = {r.job.job_id: r for arm in Arm for r in flow.of("pairs", arm)}
    for twin in twins:
        other = own[twin.job.job_id]
        assert (twin.sampling.seed, twin.prompt) == (other.sampling.seed, other.prompt)
        assert {twin.ruleset_id, other.ruleset_id} == {STABLE.id, CANDIDATE.id}
    assert {topic for topic, event in flow.verdicts if is_shadow(event)} == {HELD}
    delivered = [event for topic, event in flow.verdicts if topic == DESIGN_QUEUE]
    assert not any(is_shadow(event) for event in delivered)
    assert flow.rollout("pairs").numbers["pairs.worse"] > flow.rollout("pairs").numbers["pairs.better"]
    told = flow.command("status", "pairs", ok=1)
    assert told["pairs"]["worse"] + told["pairs"]["better"] + told["pairs"]["same"] <= len(twins)


def _aged(flow: Pipeline, rollout_id: str, *, slower: float) -> Callable[[str], int]:
    """Jobs take 40 to 80 s, spread by a hash, the candidate's so many times as long: what a machine adds is lost."""
    rollouts = {rollout_id: flow.rollout(rollout_id)}

    def aged(job_id: str) -> int:
        assigned = assign(job_id, rollouts)
        tried = assigned is not None and assigned.arm is Arm.CANDIDATE
        return int((40_000 + 40_000 * int(job_id[:8], 16) / 2**32) * (slower if tried else 1))

    return aged


@pytest.mark.parametrize(("name", "slower"), [("slower", 1.5), ("as-slow", 1.0)])
def test_the_usual_guards_take_back_a_slower_candidate_and_no_equal_one(
    flow: Pipeline, name: str, slower: float
) -> None:
    publish(flow.settings, CANDIDATE, who="test", at_ms=now_ms(), activate=False)
    flow.spoilt = spoils({STABLE.id: 0.05, CANDIDATE.id: 0.05})
    flow.until_all_ended()
    begun = flow.command("start", CANDIDATE.id, "--name", name, "--stages", "50,100", "--min-jobs", "160", "--yes")
    assert [(g["metric"], g["limit"]) for g in begun["guards"]] == [(g.metric, g.limit) for g in USUAL_GUARDS]
    flow.aged = _aged(flow, name, slower=slower)
    with flow.controller():
        ended = flow.until_over(name)
    step = flow.rollout(name)
    if slower > 1:
        assert (ended, step.stage, flow.active_id()) == (RolloutState.ROLLED_BACK, 0, STABLE.id)
        assert step.reason.startswith("p95:+20%: the candidate's p95 is at least ")
        assert step.numbers["candidate.p95-at-least-ms"] > 1.2 * step.numbers["stable.p95-at-most-ms"]
    else:
        assert (ended, step.stage, flow.active_id()) == (RolloutState.COMPLETED, 1, CANDIDATE.id)
        with flow.database() as conn:
            first = store.history(conn, name, 3)[1].numbers  # those that ended the first stage
        # As many verdicts as convict a slower one, and a bound on either arm.
        assert min(first["candidate.stage-jobs"], first["stable.stage-jobs"]) >= 160
        assert 0 < first["candidate.p95-at-least-ms"] < 1.2 * first["stable.p95-at-most-ms"]


def test_whoever_activates_a_ruleset_by_hand_ends_the_roll_out(flow: Pipeline) -> None:
    publish(flow.settings, CANDIDATE, who="test", at_ms=now_ms(), activate=False)
    flow.command("start", CANDIDATE.id, "--name", "by-hand", "--stages", "50,100", *FEW)
    activate(flow.settings, CANDIDATE.id, who="night shift", at_ms=now_ms())
    step = flow.rollout("by-hand")
    assert (step.state, step.who) == (RolloutState.ABORTED, "night shift")
    assert "was activated meanwhile" in step.reason
    assert flow.active_id() == CANDIDATE.id
    page = flow.command("list", "--limit", "1")
    assert [r["rollout_id"] for r in page["rollouts"]] == ["by-hand"]
    if page["next"]:
        assert flow.command("list", "--after", page["next"])["rollouts"]
