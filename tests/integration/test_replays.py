"""Replays on the real broker and database: by command and by part, killed, cancelled, from the ledger."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient
from typer.testing import CliRunner

from audit.replays import states
from audit.source import Fetched, fetched
from broker import clients
from broker.admin import ensure_topics
from broker.deadletter import address, dead_letter
from broker.embedded.kafka import EmbeddedKafka
from broker.settings import ENDPOINTS_FILE, Settings
from ops.commands.replay import app
from ops.log_range import Bound
from ops.recovery import holds
from ops.replay.journal import Point, known
from ops.replay.run import Planned, Runner, counts, make_plan
from ops.replay.source import LogSource, Wanted
from ops.rulesets.publish import publish
from ops.whole_topic import whole_topic, whole_topic_events
from rules.decide import on_replay
from rules.lifecycle import State
from rules.replay_plan import Asked
from rules.verdict import judge
from schemas.catalogue import DEAD_LETTERS, IMAGES_GENERATED, IMAGES_INSPECTED, PROMPTS, REPLAY, REPLAY_REQUESTS
from schemas.codec import Codec, LockedIds
from schemas.errors import BadConfig, Fatal, Poison
from schemas.events import (
    AssetRejected,
    ImageGenerated,
    ImageInspected,
    Job,
    Lane,
    Origin,
    Preset,
    PromptSubmitted,
    RenderRequested,
    Repair,
    ReplayRequested,
    ReplayState,
    Rung,
)
from schemas.ids import event_id
from store import manifests
from store.artifacts import open_store
from store.manifests import Manifest
from tests.inside import Done, presscheck
from tests.integration.audit_ledger import fill, open_ledger
from tests.integration.streams_support import send
from tests.unit.rules import samples

CODEC = Codec(LockedIds())
NOW_MS = 1_790_000_000_000
Unique = Callable[[str], str]


class Killed(Exception):
    """Stands for kill -9: nothing that would run after it runs."""


@pytest.fixture(scope="module")
def stack(kafka: EmbeddedKafka, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Topics, and the ruleset of config/ in force."""
    folder = tmp_path_factory.mktemp("replays")
    (folder / ENDPOINTS_FILE).write_text(json.dumps({"kafka_bootstrap": kafka.bootstrap}), encoding="utf-8")
    made = Settings.model_validate({"kafka_bootstrap": kafka.bootstrap, "state_dir": folder})
    ensure_topics(made, samples.ruleset().engines)
    publish(made, samples.ruleset(), who="test", at_ms=1, activate=True)
    return made


def generated(job: Job, attempt: int = 0) -> ImageGenerated:
    return ImageGenerated(
        event_id=event_id(job.job_id, "test", str(attempt)), at_ms=1,
        request=replace(samples.routed(job), attempt=attempt), rendering=samples.rendering(),
    )  # fmt: skip


def inspected(job: Job, **measured: Any) -> ImageInspected:
    return ImageInspected(
        event_id=event_id(job.job_id, "t"), at_ms=1, request=samples.routed(job), rendering=samples.rendering(),
        inspection=samples.inspection(**measured),
    )  # fmt: skip


def rejected(job: Job) -> AssetRejected:
    seen = inspected(job, blank__luma_std=0.5)
    request = seen.request
    return AssetRejected(
        event_id=event_id(job.job_id, "r"), at_ms=1, request=request, rendering=seen.rendering,
        judgement=judge(seen.inspection, seen.rendering, request, samples.ruleset()),
        repair=Repair(
            rung=Rung.SAFER_SAMPLING, attempt=1, engine=request.engine, sampling=request.sampling, reason="blank"
        ),
    )  # fmt: skip


WRITTEN: dict[str, Callable[[Job], PromptSubmitted | AssetRejected | ImageGenerated | ImageInspected]] = {
    PROMPTS: samples.submitted,
    REPLAY: rejected,
    IMAGES_GENERATED: generated,
    IMAGES_INSPECTED: inspected,
}
"""What the topics hold of a job; dead letters are letters about such records."""


def jobs(campaign: str, count: int, **fields: Any) -> list[Job]:
    return [samples.job(key=f"{campaign}/{n}", campaign=campaign, **fields) for n in range(count)]


def write(settings: Settings, topic: str, events: Sequence[ImageGenerated | ImageInspected]) -> None:
    send(settings, topic, [(e.request.job.job_id, CODEC.encode(e)) for e in events])


def places(settings: Settings, topic: str) -> dict[str, list[Origin]]:
    """Where the records of each job lie, those of one job in their order."""
    found: dict[str, list[Origin]] = {}
    for m in whole_topic(settings, topic):
        origin = Origin(topic=topic, partition=cast("int", m.partition()), offset=cast("int", m.offset()))
        found.setdefault((m.key() or b"").decode(), []).append(origin)
    return found


def filled_evenly(settings: Settings, topic: str, some: Sequence[Job], each: int) -> int:
    """Write jobs to all partitions at the same offsets, `each` to every one; the first offset of theirs.

    The partitions are filled up before, with records of the first job.
    """
    producer = clients.producer(settings)
    ends: dict[int, int] = {}

    def put(partition: int, job: Job) -> None:
        producer.produce(
            topic, key=job.job_id.encode(), value=CODEC.encode(WRITTEN[topic](job)), partition=partition,
            on_delivery=lambda _e, m: ends.update({cast("int", m.partition()): cast("int", m.offset()) + 1}),
        )  # fmt: skip
        assert producer.flush(30) == 0

    for p in range(4):
        put(p, some[0])
    begin = max(ends.values())
    for p in range(4):
        while ends[p] < begin:
            put(p, some[0])
        for n in range(each):
            put(p, some[p * each + n])
    return begin


def asked(campaign: str, **fields: Any) -> Asked:
    given: dict[str, Any] = {
        "topic": IMAGES_GENERATED, "source": "log", "where": f"campaign='{campaign}'", "engine": None,
        "preset": Preset.SAFE, "lane": None, "hold": None, "rate": 4.0, "limit": None, "cap": 3, **fields,
    }  # fmt: skip
    return Asked(**given)


def planned(settings: Settings, campaign: str, **fields: Any) -> Planned:
    wanted = asked(campaign, **fields)
    return make_plan(settings, Wanted(topic=wanted.topic, begin=None, end=None), wanted)


def runner(settings: Settings, replay_id: str, fault: Callable[[Point], None] = lambda _p: None) -> Runner:
    """One whose time passes without waiting: its pauses move its clock."""
    clock = [0.0]

    def pause(seconds: float) -> bool:
        clock[0] += seconds
        return False

    return Runner(
        settings=settings, replay_id=replay_id, now_ms=lambda: NOW_MS, clock=lambda: clock[0], pause=pause, fault=fault
    )


def requests(settings: Settings, replay_id: str) -> list[ReplayRequested]:
    events = whole_topic_events(settings, REPLAY_REQUESTS, CODEC)
    return [e for e in events if isinstance(e, ReplayRequested) and e.replay_id == replay_id]


def once(some: Sequence[Job]) -> Counter[str]:
    return Counter(j.job_id for j in some)


def sent(settings: Settings, replay_id: str) -> Counter[str]:
    return Counter(r.job.job_id for r in requests(settings, replay_id))


def call(settings: Settings, *words: str) -> Done:
    return presscheck("replay", *words, "--state", str(settings.state_dir))


def told(done: Done) -> dict[str, Any]:
    assert done.returncode == 0, done.stderr
    return cast("dict[str, Any]", json.loads(done.stdout))


def positions(settings: Settings, group: str, topic: str) -> list[int]:
    """What a group has committed."""
    consumer = clients.reader(settings, group)
    try:
        found = consumer.committed([TopicPartition(topic, p) for p in range(4)], timeout=30)
        return [p.offset for p in found]
    finally:
        consumer.close()


def test_planned_run_and_listed_by_command_with_no_group_disturbed(stack: Settings, unique: Unique):
    campaign, group = unique("spring"), unique("inspect")
    some = jobs(campaign, 6)
    write(stack, IMAGES_GENERATED, [generated(j) for j in some] + [generated(some[0], attempt=1)])
    member = clients.reader(stack, group)
    member.commit(offsets=[TopicPartition(IMAGES_GENERATED, p, 1) for p in range(4)], asynchronous=False)
    member.close()
    before = positions(stack, group, IMAGES_GENERATED)
    groups = clients_groups(stack)
    options = (
        IMAGES_GENERATED, "--where", f"campaign='{campaign}'", "--sampling", "safe", "--engine", "typeset",
        "--rate", "1000/s",
    )  # fmt: skip
    dry = told(call(stack, *options, "--dry-run", "--json"))
    assert (dry["plan"]["jobs"], dry["plan"]["matched"], dry["plan"]["repeats"]) == (6, 7, 1)
    assert dry["plan"]["by_engine"] == {"typeset": 6}
    assert known(stack).get(dry["replay_id"]) is None
    shown = call(stack, *options, "--dry-run")
    assert "jobs to replay" in shown.stdout
    assert "run it by: presscheck replay images.generated --to-time" in shown.stdout
    pinned = dry["command"].split()
    until = pinned[pinned.index("--to-time") + 1]
    again = (*options, "--to-time", until, "--plan", dry["plan_sha256"][:16])

    unasked = call(stack, *again, "--why", "wrong logo")
    assert (unasked.returncode, "say --yes" in unasked.stderr) == (2, True)
    done = told(call(stack, *again, "--why", "wrong logo", "--who", "ann", "--yes", "--json"))
    assert (done["state"], done["sent"], done["skipped"]) == ("completed", 6, 1)
    made = requests(stack, done["replay_id"])
    assert Counter(r.job.job_id for r in made) == once(some)
    assert {(r.who, r.why, r.engine, r.preset, r.count) for r in made} == {
        ("ann", "wrong logo", "typeset", Preset.SAFE, 1)
    }
    twice = next(r for r in made if r.job == some[0])
    assert twice.origin is not None
    at = {(o.topic, o.partition, o.offset) for r in made if (o := r.origin) is not None}
    assert len(at) == 6
    routed = on_replay(twice, samples.ruleset(), 1)
    assert isinstance(routed, RenderRequested)
    assert routed.request.replayed is not None
    assert (routed.request.replayed.origin, routed.request.replayed.who) == (twice.origin, "ann")

    assert positions(stack, group, IMAGES_GENERATED) == before
    assert clients_groups(stack) == groups
    status = told(call(stack, "status", done["replay_id"], "--json"))
    assert (status["state"], status["sent"], status["runs"]) == ("completed", 6, None)
    assert status["waiting"] >= 6  # no sanity runs here
    listed = told(call(stack, "list", "--limit", "1", "--json"))
    assert listed["replays"][0]["replay_id"] == done["replay_id"]
    repeated = call(stack, *again, "--why", "x", "--yes")
    assert (repeated.returncode, "is there already: completed" in repeated.stderr) == (2, True)
    write(stack, IMAGES_GENERATED, [generated(j) for j in jobs(campaign, 7)[6:]])
    changed = call(stack, *options, "--plan", dry["plan_sha256"], "--why", "x", "--yes")
    assert (changed.returncode, "the plan has changed" in changed.stderr) == (1, True)


def clients_groups(settings: Settings) -> set[str]:
    """Groups that the broker knows."""
    admin: Any = AdminClient(clients.kafka_config(settings))
    return {g.group_id for g in admin.list_consumer_groups().result(30).valid}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("imags.generated", "--dry-run"), "did you mean 'images.generated'"),
        (("design-queue", "--dry-run"), "'design-queue' cannot be replayed"),
        (
            (PROMPTS, "--where", "tag=layuot", "--dry-run"),
            "position 5: there is no tag 'layuot'; did you mean 'layout'",
        ),
        ((PROMPTS, "--where", "verdict=reject", "--dry-run"), "records of prompts say no verdict"),
        ((PROMPTS, "--engine", "typest", "--dry-run"), "did you mean 'typeset'"),
        ((PROMPTS, "--yes"), "--why is missing"),
        ((PROMPTS, "--rate", "fast", "--dry-run"), "'fast' is no rate"),
        ((PROMPTS, "--from-offset", "1", "--from-time", "-1h", "--dry-run"), "are both given"),
        ((PROMPTS, "--from-time", "12", "--dry-run"), "is an offset"),
        ((PROMPTS, "--id", "a b", "--dry-run"), "is no id of a replay"),
        ((PROMPTS, "--from-audit", "--from-manifests", "--dry-run"), "are both given"),
        ((REPLAY, "--from-manifests", "--dry-run"), "manifests hold no replay"),
        ((PROMPTS, "--from-manifests", "--from-offset", "1", "--dry-run"), "manifests have no offsets"),
        (("resume", "nosuch"), "there is no replay 'nosuch'"),
        (("list", "--after", "nosuch"), "there is no replay 'nosuch'"),
    ],
)
def test_what_an_operator_gets_wrong_is_said_with_its_mend(stack: Settings, arguments: tuple[str, ...], said: str):
    done = CliRunner().invoke(app, [*arguments, "--state", str(stack.state_dir)])
    assert isinstance(done.exception, BadConfig)  # `presscheck` ends in status 2 for it
    assert said in str(done.exception)


@pytest.mark.parametrize(
    ("point", "nth"),
    [("taken over", 1), ("announced", 1), ("held", 1), ("produced", 1), ("produced", 2), ("committed", 2),
     ("committed", 4)],
)  # fmt: skip
def test_killed_at_any_point_and_resumed_nothing_is_replayed_twice(
    stack: Settings, unique: Unique, point: str, nth: int
):
    campaign, name = unique("c"), unique("r")
    some = jobs(campaign, 10)
    write(stack, IMAGES_GENERATED, [generated(j) for j in some])
    plan = planned(stack, campaign, hold=name)
    seen: Counter[str] = Counter()

    def die(at: Point) -> None:
        seen[at] += 1
        if at == point and seen[at] == nth:
            raise Killed

    with pytest.raises(Killed):
        runner(stack, name, die).start(plan, who="ann", why="bad batch")
    if name not in known(stack):  # killed before anything was said: there is nothing to go on with
        with pytest.raises(BadConfig, match="there is no replay"):
            runner(stack, name).resume()
        done = runner(stack, name).start(plan, who="ann", why="bad batch")
    elif known(stack)[name].state is ReplayState.COMPLETED:
        with pytest.raises(BadConfig, match="is completed"):
            runner(stack, name).resume()
        done = known(stack)[name]
    else:
        with pytest.raises(BadConfig, match="is there already: running; presscheck replay resume"):
            runner(stack, name).start(plan, who="ann", why="again")
        done = runner(stack, name).resume()
    assert (done.state, done.sent) == (ReplayState.COMPLETED, 10)
    assert sent(stack, name) == once(some)
    hold = holds.current(stack)[name]
    assert (hold.active, hold.value) == (True, name)


def test_a_second_process_fences_the_first_and_a_cancelled_one_stays_ended(stack: Settings, unique: Unique):
    campaign, name = unique("c"), unique("r")
    write(stack, IMAGES_GENERATED, [generated(j) for j in jobs(campaign, 10)])
    plan = planned(stack, campaign)
    others: list[dict[str, Any]] = []
    seen: Counter[str] = Counter()

    def cancelled(at: Point) -> None:
        seen[at] += 1
        if at == "produced" and seen[at] == 3:  # the plan, four jobs, and four more that must not count
            others.append(told(call(stack, "cancel", name, "--who", "bob", "--why", "enough", "--json")))

    with pytest.raises(Fatal):
        runner(stack, name, cancelled).start(plan, who="ann", why="x")
    assert [(o["state"], o["sent"], o["who"], o["why"]) for o in others] == [("cancelled", 4, "bob", "enough")]
    assert sent(stack, name).total() == 4
    for words in (("cancel", name, "--why", "x"), ("resume", name)):
        again = call(stack, *words)
        assert (again.returncode, f"replay {name} is cancelled" in " ".join(again.stderr.split())) == (2, True)
    kept = known(stack)[name]
    assert (kept.state, kept.sent, kept.who, kept.why) == (ReplayState.CANCELLED, 4, "bob", "enough")


def test_one_that_was_interrupted_is_cancelled_where_it_stands(stack: Settings, unique: Unique):
    campaign, name = unique("c"), unique("r")
    write(stack, IMAGES_GENERATED, [generated(j) for j in jobs(campaign, 5)])
    first, pauses = runner(stack, name), iter((False, True))
    first.pause = lambda _seconds: next(pauses)
    assert first.start(planned(stack, campaign), who="ann", why="x").state is ReplayState.RUNNING
    done = call(stack, "cancel", name)
    assert (done.returncode, done.stdout) == (0, f"cancelled {name} after 4 jobs\n")
    assert (sent(stack, name).total(), known(stack)[name].state) == (4, ReplayState.CANCELLED)


def test_an_asked_end_leaves_it_to_be_resumed_and_the_rate_is_kept(stack: Settings, unique: Unique):
    campaign, name = unique("c"), unique("r")
    some = jobs(campaign, 10)
    write(stack, IMAGES_GENERATED, [generated(j) for j in some])
    waited: list[float] = []
    first = runner(stack, name)

    def stop(seconds: float) -> bool:
        waited.append(seconds)
        return len(waited) == 2

    first.pause = stop
    assert first.start(planned(stack, campaign), who="ann", why="x").state is ReplayState.RUNNING
    assert waited == [0.0, 1.0]  # four at once, then four a second
    assert runner(stack, name).resume().sent == 10
    assert sent(stack, name) == once(some)


def test_a_job_is_replayed_up_to_the_cap(stack: Settings, unique: Unique):
    campaign = unique("c")
    some = jobs(campaign, 3)
    write(stack, IMAGES_GENERATED, [generated(j) for j in some])
    for n in range(2):
        plan = planned(stack, campaign, cap=2)
        assert plan.plan.jobs == 3
        runner(stack, unique("r")).start(plan, who="ann", why=str(n))
    third = planned(stack, campaign, cap=2)
    assert (third.plan.jobs, third.plan.at_cap) == (0, 3)
    assert set(counts(stack, [j.job_id for j in some]).values()) == {2}
    name = unique("r")
    assert runner(stack, name).start(planned(stack, campaign, limit=2), who="ann", why="x").sent == 2
    assert {r.count for r in requests(stack, name)} == {3}


@pytest.mark.parametrize("topic", WRITTEN)
def test_every_topic_is_replayed_from_its_log_once_each(stack: Settings, unique: Unique, topic: str):
    campaign = unique("c")
    some = jobs(campaign, 4)
    send(stack, topic, [(j.job_id, CODEC.encode(WRITTEN[topic](j))) for j in [*some, some[0]]])
    options = (topic, "--from-offset", "0", "--where", f"campaign='{campaign}'", "--rate", "900/s")
    done = told(call(stack, *options, "--why", "again", "--who", "ann", "--yes", "--json"))
    assert (done["state"], done["sent"], done["skipped"], done["plan"]["matched"]) == ("completed", 4, 1, 5)
    made = requests(stack, done["replay_id"])
    assert Counter(r.job.job_id for r in made) == once(some)
    there, which = places(stack, topic), 0 if topic == PROMPTS else -1  # sanity keeps the first prompt under a key
    assert {r.job.job_id: r.origin for r in made} == {j.job_id: there[j.job_id][which] for j in some}
    assert len(there[some[0].job_id]) == 2
    assert {(r.who, r.why, r.count) for r in made} == {("ann", "again", 1)}


def test_offsets_a_partition_and_a_lane_say_exactly_what_is_replayed(stack: Settings, unique: Unique):
    campaign = unique("c")
    some = jobs(campaign, 16, lane=Lane.EXPLORATORY)
    begin = filled_evenly(stack, IMAGES_INSPECTED, some, 4)
    span = (IMAGES_INSPECTED, "--from-offset", str(begin + 1), "--to-offset", str(begin + 3))
    dry = told(call(stack, *span, "--dry-run", "--json"))["plan"]
    assert (dry["jobs"], dry["records"], dry["by_lane"]) == (8, 8, {"exploratory": 8})
    one = (*span, "--partition", "2", "--lane", "critical")
    done = told(call(stack, *one, "--rate", "900/s", "--why", "x", "--yes", "--json"))
    assert (done["state"], done["sent"], done["plan"]["by_lane"]) == ("completed", 2, {"critical": 2})
    made = requests(stack, done["replay_id"])
    assert {r.job.job_id: r.origin for r in made} == {
        some[8 + n].job_id: Origin(topic=IMAGES_INSPECTED, partition=2, offset=begin + n) for n in (1, 2)
    }
    routed = [on_replay(r, samples.ruleset(), 1) for r in made]
    assert {(e.request.lane, e.request.job.lane) for e in routed if isinstance(e, RenderRequested)} == {
        (Lane.CRITICAL, Lane.EXPLORATORY)
    }
    assert len(routed) == len(made) == 2


def test_the_plan_says_what_it_costs_and_how_long_it_takes(stack: Settings, unique: Unique):
    """One render each at what the profiles expect, whichever way they are priced."""
    campaign = unique("c")
    painted, lettered = jobs(f"{campaign}/a", 3, engine="sd3.5-large"), jobs(f"{campaign}/b", 5, engine="ideogram-v1")
    write(stack, IMAGES_GENERATED, [generated(j) for j in (*painted, *lettered)])
    of_image, of_second = (samples.ruleset().engines[n] for n in ("ideogram-v1", "sd3.5-large"))
    assert of_image.price_per_image_usd > 0 == of_image.price_per_second_usd
    assert of_second.price_per_second_usd > 0 == of_second.price_per_image_usd
    cost_usd = 5 * of_image.price_per_image_usd + 3 * of_second.price_per_second_usd * of_second.expected_s
    where = ("--where", f"campaign='{campaign}/a' or campaign='{campaign}/b'")
    options = (IMAGES_GENERATED, *where, "--rate", "4/s", "--dry-run")
    plan = told(call(stack, *options, "--json"))["plan"]
    assert (plan["cost_usd"], plan["send_s"]) == (round(cost_usd, 4), 2.0)
    assert plan["engine_s"] == {"ideogram-v1": 5 * of_image.expected_s, "sd3.5-large": 3 * of_second.expected_s}
    shown = call(stack, *options).stdout
    assert (
        f"about {cost_usd:.2f} US dollars for one render each; sending takes 2.0 s at 4/s, rendering one after the "
        f"other: ideogram-v1 {5 * of_image.expected_s / 60:.1f} min, sd3.5-large {3 * of_second.expected_s:.1f} s"
    ) in " ".join(shown.split())


def test_conditions_hold_of_verdicts_and_dead_letters_give_the_record_in_them(stack: Settings, unique: Unique):
    campaign = unique("c")
    some = jobs(campaign, 4)
    write(stack, IMAGES_INSPECTED, [inspected(some[0]), *(inspected(j, blank__luma_std=0.5) for j in some[1:])])
    refused = planned(stack, campaign, topic=IMAGES_INSPECTED, where=f"campaign='{campaign}' and verdict=rejected")
    assert {*refused.chosen} == {j.job_id for j in some[1:]}

    letters = [
        dead_letter(
            "inspect", Origin(topic=IMAGES_GENERATED, partition=1, offset=70 + n), key=b"k", value=value,
            timestamp_ms=5, error=Poison("x"), at_ms=6,
        )
        for n, value in enumerate([CODEC.encode(generated(some[0])), b"garbage", None])
    ]  # fmt: skip
    send(stack, DEAD_LETTERS, [(address(x.origin).decode(), CODEC.encode(x)) for x in letters])
    plan = planned(stack, campaign, topic=DEAD_LETTERS, where=f"stage=inspect and campaign='{campaign}'")
    assert [*plan.chosen] == [some[0].job_id]
    assert {n for n in plan.plan.named if n.startswith(f"{IMAGES_GENERATED}/1@7")} == {
        f"{IMAGES_GENERATED}/1@{n} (undecodable)" for n in (71, 72)
    }
    name = unique("r")
    runner(stack, name).start(plan, who="ann", why="x")
    assert [r.origin for r in requests(stack, name)] == [letters[0].origin]


def test_a_hold_that_others_have_is_refused_before_anything_is_said(stack: Settings, unique: Unique):
    campaign, name = unique("c"), unique("r")
    write(stack, IMAGES_GENERATED, [generated(j) for j in jobs(campaign, 1)])
    plan = planned(stack, campaign, hold=name)
    holds.set_hold(stack, name, holds.HoldScope.CAMPAIGN, "x", who="ann", why="x", at_ms=1)
    with pytest.raises(BadConfig, match="is taken, for campaign 'x'"):
        runner(stack, name).start(plan, who="ann", why="x")
    assert name not in known(stack)


def test_past_retention_the_ledger_has_the_same_records_and_a_replay_goes_on_from_it(tmp_path: Path, database: str):
    """A broker of its own: records are deleted from it."""
    with EmbeddedKafka(tmp_path) as broker:
        endpoints = {"kafka_bootstrap": broker.bootstrap, "database_url": database}
        (tmp_path / ENDPOINTS_FILE).write_text(json.dumps(endpoints), encoding="utf-8")
        stack = Settings.model_validate({**endpoints, "state_dir": tmp_path})
        ensure_topics(stack, samples.ruleset().engines)
        publish(stack, samples.ruleset(), who="test", at_ms=1, activate=True)
        some = jobs("spring", 8)
        write(stack, IMAGES_GENERATED, [generated(j) for j in some])
        with open_ledger(database) as conn:
            fill(conn, ledger_records(stack, IMAGES_GENERATED))
        seen: Counter[str] = Counter()

        def die(at: Point) -> None:
            seen[at] += 1
            if at == "committed" and seen[at] == 2:
                raise Killed

        with pytest.raises(Killed):
            runner(stack, "half", die).start(planned(stack, "spring"), who="ann", why="x")
        everything = Wanted(topic=IMAGES_GENERATED, begin=None, end=None)
        spans = LogSource(stack).reach(everything).spans
        admin: Any = AdminClient(clients.kafka_config(stack))
        ends = [TopicPartition(IMAGES_GENERATED, s.partition, s.end) for s in spans]
        for future in admin.delete_records(ends).values():
            future.result(30)

        dry = call(stack, IMAGES_GENERATED, "--from-offset", "0", "--dry-run")
        assert dry.returncode == 1
        assert "are gone from the log" in dry.stderr.replace("is gone", "are gone")
        assert "the audit ledger has 8 of these records: add --from-audit" in dry.stderr
        by_time = call(stack, IMAGES_GENERATED, "--from-time", "2020-01-01", "--dry-run", "--json")
        assert json.loads(by_time.stdout)["gone_in_ledger"] == 8
        with pytest.raises(Fatal, match="--from-audit"):
            runner(stack, "half").resume()
        assert runner(stack, "half").resume(source="audit").sent == 8
        assert sent(stack, "half") == once(some)

        done = told(
            call(stack, IMAGES_GENERATED, "--from-audit", "--rate", "900/s", "--why", "x", "--yes", "--id", "whole",
                 "--limit", "5", "--json")
        )  # fmt: skip
        assert (done["sent"], done["plan"]["asked"]["source"]) == (5, "audit")
        with open_ledger(database) as conn:
            fill(conn, ledger_records(stack, REPLAY_REQUESTS))
            assert states(conn, "whole") == {State.SUBMITTED: 5}
        assert sorted(counts(stack, [j.job_id for j in some]).values()) == [1, 1, 1, 2, 2, 2, 2, 2]
        status = told(call(stack, "status", "whole", "--json"))
        assert (status["runs"], status["ended_runs"]) == ({"submitted": 5}, 0)


def ledger_records(settings: Settings, topic: str) -> list[Fetched]:
    """A topic's records as the sink reads them."""
    return [fetched(m) for m in whole_topic(settings, topic)]


def manifest(job: Job, at_ms: int, attempt: int = 0) -> Manifest:
    made = samples.rendering()
    return Manifest(
        request=replace(samples.routed(job), attempt=attempt), at_ms=at_ms, injected=(), timings_ms={},
        picture_sha256=None, facts={}, finish={}, outcome=made.outcome, asset=made.asset, latents=None, cut=(),
        failure=None, backend="simulator", model_digest="test", device="cpu", engine_ms=9, batch_size=1, cost_usd=0,
    )  # fmt: skip


def test_where_no_record_is_left_the_manifests_have_the_jobs(stack: Settings, unique: Unique):
    campaign, name = unique("c"), unique("r")
    some = jobs(campaign, 9)
    store = open_store(stack)
    for n, job in enumerate(some):
        manifests.record(store, manifest(job, 5_000 + n // 3))
    manifests.record(store, manifest(some[0], 5_001, attempt=1))
    manifests.record(store, manifest(samples.job(key=f"{campaign}/later", campaign=campaign), 6_000))
    wanted = Wanted(topic=PROMPTS, begin=Bound(at_ms=5_000), end=Bound(at_ms=5_003))
    plan = make_plan(stack, wanted, asked(campaign, topic=PROMPTS, source="manifests"))
    assert (plan.plan.jobs, plan.plan.matched) == (9, 9)
    again = replace(wanted, topic=IMAGES_GENERATED)
    assert make_plan(stack, again, asked(campaign, source="manifests")).plan.repeats == 1
    seen: Counter[str] = Counter()

    def die(at: Point) -> None:
        seen[at] += 1
        if at == "committed" and seen[at] == 2:
            raise Killed

    with pytest.raises(Killed):
        runner(stack, name, die).start(plan, who="ann", why="x")
    manifests.record(store, manifest(samples.job(key=f"{campaign}/newer", campaign=campaign), 9_000))
    with pytest.raises(BadConfig, match="reads manifests"):
        runner(stack, name).resume(source="audit")
    assert runner(stack, name).resume().sent == 9
    assert sent(stack, name) == once(some)
    assert {r.origin for r in requests(stack, name)} == {None}
