"""Recoveries and replays on a whole stack: a bad ruleset spoils batches; each comes back once, whatever is killed."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient

from audit import ledger, recoveries
from audit.migrate import connect
from broker.clients import kafka_config
from broker.lag import lag, lag_behind
from ops.log_range import Bound
from ops.recovery import holds
from ops.recovery.guard import parse_guards, watched_lots
from ops.recovery.journal import known
from ops.recovery.run import Runner
from ops.replay.journal import known as known_replays
from ops.replay.run import make_plan
from ops.replay.source import LogSource, Wanted
from ops.rulesets import publish as rulesets
from ops.whole_topic import whole_topic_events
from rules.holds import approval_id
from rules.ladder import derived_seed, fresh_seed
from rules.limits import BARS, parse_limit
from rules.recovery import TOPIC, Recovery, Terms, where_of
from rules.replay_plan import Asked
from schemas.catalogue import (
    DESIGN_QUEUE,
    HELD,
    IMAGES_GENERATED,
    IMAGES_INSPECTED,
    RECOVERIES,
    REPLAY_REQUESTS,
    REPLAYS,
    REVIEW,
)
from schemas.codec import Codec, LockedIds
from schemas.events import (
    AssetApproved,
    AssetHeld,
    AssetRecalled,
    Event,
    ImageInspected,
    Preset,
    RecoveryChanged,
    RecoveryStep,
    ReplayChanged,
    ReplayRequested,
    ReplayState,
    ReviewRequested,
)
from schemas.ids import event_id
from tests.chaos.driver import Stack, running, wait_for
from tests.inside import Done, presscheck
from tests.integration.recover_process import killed_at
from tests.integration.streams_support import send
from tests.integration.test_whole import run
from workers.engines.damage import Damage, drawn_for

CODEC = Codec(LockedIds())
BAD = 6
SOUND = {"heron": 3, "owl": 2, "tern": 2}
SPOILED = ("heron", "egret", "wren", "dunlin", "plover", "knot")
"""A batch for each test. What is spoiled in one comes out sound with the new seed that a replay of its name gives."""
SAFE = ("--engine-safe", "typeset", "--sampling", "safe")
"""Another engine than the one that failed, and one that is real everywhere."""
TERMS = ("--lot", "2", "--pause", "1s", "--guard", "touch-up-rate<=5%", "--why", "it repaired nothing")
PAUSE_S = 7.5
"""Between the lots of a release that a test stands in for: no other wait is as long."""
E = TypeVar("E", bound=Event)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """One stack for this module, on which a ruleset spoiled some batches; it was taken back since."""
    folder = tmp_path_factory.mktemp("recover")
    with running(Stack(state=folder / "state")) as stack:
        spoil(stack, folder / "hasty")
        yield stack


def spoil(stack: Stack, folder: Path) -> None:
    """A ruleset that repairs nothing: what a first render spoils goes to a person."""
    shutil.copytree(rulesets.IN_CHECKOUT, folder)
    ladder = folder / "ladder.yml"
    text = ladder.read_text(encoding="utf-8")
    assert "max_attempts: 4" in text
    ladder.write_text(text.replace("max_attempts: 4", "max_attempts: 1"), encoding="utf-8")
    stack.call("rules", "publish", "--config", str(folder), "--activate", "--yes")
    base = {"width": 192, "height": 192, "prompt": "Linocut of a heron in reeds", "engine": "simulator"}
    drawn = [(name, seed) for name in SPOILED for seed in seeds(Damage.TRUNCATED, BAD, name)]
    drawn += [(name, seed) for name, count in SOUND.items() for seed in seeds(None, count, "")]
    ended = run(
        stack, [{**base, "campaign": c, "idempotency_key": f"{c}-{n}", "seed": s} for n, (c, s) in enumerate(drawn)]
    )
    assert Counter(job["state"] for job in ended.values()) == {
        "review": len(SPOILED) * BAD,
        "approved": sum(SOUND.values()),
    }
    stack.call("rules", "rollback")


def seeds(want: Damage | None, count: int, replay_id: str) -> list[int]:
    """Seeds whose first render is damaged in a way; what a repair or a replay with new seeds makes of them is sound."""
    found: list[int] = []
    seed = 0
    while len(found) < count:
        later = (derived_seed(seed, 1), fresh_seed(seed, replay_id))
        if drawn_for(seed) is want and all(drawn_for(s) is None for s in later):
            found.append(seed)
        seed += 1
    return found


def of(stack: Stack, topic: str, record: type[E]) -> list[E]:
    """The records of one kind on a topic."""
    return [e for e in whole_topic_events(stack.settings, topic, CODEC) if isinstance(e, record)]


def failed(stack: Stack, campaign: str) -> set[str]:
    """Ids of a batch's jobs that went to a person."""
    found = {e.request.job.job_id for e in of(stack, REVIEW, ReviewRequested) if e.request.job.campaign == campaign}
    assert len(found) == BAD
    return found


def delivered(stack: Stack, replay_id: str) -> Counter[str]:
    """How often each job of a replay was delivered: only by a release, and only what was held."""
    found = [e for e in of(stack, DESIGN_QUEUE, AssetApproved) if e.request.replay_id == replay_id]
    kept = {approval_id(e) for e in of(stack, HELD, AssetHeld) if e.request.replay_id == replay_id}
    assert {e.event_id for e in found} <= kept
    return Counter(e.request.job.job_id for e in found)


def let_go(stack: Stack, replay_id: str) -> list[str]:
    """The assets of a replay that were delivered, as JOB/ASSET."""
    found = [e for e in of(stack, DESIGN_QUEUE, AssetApproved) if e.request.replay_id == replay_id]
    return [f"{e.request.job.job_id}/{e.rendering.asset.sha256}" for e in found if e.rendering.asset is not None]


def held(stack: Stack, replay_id: str) -> Counter[str]:
    """How often each job of a replay was held, under a hold of the same name."""
    found = [e for e in of(stack, HELD, AssetHeld) if e.request.replay_id == replay_id]
    assert {e.hold_id for e in found} <= {replay_id}
    return Counter(e.request.job.job_id for e in found)


def requested(stack: Stack, replay_id: str) -> Counter[str]:
    """How often each job was requested by a replay."""
    return Counter(e.job.job_id for e in of(stack, REPLAY_REQUESTS, ReplayRequested) if e.replay_id == replay_id)


def steps(stack: Stack, recovery_id: str) -> list[str]:
    """The steps that a recovery took."""
    return [e.step.value for e in of(stack, RECOVERIES, RecoveryChanged) if e.recovery_id == recovery_id]


def once(ids: set[str]) -> Counter[str]:
    """Each of them, one time."""
    return Counter(ids)


def command(stack: Stack, *words: str) -> list[str]:
    return [sys.executable, "-m", "ops", *words, "--state", str(stack.state)]


def call(stack: Stack, *words: str) -> Done:
    """Run a command here: processes of their own are those that a test kills."""
    return presscheck(*words, "--state", str(stack.state))


def facts(stack: Stack, *words: str) -> dict[str, Any]:
    """What a command that goes well says to programs."""
    done = call(stack, *words, "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


def plain(said: str) -> list[str]:
    """Lines of what was printed, with single spaces and without the lines of tables."""
    return [" ".join(line.replace("│", " ").split()) for line in said.splitlines()]


def in_order(said: str, *lines: str) -> bool:
    """Whether these lines were printed, each after the one before."""
    left = iter(plain(said))
    return all(line in left for line in lines)


def asked(campaign: str, *, rate: float) -> Asked:
    """The careful form, as `recover` takes it: the safe preset, new seeds, under a hold."""
    return Asked(
        topic=TOPIC, source="log", where=where_of(more=f"campaign={campaign}"), engine="simulator", preset=Preset.SAFE,
        lane=None, hold=campaign, rate=rate, limit=None, cap=3, latest=True, new_seeds=True,
    )  # fmt: skip


def plan(stack: Stack, campaign: str, *, rate: float, guards: tuple[str, ...] = ()) -> Recovery:
    """What `recover` would write down for a batch."""
    now_ms = time.time_ns() // 1_000_000
    wanted = Wanted(topic=TOPIC, begin=Bound(at_ms=now_ms - 3_600_000), end=Bound(at_ms=now_ms))
    terms = Terms(
        bars=(parse_limit("accept-rate>=100%", BARS, option="--bar"),), lot=2, pause_s=PAUSE_S,
        guards=parse_guards(guards),
    )  # fmt: skip
    made = make_plan(stack.settings, wanted, asked(campaign, rate=rate)).plan
    assert made.jobs == BAD
    return Recovery(from_ms=now_ms - 3_600_000, to_ms=now_ms, replay=made, terms=terms)


def test_a_failed_batch_comes_back_once_and_in_lots(stack: Stack) -> None:
    bad = failed(stack, "heron")
    wanted = ("--from", "-1h", "--mode", "corrupt-bytes", "--where", "campaign=heron", *SAFE, "--id", "heron")
    words = (*wanted, "--bar", "accept-rate>=90%", *TERMS)
    dry = facts(stack, "recover", *words, "--dry-run")["plan"]
    assert (dry["assets"], dry["engine"], dry["new_seeds"]) == (BAD, "typeset", True)
    nobody = call(stack, "recover", *words)
    assert (nobody.returncode, "nobody agreed" in nobody.stderr) == (2, True)
    assert steps(stack, "heron") == []

    carried = call(stack, "recover", *words, "--yes", "--json")
    assert carried.returncode == 0, carried.stdout + carried.stderr
    done = json.loads(carried.stdout)
    numbers = done["numbers"]
    assert (done["step"], numbers["delivered"]) == ("completed", BAD)
    assert (numbers["before_accepted"], numbers["after_accepted"]) == (0, BAD)
    # The same engine with the same seeds would have spoiled every first render once more.
    assert (numbers["before_artifact_rate"], numbers["after_artifact_rate"]) == (1, 0)
    assert steps(stack, "heron") == ["tagged", "replaying", "validating", "releasing", "completed"]
    assert in_order(
        carried.stderr,
        "replaying: it repaired nothing", f"0 of {BAD} jobs requested", f"{BAD} of {BAD} jobs requested",
        "validating", f"{BAD} of {BAD} runs judged, {BAD} accepted",
        "releasing: every bar is cleared", *(f"{n} delivered" for n in (0, 2, 4, BAD)), "completed",
    )  # fmt: skip
    shown = call(stack, "recover", "status", "heron").stdout
    assert in_order(shown, "heron: completed", "figure before after", f"{BAD} delivered, 0 kept by other holds")
    assert {"accepted 0 6", "artifact rate 1 0", "runs 6 6"} <= set(plain(shown))
    assert delivered(stack, "heron") == held(stack, "heron") == once(bad)
    assert {
        (e.request.engine, e.rendering.backend, e.request.sampling.preset)
        for e in of(stack, HELD, AssetHeld) if e.request.replay_id == "heron"
    } == {("typeset", "typeset", Preset.SAFE)}  # fmt: skip
    assert {e.approved_by.partition(" ")[0] for e in of(stack, DESIGN_QUEUE, AssetApproved) if e.request.replay_id} == {
        "release"
    }
    again = call(stack, "recover", "resume", "heron", "--yes")
    assert (again.returncode, "is completed" in again.stderr) == (2, True)
    nothing = call(stack, "recover", *wanted[:-1], "heron-2", "--yes")
    assert (nothing.returncode, "nothing failed there" in nothing.stderr) == (1, True)


def test_a_batch_that_does_not_clear_the_bar_stays_held(stack: Stack) -> None:
    bad = failed(stack, "egret")
    words = ("--from", "-1h", "--where", "campaign=egret", "--id", "egret", "--bar", "artifact-rate<=0%")
    stopped = call(stack, "recover", *words, "--sampling", "standard", "--same-seeds", *TERMS, "--yes")
    assert (stopped.returncode, "artifact-rate<=0% is asked" in stopped.stdout) == (1, True), stopped.stderr
    assert (delivered(stack, "egret"), held(stack, "egret")) == ({}, once(bad))
    taken = steps(stack, "egret")
    nobody = call(stack, "recover", "resume", "egret")
    assert (nobody.returncode, "nobody agreed" in nobody.stderr) == (2, True)
    assert steps(stack, "egret") == taken == ["tagged", "replaying", "validating", "stopped"]
    again = call(stack, "recover", "resume", "egret", "--yes", "--json")
    assert (again.returncode, json.loads(again.stdout)["step"]) == (1, "stopped")
    assert steps(stack, "egret") == [*taken, *taken[1:]]
    assert held(stack, "egret") == once(bad)
    assert call(stack, "recover", "cancel", "egret", "--why", "delivered as it is").returncode == 0
    listed = {r["recovery_id"]: r["step"] for r in json.loads(call(stack, "recover", "list", "--json").stdout)}
    assert listed["egret"] == facts(stack, "recover", "status", "egret")["step"] == "cancelled"
    let = facts(stack, "hold", "release", "egret", "--lot", "4", "--pause", "0s")
    assert (let["delivered"], let["stopped"]) == (BAD, "")
    assert delivered(stack, "egret") == once(bad)


def test_killed_in_every_step_and_resumed_it_does_each_thing_once(stack: Stack) -> None:
    """By SIGKILL, in processes of their own; with a transaction open where it is amid its replay or its release."""
    bad, wanted = failed(stack, "dunlin"), plan(stack, "dunlin", rate=2)

    def step() -> RecoveryStep:
        return known(stack.settings)["dunlin"].step

    killed_at(stack.state, "dunlin", "tagged", 1, wanted.document)
    assert (step(), requested(stack, "dunlin")) == (RecoveryStep.TAGGED, {})
    killed_at(stack.state, "dunlin", "replay produced", 2)  # its plan is written, and of its first jobs nothing is
    assert step() is RecoveryStep.REPLAYING
    killed_at(stack.state, "dunlin", "replay committed", 2)
    assert (step(), requested(stack, "dunlin").total()) == (RecoveryStep.REPLAYING, 4)
    killed_at(stack.state, "dunlin", "validating", 1)
    assert (step(), requested(stack, "dunlin")) == (RecoveryStep.VALIDATING, once(bad))
    killed_at(stack.state, "dunlin", "releasing", 1)
    assert (step(), delivered(stack, "dunlin"), held(stack, "dunlin")) == (RecoveryStep.RELEASING, {}, once(bad))
    killed_at(stack.state, "dunlin", "release produced", 1)  # nothing of its first lot counts
    killed_at(stack.state, "dunlin", "release committed", 1)
    assert (step(), delivered(stack, "dunlin").total()) == (RecoveryStep.RELEASING, 2)
    assert holds.current(stack.settings)["dunlin"].active
    killed_at(stack.state, "dunlin", "release announced", 1)
    assert not holds.current(stack.settings)["dunlin"].active
    done = facts(stack, "recover", "resume", "dunlin", "--yes")
    assert (done["step"], done["numbers"]["delivered"], done["numbers"]["still_held"]) == ("completed", BAD, 0)
    assert steps(stack, "dunlin") == ["tagged", "replaying", "validating", "releasing", "completed"]
    assert requested(stack, "dunlin") == held(stack, "dunlin") == delivered(stack, "dunlin") == once(bad)
    assert done["numbers"]["before_runs"] == done["numbers"]["after_runs"] == done["numbers"]["after_accepted"] == BAD


def test_what_people_report_between_two_lots_stops_the_release(stack: Stack) -> None:
    bad, wanted = failed(stack, "plover"), plan(stack, "plover", rate=100, guards=("touch-up-rate<=5%",))

    def in_audit(seen: Callable[[recoveries.ReleasedFigures], bool]) -> Callable[[], bool]:
        def looked() -> bool:
            with connect(stack.settings.database_url.get_secret_value(), autocommit=True) as conn:
                return seen(recoveries.released(conn, "plover"))

        return looked

    def mended(seconds: float) -> bool:
        """What goes on in the pause: a designer mends the first asset of the lot."""
        if seconds != PAUSE_S:
            return threading.Event().wait(seconds)
        words = (let_go(stack, "plover")[0], "--defect", "colour-drift", "--touched", "4")
        assert call(stack, "label", *words).returncode == 0
        wait_for("the touch-up in the audit", in_audit(lambda f: (f.released, f.touched) == (2, 1)))
        return False

    runner = Runner(
        settings=stack.settings, recovery_id="plover", who="ann", now_ms=lambda: time.time_ns() // 1_000_000,
        pause=mended,
    )  # fmt: skip
    runner.tag(wanted, why="a guard")
    stopped = runner.carry_on()
    assert (stopped.step, stopped.why) == (
        RecoveryStep.STOPPED,
        "of 2 released assets: touch-up-rate<=5% is asked, and it is 50%",
    )
    assert (stopped.numbers["delivered"], delivered(stack, "plover").total()) == (2, 2)
    assert holds.current(stack.settings)["plover"].active
    again = call(stack, "recover", "resume", "plover", "--yes", "--json")
    assert (again.returncode, json.loads(again.stdout)["step"]) == (1, "stopped")
    assert (requested(stack, "plover"), delivered(stack, "plover").total()) == (once(bad), 2)

    def taken_back(seconds: float) -> bool:
        if seconds != PAUSE_S:
            return threading.Event().wait(seconds)
        _, sha256 = let_go(stack, "plover")[-1].split("/")
        facts(stack, "recall", "--asset", sha256, "--mode", "colour-drift", "--why", "not our blue", "--yes")
        wait_for("the recall in the audit", in_audit(lambda f: (f.released, f.recalled) == (4, 1)))
        return False

    def release(size: int, guard: str, wait: Callable[[float], bool], audit_s: float) -> holds.Released:
        lots = watched_lots(
            stack.settings, "plover", size=size, pause_s=PAUSE_S, guards=parse_guards((guard,)), wait=wait,
            told=lambda _done: None, audit_s=audit_s,
        )  # fmt: skip
        return holds.release(stack.settings, "plover", who="ann", why="", now_ms=lambda: 1, lots=lots)

    done = release(2, "recall-rate<=10%", taken_back, 60)
    assert (done.delivered, done.delivered_before) == (2, 2)
    assert done.stopped == "of 4 released assets: recall-rate<=10% is asked, and it is 25%"
    assert (delivered(stack, "plover").total(), held(stack, "plover")) == (4, once(bad))

    audit = int(stack.processes()["audit"]["pid"])
    os.kill(audit, signal.SIGSTOP)  # nobody counts what is said of the next asset: no further one follows it
    try:
        blind = release(1, "recall-rate<=50%", shortly, 0)
    finally:
        os.kill(audit, signal.SIGCONT)
    assert (blind.delivered, "the audit is behind" in blind.stopped) == (1, True)
    assert release(1, "recall-rate<=50%", shortly, 60).stopped == ""
    assert delivered(stack, "plover") == once(bad)


def test_the_newest_words_of_reviewers_stop_a_release_and_let_it_go_on(stack: Stack) -> None:
    bad, wanted = failed(stack, "knot"), plan(stack, "knot", rate=100, guards=("wrong-rate<=10%",))
    pauses = 0

    def says(who: str, *words: str) -> None:
        assert call(stack, "label", let_go(stack, "knot")[0], *words, "--who", who).returncode == 0

    def reviewed(seconds: float) -> bool:
        """After the first lot Bo is mistaken, and sees it; after the second Ada finds what nobody saw."""
        nonlocal pauses
        if seconds != PAUSE_S:
            return shortly(seconds)
        pauses += 1
        if pauses == 1:
            says("Bo", "--defect", "anatomy")
            says("Bo", "--sound")
        elif pauses == 2:
            says("Ada", "--defect", "wrong-text")
            says("Bo", "--sound")  # nobody else can take her word back
        return False

    def runner() -> Runner:
        return Runner(
            settings=stack.settings, recovery_id="knot", who="ann", now_ms=lambda: time.time_ns() // 1_000_000,
            pause=reviewed,
        )  # fmt: skip

    first = runner()
    first.tag(wanted, why="reviewers watch")
    stopped = first.carry_on()
    assert (stopped.step, stopped.why) == (
        RecoveryStep.STOPPED,
        "of 4 released assets: wrong-rate<=10% is asked, and it is 25%",
    )
    assert (pauses, delivered(stack, "knot").total(), held(stack, "knot")) == (2, 4, once(bad))
    by_hand = call(stack, "hold", "release", "knot", "--lot", "1", "--guard", "wrong-rate<=20%", "--json")
    assert (by_hand.returncode, json.loads(by_hand.stdout)["delivered"]) == (1, 0)
    says("Ada", "--sound")
    done = runner().carry_on()
    assert (done.step, done.numbers["delivered"]) == (RecoveryStep.COMPLETED, BAD)
    assert requested(stack, "knot") == delivered(stack, "knot") == once(bad)


def test_what_retention_took_is_replayed_from_the_ledger_and_the_manifests(stack: Stack) -> None:
    """To inspected images: from either source, by the stages that run, once each."""
    settings = stack.settings
    terns = {e.request.job.job_id for e in of(stack, DESIGN_QUEUE, AssetApproved) if e.request.job.campaign == "tern"}
    assert len(terns) == SOUND["tern"]

    def read_by_all() -> bool:
        with connect(settings.database_url.get_secret_value(), autocommit=True) as conn:
            stored = {place: head.next_offset for place, head in ledger.heads(conn).items()}
        behind = [*lag_behind(settings, stored, [IMAGES_GENERATED]), *lag(settings, "inspect", [IMAGES_GENERATED])]
        return not sum(p.records for p in behind)

    wait_for("the audit and the inspection have all of them", read_by_all)
    there = LogSource(settings).reach(Wanted(topic=IMAGES_GENERATED, begin=None, end=None)).spans
    ends = [TopicPartition(IMAGES_GENERATED, s.partition, s.end) for s in there]
    admin: Any = AdminClient(kafka_config(settings))
    for deleted in admin.delete_records(ends).values():
        deleted.result(30)

    words = (IMAGES_GENERATED, "--where", "campaign=tern", "--engine", "simulator", "--rate", "100/s")
    gone = call(stack, "replay", *words, "--from-offset", "0", "--dry-run")
    assert gone.returncode == 1
    for span in there:
        assert f"{IMAGES_GENERATED}-{span.partition}: offsets 0 to {span.end - 1} is gone from the log" in gone.stderr
    assert "of these records: add --from-audit" in gone.stderr
    assert "in the store's manifests as well: --from-manifests" in gone.stderr

    for source in ("audit", "manifests"):
        name = f"tern-{source}"
        run_by = ("--from-time", "-1h", f"--from-{source}", "--hold", name, "--id", name, "--why", "gone", "--yes")
        done = facts(stack, "replay", *words, *run_by)
        assert (done["state"], done["sent"], done["plan"]["asked"]["source"]) == ("completed", len(terns), source)
        now = facts(stack, "replay", "status", name, "--follow")
        assert (now["runs"], now["given_up"]) == ({"held": len(terns)}, 0)
        seen = [e for e in of(stack, IMAGES_INSPECTED, ImageInspected) if e.request.replay_id == name]
        assert Counter(e.request.job.job_id for e in seen) == held(stack, name) == once(terns)
        assert all(e.rendering.asset is not None and e.inspection.measurements for e in seen)
        causes = {c.origin and c.origin.topic for e in seen if (c := e.request.replayed) is not None}
        assert causes == {IMAGES_GENERATED if source == "audit" else None}


def cause_is_told(stack: Stack, job_id: str, replay_id: str, *, who: str, why: str) -> None:
    """The story of a job says of which of its records a replay was, who asked and why, from request to verdict."""
    told = facts(stack, "audit", "trace", job_id)["steps"]
    (of_old,) = (s for s in told if s["topic"] == TOPIC and s["replay_id"] is None)
    origin = {name: of_old[name] for name in ("topic", "partition", "offset")}
    place = f"{TOPIC}/{origin['partition']}@{origin['offset']}"
    request, *attempt = (s for s in told if s["replay_id"] == replay_id)
    assert request["record"] == "ReplayRequested"
    assert {name: request["facts"][name] for name in ("who", "why", "count", "origin")} == {
        "who": who, "why": why, "count": 1, "origin": place,
    }  # fmt: skip
    assert [s["event"]["request"]["replayed"] for s in attempt] == [
        {"origin": origin, "who": who, "why": why, "count": 1}
    ] * len(attempt)
    assert {s["record"] for s in attempt} == {"RenderRequested", "ImageGenerated", "ImageInspected", "AssetHeld"}
    story = call(stack, "audit", "trace", job_id).stdout
    assert in_order(story, f"└── replay {replay_id}", f"├── who {who}", f"├── why {why}", f"└── origin {place}"), story


def shortly(seconds: float) -> bool:
    """Waits as asked, and between lots less."""
    return threading.Event().wait(min(seconds, 0.2))


def test_a_replay_that_is_killed_goes_on_through_every_stage_under_its_hold(stack: Stack) -> None:
    bad = failed(stack, "wren")
    words = (
        TOPIC, "--from-time", "-1h", "--where", "campaign=wren and verdict!=accept", "--engine", "simulator",
        "--sampling", "safe", "--new-seeds", "--hold", "wren", "--rate", "1/s", "--id", "wren", "--why", "too hasty",
        "--who", "ann", "--yes",
    )  # fmt: skip
    first = subprocess.Popen(command(stack, "replay", *words), stdout=subprocess.DEVNULL, start_new_session=True)
    try:
        wait_for("some of its requests", lambda: "wren" in (k := known_replays(stack.settings)) and k["wren"].sent >= 2)
    finally:
        os.kill(first.pid, signal.SIGKILL)
    assert first.wait(30) == -signal.SIGKILL
    done = facts(stack, "replay", "resume", "wren")
    assert (done["state"], done["sent"], done["skipped"]) == ("completed", BAD, 0)
    stands = [e for e in of(stack, REPLAYS, ReplayChanged) if e.replay_id == "wren"]
    assert [e.sent for e in stands] == sorted(e.sent for e in stands)
    now = facts(stack, "replay", "status", "wren", "--follow")
    assert (now["runs"], now["ended_runs"], now["given_up"]) == ({"held": BAD}, BAD, 0)
    assert requested(stack, "wren") == held(stack, "wren") == once(bad)
    assert delivered(stack, "wren") == {}
    for event in of(stack, HELD, AssetHeld):
        request, cause = event.request, event.request.replayed
        if request.replay_id == "wren" and cause is not None:
            assert (request.engine, request.sampling.preset, request.attempt) == ("simulator", Preset.SAFE, 0)
            assert (cause.who, cause.why, cause.count) == ("ann", "too hasty", 1)
            assert cause.origin is not None
            assert cause.origin.topic == TOPIC
    for job_id in bad:
        cause_is_told(stack, job_id, "wren", who="ann", why="too hasty")
    assert facts(stack, "hold", "release", "wren")["delivered"] == BAD
    assert delivered(stack, "wren") == once(bad)


def test_following_a_replay_ends_where_jobs_are_refused_or_given_up(stack: Stack) -> None:
    some = [e.request.job for e in of(stack, REVIEW, ReviewRequested) if e.request.job.campaign == "wren"][:3]
    model = ReplayRequested(
        event_id=event_id("odd", "test"), at_ms=1, job=some[0], replay_id="odd", engine="typeset",
        preset=Preset.STANDARD, who="ann", why="odd ones",
    )  # fmt: skip
    odd = [
        replace(model, event_id=event_id("odd", "test", "refused"), engine="nobodys"),
        replace(model, event_id=event_id("odd", "test", "poison"), job=replace(some[1], idempotency_key="another")),
        replace(model, event_id=event_id("odd", "test", "fine"), job=some[2]),
    ]
    settings = stack.settings
    send(settings, REPLAY_REQUESTS, [(some[n].job_id, CODEC.encode(e)) for n, e in enumerate(odd)])
    wanted = make_plan(settings, Wanted(topic=TOPIC, begin=None, end=None), asked("wren", rate=1)).plan
    change = ReplayChanged(
        event_id=event_id("odd", "test"), at_ms=1, replay_id="odd", state=ReplayState.COMPLETED, plan=wanted.document,
        plan_sha256=wanted.sha256, positions=(), sent=3, skipped=0, who="ann", why="odd ones",
    )  # fmt: skip
    send(settings, REPLAYS, [("odd", CODEC.encode(change))])
    now = facts(stack, "replay", "status", "odd", "--follow")
    assert (now["ended_runs"], now["given_up"], now["runs"]["refused"], now["runs"]["submitted"]) == (3, 1, 1, 1)


def test_what_was_delivered_is_recalled_once(stack: Stack, tmp_path: Path) -> None:
    owls = [e for e in of(stack, DESIGN_QUEUE, AssetApproved) if e.request.job.campaign == "owl"]
    first, second = sorted(owls, key=lambda e: e.request.job.job_id)
    job_id = first.request.job.job_id
    assert first.rendering.asset is not None
    sha256 = first.rendering.asset.sha256
    before = {e.approval_id for e in of(stack, DESIGN_QUEUE, AssetRecalled)}
    words = ("recall", "--asset", sha256[:16], "--mode", "colour-drift", "--why", "not our blue", "--json")
    nobody = call(stack, *words)
    assert (nobody.returncode, "nobody agreed" in nobody.stderr) == (2, True)
    assert [w["approval_id"] for w in facts(stack, *words[:-1], "--yes")["recalled"]] == [first.event_id]
    assert json.loads(call(stack, *words, "--yes").stdout)["recalled"] == []
    strict = tmp_path / "strict"
    shutil.copytree(rulesets.IN_CHECKOUT, strict)
    verdict = strict / "verdict.yml"
    text = verdict.read_text(encoding="utf-8")
    verdict.write_text(text.replace("luma_std_min: 1.5", "luma_std_min: 127"), encoding="utf-8")
    found = facts(stack, "recall", "--ruleset", str(strict), "--from", "-1h", "--why", "flat", "--yes")["recalled"]
    again = {w["approval_id"] for w in found}
    assert second.event_id in again
    assert first.event_id not in again
    recalls = [e for e in of(stack, DESIGN_QUEUE, AssetRecalled) if e.approval_id not in before]
    assert Counter(e.approval_id for e in recalls) == once({first.event_id, *again})
    wait_for("the recall in the audit", lambda: "AssetRecalled" in call(stack, "audit", "trace", job_id).stdout)
    assert "forbidden" not in call(stack, "audit", "trace", job_id).stdout
