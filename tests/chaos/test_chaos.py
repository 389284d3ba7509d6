"""A bad night: every stage killed in turn, one frozen past its session, the broker restarted, all under load.

Every submitted job must reach exactly one terminal event on read_committed topics, none lost, none twice, and the
audit must have the same count.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import psycopg
import pytest

from audit import queries
from audit.queries import JobState
from rules.lifecycle import State
from schemas.catalogue import DESIGN_QUEUE, HELD, PROMPTS_REFUSED, REVIEW
from tests.chaos.driver import Stack, children_of, running, wait_for

STAGES = ("sanity", "render", "inspect", "validation", "audit")
WAVE = 14
STATE_OF = {
    DESIGN_QUEUE: State.APPROVED,
    PROMPTS_REFUSED: State.REFUSED,
    REVIEW: State.REVIEW,
    HELD: State.HELD,
}
KINDS: tuple[Mapping[str, Any], ...] = (
    {"prompt": "Watercolour of a harbour at dawn"},
    {"prompt": 'Poster of a red tent, headline "SLEEP OUTSIDE"', "lane": "critical"},
    {"prompt": 'Poster with the words "BREW BETTER"'},
    {"prompt": "Product photo of a copper kettle, grey background"},
    {"prompt": "   "},
    {"prompt": "Woodblock style waves under a winter sun", "engine": "simulator"},
    {"prompt": "Shop window, evening", "required_text": ["OPEN LATE"], "lane": "critical"},
)


def wave(number: int) -> list[dict[str, Any]]:
    """Small jobs of every kind, each under a key of its own."""
    small = {"width": 320, "height": 320}
    keys = [f"chaos-{number}-{n}" for n in range(WAVE)]
    return [{**KINDS[n % len(KINDS)], **small, "idempotency_key": key, "seed": n} for n, key in enumerate(keys)]


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack of this test's own."""
    with running(Stack(state=tmp_path_factory.mktemp("chaos") / "state")) as stack:
        yield stack


def settle(stack: Stack, jobs: list[str]) -> None:
    """Wait until every job is at an end, then count: one terminal event each, and the same in the audit."""

    def states() -> Mapping[str, JobState]:
        with psycopg.connect(stack.settings.database_url.get_secret_value()) as conn:
            return queries.job_states(conn, jobs)

    def all_at_an_end() -> bool:
        now = states()
        return len(now) == len(jobs) and all(s.terminal for s in now.values())

    wait_for("every job at an end", all_at_an_end, 300)
    assert len(set(jobs)) == len(jobs)
    ended = {job: n for job, n in stack.terminal_events().items() if job in set(jobs)}
    assert {job: dict(n) for job, n in ended.items() if n.total() != 1} == {}, "ended twice"
    assert set(ended) == set(jobs), "lost"
    on_topics = {job: STATE_OF[next(iter(n))] for job, n in ended.items()}
    assert {job: s.state for job, s in states().items()} == on_topics
    count = Counter(on_topics.values())
    assert count[State.APPROVED] > len(jobs) / 2
    assert count[State.REFUSED] == sum(not KINDS[n % WAVE % len(KINDS)]["prompt"].strip() for n in range(len(jobs)))


@pytest.mark.timeout(900)
def test_stages_killed_and_frozen_lose_nothing_and_double_nothing(stack: Stack) -> None:
    jobs: list[str] = []
    for number, stage in enumerate(STAGES):
        jobs += stack.submit(wave(number))
        stack.kill(stage)
    for number, stage in enumerate(("validation", "render"), 10):
        jobs += stack.submit(wave(number))
        stack.freeze_past_its_session(stage, stage)
    settle(stack, jobs)


@pytest.mark.timeout(600)
def test_a_broker_killed_under_load_loses_nothing_and_doubles_nothing(stack: Stack) -> None:
    jobs = stack.submit(wave(20)) + stack.submit(wave(21))
    stack.kill("kafka")
    lines = "".join(json.dumps(line) + "\n" for line in wave(21))
    # The same keys again, as a client does that never saw the answer.
    wait_for("the broker takes prompts again", lambda: bool(stack.call("submit", "-", stdin=lines, ok=False)))
    settle(stack, jobs)
    stack.call("audit", "verify")


@pytest.mark.timeout(600)
def test_a_second_up_on_the_same_folder_goes_on_where_the_first_stopped(stack: Stack) -> None:
    """Jobs submitted, the stack taken down in the middle, brought up again: they end, once each."""
    jobs = stack.submit(wave(30))
    stack.call("down")
    assert children_of(stack.state) == []
    stack.call("up", "--detach")
    settle(stack, jobs)


def test_children_are_found_by_their_state_folder(stack: Stack, tmp_path: Path) -> None:
    """The count of what is left behind can fail: it sees a running stack, and nothing for another folder."""
    assert len(children_of(stack.state)) >= len(STAGES)
    assert children_of(tmp_path) == []
