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
from rules.lifecycle import State
from schemas.catalogue import DESIGN_QUEUE, HELD, PROMPTS_REFUSED, REVIEW
from tests.chaos.driver import Stack, children_of, wait_for

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
    stack = Stack(state=tmp_path_factory.mktemp("chaos") / "state")
    stack.call("up", "--detach")
    try:
        yield stack
    finally:
        stack.call("down")
    assert children_of(stack.state) == []


@pytest.mark.timeout(900)
def test_every_job_ends_exactly_once_whatever_is_killed(stack: Stack) -> None:
    jobs: list[str] = []
    for number, stage in enumerate(STAGES):
        jobs += stack.submit(wave(number))
        stack.kill(stage)
    jobs += stack.submit(wave(10))
    stack.freeze_past_its_session("validation", "validation")
    jobs += stack.submit(wave(11))
    stack.freeze_past_its_session("render", "render")
    jobs += stack.submit(wave(12))
    stack.kill("kafka")
    # The same keys again, as a client does that never saw the answer.
    wait_for("the broker takes prompts again", lambda: bool(stack.call("submit", "-", stdin=_lines(12), ok=False)))

    def all_at_an_end() -> bool:
        with psycopg.connect(stack.settings.database_url.get_secret_value()) as conn:
            states = queries.job_states(conn, jobs)
        return len(states) == len(jobs) and all(s.terminal for s in states.values())

    wait_for("every job at an end", all_at_an_end, 420)
    assert len(set(jobs)) == len(jobs)

    ended = stack.terminal_events()
    assert {job: dict(n) for job, n in ended.items() if n.total() != 1} == {}, "ended twice"
    assert set(ended) == set(jobs), "lost, or out of nowhere"

    with psycopg.connect(stack.settings.database_url.get_secret_value()) as conn:
        states = queries.job_states(conn, jobs)
    on_topics = Counter(STATE_OF[topic] for n in ended.values() for topic in n)
    assert Counter(s.state for s in states.values()) == on_topics
    assert on_topics[State.APPROVED] > len(jobs) / 2
    assert on_topics[State.REFUSED] == sum(
        not line["prompt"].strip() for n in (*range(5), 10, 11, 12) for line in wave(n)
    )
    stack.call("audit", "verify")


def _lines(number: int) -> str:
    return "".join(json.dumps(line) + "\n" for line in wave(number))


@pytest.mark.timeout(300)
def test_a_second_up_on_the_same_folder_goes_on_where_the_first_stopped(stack: Stack) -> None:
    """Jobs submitted, the stack taken down in the middle, brought up again: they end, once each."""
    jobs = stack.submit(wave(20))
    stack.call("down")
    assert children_of(stack.state) == []
    stack.call("up", "--detach")

    def all_at_an_end() -> bool:
        with psycopg.connect(stack.settings.database_url.get_secret_value()) as conn:
            states = queries.job_states(conn, jobs)
        return len(states) == len(jobs) and all(s.terminal for s in states.values())

    wait_for("every job at an end", all_at_an_end, 200)
    ended = stack.terminal_events()
    assert {j: ended[j].total() for j in jobs} == dict.fromkeys(jobs, 1)


def test_children_are_found_by_their_state_folder(stack: Stack, tmp_path: Path) -> None:
    """The count of what is left behind can fail: it sees a running stack, and nothing for another folder."""
    assert len(children_of(stack.state)) >= len(STAGES)
    assert children_of(tmp_path) == []
