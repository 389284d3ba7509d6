"""Broadcast tables on the real broker: ready at the end, changes within two seconds, broken records do no harm."""

from __future__ import annotations

import queue
from collections.abc import Iterator

import pytest

from broker.broadcast import ACTIVE_KEY, Broadcast, HoldTable, RolloutTable, RulesetTable
from broker.settings import Settings
from rules.ruleset import Ruleset, load_ruleset
from schemas import ids
from schemas.codec import Codec, LockedIds
from schemas.errors import Fatal, Transient
from schemas.events import (
    Event,
    HoldChanged,
    HoldScope,
    RolloutChanged,
    RolloutState,
    RulesetActivated,
    RulesetPublished,
)
from tests.conftest import MakeTopic
from tests.integration.streams_support import send
from tests.unit.rules import samples
from tests.waiting import until

CODEC = Codec(LockedIds())
READY_S = 30.0
APPLIED_S = 2.0


@pytest.fixture
def topic(make_topic: MakeTopic) -> str:
    return make_topic("table", compacted=True)


@pytest.fixture
def changes() -> queue.SimpleQueue[tuple[str, Event | None]]:
    return queue.SimpleQueue()


@pytest.fixture
def table(settings: Settings, topic: str, changes: queue.SimpleQueue[tuple[str, Event | None]]) -> Iterator[Broadcast]:
    send(settings, topic, [("old", CODEC.encode(hold("old", active=True)))])
    with Broadcast(settings, topic, on_change=lambda k, e: changes.put((k, e)), max_keys=3) as following:
        following.wait_ready(READY_S)
        yield following


def hold(name: str, *, active: bool) -> HoldChanged:
    return HoldChanged(
        event_id=ids.event_id(name, "test", str(active)),
        at_ms=1,
        hold_id=name,
        scope=HoldScope.TAG,
        value="hands",
        active=active,
        who="test",
        why="test",
    )


def published(ruleset: Ruleset, document: str | None = None) -> tuple[str, bytes]:
    event = RulesetPublished(
        event_id=ids.event_id(ruleset.id, "test"),
        at_ms=1,
        ruleset_id=ruleset.id,
        document=ruleset.document if document is None else document,
        who="test",
    )
    return ruleset.id, CODEC.encode(event)


def activated(ruleset_id: str) -> tuple[str, bytes]:
    event = RulesetActivated(event_id=ids.event_id(ruleset_id, "test"), at_ms=1, ruleset_id=ruleset_id, who="test")
    return ACTIVE_KEY, CODEC.encode(event)


def test_what_stood_there_is_read_before_it_is_ready(table: Broadcast) -> None:
    assert set(HoldTable(table).active()) == {"old"}


def test_changes_and_deletions_are_seen_within_two_seconds(
    settings: Settings, topic: str, table: Broadcast, changes: queue.SimpleQueue[tuple[str, Event | None]]
) -> None:
    before = table.snapshot()
    send(settings, topic, [("new", CODEC.encode(hold("new", active=True)))])
    until("the new hold holds", lambda: set(HoldTable(table).active()) == {"old", "new"}, APPLIED_S)
    assert table.snapshot() is not before
    send(settings, topic, [("old", CODEC.encode(hold("old", active=False))), ("new", None)])
    until("no hold holds", lambda: not HoldTable(table).active(), APPLIED_S)
    assert [changes.get(timeout=READY_S)[0] for _ in range(4)] == ["old", "new", "old", "new"]


def test_a_broken_record_and_one_key_too_many_change_nothing(settings: Settings, topic: str, table: Broadcast) -> None:
    names = ["a", "b", "c"]
    send(settings, topic, [("old", b"garbage"), *((n, CODEC.encode(hold(n, active=True))) for n in names)])
    send(settings, topic, [("b", CODEC.encode(hold("b", active=False)))])
    until("the last change is seen", lambda: "b" in table.snapshot() and "b" not in HoldTable(table).active())
    assert set(table.snapshot()) == {"old", "a", "b"}
    assert set(HoldTable(table).active()) == {"old", "a"}


def test_the_ruleset_in_force_follows_the_topic_and_a_broken_one_is_not_taken(
    settings: Settings, make_topic: MakeTopic
) -> None:
    topic = make_topic("rulesets", compacted=True)
    other = load_ruleset(samples.changed("verdict.yml", "cast_max: 45", "cast_max: 44"))
    with Broadcast(settings, topic) as following:
        following.wait_ready(READY_S)
        table = RulesetTable(following)
        with pytest.raises(Transient, match="no ruleset is active"):
            table.current()
        send(settings, topic, [published(samples.ruleset()), activated(samples.ruleset().id)])
        until("it is in force", lambda: ACTIVE_KEY in following.snapshot(), APPLIED_S)
        assert table.current() == samples.ruleset()
        for broken in ("{", "{}", samples.ruleset().document):  # not JSON, not a ruleset, not the one it says
            seen = following.snapshot()
            send(settings, topic, [published(other, broken), activated(other.id)])
            until("it was read", lambda s=seen: following.snapshot() is not s, APPLIED_S)
            assert table.current().id == samples.ruleset().id
        send(settings, topic, [published(other), activated(other.id)])
        until("the other is in force", lambda: table.current().id == other.id, APPLIED_S)


def test_a_topic_that_is_not_there_is_never_ready(settings: Settings) -> None:
    with Broadcast(settings, "nowhere") as following, pytest.raises(Transient, match="nowhere"):
        following.wait_ready(1.0)


def test_a_follower_that_ended_says_so_to_whoever_asks(settings: Settings, topic: str) -> None:
    """What was read once must not pass for what holds now: a hold would be missed without a word."""

    def refuse(key: str, _event: Event | None) -> None:
        raise LookupError(key)

    send(settings, topic, [("old", CODEC.encode(hold("old", active=True)))])
    with Broadcast(settings, topic, on_change=refuse) as following:
        with pytest.raises(Fatal, match="followed no more: old"):
            following.wait_ready(READY_S)
        with pytest.raises(Fatal, match="followed no more"):
            HoldTable(following).active()


def test_rulesets_are_found_by_name_whether_active_or_not(settings: Settings, make_topic: MakeTopic) -> None:
    topic = make_topic("rulesets", compacted=True)
    other = load_ruleset(samples.changed("verdict.yml", "cast_max: 45", "cast_max: 44"))
    with Broadcast(settings, topic) as following:
        following.wait_ready(READY_S)
        table = RulesetTable(following)
        assert table.named(other.id) is None
        send(settings, topic, [published(other, "{")])
        until("it was read", lambda: other.id in following.snapshot(), APPLIED_S)
        assert table.named(other.id) is None
        send(settings, topic, [published(other)])
        until("it is found", lambda: table.named(other.id) == other, APPLIED_S)
        assert table.named(other.id) is table.named(other.id)


def test_where_every_roll_out_stands(settings: Settings, make_topic: MakeTopic) -> None:
    topic = make_topic("rollouts", compacted=True)
    step = RolloutChanged(
        event_id=ids.event_id("r", "test"),
        at_ms=1,
        rollout_id="r",
        state=RolloutState.RUNNING,
        stable_ruleset_id="a" * 64,
        candidate_ruleset_id="b" * 64,
        percent=5,
        reason="test",
        who="test",
    )
    with Broadcast(settings, topic) as following:
        following.wait_ready(READY_S)
        send(settings, topic, [("r", CODEC.encode(step))])
        until("it is seen", lambda: RolloutTable(following).current() == {"r": step}, APPLIED_S)
