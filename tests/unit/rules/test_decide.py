"""What the stages decide: routing, repairs, holds, and ids that a redelivery does not change."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from rules.decide import on_inspected, on_prompt, on_rejected, on_replay
from rules.ladder import Exhausted, derived_seed, fresh_seed, next_repair
from rules.lifecycle import NEXT, STATE_AFTER, TERMINAL, State, follow
from rules.ruleset import load_ruleset
from schemas import ids
from schemas.errors import Poison
from schemas.events import (
    Arm,
    AssetApproved,
    AssetHeld,
    AssetRejected,
    Assignment,
    Defect,
    FailureKind,
    HoldChanged,
    HoldScope,
    ImageInspected,
    Inspection,
    Job,
    Lane,
    Origin,
    Outcome,
    Preset,
    PromptRefused,
    PromptSubmitted,
    RenderFailure,
    Rendering,
    RenderRequest,
    RenderRequested,
    Repair,
    ReplayCause,
    ReplayRequested,
    ReviewRequested,
    Rung,
    Verdict,
)
from tests.unit.rules.samples import (
    LOGO,
    changed,
    inspection,
    job,
    read,
    refused,
    rendering,
    routed,
    ruleset,
    submitted,
)

POSTER = job("a poster “FRESH COFFEE”")
OTHER = load_ruleset(changed("verdict.yml", "cast_max: 45", "cast_max: 44"))
GOOD, BAD = inspection(read("FRESH COFFEE")), inspection(read("FRXSH COFFEE"))


def inspected(request: RenderRequest, seen: Inspection, made: Rendering | None = None) -> ImageInspected:
    return ImageInspected(
        event_id=ids.event_id(request.job.job_id, "inspect", str(request.attempt)),
        at_ms=3_000,
        request=request,
        rendering=made or rendering(),
        inspection=seen,
    )


def outcome(event: ImageInspected, **holds: HoldChanged) -> object:
    return on_inspected(event, ruleset(), holds, 4_000)


def hold(scope: HoldScope, value: str, *, active: bool = True) -> HoldChanged:
    return HoldChanged(
        event_id=ids.event_id("hold", "ops"),
        at_ms=1,
        hold_id=f"{scope.value}-{value}",
        scope=scope,
        value=value,
        active=active,
        who="ops",
        why="a test",
    )


def replay(wanted: Job = POSTER, **fields: Any) -> ReplayRequested:
    given: dict[str, Any] = {"preset": Preset.STANDARD, "replay_id": "r1", "who": "ops", "why": "again", **fields}
    return ReplayRequested(event_id=ids.event_id(wanted.job_id, "ops"), at_ms=1, job=wanted, **given)


def test_a_prompt_becomes_its_first_attempt():
    event = on_prompt(submitted(POSTER), ruleset(), 2_000)
    assert isinstance(event, RenderRequested)
    assert event.event_id == ids.event_id(submitted(POSTER).event_id, "sanity")
    request = event.request
    assert (request.attempt, request.rung, request.replay_id, request.cost_spent_usd) == (0, Rung.FIRST, None, 0)
    assert (request.engine, request.sampling.seed, request.ruleset_id) == ("ideogram-v1", 7, ruleset().id)
    assert on_prompt(submitted(POSTER), ruleset(), 2_000) == event


def test_a_refused_prompt_names_its_reasons_and_tags():
    event = on_prompt(submitted(job("a nude on a sofa")), ruleset(), 2_000)
    assert isinstance(event, PromptRefused)
    assert "nudity" in [t.name for t in event.tags]
    assert event.ruleset_id == ruleset().id


def test_a_rule_may_refuse_by_itself():
    kites = "  - {name: no-kites, when: {tag: hands}, use: refuse}\n"
    files = changed("routing.yml", "  - name: supplied-logo", f"{kites}  - name: supplied-logo")
    modes = changed("failure-modes.yml", "[supplied-logo]", "[supplied-logo, no-kites]")
    rules = load_ruleset({**files, "failure-modes.yml": modes["failure-modes.yml"]})
    assert refused(job("two hands"), rules) == ("The routing rule 'no-kites' refuses prompts like this one.",)


def test_a_job_id_that_does_not_follow_from_its_key_is_poison():
    forged = replace(POSTER, idempotency_key="another")
    with pytest.raises(Poison, match="derive it"):
        on_prompt(PromptSubmitted(event_id=POSTER.job_id, job=forged), ruleset(), 1)
    with pytest.raises(Poison):
        on_replay(replay(forged), ruleset(), 1)


def test_a_replay_starts_afresh_with_what_the_operator_asked():
    event = on_replay(replay(engine="simulator", preset=Preset.SAFE, lane=Lane.CRITICAL), ruleset(), 9)
    assert isinstance(event, RenderRequested)
    request = event.request
    assert (request.replay_id, request.attempt, request.lane) == ("r1", 0, Lane.CRITICAL)
    assert (request.engine, request.sampling.preset, request.sampling.seed) == ("simulator", Preset.SAFE, 7)
    plain = on_replay(replay(), ruleset(), 9)
    assert isinstance(plain, RenderRequested)
    assert (plain.request.engine, plain.request.lane) == ("ideogram-v1", Lane.EXPLORATORY)
    refused = on_replay(replay(engine="none"), ruleset(), 9)
    assert isinstance(refused, PromptRefused)
    assert refused.replay_id == "r1"  # it ends the replay's run and not the job's own


def test_a_good_asset_is_approved_and_a_bad_one_sent_back_with_a_repair():
    request = routed(POSTER)
    approved = outcome(inspected(request, GOOD))
    assert isinstance(approved, AssetApproved)
    assert approved.approved_by == "validation"
    rejected = outcome(inspected(request, BAD))
    assert isinstance(rejected, AssetRejected)
    assert rejected.repair == Repair(
        rung=Rung.TYPESET,
        attempt=1,
        engine="typeset",
        sampling=ruleset().engines["typeset"].standard.sampling(Preset.STANDARD, derived_seed(7, 1)),
        reason="wrong-text: typeset with typeset",
    )
    again = on_rejected(rejected, ruleset(), 5_000)
    assert (again.request.attempt, again.request.rung, again.request.engine) == (1, Rung.TYPESET, "typeset")
    assert again.request.cost_spent_usd == pytest.approx(0.001)
    assert again.request.rule == "repair:typeset"
    assert again.event_id == ids.event_id(rejected.event_id, "sanity")


def test_doubt_goes_to_a_person_without_a_repair():
    event = outcome(inspected(routed(POSTER), inspection(read("FRESH COFFE"), read("FRESH COFFEE", reader="second"))))
    assert isinstance(event, ReviewRequested)
    assert not any("repair" in r for r in event.judgement.reasons)


@pytest.mark.parametrize(
    ("wanted", "scope", "value"),
    [
        (replace(POSTER, campaign="spring"), HoldScope.CAMPAIGN, "spring"),
        (POSTER, HoldScope.ENGINE, "ideogram-v1"),
        (POSTER, HoldScope.TAG, "text"),
    ],
)
def test_holds_keep_what_would_be_approved(wanted: Job, scope: HoldScope, value: str):
    event = inspected(routed(wanted), GOOD)
    held = outcome(event, a=hold(HoldScope.TAG, "kites"), b=hold(scope, value), c=hold(scope, value))
    assert isinstance(held, AssetHeld)
    assert held.hold_id == f"{scope.value}-{value}"
    assert isinstance(outcome(event, a=hold(scope, value, active=False)), AssetApproved)
    assert isinstance(outcome(event, a=hold(scope, "other")), AssetApproved)
    assert not isinstance(outcome(inspected(routed(wanted), BAD), a=hold(scope, value)), AssetHeld)


def test_a_hold_by_replay_catches_that_replay_only():
    event = on_replay(replay(), ruleset(), 9)
    assert isinstance(event, RenderRequested)
    assert isinstance(outcome(inspected(event.request, GOOD), a=hold(HoldScope.REPLAY, "r1")), AssetHeld)
    assert isinstance(outcome(inspected(routed(POSTER), GOOD), a=hold(HoldScope.REPLAY, "r1")), AssetApproved)


def failed(kind: FailureKind) -> Rendering:
    return rendering(outcome=Outcome.FAILED, asset=None, failure=RenderFailure(kind=kind, message="no"))


def climb(wanted: Job, made: Rendering | None = None, seen: Inspection = BAD) -> list[str]:
    """Engine and preset of each attempt until the pipeline stops."""
    request = routed(wanted)
    steps: list[str] = []
    while True:
        steps.append(f"{request.engine} {request.sampling.preset.value}")
        event = outcome(inspected(request, seen, made))
        if not isinstance(event, AssetRejected):
            assert isinstance(event, ReviewRequested)
            assert event.judgement.verdict is Verdict.REVIEW
            assert event.judgement.reasons[-1].startswith("No repair is left")
            return steps
        request = on_rejected(event, ruleset(), 1).request


def test_the_ladder_of_wrong_text():
    assert climb(POSTER) == ["ideogram-v1 standard", "typeset standard"]
    long_line = job("a poster “FRESH COFFEE”", engine="sd3.5-large")
    assert climb(long_line) == ["sd3.5-large standard", "sd3.5-large safe", "sd3.5-large safe"]


def test_text_from_another_engine_goes_to_the_specialist_first():
    request = replace(routed(POSTER), engine="sd3.5-large")
    rejected = outcome(inspected(request, inspection(read())))
    assert isinstance(rejected, AssetRejected)
    assert (rejected.repair.rung, rejected.repair.engine) == (Rung.TEXT_SPECIALIST, "ideogram-v1")


def test_broken_bytes_are_rendered_again_more_safely_then_typeset_where_text_is_wanted_then_shown_to_a_person():
    broken = inspection(read(), bytes__decodes=0.0)
    assert climb(job("a lighthouse"), seen=broken) == ["sd3.5-large standard", "sd3.5-large safe"]
    whole = ["ideogram-v1 standard", "ideogram-v1 safe", "typeset standard", "typeset safe"]
    assert climb(POSTER, seen=broken) == whole
    assert climb(job("a lighthouse", engine="simulator"), seen=broken) == ["simulator standard", "simulator safe"]


@pytest.mark.parametrize(
    ("kind", "steps"),
    [
        (FailureKind.OUT_OF_MEMORY, 2),
        (FailureKind.BROKEN_LATENTS, 2),
        (FailureKind.CORRUPT_OUTPUT, 2),
        (FailureKind.REFUSED_BY_ENGINE, 1),
        (FailureKind.INVALID_REQUEST, 1),
    ],
)
def test_failed_renders_climb_by_their_kind(kind: FailureKind, steps: int):
    assert len(climb(job("a lighthouse"), failed(kind))) == steps
    assert len(climb(job("a lighthouse", engine="sd3.5-large"), failed(kind))) == steps


def test_a_failed_render_with_text_goes_on_to_typeset():
    assert climb(POSTER, failed(FailureKind.TIMEOUT)) == [
        "ideogram-v1 standard",
        "ideogram-v1 safe",
        "typeset standard",
        "typeset safe",
    ]


def test_attempts_and_cost_bound_the_ladder():
    request = replace(routed(POSTER), attempt=3)
    last = outcome(inspected(request, BAD))
    assert isinstance(last, ReviewRequested)
    assert "all 4 attempts are used" in last.judgement.reasons[-1]
    dear = outcome(inspected(replace(routed(POSTER), cost_spent_usd=0.4999), BAD, rendering(cost_usd=0.06)))
    assert isinstance(dear, ReviewRequested)
    assert "the next step costs more" in dear.judgement.reasons[-1]


def defect(mode: str) -> Defect:
    return Defect(mode=mode, check="text", value=0, threshold=1, evidence="x", certain=True)


def step(request: RenderRequest, *modes: str) -> Rung | None:
    found = next_repair(
        request,
        rendering(),
        [defect(m) for m in modes],
        ruleset().ladder,
        modes=ruleset().failure_modes,
        engines=ruleset().engines,
    )
    return None if isinstance(found, Exhausted) else found.rung


def test_several_defects_start_where_the_last_of_them_does():
    request = replace(routed(POSTER), engine="sd3.5-large")
    assert step(request, "colour-drift") is Rung.SAFER_SAMPLING
    assert step(request, "colour-drift", "wrong-text") is Rung.TEXT_SPECIALIST
    assert step(request, "a-mode-that-is-gone") is None


def test_typeset_takes_only_what_it_can_set():
    picture = routed(job("a lighthouse"))
    safe = replace(picture, sampling=replace(picture.sampling, preset=Preset.SAFE))
    assert step(safe, "render-failed") is None
    layout = routed(job("a ticket"))
    assert step(replace(layout, sampling=safe.sampling), "render-failed") is Rung.TYPESET
    logo = replace(routed(job("a cup", files=(LOGO,))), engine="simulator", sampling=safe.sampling, tags=())
    assert step(logo, "render-failed") is Rung.TYPESET


def test_a_step_that_its_engine_refuses_or_that_is_gone_is_skipped():
    logo = replace(routed(job("a bag “CARRY ON”", files=(LOGO,))), engine="simulator")
    assert step(logo, "wrong-text") is Rung.TYPESET
    gone = replace(routed(job("a lighthouse")), engine="an-engine-that-is-gone")
    assert step(gone, "corrupt-bytes") is None


def test_seeds_follow_from_job_and_attempt():
    assert derived_seed(7, 0) == 7
    assert derived_seed(7, 1) == derived_seed(7, 1) != derived_seed(7, 2)
    assert 0 <= derived_seed(7, 1) < 2**53


def test_a_replay_with_new_seeds_repeats_no_seed_of_another_run():
    of_runs = {derived_seed(seed, n) for seed in (7, fresh_seed(7, "r1"), fresh_seed(7, "r2")) for n in range(4)}
    assert len(of_runs) == 12
    assert fresh_seed(7, "r1") == fresh_seed(7, "r1") < 2**53


def test_the_lifecycle_is_a_table():
    assert follow(State.NEW, submitted(POSTER)) is State.SUBMITTED
    assert follow(State.APPROVED, submitted(POSTER)) is None
    assert STATE_AFTER[AssetHeld] is State.HELD
    assert set(STATE_AFTER.values()) == set(State) - {State.NEW}
    # Each event leads to one state, so the state after it needs no memory.
    assert {(event, after) for (_, event), after in NEXT.items()} == set(STATE_AFTER.items())
    assert {s for s in State if not any(before is s for before, _ in NEXT)} <= TERMINAL


def test_a_replay_says_what_it_replays_and_takes_no_part_in_roll_outs() -> None:
    origin = Origin(topic="prompts", partition=1, offset=7)
    asked = ReplayRequested(
        event_id=ids.event_id("r", "test"), at_ms=1, job=POSTER, replay_id="again", preset=Preset.SAFE, who="Ann",
        why="bad batch", origin=origin, count=2,
    )  # fmt: skip
    started = on_replay(asked, ruleset(), 5)
    assert isinstance(started, RenderRequested)
    assert started.request.replayed == ReplayCause(origin=origin, count=2, who="Ann", why="bad batch")
    assert started.request.assignment is None


def test_a_part_in_a_roll_out_stays_through_repairs() -> None:
    part = Assignment(rollout_id="r", arm=Arm.CANDIDATE)
    first = on_prompt(submitted(POSTER), ruleset(), 5, part)
    assert isinstance(first, RenderRequested)
    rejected = on_inspected(inspected(first.request, BAD), ruleset(), {}, 6)
    assert isinstance(rejected, AssetRejected)
    assert on_rejected(rejected, ruleset(), 7).request.assignment == part


def test_the_engine_of_one_profile_serves_another_that_only_asks_for_other_values() -> None:
    profile = next(iter(ruleset().engines.values()))
    assert profile.built_like(replace(profile, standard=profile.safe, steps=(1, 2), guidance=(0.0, 1.0)))
    assert not profile.built_like(replace(profile, model="another"))


ROUTED = routed(POSTER)
DOUBT = inspection(read("FRESH COFFE"), read("FRESH COFFEE", reader="second"))
SHADOW = Assignment(rollout_id="r", arm=Arm.CANDIDATE, shadow=True)


@pytest.mark.parametrize(
    ("request_", "seen", "holds", "becomes"),
    [
        (ROUTED, GOOD, {}, AssetApproved),
        (ROUTED, GOOD, {"a": hold(HoldScope.TAG, "text")}, AssetHeld),
        (ROUTED, BAD, {}, AssetRejected),
        (ROUTED, DOUBT, {}, ReviewRequested),
        (replace(ROUTED, attempt=3), BAD, {}, ReviewRequested),  # no repair is left
        (replace(ROUTED, assignment=SHADOW), BAD, {}, AssetHeld),
    ],
)
def test_a_judgement_names_the_ruleset_that_made_it_and_the_attempt_the_one_that_routed_it(
    request_: RenderRequest, seen: Inspection, holds: dict[str, HoldChanged], becomes: type
) -> None:
    event = on_inspected(inspected(request_, seen), OTHER, holds, 4_000)
    assert type(event) is becomes
    assert (event.judgement.ruleset_id, event.request.ruleset_id) == (OTHER.id, ruleset().id)


def test_a_repair_and_a_replay_name_the_ruleset_that_routes_them() -> None:
    rejected = outcome(inspected(ROUTED, BAD))
    assert isinstance(rejected, AssetRejected)
    again = on_rejected(rejected, OTHER, 5_000).request
    assert (rejected.request.ruleset_id, again.ruleset_id) == (ruleset().id, OTHER.id)
    afresh = on_replay(replay(), OTHER, 9)
    assert isinstance(afresh, RenderRequested)
    assert afresh.request.ruleset_id == OTHER.id
    refused = on_replay(replay(engine="none"), OTHER, 9)
    assert isinstance(refused, PromptRefused)
    assert refused.ruleset_id == OTHER.id
