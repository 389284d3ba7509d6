"""Holds on the real broker: set, listed and released, with each asset delivered once whatever happens."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from broker.admin import ensure_topics
from broker.clients import producer
from broker.faults import no_fault
from broker.settings import ENDPOINTS_FILE, Settings
from ops.recovery import holds
from ops.whole_topic import whole_topic, whole_topic_events
from schemas import ids
from schemas.catalogue import DESIGN_QUEUE, HELD
from schemas.codec import Codec, LockedIds
from schemas.errors import BadConfig, Fatal, Poison
from schemas.events import Arm, AssetApproved, AssetHeld, Assignment, HoldScope
from tests.conftest import MakeTopic
from tests.inside import Done, presscheck
from tests.stories import START_MS, accepted, job

CODEC = Codec(LockedIds())
Unique = Callable[[str], str]


class Killed(Exception):
    """Stands for kill -9: nothing that would run after it runs."""


@pytest.fixture
def settings(settings: Settings) -> Settings:
    ensure_topics(settings, [])
    return settings


def kept(hold_id: str, count: int, *, campaign: str) -> list[AssetHeld]:
    """Assets that validation held."""
    out: list[AssetHeld] = []
    for n in range(count):
        passed = next(e for _, e in accepted(job(f"{hold_id}/{n}", campaign=campaign)) if isinstance(e, AssetApproved))
        out.append(
            AssetHeld(
                event_id=ids.event_id(passed.event_id, "held"),
                at_ms=passed.at_ms,
                request=passed.request,
                rendering=passed.rendering,
                judgement=passed.judgement,
                hold_id=hold_id,
            )
        )
    return out


def write(settings: Settings, assets: Sequence[AssetHeld]) -> None:
    client = producer(settings)
    for asset in assets:
        client.produce(HELD, CODEC.encode(asset), key=asset.request.job.job_id.encode())
    assert client.flush(30) == 0


def delivered(settings: Settings, assets: Sequence[AssetHeld]) -> Counter[str]:
    """How often each of these was delivered, by the id of the held event."""
    mine = {ids.event_id(a.event_id, "release"): a.event_id for a in assets}
    events = whole_topic_events(settings, DESIGN_QUEUE, CODEC)
    return Counter(mine[e.event_id] for e in events if isinstance(e, AssetApproved) and e.event_id in mine)


def once(assets: Sequence[AssetHeld]) -> Counter[str]:
    return Counter(a.event_id for a in assets)


def hold(settings: Settings, hold_id: str, campaign: str, *, scope: HoldScope = HoldScope.CAMPAIGN) -> bool:
    return holds.set_hold(settings, hold_id, scope, campaign, who="ann", why="recall", at_ms=START_MS)


def release(settings: Settings, hold_id: str, fault: Callable[[holds.Step], None] = no_fault) -> holds.Released:
    # Batches of four: several transactions, with few assets.
    return holds.release(settings, hold_id, who="bob", why="checked", now_ms=lambda: START_MS + 1, batch=4, fault=fault)


def command(settings: Settings, *words: str) -> Done:
    endpoints = json.dumps({"kafka_bootstrap": settings.kafka_bootstrap})
    (settings.state_dir / ENDPOINTS_FILE).write_text(endpoints, encoding="utf-8")
    return presscheck("hold", *words, "--state", str(settings.state_dir))


def test_set_list_and_release_as_an_operator_does_it(settings: Settings, unique: Unique):
    name, campaign = unique("hold"), unique("campaign")
    done = command(settings, "set", name, "--campaign", campaign, "--why", "wrong logo", "--who", "ann")
    assert done.returncode == 0, done.stderr
    assert f"presscheck hold release {name}" in done.stdout
    again = command(settings, "set", name, "--campaign", campaign, "--why", "wrong logo")
    assert (again.returncode, "already" in again.stdout) == (0, True)
    listed = json.loads(command(settings, "list", "--json").stdout)
    mine = next(h for h in listed if h["hold_id"] == name)
    assert (mine["scope"], mine["value"], mine["active"], mine["who"]) == ("campaign", campaign, True, "ann")

    assets = kept(name, 3, campaign=campaign)
    write(settings, assets)
    said = command(settings, "release", name, "--who", "bob", "--json")
    assert said.returncode == 0, said.stderr
    facts: dict[str, object] = {"hold_id": name, "delivered": 3, "delivered_before": 0, "still_held": {}, "stopped": ""}
    assert json.loads(said.stdout) == facts
    assert delivered(settings, assets) == once(assets)
    events = whole_topic_events(settings, DESIGN_QUEUE, CODEC)
    assert {e.approved_by for e in events if isinstance(e, AssetApproved) and e.request.job.campaign == campaign} == {
        "release by bob"
    }
    assert name not in {h["hold_id"] for h in json.loads(command(settings, "list", "--json").stdout)}
    gone = next(h for h in json.loads(command(settings, "list", "--all", "--json").stdout) if h["hold_id"] == name)
    assert (gone["active"], gone["who"]) == (False, "bob")


def test_what_an_operator_gets_wrong_is_said_with_its_mend(settings: Settings, unique: Unique):
    none = command(settings, "set", unique("hold"), "--why", "x")
    assert (none.returncode, "--campaign, --engine, --tag and --replay" in none.stderr) == (2, True)
    two = command(settings, "set", unique("hold"), "--campaign", "a", "--tag", "text", "--why", "x")
    assert two.returncode == 2
    engine = command(settings, "set", unique("hold"), "--engine", "ideogram-v2", "--why", "x")
    assert (engine.returncode, "did you mean 'ideogram-v1'" in engine.stderr) == (2, True)
    tag = command(settings, "set", unique("hold"), "--tag", "txt", "--why", "x")
    assert (tag.returncode, "did you mean 'text'" in tag.stderr) == (2, True)
    name = unique("hold")
    assert hold(settings, name, "a")
    unknown = command(settings, "release", name[:-1] + "x")
    assert unknown.returncode == 2
    assert "there is no hold" in unknown.stderr
    with pytest.raises(BadConfig, match="is active, for campaign 'a'"):
        hold(settings, name, "b")
    assert not hold(settings, name, "a")
    assert release(settings, name).delivered == 0
    with pytest.raises(BadConfig, match="was released"):
        hold(settings, name, "a")
    with pytest.raises(Poison):
        hold(settings, "x" * 101, "a")


@pytest.mark.parametrize(
    ("step", "nth"), [("announced", 1), ("produced", 1), ("produced", 2), ("committed", 1), ("committed", 2)]
)
def test_killed_at_any_step_and_run_again_it_delivers_each_asset_once(
    settings: Settings, unique: Unique, step: str, nth: int
):
    name, campaign = unique("hold"), unique("campaign")
    hold(settings, name, campaign)
    assets = kept(name, 10, campaign=campaign)
    write(settings, assets)
    seen: Counter[str] = Counter()

    def die(at: holds.Step) -> None:
        seen[at] += 1
        if at == step and seen[at] == nth:
            raise Killed

    with pytest.raises(Killed):
        release(settings, name, die)
    before = delivered(settings, assets).total()
    done = release(settings, name)
    assert (done.delivered, done.delivered_before) == (10 - before, before)
    assert delivered(settings, assets) == once(assets)
    third = release(settings, name)
    assert (third.delivered, third.delivered_before) == (0, 10)
    assert delivered(settings, assets) == once(assets)


def test_a_second_release_fences_the_first(settings: Settings, unique: Unique):
    name, campaign = unique("hold"), unique("campaign")
    hold(settings, name, campaign)
    assets = kept(name, 3, campaign=campaign)
    write(settings, assets)
    others: list[holds.Released] = []

    def overtaken(at: holds.Step) -> None:
        if at == "produced":
            others.append(release(settings, name))

    with pytest.raises(Fatal):
        release(settings, name, overtaken)
    assert [o.delivered for o in others] == [3]
    assert delivered(settings, assets) == once(assets)


def test_another_hold_keeps_what_it_covers_until_its_own_release(settings: Settings, unique: Unique):
    first, second, campaign, replay = unique("a"), unique("b"), unique("campaign"), unique("replay")
    hold(settings, first, campaign)
    hold(settings, second, replay, scope=HoldScope.REPLAY)
    assets = kept(first, 4, campaign=campaign)
    both = [replace(a, request=replace(a.request, replay_id=replay)) for a in assets[:2]]
    write(settings, [*both, *assets[2:]])
    done = release(settings, first)
    assert (done.delivered, done.still_held) == (2, {second: 2})
    assert delivered(settings, assets) == once(assets[2:])
    assert release(settings, second).delivered == 2
    assert delivered(settings, assets) == once(assets)
    assert release(settings, first).delivered == 0


def test_what_an_open_transaction_hides_is_waited_for(settings: Settings, make_topic: MakeTopic, unique: Unique):
    """Another writer's open transaction hides what a release committed after it began: it must not look undone."""
    topic = make_topic("whole")
    plain = producer(settings)
    plain.produce(topic, b"before")
    assert plain.flush(30) == 0
    other = producer(settings, transactional_id=unique("validation"))
    other.init_transactions(30)
    other.begin_transaction()
    other.produce(topic, b"aborted")
    assert other.flush(30) == 0
    plain.produce(topic, b"hidden")
    assert plain.flush(30) == 0
    found = whole_topic(settings, topic)
    assert next(found).value() == b"before"
    other.abort_transaction(30)
    assert [m.value() for m in found] == [b"hidden"]
    assert [m.value() for m in whole_topic(settings, topic)] == [b"before", b"hidden"]
    with pytest.raises(BadConfig, match="there is no topic"):
        next(whole_topic(settings, unique("none")))


def in_lots(settings: Settings, hold_id: str, *, stops_at: int | None = None) -> tuple[holds.Released, list[float]]:
    """A release in lots of three whose guard stops it once so many are delivered; and the pauses it made."""
    pauses: list[float] = []

    def wait(seconds: float) -> bool:
        pauses.append(seconds)
        return False

    def guard(done: holds.Released) -> str | None:
        return "too many touch-ups" if stops_at is not None and done.delivered >= stops_at else None

    lots = holds.Lots(size=3, pause_s=30, wait=wait, guard=guard)
    return holds.release(settings, hold_id, who="bob", why="checked", now_ms=lambda: START_MS + 1, lots=lots), pauses


def test_lots_stop_when_the_guard_says_so_and_go_on_later(settings: Settings, unique: Unique):
    name, campaign = unique("hold"), unique("campaign")
    hold(settings, name, campaign)
    assets = kept(name, 10, campaign=campaign)
    write(settings, assets)
    first, pauses = in_lots(settings, name, stops_at=6)
    assert (first.delivered, first.stopped, pauses) == (6, "too many touch-ups", [30, 30])
    assert delivered(settings, assets).total() == 6
    assert holds.current(settings)[name].active
    again, _ = in_lots(settings, name, stops_at=0)
    assert (again.delivered, again.delivered_before, again.stopped) == (0, 6, "too many touch-ups")
    last, pauses = in_lots(settings, name)
    assert (last.delivered, last.delivered_before, last.stopped, pauses) == (4, 6, "", [30])
    assert delivered(settings, assets) == once(assets)
    assert not holds.current(settings)[name].active


def test_a_twin_is_not_released_by_a_hold_that_covers_it(settings: Settings, unique: Unique):
    name, campaign = unique("hold"), unique("campaign")
    hold(settings, name, campaign)
    own, twin = kept(name, 2, campaign=campaign)
    assignment = Assignment(rollout_id="r", arm=Arm.CANDIDATE, shadow=True)
    twin = replace(twin, request=replace(twin.request, assignment=assignment), hold_id="shadow:r")
    write(settings, [own, twin])
    assert release(settings, name).delivered == 1
    assert delivered(settings, [own, twin]) == once([own])


def test_what_another_hold_takes_hold_of_between_two_lots_stays_back(settings: Settings, unique: Unique):
    name, campaign, replay = unique("hold"), unique("campaign"), unique("replay")
    hold(settings, name, campaign)
    assets = kept(name, 6, campaign=campaign)
    both = [replace(a, request=replace(a.request, replay_id=replay)) for a in assets]
    write(settings, both)

    def wait(_seconds: float) -> bool:
        return not hold(settings, unique("other"), replay, scope=HoldScope.REPLAY)

    lots = holds.Lots(size=3, pause_s=1, wait=wait)
    done = holds.release(settings, name, who="bob", why="", now_ms=lambda: START_MS + 1, lots=lots)
    assert (done.delivered, list(done.still_held.values())) == (3, [3])
