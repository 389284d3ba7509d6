"""What the projections keep of operations: a replay's beginning and its end, and none of the steps between."""

from __future__ import annotations

from dataclasses import replace

import pytest

from audit.operations import operation_of
from rules.replay_plan import Asked, Span, plan_of
from schemas.events import (
    Preset,
    ReplayChanged,
    ReplayPosition,
    ReplayState,
    RolloutChanged,
    RolloutState,
    ShareChanged,
)
from schemas.ids import event_id
from tests.stories import START_MS
from tests.unit.rules.test_replay_plan import plan

ASKED = Asked(
    topic="replay", source="log", where="", engine=None, preset=Preset.SAFE, lane=None, hold=None, rate=20.0,
    limit=None, cap=3, new_seeds=True,
)  # fmt: skip
PLAN = replace(plan([])[0], asked=ASKED, spans=(Span(partition=0, start=5, end=9), Span(partition=1, start=2, end=3)))
BEGUN = ReplayChanged(
    event_id=event_id("r", "test"),
    at_ms=START_MS,
    replay_id="r",
    state=ReplayState.RUNNING,
    plan=PLAN.document,
    plan_sha256=PLAN.sha256,
    positions=(ReplayPosition(partition=0, next_offset=5), ReplayPosition(partition=1, next_offset=2)),
    sent=0,
    skipped=0,
    who="ann",
    why="wrong logo",
)


def test_a_plan_is_read_as_it_was_written():
    assert plan_of(PLAN.document) == PLAN


@pytest.mark.parametrize(
    ("change", "step"),
    [
        (BEGUN, "begun"),
        (replace(BEGUN, sent=1), None),
        (replace(BEGUN, skipped=1), None),
        (replace(BEGUN, positions=(ReplayPosition(partition=0, next_offset=6),)), None),
        (replace(BEGUN, state=ReplayState.COMPLETED, sent=4), "completed"),
        (replace(BEGUN, state=ReplayState.CANCELLED), "cancelled"),
    ],
)
def test_a_replay_begins_and_ends(change: ReplayChanged, step: str | None):
    row = operation_of(change)
    assert (row and row.step) == step
    if row is not None:
        assert (row.kind, row.subject, row.who, row.why) == ("replay", "r", "ann", "wrong logo")
        assert row.numbers == {"sent": change.sent, "skipped": change.skipped}


def test_a_roll_out_says_at_which_share_it_stands_and_why():
    row = operation_of(
        RolloutChanged(
            event_id=event_id("o", "test"),
            at_ms=START_MS,
            rollout_id="o",
            state=RolloutState.ROLLED_BACK,
            stable_ruleset_id="0" * 64,
            candidate_ruleset_id="1" * 64,
            percent=25,
            numbers={"p": 0.01},
            reason="worse",
            who="controller",
        )
    )
    assert row is not None
    assert (row.kind, row.subject, row.step) == ("rollout", "o", "rolled_back at 25 %")
    assert (row.why, row.numbers) == ("worse", {"p": 0.01})


@pytest.mark.parametrize(("active", "step"), [(True, "shared: For you"), (False, "revoked: For you")])
def test_whoever_shares_or_revokes_a_page_is_kept(active: bool, step: str):
    change = ShareChanged(
        event_id=event_id("s", step), at_ms=START_MS, share_id="ab" * 32, title="For you", size_bytes=900,
        job_ids=("j1", "j2"), active=active, who="ann", why="asked for it",
    )  # fmt: skip
    row = operation_of(change)
    assert row is not None
    assert (row.kind, row.subject, row.step, row.who, row.why, row.at_ms) == (
        "share", change.share_id, step, "ann", "asked for it", START_MS,
    )  # fmt: skip
    assert row.numbers == {"jobs": 2, "bytes": 900}
