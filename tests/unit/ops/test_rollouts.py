"""Names of roll-outs, and how one that stands somewhere is shown."""

from __future__ import annotations

from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from ops.rollout.changes import ID_MAX, check_id, find, new_id
from ops.rollout.status import is_finding, shown
from rules.rollout import USUAL_GUARDS, moved, plan, started
from schemas.errors import BadConfig
from schemas.events import RolloutChanged, RolloutState

AT_MS = 1_795_400_000_000


def rollout(rollout_id: str = "first") -> RolloutChanged:
    asked = plan(stages=(10, 100), guards=USUAL_GUARDS, modes=["corrupt-bytes"])
    return started(
        asked, rollout_id=rollout_id, stable="a" * 64, candidate="b" * 64, who="ann", reason="try", at_ms=AT_MS
    )


def told(**changes: Any) -> dict[str, Any]:
    """What `facts` gives of a roll-out in its second stage."""
    arm = {"routed": 5, "waiting": 1, "overdue": 0, "verdicts": 4, "stage_verdicts": 2, "artifact_rate": 0.25}
    return {
        "rollout_id": "first",
        "state": "running",
        "stage": 1,
        "stages": [10, 100],
        "percent": 100,
        "stable_ruleset_id": "a" * 64,
        "candidate_ruleset_id": "b" * 64,
        "since_ms": AT_MS,
        "who": "ann",
        "reason": "at 10 %: enough",
        "waits_for": "at 100 %: 2 of 20 verdicts",
        "unstored": 0,
        "looked_ms": AT_MS,
        "controller": True,
        "arms": [
            {"arm": "stable", **arm, "artifact_rate_95": [0.05, 0.7], "p95_ms": 1234.0},
            {"arm": "candidate", **arm, "artifact_rate": None, "artifact_rate_95": None, "p95_ms": None},
        ],
        "guards": [
            {"guard": "artifact-rate:+2pp", "stable": 0.25, "candidate": None, "evidence": 0.5, "alarm_at": 60.0},
            {"guard": "p95:+20%", "stable": 1234.0, "candidate": None, "evidence": None, "alarm_at": None},
        ],
        "pairs": None,
        "steps": [],
        **changes,
    }


def text(at_ms: int = AT_MS, **changes: Any) -> str:
    file = StringIO()
    Console(file=file, width=120).print(shown(told(**changes), at_ms))
    return file.getvalue()


def test_a_running_one_shows_where_it_is_and_what_it_waits_for() -> None:
    said = text()
    assert "stage 2 of 2: 100 % to the candidate" in said
    assert "waits: at 100 %: 2 of 20 verdicts" in said
    assert "25.0 %" in said
    assert "5.0 to 70.0 %" in said
    assert "1,234 ms" in said
    assert "pairs" not in said
    assert "last look" not in said


def test_it_warns_of_jobs_that_hang_and_of_an_audit_that_is_behind() -> None:
    assert "without a verdict" not in text()
    assert "behind" not in text()
    stable, candidate = told()["arms"]
    said = text(arms=[stable, {**candidate, "overdue": 37}], unstored=1204)
    assert "jobs without a verdict for more than 5 minutes: 37 of the candidate arm" in said
    assert "the audit is behind by 1204 records" in said


def test_it_says_when_nobody_decides() -> None:
    assert "presscheck run rollouts" in text(controller=False)
    assert "the last look was 60 s ago" in text(AT_MS + 60_000)
    assert "last look" not in text(AT_MS + 60_000, looked_ms=None)


def test_one_that_ended_says_why_and_shows_its_steps_and_pairs() -> None:
    step = {"at_ms": AT_MS, "state": "rolled_back", "percent": 0, "who": "roll-out controller", "reason": "worse"}
    said = text(
        state="rolled_back", waits_for=None, steps=[step], pairs={"better": 1, "worse": 9, "same": 3, "p_value": 0.0215}
    )
    assert "first: rolled back since" in said
    assert "why: at 10 %: enough" in said
    assert "pairs: 1 better, 9 worse, 3 same (sign test p=0.0215, for one look)" in said
    assert "waits" not in said
    assert is_finding("rolled_back")
    assert not is_finding("aborted")


def test_names() -> None:
    made = new_id("b" * 64, AT_MS)
    check_id(made)
    check_id("a" * ID_MAX)
    for bad in ("", "Upper", "-x", "a b", "a" * (ID_MAX + 1)):
        with pytest.raises(BadConfig, match="no name of a roll-out"):
            check_id(bad)


def test_a_roll_out_is_found_by_name_or_by_being_under_way() -> None:
    going = rollout()
    over = moved(rollout("second"), RolloutState.ABORTED, who="ann", reason="no", at_ms=AT_MS)
    known = {"first": going, "second": over}
    assert find(known, None) is going
    assert find(known, "second") is over
    with pytest.raises(BadConfig, match="there is no roll-out 'secund'; did you mean 'second'"):
        find(known, "secund")
    with pytest.raises(BadConfig, match="no roll-out is under way"):
        find({"second": over}, None)
    with pytest.raises(BadConfig, match="there is no roll-out 'first'"):
        find({}, "first")
