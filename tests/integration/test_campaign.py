"""A campaign on a stack of its own: looks are written, read, drift and near-duplicates found, a person's word taken."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from ops.campaigns import remembered
from rules.ladder import derived_seed
from schemas import ids
from tests.chaos.driver import Stack, running, wait_for
from workers.engines.damage import drawn_for

NAME = "seed-story"
JOB: dict[str, Any] = {
    "width": 320,
    "height": 320,
    "engine": "simulator",
    "campaign": NAME,
    "prompt": "Paper-cut illustration of falling leaves",
}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """One stack for this module."""
    with running(Stack(state=tmp_path_factory.mktemp("campaign") / "state")) as stack:
        yield stack


def seeds(count: int) -> list[int]:
    """Sound ones that share one palette of the house."""
    return [s for s in range(0, 1000, 5) if drawn_for(s) is None and drawn_for(derived_seed(s, 1)) is None][:count]


def run(stack: Stack, lines: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    said = stack.call(
        "submit", "-", "--wait", "--json", stdin="".join(json.dumps(line) + "\n" for line in lines), ok=False
    )
    by_id = {job["job_id"]: job for job in json.loads(said)["jobs"]}
    return [by_id[ids.job_id(line["idempotency_key"])] for line in lines]


def shown(stack: Stack, *more: str) -> dict[str, Any]:
    return json.loads(stack.call("campaign", "show", NAME, "--json", *more))


def test_wildly_inconsistent_colour_and_a_picture_made_twice_go_to_a_person(stack: Stack, tmp_path: Path) -> None:
    chosen = seeds(10)
    former = run(stack, [{**JOB, "idempotency_key": f"sound-{s}", "seed": s} for s in chosen])
    assert {job["state"] for job in former} == {"approved"}
    wait_for("the looks of all of them", lambda: len(remembered(stack.settings, NAME)) == len(chosen))

    wild, twice = run(
        stack,
        [
            {**JOB, "idempotency_key": "wild", "seed": chosen[0], "prompt": "Paper-cut of dark night leaves"},
            {**JOB, "idempotency_key": "twice", "seed": chosen[3]},
        ],
    )
    assert (wild["state"], twice["state"]) == ("review", "review")
    assert any("campaign-drift: its colours lie at ΔE00" in r for r in wild["reasons"])
    assert any(r.startswith("near-duplicate:") and former[3]["job_id"] in r for r in twice["reasons"])
    seen = shown(stack)
    assert seen["remembered"] == len(chosen)
    assert not any(p["beyond"] for p in seen["points"])
    assert seen["near_duplicates"] == []

    stack.call("campaign", "remember", wild["job_id"])
    stack.call("campaign", "remember", twice["job_id"])
    seen = shown(stack, "--svg", str(tmp_path / "chart.svg"))
    assert [p["job_id"] for p in seen["points"] if p["beyond"]] == [wild["job_id"]]
    assert [sorted(t["jobs"]) for t in seen["near_duplicates"]] == [sorted([former[3]["job_id"], twice["job_id"]])]
    assert (tmp_path / "chart.svg").read_text(encoding="utf-8").count("<circle") == len(chosen) + 2
