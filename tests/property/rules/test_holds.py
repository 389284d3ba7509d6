"""Nothing held reaches the design queue by any path, whatever comes in what order; and no hold loses anything."""

from __future__ import annotations

import ast
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from rules import holds as door
from rules.decide import on_inspected, on_paired, on_prompt, on_rejected, on_replay
from schemas import ids
from schemas.errors import Poison
from schemas.events import (
    Arm,
    AssetApproved,
    AssetHeld,
    AssetRejected,
    Assignment,
    HoldChanged,
    HoldScope,
    ImageInspected,
    Preset,
    RenderRequest,
    RenderRequested,
    ReplayRequested,
    ReviewRequested,
    Verdict,
)
from tests.unit.rules.samples import inspection, job, read, rendering, routed, ruleset, submitted

CAMPAIGNS = ("", "spring", "autumn")
PROMPTS = ("a lighthouse at dawn", "a woman waves with both hands", 'a poster that says "OPEN"')
ENGINES = tuple(sorted({routed(job(prompt)).engine for prompt in PROMPTS}))
HOLDS = st.one_of(
    st.tuples(st.just(HoldScope.CAMPAIGN), st.sampled_from(CAMPAIGNS[1:])),
    st.tuples(st.just(HoldScope.REPLAY), st.sampled_from(("r0", "r1", "roll.pair"))),
    st.tuples(st.just(HoldScope.TAG), st.sampled_from(("people", "text"))),
    st.tuples(st.just(HoldScope.ENGINE), st.sampled_from(ENGINES)),
)
SOUND, BAD, DOUBTED = "sound", "bad", "doubted"


class Traffic(RuleBasedStateMachine):
    """Jobs, replays and twins run through the rules, while holds come and go; a model of the topics keeps the score."""

    @initialize()
    def begin(self) -> None:
        """Nothing has happened."""
        self.clock = 0
        self.holds: dict[str, HoldChanged] = {}
        self.requests: list[RenderRequest] = []
        self.rejected: list[AssetRejected] = []
        self.review: list[ReviewRequested] = []
        self.held: list[AssetHeld] = []
        self.queue: list[AssetApproved] = []
        self.passed = 0

    def tick(self) -> int:
        self.clock += 1
        return self.clock

    def write(self, event: AssetApproved | AssetHeld, *, releasing: str | None = None) -> None:
        """What a stage writes: checked against every hold that is active now but the one that is being released."""
        if isinstance(event, AssetHeld):
            self.held.append(event)
            return
        covering = [
            h.hold_id
            for h in self.holds.values()
            if h.active and h.hold_id != releasing and self.model_covers(h, event.request)
        ]
        assert covering == []
        assert event.request.assignment is None or not event.request.assignment.shadow
        assert event.judgement.verdict is Verdict.ACCEPT
        self.queue.append(event)

    @staticmethod
    def model_covers(hold: HoldChanged, request: RenderRequest) -> bool:
        """The same in other words, so that a slip of the rules is no slip of the test."""
        if hold.scope is HoldScope.CAMPAIGN:
            return request.job.campaign == hold.value
        if hold.scope is HoldScope.ENGINE:
            return request.engine == hold.value
        if hold.scope is HoldScope.REPLAY:
            return request.replay_id == hold.value
        return any(t.name == hold.value for t in request.tags)

    @rule(campaign=st.sampled_from(CAMPAIGNS), paired=st.booleans())
    def submit(self, campaign: str, paired: bool) -> None:
        for prompt in PROMPTS:
            self.start(prompt, campaign, paired)

    def start(self, prompt: str, campaign: str, paired: bool) -> None:
        event = submitted(job(prompt, f"k{self.tick()}", campaign=campaign))
        assignment = Assignment(rollout_id="roll", arm=Arm.STABLE) if paired else None
        started = [on_prompt(event, ruleset(), self.clock, assignment)]
        if paired:
            started.append(on_paired(event, ruleset(), self.clock, Assignment(rollout_id="roll", arm=Arm.CANDIDATE)))
        self.requests += [e.request for e in started if isinstance(e, RenderRequested)]

    @rule(pick=st.integers(0, 99), replay_id=st.sampled_from(("r0", "r1")))
    def replay(self, pick: int, replay_id: str) -> None:
        done = [e.request for e in (*self.queue, *self.held, *self.review)]
        if not done:
            return
        source = done[pick % len(done)]
        asked = ReplayRequested(
            event_id=ids.event_id(source.job.job_id, f"replay{self.tick()}"),
            at_ms=self.clock,
            job=source.job,
            replay_id=replay_id,
            preset=Preset.SAFE,
            who="ann",
            why="again",
        )
        started = on_replay(asked, ruleset(), self.clock)
        if isinstance(started, RenderRequested):
            self.requests.append(started.request)

    @rule(look=st.sampled_from((SOUND, SOUND, BAD, DOUBTED)))
    def validate(self, look: str) -> None:
        while self.requests:
            self.judged(self.requests.pop(0), look)

    def judged(self, request: RenderRequest, look: str) -> None:
        texts = tuple(p.text for p in request.text.phrases) if look == SOUND else ("XX",)
        blank: dict[str, Any] = {} if look != BAD else {"blank__luma_std": 0.0, "blank__flat_share": 1.0}
        reads = (read(*texts), read(*texts, reader="easyocr")) if look != DOUBTED else (read(*texts),)
        event = ImageInspected(
            event_id=ids.event_id(request.job.job_id, f"inspect{self.tick()}"),
            at_ms=self.clock,
            request=request,
            rendering=rendering(),
            inspection=inspection(*reads, **blank),
        )
        active = {k: h for k, h in self.holds.items() if h.active}
        match decided := on_inspected(event, ruleset(), active, self.clock):
            case AssetRejected():
                self.rejected.append(decided)
            case ReviewRequested():
                self.review.append(decided)
            case AssetApproved() | AssetHeld():
                twin = request.assignment is not None and request.assignment.shadow
                self.passed += not twin
                self.write(decided)

    @rule()
    def repair(self) -> None:
        if self.rejected:
            self.requests.append(on_rejected(self.rejected.pop(0), ruleset(), self.tick()).request)

    @rule()
    def a_person_approves(self) -> None:
        if not self.review:
            return
        event = self.review.pop(0)
        judgement = replace(event.judgement, verdict=Verdict.ACCEPT)
        self.passed += 1
        event_id = ids.event_id(event.event_id, "reviewer")
        self.write(door.pass_on(event, judgement, self.holds, event_id=event_id, approved_by="Ada", at_ms=self.tick()))

    @rule(wanted=HOLDS)
    def set_hold(self, wanted: tuple[HoldScope, str]) -> None:
        hold_id = f"h{self.tick()}"
        self.holds[hold_id] = HoldChanged(
            event_id=ids.event_id(hold_id, "set"),
            at_ms=self.clock,
            hold_id=hold_id,
            scope=wanted[0],
            value=wanted[1],
            active=True,
            who="ann",
            why="",
        )

    def release(self, hold_id: str, most: int) -> None:
        """A lot: each held asset at most once on the queue, as the release reads the queue to know."""
        there = {e.event_id for e in self.queue}
        for event in list(self.held):
            let = door.let_go(event, self.holds[hold_id], self.holds, who="bob", at_ms=self.tick())
            if isinstance(let, AssetApproved) and let.event_id not in there and most > 0:
                most -= 1
                there.add(let.event_id)
                self.write(let, releasing=hold_id)

    @rule(pick=st.integers(0, 9), lot=st.integers(1, 3))
    def release_a_lot(self, pick: int, lot: int) -> None:
        if self.holds:
            self.release(sorted(self.holds)[pick % len(self.holds)], lot)

    @rule(pick=st.integers(0, 9))
    def release_whole(self, pick: int) -> None:
        if self.holds:
            hold_id = sorted(self.holds)[pick % len(self.holds)]
            self.holds[hold_id] = replace(self.holds[hold_id], active=False)
            self.release(hold_id, len(self.held))

    @invariant()
    def each_approval_is_there_once(self) -> None:
        assert not self.queue or max(Counter(e.event_id for e in self.queue).values()) == 1

    def teardown(self) -> None:
        """Once every hold is released, all that passed is delivered, and no twin is."""
        for hold_id in sorted(getattr(self, "holds", {})):
            self.holds[hold_id] = replace(self.holds[hold_id], active=False)
            self.release(hold_id, len(self.held))
        if hasattr(self, "queue"):
            self.each_approval_is_there_once()
            assert len(self.queue) == self.passed


TestTraffic = Traffic.TestCase
TestTraffic.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)


def held_twin() -> AssetHeld:
    event = submitted(job(campaign="spring"))
    started = on_paired(event, ruleset(), 1, Assignment(rollout_id="roll", arm=Arm.CANDIDATE))
    assert isinstance(started, RenderRequested)
    seen = ImageInspected(
        event_id=ids.event_id(event.event_id, "inspect"),
        at_ms=2,
        request=started.request,
        rendering=rendering(),
        inspection=inspection(),
    )
    decided = on_inspected(seen, ruleset(), {}, 3)
    assert isinstance(decided, AssetHeld)
    return decided


@given(HOLDS)
def test_no_hold_releases_a_twin(wanted: tuple[HoldScope, str]):
    twin = held_twin()
    assert twin.hold_id == "shadow:roll"
    named = HoldChanged(
        event_id=twin.event_id, at_ms=1, hold_id=twin.hold_id, scope=wanted[0], value=wanted[1], active=False,
        who="eve", why="",
    )  # fmt: skip
    assert door.let_go(twin, named, {}, who="eve", at_ms=4) is None
    assert isinstance(
        door.pass_on(twin, replace(twin.judgement, verdict=Verdict.ACCEPT), {}, event_id=twin.event_id,
                     approved_by="eve", at_ms=4),
        AssetHeld,
    )  # fmt: skip


@pytest.mark.parametrize("verdict", [Verdict.REJECT, Verdict.REVIEW])
def test_only_an_accept_passes(verdict: Verdict):
    twin = held_twin()
    with pytest.raises(Poison, match="opens no way"):
        door.pass_on(
            twin, replace(twin.judgement, verdict=verdict), {}, event_id=twin.event_id, approved_by="eve", at_ms=1
        )


@pytest.mark.parametrize(
    ("scope", "value", "other"),
    [
        (HoldScope.CAMPAIGN, "spring", "autumn"),
        (HoldScope.REPLAY, "r0", "r1"),
        (HoldScope.TAG, "people", "text"),
        (HoldScope.ENGINE, "sd3.5-large", "typeset"),
    ],
)
def test_each_kind_of_hold_covers_its_own_and_nothing_else(scope: HoldScope, value: str, other: str):
    request = replace(routed(job(PROMPTS[1], campaign="spring")), replay_id="r0")
    hold = HoldChanged(
        event_id=ids.event_id("h", "set"),
        at_ms=1,
        hold_id="h",
        scope=scope,
        value=value,
        active=True,
        who="ann",
        why="",
    )
    assert door.held_by(request, {"h": hold}) == "h"
    assert door.held_by(request, {"h": replace(hold, value=other)}) is None
    assert door.held_by(request, {"h": replace(hold, active=False)}) is None


def made_in(source: str) -> bool:
    """Whether a module calls AssetApproved."""
    calls = (n.func for n in ast.walk(ast.parse(source)) if isinstance(n, ast.Call))
    return any(isinstance(f, ast.Name) and f.id == "AssetApproved" for f in calls)


def test_approvals_are_made_at_the_door_alone():
    root = Path(door.__file__).parents[1]
    rooms = ("audit", "broker", "ops", "rules", "store", "streams", "workers")
    modules = [p for room in rooms for p in (root / room).rglob("*.py")]
    assert [p.relative_to(root).as_posix() for p in modules if made_in(p.read_text(encoding="utf-8"))] == [
        "rules/holds.py"
    ]
