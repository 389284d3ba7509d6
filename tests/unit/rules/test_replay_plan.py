"""Plans of replays: which record of a job counts, what is left out and named, and the steps that carry them out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from rules import replay_plan
from rules.ladder import fresh_seed
from rules.replay_facts import recorded
from rules.replay_plan import Asked, Chooser, Entry, Place, Plan, Span, plan_of
from rules.replay_steps import Bucket, Progress, Sending, Step, parse_rate, request_of, written_rate
from rules.verdict import judge
from rules.where import EVERYTHING, Facts, parse_where
from schemas.errors import BadConfig, Fatal
from schemas.events import (
    Arm,
    AssetRejected,
    Assignment,
    Event,
    FailureKind,
    HoldChanged,
    HoldScope,
    ImageGenerated,
    ImageInspected,
    Job,
    Lane,
    Origin,
    Outcome,
    Preset,
    RenderFailure,
    RenderRequested,
    Repair,
    ReplayCause,
    ReplayRequested,
    Rung,
)
from schemas.ids import event_id
from tests.unit.rules import samples

RULES = samples.ruleset()
ID = event_id("x", "test")


def asked(**fields: Any) -> Asked:
    given: dict[str, Any] = {
        "topic": "replay", "source": "log", "where": "", "engine": None, "preset": Preset.STANDARD, "lane": None,
        "hold": None, "rate": 20.0, "limit": None, "cap": 3, **fields,
    }  # fmt: skip
    return Asked(**given)


def generated(job: Job, **request: Any) -> ImageGenerated:
    return ImageGenerated(
        event_id=ID, at_ms=1, request=replace(samples.routed(job), **request), rendering=samples.rendering()
    )


def entry(event: Event | None, offset: int, *, partition: int = 0, ms: int | None = None, stage: str = "") -> Entry:
    place = Place(offset if ms is None else ms, partition, offset)
    return Entry(place=place, origin=Origin(topic="t", partition=partition, offset=offset), event=event, stage=stage)


def jobs(count: int, **fields: Any) -> list[Job]:
    return [samples.job(key=f"plan-{n}", **fields) for n in range(count)]


def plan(
    entries: list[Entry], counts: dict[str, int] | None = None, where: str = "", **fields: Any
) -> tuple[Plan, dict[str, tuple[int, int]]]:
    wanted = asked(**fields)
    chooser = Chooser(wanted, parse_where(where, wanted.topic, RULES), RULES)
    for e in entries:
        chooser.take(e)
    spans = [Span(partition=p, start=0, end=99) for p in range(3)]
    made, chosen = chooser.finish(spans, counts or {})
    assert len(chooser.jobs()) == made.jobs + made.at_cap + made.refused + made.beyond_limit
    return made, dict(chosen)


def facts(event: Event, stage: str = "") -> Facts:
    found = recorded(event, RULES, stage)
    assert found is not None
    return found.facts


def test_what_each_record_says_of_its_job() -> None:
    job = samples.job('A poster that says "OPEN LATE"', brand="northwind-coffee", campaign="spring")
    prompt = facts(samples.submitted(job), "sanity")
    assert {"text"} <= prompt["tag"]
    assert (prompt["campaign"], prompt["stage"]) == ({"spring"}, {"sanity"})
    request = samples.routed(job)
    assert prompt["engine"] == {request.engine}
    assert prompt["rule"] == {request.rule}
    assert "verdict" not in prompt
    routed = facts(RenderRequested(event_id=ID, at_ms=1, request=request))
    assert (routed["attempt"], routed["ruleset"], routed["tag"]) == ({"0"}, {RULES.id}, prompt["tag"])
    failed = samples.rendering(
        outcome=Outcome.FAILED, asset=None, failure=RenderFailure(kind=FailureKind.TIMEOUT, message="late")
    )
    made = facts(ImageGenerated(event_id=ID, at_ms=1, request=request, rendering=failed))
    assert (made["outcome"], made["failure"]) == ({"failed"}, {"timeout"})
    plain = samples.routed(samples.job())
    grey = samples.inspection(blank__luma_std=0.5)
    seen = facts(ImageInspected(event_id=ID, at_ms=1, request=plain, rendering=samples.rendering(), inspection=grey))
    assert (seen["verdict"], seen["failure"]) == ({"reject"}, frozenset())
    assert "black-or-blank" in seen["defect"] or seen["defect"]


def test_a_reject_says_its_verdict_and_a_replay_how_often() -> None:
    request = replace(samples.routed(samples.job()), replayed=ReplayCause(count=2, who="ann", why="x"))
    grey = samples.inspection(blank__luma_std=0.5)
    inspected = ImageInspected(event_id=ID, at_ms=1, request=request, rendering=samples.rendering(), inspection=grey)
    judgement = judge(inspected.inspection, inspected.rendering, request, RULES)
    repair = Repair(rung=Rung.SAFER_SAMPLING, attempt=1, engine=request.engine, sampling=request.sampling, reason="r")
    reject = AssetRejected(
        event_id=ID, at_ms=1, request=request, rendering=inspected.rendering, judgement=judgement, repair=repair
    )
    found = recorded(reject, RULES)
    assert found is not None
    assert (found.count, found.facts["verdict"]) == (2, {"reject"})
    again = ReplayRequested(
        event_id=ID, at_ms=1, job=request.job, replay_id="r", preset=Preset.SAFE, who="a", why="", count=2
    )
    assert (found := recorded(again, RULES)) is not None
    assert found.count == 2


def test_what_is_no_job_or_a_twin_is_none() -> None:
    hold = HoldChanged(
        event_id=ID, at_ms=1, hold_id="h", scope=HoldScope.TAG, value="text", active=True, who="a", why=""
    )
    assert recorded(hold, RULES) is None
    twin = Assignment(rollout_id="r", arm=Arm.CANDIDATE, shadow=True)
    assert recorded(generated(samples.job(), assignment=twin), RULES) is None
    real = Assignment(rollout_id="r", arm=Arm.CANDIDATE)
    assert recorded(generated(samples.job(), assignment=real), RULES) is not None
    forged = replace(samples.job(key="a"), idempotency_key="b")
    assert recorded(samples.submitted(forged), RULES) is None
    unroutable = facts(samples.submitted(samples.job("")))
    assert unroutable["engine"] == {"refused"}


def test_the_latest_record_of_a_job_counts_and_the_first_of_prompts() -> None:
    one, two = jobs(2)
    records = [
        entry(generated(one), 1), entry(generated(two), 2), entry(generated(one, attempt=1), 3),
        entry(generated(one, attempt=2), 4, partition=1, ms=2),
    ]  # fmt: skip
    made, chosen = plan(records)
    assert chosen == {one.job_id: (0, 3), two.job_id: (0, 2)}
    assert (made.records, made.matched, made.jobs, made.repeats) == (4, 4, 2, 2)
    assert made.spans == (Span(partition=0, start=0, end=4), Span(partition=1, start=0, end=5))
    _, first = plan([entry(samples.submitted(one), n) for n in range(3)], topic="prompts")
    assert first == {one.job_id: (0, 0)}


def test_what_is_left_out_is_counted_and_named() -> None:
    some = jobs(6)
    refused = samples.job("", key="empty")
    records = [entry(samples.submitted(j), n) for n, j in enumerate([*some, refused])]
    records += [entry(None, 20 + n) for n in range(25)]
    counts = {some[0].job_id: 3, some[1].job_id: 2}
    made, chosen = plan(records, counts, topic="prompts", limit=4)
    assert (made.jobs, made.at_cap, made.refused, made.beyond_limit, made.unusable) == (3, 1, 1, 2, 25)
    assert len(made.named) == replay_plan.NAMED_MAX
    assert made.named[0] == "t/0@20 (undecodable)"
    assert made.reasons
    assert [*chosen] == [j.job_id for j in some[:4]]
    assert sum(made.by_engine.values()) == sum(made.by_lane.values()) == 3
    assert made.send_s in {0.1, 0.2}  # 3 jobs at 20/s
    assert made.cost_usd >= 0
    assert set(made.engine_s) == set(made.by_engine)
    hold = HoldChanged(
        event_id=ID, at_ms=1, hold_id="h", scope=HoldScope.TAG, value="text", active=True, who="a", why=""
    )
    named, _ = plan([entry(hold, 3)])
    assert named.named == ("t/0@3 (HoldChanged)",)
    nowhere, _ = plan([replace(entry(None, 3), origin=None)])
    assert nowhere.named == ("manifest (undecodable)",)


def test_conditions_engine_and_lane_say_what_goes_where() -> None:
    text = samples.job('A poster that says "OPEN LATE"', key="t")
    records = [entry(samples.submitted(j), n) for n, j in enumerate([text, *jobs(2)])]
    made, chosen = plan(records, topic="prompts", where="tag=text", engine="typeset", lane=Lane.CRITICAL)
    assert [*chosen] == [text.job_id]
    assert (made.by_engine, made.by_lane) == ({"typeset": 1}, {"critical": 1})
    assert made.by_tag["text"] == 1
    assert (made.matched, made.unusable) == (1, 0)


def test_a_plan_is_its_document_and_its_hash_covers_the_jobs() -> None:
    records = [entry(generated(j), n) for n, j in enumerate(jobs(4))]
    made, _ = plan(records, lane=Lane.CRITICAL, hold="h", limit=9)
    again = plan_of(made.document)
    assert again == made
    assert again.sha256 == made.sha256
    assert plan_of(plan(records)[0].document).asked.lane is None
    other, _ = plan(
        [*records[:3], entry(generated(samples.job(key="other")), 3)], lane=Lane.CRITICAL, hold="h", limit=9
    )
    assert other.jobs == made.jobs
    assert other.sha256 != made.sha256


def test_there_is_a_most_to_one_replay() -> None:
    chooser = Chooser(asked(), EVERYTHING, RULES, jobs_max=2)
    for n in (0, 1, 1):
        chooser.take(entry(generated(samples.job(key=f"most-{n}")), n))
    with pytest.raises(BadConfig, match="more than 2 jobs match"):
        chooser.take(entry(generated(samples.job(key="most-2")), 2))


def sending(records: list[Entry], counts: dict[str, int] | None = None, **fields: Any) -> tuple[Plan, Sending]:
    made, chosen = plan(records, **fields)
    return made, Sending(
        plan=made, where=EVERYTHING, ruleset=RULES, chosen=chosen, counts=counts or {}, size=2, stride=3
    )


def test_steps_send_each_job_once_and_end_at_the_end() -> None:
    some = jobs(5)
    records = [entry(generated(j), n) for n, j in enumerate([*some, some[0]])]
    records += [entry(None, 6 + n) for n in range(4)]
    made, send = sending(records)
    steps = list(send.steps(records, Progress(positions={0: 0})))
    due = [d for s in steps for d in s.due]
    assert [d.job.job_id for d in due] == [j.job_id for j in [*some[1:], some[0]]]
    assert [d.origin and d.origin.offset for d in due] == [1, 2, 3, 4, 5]
    assert {d.count for d in due} == {1}
    assert [s.last for s in steps] == [False] * (len(steps) - 1) + [True]
    assert steps[-1].progress == Progress(positions={0: 10}, sent=5, skipped=1)
    assert all(len(s.due) <= 2 for s in steps)
    request = request_of(due[0], made.asked, "r1", who="ann", why="bad", at_ms=5)
    assert request.job == due[0].job
    new = request_of(due[0], replace(made.asked, new_seeds=True), "r1", who="ann", why="bad", at_ms=5)
    assert new == replace(request, job=replace(request.job, seed=fresh_seed(request.job.seed, "r1")))
    assert (request.origin, request.count, request.who) == (due[0].origin, 1, "ann")
    assert request.event_id == request_of(due[0], made.asked, "r1", who="x", why="", at_ms=9).event_id
    assert request.event_id != request_of(due[0], made.asked, "r2", who="x", why="", at_ms=9).event_id


def test_the_cap_holds_even_if_another_replay_came_between() -> None:
    some = jobs(2)
    records = [entry(generated(j), n) for n, j in enumerate(some)]
    _, send = sending(records, {some[0].job_id: 3, some[1].job_id: 1})
    steps: list[Step] = list(send.steps(records, Progress(positions={0: 0})))
    assert [(d.job.job_id, d.count) for s in steps for d in s.due] == [(some[1].job_id, 2)]
    assert steps[-1].progress.skipped == 1


def test_planned_records_that_do_not_come_stop_it_before_the_end() -> None:
    records = [entry(generated(j), n) for n, j in enumerate(jobs(3))]
    _, send = sending(records)
    with pytest.raises(Fatal, match="1 of the planned records went past retention"):
        list(send.steps(records[1:], Progress(positions={0: 0})))
    assert list(send.steps(records[1:], Progress(positions={0: 1})))[-1].last


def test_a_bucket_lets_its_rate_through_and_no_more() -> None:
    bucket = Bucket(rate=10, burst=5)
    assert bucket.take(5, 100.0) == 0
    assert bucket.take(5, 100.0) == pytest.approx(0.5)
    assert bucket.take(0, 100.5) == pytest.approx(0)
    assert bucket.take(5, 101.0) == pytest.approx(0)
    assert bucket.take(5, 90.0) == pytest.approx(0.5)  # a clock that went back gives nothing
    assert bucket.take(5, 1000.0) == 0
    assert bucket.take(1, 1000.0) > 0


@pytest.mark.parametrize(("text", "rate"), [("20/s", 20), ("90/min", 1.5), ("90/m", 1.5), ("500/h", 0.138889)])
def test_rates_are_read_and_written(text: str, rate: float) -> None:
    assert parse_rate(text) == rate
    assert parse_rate(written_rate(rate)) == rate


@pytest.mark.parametrize("text", ["20", "0/s", "-1/s", "20/d", "99999999/s", "0.0001/h"])
def test_what_is_no_rate_is_refused(text: str) -> None:
    with pytest.raises(BadConfig, match="is no rate"):
        parse_rate(text)
