"""The door to the design queue: what it lets through, what it keeps, and what a release makes of that."""

from dataclasses import replace

import pytest

from rules.decide import on_inspected, on_paired
from rules.holds import approval_id, let_go, pass_on
from schemas.errors import Poison
from schemas.events import (
    Arm,
    AssetApproved,
    AssetHeld,
    Assignment,
    HoldChanged,
    HoldScope,
    ImageInspected,
    RenderRequested,
    Verdict,
)
from schemas.ids import event_id
from tests.unit.rules.samples import inspection, job, rendering, routed, ruleset, submitted


def hold(hold_id: str, scope: HoldScope, value: str) -> HoldChanged:
    return HoldChanged(
        event_id=event_id(hold_id, "set"), at_ms=1, hold_id=hold_id, scope=scope, value=value, active=True, who="ann",
        why="",
    )  # fmt: skip


SPRING, ENGINE = hold("spring", HoldScope.CAMPAIGN, "spring"), hold("engine", HoldScope.ENGINE, "sd3.5-large")


def held(assignment: Assignment | None = None) -> AssetHeld:
    request = replace(routed(job(campaign="spring")), assignment=assignment)
    seen = ImageInspected(
        event_id=event_id("x", "inspect"), at_ms=1, request=request, rendering=rendering(), inspection=inspection()
    )
    decided = on_inspected(seen, ruleset(), {"spring": SPRING}, 2)
    assert isinstance(decided, AssetHeld)
    return decided


def test_a_release_delivers_under_an_id_that_stays():
    let = let_go(held(), SPRING, {"spring": SPRING}, who="bob", at_ms=9)
    assert isinstance(let, AssetApproved)
    assert (let.event_id, let.approved_by, let.at_ms) == (approval_id(held()), "release by bob", 9)


def test_another_hold_keeps_what_it_covers():
    both = {"spring": SPRING, "engine": ENGINE}
    kept = let_go(held(), SPRING, both, who="bob", at_ms=9)
    assert isinstance(kept, AssetHeld)
    assert kept.hold_id == "engine"
    assert isinstance(let_go(held(), ENGINE, {"engine": ENGINE}, who="bob", at_ms=9), AssetApproved)
    assert isinstance(
        let_go(held(), SPRING, {"engine": replace(ENGINE, active=False)}, who="b", at_ms=9), AssetApproved
    )


def test_a_hold_releases_its_own_alone_and_never_a_twin():
    other = hold("other", HoldScope.TAG, "people")
    assert let_go(held(), other, {}, who="bob", at_ms=9) is None
    twin = held(Assignment(rollout_id="roll", arm=Arm.CANDIDATE, shadow=True))
    assert twin.hold_id == "shadow:roll"
    assert let_go(twin, SPRING, {}, who="bob", at_ms=9) is None
    accepted = replace(twin.judgement, verdict=Verdict.ACCEPT)
    told = pass_on(twin, accepted, {}, event_id=twin.event_id, approved_by="eve", at_ms=9)
    assert isinstance(told, AssetHeld)
    own = replace(held(), request=replace(held().request, assignment=Assignment(rollout_id="roll", arm=Arm.STABLE)))
    assert isinstance(let_go(own, SPRING, {}, who="bob", at_ms=9), AssetApproved)


def test_only_an_accept_passes():
    event = held()
    no = replace(event.judgement, verdict=Verdict.REVIEW)
    with pytest.raises(Poison, match="opens no way"):
        pass_on(event, no, {}, event_id=event.event_id, approved_by="eve", at_ms=1)


def test_the_twin_of_a_paired_job_is_a_run_of_its_own():
    wanted = submitted(job(campaign="spring"))
    started = on_paired(wanted, ruleset(), 2, Assignment(rollout_id="roll", arm=Arm.CANDIDATE))
    assert isinstance(started, RenderRequested)
    assert (started.request.replay_id, started.request.job) == ("roll.pair", wanted.job)
    assert started.request.assignment == Assignment(rollout_id="roll", arm=Arm.CANDIDATE, shadow=True)
    wrong = replace(wanted, job=replace(wanted.job, idempotency_key="another"))
    with pytest.raises(Poison):
        on_paired(wrong, ruleset(), 2, Assignment(rollout_id="roll", arm=Arm.CANDIDATE))
