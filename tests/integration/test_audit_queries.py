"""What the projections answer, on a real Postgres, for stories whose figures are known."""

import json
import random
from collections.abc import Iterator
from dataclasses import asdict

import psycopg
import pytest

from audit import queries, recoveries, replays
from audit.queries import AssetLine, Scope
from audit.trace import trace
from broker.deadletter import dead_letter
from ops.commands.audit import story
from ops.commands.report import facts, since_ms
from ops.console import out
from rules.lifecycle import State
from schemas.catalogue import DEAD_LETTERS, PROMPTS, REPLAY_REQUESTS
from schemas.codec import Codec, LockedIds
from schemas.errors import Poison
from schemas.events import (
    DeadLetter,
    DeadLetterKind,
    Event,
    Job,
    Origin,
    Preset,
    PromptSubmitted,
    ReplayRequested,
)
from schemas.ids import event_id
from tests.integration.audit_ledger import fetched, fill, open_ledger
from tests.stories import START_MS, Said, accepted, job, refused, replayed, reviewed

CLEAN, REPAIRED, REVIEWED, REFUSED, OTHER = (job(f"q-{n}", campaign="other" if n == 4 else "spring") for n in range(5))
SPRING = Scope(campaign="spring")


def given_up(stage: str, topic: str, event: Event, of: Job, *, offset: int, value: bytes | None = None) -> Said:
    """The dead letter of a record; `value`: where that is not to be read."""
    return DEAD_LETTERS, dead_letter(
        stage, Origin(topic=topic, partition=0, offset=offset), key=of.job_id.encode(),
        value=value or Codec(LockedIds()).encode(event), timestamp_ms=1, error=Poison("x"), at_ms=START_MS + 200_000,
    )  # fmt: skip


def asked(of: Job, replay_id: str) -> ReplayRequested:
    return ReplayRequested(
        event_id=event_id(of.job_id, "ops", replay_id), at_ms=START_MS, replay_id=replay_id, job=of,
        preset=Preset.SAFE, who="Ada", why="x",
    )  # fmt: skip


def test_a_dead_letter_counts_for_its_own_run_alone(database: str):
    """Originals and replays of a job that wait side by side at one stage."""
    own, again, unread, new = (job(f"u-{name}") for name in ("own", "again", "unread", "new"))
    prompt = PromptSubmitted(event_id=event_id("u", "test"), job=new)
    said: list[Said] = [(PROMPTS, prompt), *((REPLAY_REQUESTS, asked(new, r)) for r in ("s", "t"))]
    letters = [
        given_up("sanity", PROMPTS, prompt, new, offset=0),
        given_up("sanity", REPLAY_REQUESTS, asked(new, "s"), new, offset=0),
    ]
    for offset, (one, by, value) in enumerate([(own, None, None), (again, "r", None), (unread, "r", b"?")]):
        first, replay = accepted(one)[:4], replayed(one, "r")[:2]
        said += [*first, *replay]
        topic, picture = (replay if by else first)[-1]
        letters.append(given_up("inspect", topic, picture, one, offset=offset, value=value))
    with open_ledger(database) as conn:
        fill(conn, fetched([*said, *letters]))
        found = conn.execute("SELECT job_id::text, replay_id FROM given_up").fetchall()
        both = {(unread.job_id, ""), (unread.job_id, "r")}  # which of them is not known
        assert set(found) == {(own.job_id, ""), (again.job_id, "r"), (new.job_id, ""), (new.job_id, "s"), *both}
        assert [replays.given_up(conn, name) for name in ("r", "s", "t")] == [2, 1, 0]
        figures = recoveries.batch(conn, "r")
        assert (figures.runs, figures.ended, figures.given_up) == (3, 2, 2)


@pytest.fixture(scope="module")
def conn(postgres: str) -> Iterator[psycopg.Connection]:
    name = "audit_queries"
    with psycopg.connect(postgres, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}")  # pyright: ignore[reportArgumentType, reportCallIssue]
    with open_ledger(f"{postgres.rsplit('/', 1)[0]}/{name}") as connection:
        letter = DeadLetter(
            event_id=event_id("x", "inspect"),
            at_ms=START_MS,
            stage="inspect",
            kind=DeadLetterKind.POISON,
            error="no \x00 good",
            origin=Origin(topic="images.generated", partition=0, offset=3),
            timestamp_ms=START_MS,
            key=CLEAN.job_id.encode(),
            value=b"\xff",
            headers=(),
        )
        said = [
            *accepted(CLEAN),
            *accepted(REPAIRED, rejects=2, engine="sd3.5-large", touch_up_minutes=30),
            *reviewed(REVIEWED),
            *refused(REFUSED),
            *accepted(OTHER),
            ("dead-letters", letter),
        ]
        records = fetched(said)
        for start in range(0, len(records), 5):
            fill(connection, records[start : start + 5])
        yield connection
    with psycopg.connect(postgres, autocommit=True) as admin:
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)")  # pyright: ignore[reportArgumentType, reportCallIssue]


def test_states_of_some_jobs(conn: psycopg.Connection):
    unknown = job("never submitted").job_id
    states = queries.job_states(conn, [CLEAN.job_id, REPAIRED.job_id, REFUSED.job_id, unknown])
    assert {k: v.state for k, v in states.items()} == {
        CLEAN.job_id: State.APPROVED,
        REPAIRED.job_id: State.APPROVED,
        REFUSED.job_id: State.REFUSED,
    }
    repaired = states[REPAIRED.job_id]
    assert repaired.terminal
    assert (repaired.attempts, repaired.engine_ms, repaired.latency_ms) == (3, 108_000, 1_200)
    assert (repaired.text_score, repaired.reasons) == (1.0, ["every check passed"])
    assert states[REFUSED.job_id].reasons == ["the prompt asks for what is not allowed"]
    assert states[REFUSED.job_id].attempts == 0
    assert queries.job_states(conn, []) == {}


def test_progress_and_counts(conn: psycopg.Connection):
    assert asdict(queries.progress(conn, SPRING)) == {
        "jobs": 4, "in_flight": 0, "accepted": 2, "repaired": 1, "in_review": 1, "refused": 1, "held": 0,
        "recalled": 0,
    }  # fmt: skip
    counts = queries.counts(conn)
    assert counts[State.APPROVED] == 3
    assert set(counts) == set(State)
    assert queries.progress(conn, Scope(campaign="none")).jobs == 0


def test_latency_by_nearest_rank(conn: psycopg.Connection):
    latency = queries.latency(conn, SPRING)  # 100 refused, 400 clean and in review, 1200 repaired
    assert (latency.jobs, latency.p50_ms, latency.p95_ms) == (4, 400, 1_200)
    assert queries.latency(conn, Scope(since_ms=START_MS + 1)).p95_ms is None


def test_the_report_says_what_happened(conn: psycopg.Connection):
    found = facts(conn, SPRING, 3.0)
    total = found["total"]
    assert (total["rendered"], total["accepted"], total["repaired"]) == (5, 2, 1)
    assert total["artifact_rate"] == pytest.approx(3 / 5)
    assert total["delivered_artifact_rate"] == pytest.approx(1 / 2)
    assert total["images_per_engine_hour"] == pytest.approx(100)
    assert total["mean_text_score"] == 1.0
    assert total["cost_per_accepted_usd"] == pytest.approx(0.1)
    assert [e["engine"] for e in found["engines"]] == ["sd3.5-large", "simulator"]
    assert found["manual"]["hours"] == pytest.approx((30 + 3) / 60)
    assert found["failure_modes"] == [{"mode": "wrong-text", "found": 3, "certain": 3}]
    assert found["measurements"][0]["count"] == 5
    assert found["dead_letters"] == [{"stage": "inspect", "kind": "poison", "records": 1}]
    json.dumps(found)


def test_a_report_of_nothing_divides_by_nothing(conn: psycopg.Connection):
    found = facts(conn, Scope(campaign="none"), 0)
    assert found["total"]["artifact_rate"] is None
    assert found["jobs"]["jobs"] == 0


def test_assets_come_in_pages_with_their_reasons(conn: psycopg.Connection):
    whole = queries.assets(conn, SPRING)
    assert len(whole) == 1 + 3 + 1 + 1
    paged: list[AssetLine] = []
    after: AssetLine | None = None
    while page := queries.assets(conn, SPRING, after=after, limit=2):
        paged += page
        after = page[-1]
    assert tuple(paged) == whole
    by_job = {(a.job_id, a.attempt): a for a in whole}
    assert by_job[(REPAIRED.job_id, 0)].record == "AssetRejected"
    assert by_job[(REPAIRED.job_id, 0)].reasons == ["the text is wrong"]
    assert by_job[(REFUSED.job_id, -1)].reasons == ["the prompt asks for what is not allowed"]


def test_a_reviewers_verdict_counts_and_its_wait_does_not(database: str):
    with open_ledger(database) as conn:
        fill(conn, fetched(reviewed(REVIEWED, then_approved=True)))
        state = queries.job_states(conn, [REVIEWED.job_id])[REVIEWED.job_id]
        assert (state.state, state.latency_ms) == (State.APPROVED, 400)
        assert queries.reviewed(conn) == 1


def test_a_replay_is_a_run_of_its_own(database: str):
    with open_ledger(database) as conn:
        fill(conn, fetched([*reviewed(CLEAN), *replayed(CLEAN, "again")]))
        assert queries.job_states(conn, [CLEAN.job_id])[CLEAN.job_id].state is State.REVIEW
        assert [(a.replay_id, a.record) for a in queries.assets(conn)] == [
            ("", "ReviewRequested"),
            ("again", "AssetApproved"),
        ]


def test_batches_in_any_order_give_the_same_tables(database: str):
    said = [*accepted(REPAIRED, rejects=2, touch_up_minutes=5), *reviewed(REVIEWED), *refused(REFUSED)]
    random.Random(8).shuffle(said)
    with open_ledger(database) as conn:
        for record in fetched(said):
            fill(conn, [record])
        assert queries.job_states(conn, [REPAIRED.job_id])[REPAIRED.job_id].latency_ms == 1_200
        assert queries.progress(conn).accepted == 1
        assert queries.engines(conn)[0].rendered == 4
        assert all(a.record is not None for a in queries.assets(conn) if a.attempt >= 0)


def test_text_that_postgres_cannot_hold_stops_nobody(database: str):
    odd = job("nul", prompt='A "\x00" poster', campaign="\x00")
    with open_ledger(database) as conn:
        fill(conn, fetched(accepted(odd)))
        assert queries.job_states(conn, [odd.job_id])[odd.job_id].prompt == 'A "�" poster'


def test_the_trace_tells_the_whole_story(conn: psycopg.Connection):
    steps = trace(conn, REPAIRED.job_id, Codec(LockedIds()))
    assert [s.record for s in steps] == [
        "PromptSubmitted", "PromptSeen",
        *("RenderRequested", "ImageGenerated", "ImageInspected", "AssetRejected") * 2,
        "RenderRequested", "ImageGenerated", "ImageInspected", "AssetApproved", "TouchUpReported",
    ]  # fmt: skip
    assert [s.attempt for s in steps if s.record == "RenderRequested"] == [0, 1, 2]
    told = json.dumps([s.plain() for s in steps])
    for word in ("seed", "scheduler", "ruleset_id", "model_digest", "backend", "asset_sha256", "row_sha256", "offset"):
        assert word in told
    console = out()
    with console.capture() as captured:
        console.print(story(REPAIRED.job_id, steps))
    text = captured.get()
    for word in ("attempt 2", "FlowMatchEulerDiscreteScheduler", "sha256:5170", "design-queue/0@", "OPEN LATE"):
        assert word in text


def test_the_trace_flags_what_the_lifecycle_forbids(conn: psycopg.Connection, database: str):
    codec = Codec(LockedIds())
    for of in (CLEAN, REPAIRED, REVIEWED, REFUSED):
        assert [s.forbidden for s in trace(conn, of.job_id, codec) if s.forbidden] == []
    skipped = job("skips its inspection")
    said = [(topic, event) for topic, event in accepted(skipped) if topic != "images.inspected"]
    with open_ledger(database) as own:
        fill(own, fetched(said))
        steps = trace(own, skipped.job_id, codec)
    flagged = [(s.record, s.forbidden) for s in steps if s.forbidden]
    assert flagged == [("AssetApproved", "AssetApproved cannot come where a run is rendered")]
    assert next(s for s in steps if s.forbidden).plain()["forbidden"] == flagged[0][1]
    console = out()
    with console.capture() as captured:
        console.print(story(skipped.job_id, steps))
    assert "forbidden by the lifecycle" in captured.get()


def test_a_dead_letter_is_part_of_the_story(conn: psycopg.Connection):
    steps = trace(conn, CLEAN.job_id, Codec(LockedIds()))
    letter = next(s for s in steps if s.record == "DeadLetter")
    assert letter.facts["origin"] == "images.generated/0@3"
    assert letter.plain()["event"]["value"] == {"base64": "/w=="}


def test_since_takes_spans_and_times():
    assert since_ms("90m", 10_000_000) == 10_000_000 - 90 * 60_000
    assert since_ms("1970-01-02", 0) == 86_400_000
    assert since_ms("1970-01-02T00:00:00+02:00", 0) == 86_400_000 - 7_200_000
    with pytest.raises(ValueError, match="fortnight"):
        since_ms("fortnight", 0)
