"""Replays compared with their originals, and pages shared and taken back, on a real Postgres and a real broker."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Barrier
from typing import Any

import httpx
import pytest
from moto.server import ThreadedMotoServer
from PIL import Image
from typer.testing import CliRunner, Result

from broker.admin import ensure_topics
from broker.settings import Settings
from ops.cli import app
from ops.sharing import topic as share_topic
from ops.sharing.topic import Page
from schemas import ids
from schemas.errors import Poison
from schemas.events import (
    Arm,
    AssetApproved,
    AssetHeld,
    AssetRecalled,
    Event,
    ImageGenerated,
    ImageInspected,
    Measurement,
    Preset,
    RenderRequested,
    ReplayRequested,
    ReviewRequested,
    Verdict,
)
from schemas.events import Assignment as Assigned
from store import shares
from store.artifacts import ArtifactStore, open_store
from tests.integration.audit_ledger import fetched, fill, open_ledger
from tests.pages import standing_alone
from tests.stories import START_MS, Said, accepted, job, judgement, refused, rendering, replayed, request, reviewed

REPLAY = "spring-recall-2"
Outcome = ImageGenerated | ImageInspected | AssetApproved | AssetHeld | ReviewRequested


def png_bytes(colour: str) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (96, 64), colour).save(out, "PNG")
    return out.getvalue()


def pictured(said: Sequence[Said], data: bytes, *, delta_e00: float = 3.0) -> list[Said]:
    """The same story with a real picture, and a distance from the palette."""
    sha256 = hashlib.sha256(data).hexdigest()

    def told(event: Event) -> Event:
        if not isinstance(event, Outcome):
            return event
        asset = event.rendering.asset
        assert asset is not None
        event = replace(
            event, rendering=replace(event.rendering, asset=replace(asset, sha256=sha256, width=96, height=64))
        )
        if isinstance(event, ImageInspected):
            colours = Measurement(check="palette", name="delta_e00_mean", value=delta_e00)
            seen = replace(event.inspection, measurements=(*event.inspection.measurements, colours))
            event = replace(event, inspection=seen)
        return event

    return [(topic, told(event)) for topic, event in said]


def into_review(said: Sequence[Said]) -> list[Said]:
    """The same story, but a person has to decide."""
    *before, (_, end) = said
    assert isinstance(end, AssetApproved)
    review = ReviewRequested(
        event_id=end.event_id, at_ms=end.at_ms, request=end.request, rendering=end.rendering,
        judgement=judgement(Verdict.REVIEW),
    )  # fmt: skip
    return [*before, ("review", review)]


def asked(key: str) -> Said:
    event = ReplayRequested(
        event_id=ids.event_id(job(key).job_id, "ops", REPLAY), at_ms=START_MS + 119_000, replay_id=REPLAY,
        job=job(key), preset=Preset.SAFE, who="Ada", why="bad batch",
    )  # fmt: skip
    return "replay.requests", event


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the command runs."""

    settings: Settings
    dsn: str
    variables: Mapping[str, str] = field(default_factory=dict[str, str])
    """Of the store, where it is not the local folder."""

    def run(self, *arguments: str) -> Result:
        environment = {
            "PRESSCHECK_DATABASE_URL": self.dsn,
            "PRESSCHECK_STATE_DIR": str(self.settings.state_dir),
            "PRESSCHECK_KAFKA_BOOTSTRAP": self.settings.kafka_bootstrap,
            "COLUMNS": "300",
            **self.variables,
        }
        return CliRunner().invoke(app, list(arguments), env=environment)

    def json(self, *arguments: str) -> Any:
        result = self.run(*arguments, "--json")
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    def tell(self, *stories: Sequence[Said]) -> None:
        """Write stories to the ledger."""
        with open_ledger(self.dsn) as conn:
            for n, said in enumerate(stories):
                fill(conn, fetched(said, partition=n))

    def store(self, data: bytes) -> str:
        return open_store(self.settings).put(data)


@pytest.fixture
def place(settings: Settings, database: str) -> Place:
    ensure_topics(settings, [])
    open_ledger(database).close()
    return Place(settings=settings, dsn=database)


@pytest.fixture
def in_bucket(settings: Settings, database: str) -> Iterator[Place]:
    """The same, with the store in a bucket of an S3 server."""
    moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    moto.start()
    endpoint = f"http://127.0.0.1:{moto.get_host_and_port()[1]}"
    httpx.put(f"{endpoint}/assets").raise_for_status()
    bucket = {
        "store_url": "s3://assets/presscheck",
        "store_s3_endpoint": endpoint,
        "store_s3_access_key_id": "test",
        "store_s3_secret_access_key": "a-secret-of-this-test",
    }
    ensure_topics(settings, [])
    open_ledger(database).close()
    known = {"kafka_bootstrap": settings.kafka_bootstrap, "state_dir": settings.state_dir}
    yield Place(
        settings=Settings.model_validate({**known, **bucket}),
        dsn=database,
        variables={f"PRESSCHECK_{name.upper()}": value for name, value in bucket.items()},
    )
    moto.stop()


def batch(place: Place) -> None:
    """Five jobs and a replay of them: two better, one worse, one the same, one on its way."""
    red, green = png_bytes("#b3372f"), png_bytes("#2e7d4f")
    place.store(red)
    place.store(green)
    place.tell(
        pictured(reviewed(job("k0"), then_approved=True), red, delta_e00=6.0),
        [asked("k0"), *pictured(replayed(job("k0"), REPLAY), green, delta_e00=2.0)],
        pictured(accepted(job("k1")), green),
        [asked("k1"), *pictured(replayed(job("k1"), REPLAY), green)],
        refused(job("k2")),
        [asked("k2"), *pictured(replayed(job("k2"), REPLAY), green)],
        pictured(accepted(job("k3"), rejects=1), green),
        [asked("k3"), *into_review(pictured(replayed(job("k3"), REPLAY), red))],
        pictured(accepted(job("k4")), green),
        [asked("k4"), *replayed(job("k4"), REPLAY)[:1]],
        pictured(accepted(job("elsewhere")), green),
    )


def test_a_replay_is_compared_job_by_job(place: Place, tmp_path: Path):
    batch(place)
    found = place.json("compare", REPLAY)
    assert (found["jobs"], found["next_page"]) == (5, None)
    (summary,) = found["summaries"]
    assert summary["replay_id"] == REPLAY
    verdict = summary["verdict"]
    assert (verdict["better"], verdict["worse"], verdict["same"], summary["waiting"]) == (2, 1, 1, 1)
    assert (verdict["p_value"], summary["accepted_before"], summary["accepted_after"]) == (1.0, 2, 3)
    assert [row["change"] for row in found["rows"]] == ["worse", "better", "better", None, "same"]
    rows = {row["job_id"]: row for row in found["rows"]}
    # A person approved the original afterwards; what is compared is what validation made of it.
    person = rows[job("k0").job_id]
    assert (person["original"]["ending"], person["original"]["state"]) == ("review", "approved")
    assert (person["original"]["delta_e00"], person["replays"][0]["delta_e00"]) == (6.0, 2.0)
    repaired = rows[job("k3").job_id]
    assert (repaired["original"]["attempts"], repaired["original"]["cost_usd"]) == (2, pytest.approx(0.08))
    assert (repaired["original"]["end_to_end_ms"], repaired["replays"][0]["end_to_end_ms"]) == (800, 2_000)
    assert repaired["replays"][0]["defects"] == ["wrong-text"]
    assert rows[job("k2").job_id]["original"]["ending"] == "refused"
    assert rows[job("k4").job_id]["replays"][0]["ending"] is None

    first = {row["job_id"]: row for row in place.json("compare", REPLAY, "--first")["rows"]}[job("k3").job_id]
    assert (first["original"]["ending"], first["change"]) == ("reject", "better")

    page = place.json("compare", REPLAY, "--limit", "2", "--page", "2")
    assert [row["change"] for row in page["rows"]] == ["better", None]
    assert (page["next_page"], page["summaries"]) == (3, found["summaries"])
    assert [r["change"] for r in place.json("compare", REPLAY, "--show", "worse")["rows"]] == ["worse"]
    one = place.json("compare", job("k0").job_id, REPLAY)
    assert [row["job_id"] for row in one["rows"]] == [job("k0").job_id]

    sheet, png = tmp_path / "sheet.html", tmp_path / "sheet.png"
    said = place.run("compare", job("k0").job_id, job("k3").job_id, "--sheet", str(sheet), "--png", str(png))
    assert said.exit_code == 0, said.output
    for words in ("1 better, 1 worse, 0 the same", "newest replay of each job", "p (Holm)", REPLAY, "wrong-text"):
        assert words in said.stdout
    read = standing_alone(sheet.read_text(encoding="utf-8"))
    assert len(read.pictures) == 4
    assert "Wanted text is misspelt" in read.words
    with Image.open(png) as image:
        image.load()


def test_what_nobody_knows_is_said(place: Place):
    place.tell(accepted(job("alone")))
    for wrong in (["nosuch"], [job("none").job_id], ["../x"], [job("alone").job_id, "--sheet", "/no/such/sheet.html"]):
        said = place.run("compare", *wrong)
        assert said.exit_code != 0, said.output
    alone = place.json("compare", job("alone").job_id)
    assert (alone["rows"][0]["change"], alone["rows"][0]["replays"]) == (None, [])


def test_the_twin_of_a_paired_job_is_compared_with_a_first_verdict(place: Place):
    of, twin_id = job("paired"), "rollout-7.pair"
    twin = replace(
        request(of, replay_id=twin_id), assignment=Assigned(rollout_id="rollout-7", arm=Arm.CANDIDATE, shadow=True)
    )
    made = rendering(twin)
    cause = ids.event_id(of.job_id, "pair")
    held = AssetHeld(
        event_id=ids.event_id(cause, "held"), at_ms=START_MS + 300, request=twin, rendering=made,
        judgement=judgement(Verdict.ACCEPT), hold_id="shadow:rollout-7",
    )  # fmt: skip
    said: list[Said] = [
        ("render.simulator.critical", RenderRequested(event_id=cause, at_ms=START_MS + 100, request=twin)),
        ("held", held),
    ]
    place.tell(accepted(of, rejects=2), said)
    found = place.json("compare", twin_id)
    (row,) = found["rows"]
    assert (row["original"]["ending"], row["original"]["attempts"], row["change"]) == ("reject", 1, "better")
    # Both began with the submission of the job.
    assert (row["original"]["end_to_end_ms"], row["replays"][0]["end_to_end_ms"]) == (400, 300)


def test_a_picture_is_shared_listed_and_taken_back(place: Place, tmp_path: Path):
    data = png_bytes("#123456")
    of = job("for the customer", prompt='<script>alert("x")</script> says "OPEN LATE"')
    sha256 = place.store(data)
    place.tell(pictured(accepted(of, rejects=1), data))
    made = place.json("share", of.job_id, "--title", "For you", "--who", "ann", "--why", "asked for it")
    assert made["new"]
    again = place.json("share", "--title", "For you", sha256[:12])
    assert (again["new"], again["share_id"]) == (False, made["share_id"])
    other = place.json("share", sha256, "--title", "For others")
    assert other["share_id"] != made["share_id"]

    listed = place.json("share", "list", "--limit", "1")
    assert (listed["shares"][0]["share_id"], listed["total"], listed["next_page"]) == (other["share_id"], 2, 2)
    assert place.json("share", "list", "--limit", "1", "--page", "2")["shares"][0]["who"] == "ann"

    # Whatever becomes of all else in the store, the page stays, under the hash of its bytes.
    kept = place.settings.state_dir / "store" / shares.PREFIX.rstrip("/")
    for path in [p for p in kept.parent.rglob("*") if p.is_file() and not p.is_relative_to(kept)]:
        path.unlink()
    page = tmp_path / "page.html"
    assert place.run("share", "get", made["share_id"][:16], "--out", str(page)).exit_code == 0
    assert hashlib.sha256(page.read_bytes()).hexdigest() == made["share_id"]
    assert Path(made["address"].removeprefix("file://")).read_bytes() == page.read_bytes()
    read = standing_alone(page.read_text(encoding="utf-8"))
    assert of.prompt in read.words
    text = page.read_text(encoding="utf-8")
    for leak in (of.job_id, "ann", "asked for it", str(tmp_path), place.settings.kafka_bootstrap, place.dsn):
        assert leak not in text

    # Looking at it leaves a copy here and needs no browser; asked for one that is not there, it says so.
    seen = place.json("share", "open", made["share_id"][:16])
    assert (Path(seen["file"]).read_bytes(), seen["browser"]) == (page.read_bytes(), False)
    assert seen["address"] == made["address"]
    said = place.run("share", "open", made["share_id"][:16])
    assert said.exit_code == 0
    assert seen["file"] in said.stdout
    assert seen["address"] in said.stdout

    gone = place.json("share", "revoke", made["share_id"][:16], "--who", "bob", "--why", "mistake")
    assert (gone["revoked"], gone["active"], gone["who"]) == (True, False, "bob")
    assert not Path(made["address"].removeprefix("file://")).exists()
    assert not Path(seen["file"]).exists()
    assert place.run("share", "open", made["share_id"]).exit_code == 1
    assert not place.json("share", "revoke", made["share_id"])["revoked"]
    refused_ = place.run("share", "get", made["share_id"], "--out", str(page))
    assert (refused_.exit_code, "was revoked" in refused_.output) == (1, True)
    assert [s["share_id"] for s in place.json("share", "list")["shares"]] == [other["share_id"]]
    everything = {s["share_id"]: s["active"] for s in place.json("share", "list", "--all", "--limit", "1000")["shares"]}
    assert (everything[made["share_id"]], everything[other["share_id"]]) == (False, True)

    # Its record keeps the newest alone; the audit keeps who did what.
    revoked = share_topic.find(share_topic.current(place.settings), made["share_id"])
    shared = replace(
        revoked, event_id=ids.event_id(made["share_id"], "ops", "shared"), active=True, who="ann", why="asked for it",
        at_ms=START_MS,
    )  # fmt: skip
    assert place.json("share", "history") == {"changes": [], "next_page": None}
    with open_ledger(place.dsn) as conn:
        fill(conn, fetched([("shares", shared), ("shares", revoked)]))
    told = place.json("share", "history", made["share_id"][:8], "--limit", "1")
    (last,) = told["changes"]
    assert (last["share_id"], last["change"], last["who"], last["why"]) == (
        made["share_id"], "revoked: For you", "bob", "mistake",
    )  # fmt: skip
    assert told["next_page"] == 2
    (first,) = place.json("share", "history", "--limit", "1", "--page", "2")["changes"]
    assert (first["change"], first["who"]) == ("shared: For you", "ann")
    assert place.json("share", "list", "--job", of.job_id, "--all")["total"] == 2
    assert place.json("share", "list", "--job", job("elsewhere").job_id, "--all")["total"] == 0

    # A page may be shared anew, under the address that it always had.
    place.store(data)
    anew = place.json("share", sha256, "--title", "For you")
    assert (anew["new"], anew["share_id"]) == (True, made["share_id"])
    assert place.run("share", "get", made["share_id"], "--out", str(page)).exit_code == 0

    # A revocation that was interrupted once the page was gone is finished by the next.
    shares.remove(open_store(place.settings), made["share_id"])
    lost = place.run("share", "get", made["share_id"], "--out", str(page))
    assert (lost.exit_code, "gone from the store" in lost.output) == (1, True)
    for s in (made, other):
        assert place.json("share", "revoke", s["share_id"])["revoked"]
    assert place.json("share", "list")["shares"] == []


def test_a_page_in_a_bucket_outlives_all_else_there_until_it_is_revoked(in_bucket: Place, tmp_path: Path):
    data = png_bytes("#654321")
    of = job("from a bucket")
    in_bucket.store(data)
    in_bucket.tell(pictured(accepted(of), data))
    made = in_bucket.json("share", of.job_id, "--title", "In a bucket")
    key = shares.key_of(made["share_id"])
    assert made["address"] == f"s3://assets/presscheck/{key}"
    bucket = f"{in_bucket.settings.store_s3_endpoint}/assets/presscheck"

    objects = open_store(in_bucket.settings).objects
    for other in [k for k in objects.keys("") if not k.startswith(shares.PREFIX)]:
        objects.remove(other)  # as a rule of the bucket does that lets objects expire
    assert [*objects.keys("")] == [key]
    page = tmp_path / "page.html"
    assert in_bucket.run("share", "get", made["share_id"][:16], "--out", str(page)).exit_code == 0
    signed = {"Authorization": "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/s3/aws4_request"}
    served = httpx.get(f"{bucket}/{key}", headers=signed)
    assert (served.status_code, served.content) == (200, page.read_bytes())
    assert hashlib.sha256(served.content).hexdigest() == made["share_id"]
    for leak in (of.job_id, bucket, "a-secret-of-this-test"):
        assert leak not in served.text

    assert in_bucket.json("share", "revoke", made["share_id"], "--why", "mistake")["revoked"]
    assert httpx.get(f"{bucket}/{key}", headers=signed).status_code == 404
    assert in_bucket.json("share", "list", "--job", of.job_id)["total"] == 0


def test_of_a_job_the_picture_is_shared_that_was_delivered(place: Place):
    first, later = png_bytes("#2e7d4f"), png_bytes("#b3372f")
    sha256, _ = place.store(first), place.store(later)
    of = job("replayed since")
    place.tell(pictured(accepted(of), first), into_review(pictured(replayed(of, REPLAY), later)))
    made = place.json("share", of.job_id)
    page = Path(made["address"].removeprefix("file://")).read_text(encoding="utf-8")
    assert sha256 in standing_alone(page).words
    place.json("share", "revoke", made["share_id"])


def a_page(text: str) -> Page:
    return Page(title=text, data=f"<!doctype html><title>{text}</title>".encode(), job_ids=(job("k0").job_id,))


def agreed(place: Place, store: ArtifactStore, page: Page) -> bool:
    """Whether the page is shared, once it is sure that store and topic say the same."""
    share_id = shares.id_of(page.data)
    said = share_topic.find(share_topic.current(place.settings), share_id)
    assert (shares.get(store, share_id) == page.data) is said.active
    return said.active


@pytest.mark.parametrize("step", ["stored", "told"])
def test_a_page_that_is_revoked_while_it_is_shared_ends_as_the_later_word_says(place: Place, step: str):
    store, page = open_store(place.settings), a_page(f"shared, then revoked once {step}")
    share_topic.publish(place.settings, store, page, who="ann", why="", at_ms=START_MS)
    left = iter([step])

    def meanwhile(at: str) -> None:
        if at == step and next(left, None):
            share_topic.revoke(place.settings, store, shares.id_of(page.data), who="bob", why="no", at_ms=START_MS + 2)

    change, new = share_topic.publish(
        place.settings, store, page, who="eve", why="", at_ms=START_MS + 1, fault=meanwhile
    )
    # Where it is revoked before eve says so, hers is the later word, and the page must be there for it; where it is
    # revoked after she looked, she has nothing to say, and must not leave behind what she stored.
    shared = step == "stored"
    assert (new, change.active, agreed(place, store, page)) == (shared, shared, shared)


@pytest.mark.parametrize("step", ["removed", "told"])
def test_whoever_revokes_overrules_those_who_share_it_meanwhile(place: Place, step: str):
    store, page = open_store(place.settings), a_page(f"revoked, then shared once {step}")
    share_topic.publish(place.settings, store, page, who="ann", why="", at_ms=START_MS)
    left = iter([step])

    def meanwhile(at: str) -> None:
        if at == step and next(left, None):
            share_topic.publish(place.settings, store, page, who="eve", why="", at_ms=START_MS + 2)

    share_id = shares.id_of(page.data)
    change, done = share_topic.revoke(
        place.settings, store, share_id, who="bob", why="no", at_ms=START_MS + 1, fault=meanwhile
    )
    assert (done, change.active, agreed(place, store, page)) == (True, False, False)
    with pytest.raises(Poison, match="was revoked"):
        share_topic.fetch(place.settings, store, share_id)


class Killed(BaseException):
    """What a kill does to a command."""


def test_a_command_killed_at_any_step_is_finished_by_the_next(place: Place):
    store = open_store(place.settings)

    def kill_at(step: str) -> share_topic.Fault:
        def fault(at: str) -> None:
            if at == step:
                raise Killed

        return fault

    for step, late in (("stored", "removed"), ("told", "told")):
        page = a_page(f"killed when {step}")
        with pytest.raises(Killed):
            share_topic.publish(place.settings, store, page, who="ann", why="", at_ms=START_MS, fault=kill_at(step))
        again, _ = share_topic.publish(place.settings, store, page, who="ann", why="", at_ms=START_MS + 1)
        assert again.active
        assert agreed(place, store, page)
        with pytest.raises(Killed):
            share_topic.revoke(
                place.settings, store, again.share_id, who="bob", why="", at_ms=START_MS + 2, fault=kill_at(late)
            )
        with pytest.raises(Poison):
            share_topic.fetch(place.settings, store, again.share_id)
        share_topic.revoke(place.settings, store, again.share_id, who="bob", why="", at_ms=START_MS + 3)
        assert not agreed(place, store, page)


def test_sharing_and_revoking_at_the_same_time_ends_in_agreement(place: Place):
    store, page = open_store(place.settings), a_page("many at once")
    share_id = shares.id_of(page.data)
    share_topic.publish(place.settings, store, page, who="ann", why="", at_ms=START_MS)
    together = Barrier(4)

    def one(n: int) -> None:
        for at_ms in range(START_MS + 1, START_MS + 4):
            together.wait(60)
            if n % 2:
                share_topic.publish(place.settings, store, page, who=f"ann {n}", why="", at_ms=at_ms)
            else:
                share_topic.revoke(place.settings, store, share_id, who=f"bob {n}", why="", at_ms=at_ms)

    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(one, n) for n in range(4)]:
            done.result(120)
    agreed(place, store, page)


def test_what_was_not_accepted_is_shared_only_on_purpose_and_with_a_warning(place: Place, tmp_path: Path):
    data, later = png_bytes("#b3372f"), png_bytes("#654321")
    place.store(data)
    place.store(later)
    waiting, taken = job("waiting"), job("taken back")
    approved = pictured(accepted(taken), later)
    end = next(e for _, e in approved if isinstance(e, AssetApproved))
    recall = AssetRecalled(
        event_id=ids.event_id(end.event_id, "recall"), at_ms=START_MS + 9_000, job_id=taken.job_id,
        approval_id=end.event_id, asset_sha256=hashlib.sha256(later).hexdigest(), defects=("wrong-text",), who="Ada",
        why="wrong",
    )  # fmt: skip
    place.tell(pictured(reviewed(waiting), data), [*approved, ("design-queue", recall)])
    for of, why in ((waiting, "waiting for a person"), (taken, "recalled")):
        said = place.run("share", of.job_id)
        assert (said.exit_code, isinstance(said.exception, SystemExit)) != (0, True)
        assert why in str(said.exception).lower()
        made = place.json("share", of.job_id, "--any-verdict")
        page = Path(made["address"].removeprefix("file://")).read_text(encoding="utf-8")
        assert "not one that was accepted" in standing_alone(page).words
        place.json("share", "revoke", made["share_id"])


def test_a_comparison_is_shared_without_what_is_of_the_system(place: Place):
    batch(place)
    made = place.json("share", REPLAY, "--title", "Before and after")
    assert len(made["job_ids"]) == 5
    assert place.json("share", REPLAY, "--title", "Before and after")["new"] is False
    page = Path(made["address"].removeprefix("file://")).read_text(encoding="utf-8")
    read = standing_alone(page)
    assert "Before and after" in read.words
    leaks = [*made["job_ids"], job("elsewhere").job_id, REPLAY, "$", "Ada", "bad batch", "the text is wrong"]
    assert [leak for leak in leaks if leak in read.words + page.replace(read.style, "")] == []
    assert {s.share_id for s in share_topic.current(place.settings)} >= {made["share_id"]}
    place.json("share", "revoke", made["share_id"])
