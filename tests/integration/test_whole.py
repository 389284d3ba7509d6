"""The whole pipeline on a stack of its own, driven by its commands: prompt event in, checked asset out."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from broker import clients
from ops.commands import demo
from ops.rulesets import publish as rulesets
from rules.ladder import derived_seed
from schemas import ids
from schemas.catalogue import DEAD_LETTERS, DESIGN_QUEUE, IMAGES_GENERATED, IMAGES_INSPECTED, PROMPTS
from store.artifacts import open_store
from tests.chaos.driver import Stack, running, wait_for
from workers.engines.damage import Damage, drawn_for
from workers.finish.credentials import read_credentials
from workers.finish.development_key import FOLDER

CAMPAIGN = rulesets.IN_CHECKOUT / demo.CAMPAIGN
SMALL = {"width": 320, "height": 320}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """One stack for this module."""
    with running(Stack(state=tmp_path_factory.mktemp("whole") / "state")) as stack:
        yield stack


def run(stack: Stack, lines: Sequence[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Submit jobs, wait for all of them; what became of each, by id."""
    said = stack.call("submit", "-", "--wait", "--json", stdin="".join(json.dumps(line) + "\n" for line in lines))
    return {job["job_id"]: job for job in json.loads(said)["jobs"]}


def tail(stack: Stack, topic: str) -> list[dict[str, Any]]:
    """Every record of a topic, decoded."""
    said = stack.call("tail", topic, "--from-beginning", "--until-end", "--json")
    return [json.loads(line) for line in said.splitlines()]


def seeds(want: Damage | None, count: int) -> list[int]:
    """Seeds whose first render is damaged in a way (None: not at all) and whose next one is sound."""
    found: list[int] = []
    seed = 0
    while len(found) < count:
        if drawn_for(seed) is want and drawn_for(derived_seed(seed, 1)) is None:
            found.append(seed)
        seed += 1
    return found


def test_job_8421_corrupt_bytes_in_a_large_batch_hurt_their_own_job_alone(stack: Stack) -> None:
    """The story that began it all: its job is rendered again with safer sampling, and arrives."""
    base = {**SMALL, "prompt": "Paper-cut illustration of falling leaves", "engine": "simulator"}
    sound = [{**base, "idempotency_key": f"batch-{n}", "seed": s} for n, s in enumerate(seeds(None, 19))]
    corrupt = {**base, "idempotency_key": "8421", "seed": seeds(Damage.TRUNCATED, 1)[0]}
    ended = run(stack, [*sound[:10], corrupt, *sound[10:]])
    assert {job["state"] for job in ended.values()} == {"approved"}

    delivered = {r["value"]["request"]["job"]["job_id"]: r["value"] for r in tail(stack, DESIGN_QUEUE)}
    attempts = {job_id: delivered[job_id]["request"]["attempt"] for job_id in ended}
    own = ids.job_id("8421")
    assert attempts == {**dict.fromkeys(ended, 0), own: 1}
    assert delivered[own]["request"]["rung"] == "safer_sampling"
    assert delivered[own]["request"]["sampling"]["preset"] == "safe"
    story = stack.call("audit", "trace", own)
    assert "corrupt-bytes" in story
    assert "cannot be decoded" in story


def test_a_prompt_submitted_twice_under_one_key_is_one_job(stack: Stack) -> None:
    line = {**SMALL, "prompt": "Linocut of a lighthouse", "idempotency_key": "twice", "seed": seeds(None, 1)[0]}
    assert list(run(stack, [line])) == list(run(stack, [line])) == [ids.job_id("twice")]
    run(stack, [{**line, "idempotency_key": "after"}])  # whatever the repeat did is done once this one is at an end
    assert stack.terminal_events()[ids.job_id("twice")].total() == 1


def test_every_kind_of_the_campaign_ends_as_it_should(stack: Stack) -> None:
    lines = {(line := json.loads(text))["idempotency_key"]: line for text in CAMPAIGN.read_text().splitlines()}
    chosen = ("autumn-poster-05", "autumn-logo-02", "trail-art-01", "trail-people-02", "refuse-05-unsafe")
    folder = CAMPAIGN.parent.absolute()
    jobs = [
        {**lines[key], "files": [{**f, "path": str(folder / f["path"])} for f in lines[key].get("files", [])]}
        for key in chosen
    ]
    ended = run(stack, jobs)
    states = {key: ended[ids.job_id(key)]["state"] for key in chosen}
    assert states["refuse-05-unsafe"] == "refused"
    assert states["trail-people-02"] == "review"
    assert {states[k] for k in chosen[:3]} == {"approved"}
    assert any("nudity" in reason for reason in ended[ids.job_id("refuse-05-unsafe")]["reasons"])


def test_what_was_inspected_is_byte_for_byte_what_is_delivered_and_signed(stack: Stack) -> None:
    base = {**SMALL, "prompt": "Woodcut of a harbour", "engine": "simulator", "brand": "northwind-coffee"}
    sound = seeds(None, 3)
    wishes = ({"format": "png"}, {"format": "jpeg", "upscale": 2}, {"format": "webp"})
    lines = [
        {**base, **wish, "idempotency_key": f"finish-{n}", "seed": seed}
        for n, (wish, seed) in enumerate(zip(wishes, sound, strict=True))
    ]
    ended = run(stack, lines)
    assert {job["state"] for job in ended.values()} == {"approved"}
    store = open_store(stack.settings)
    seen: dict[str, list[dict[str, Any]]] = {job_id: [] for job_id in ended}
    for topic in (IMAGES_GENERATED, IMAGES_INSPECTED, DESIGN_QUEUE):
        for record in tail(stack, topic):
            if (job_id := record["value"]["request"]["job"]["job_id"]) in seen:
                seen[job_id].append(record["value"]["rendering"]["asset"])
    for n, (media_type, side) in enumerate((("image/png", 320), ("image/jpeg", 640), ("image/webp", 320))):
        made, inspected, delivered = seen[ids.job_id(f"finish-{n}")]
        assert made == inspected == delivered
        assert (made["media_type"], made["width"], made["height"]) == (media_type, side, side)
        read = read_credentials(store.get(made["sha256"]), media_type)
        assert read is not None
        assert (read.state, read.signer) == ("Valid", "Presscheck development key (Presscheck development)")


def test_the_private_key_lies_in_its_own_file_alone(stack: Stack) -> None:
    key = stack.state / FOLDER / "key.pem"
    line = key.read_bytes().splitlines()[1]
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    kept = [p for p in stack.state.rglob("*") if p.is_file() and p != key]
    assert [p for p in kept if line in p.read_bytes()] == []


def test_bytes_that_are_no_record_become_a_dead_letter_and_the_stages_live_on(stack: Stack) -> None:
    producer = clients.producer(stack.settings)
    where: list[tuple[int, int]] = []
    producer.produce(
        PROMPTS, key=b"k", value=b"not avro", headers=[("from", b"cms")],
        on_delivery=lambda _e, m: where.append((m.partition() or 0, m.offset() or 0)),
    )  # fmt: skip
    assert producer.flush(30) == 0

    def letters() -> list[dict[str, Any]]:
        at = {"topic": PROMPTS, "partition": where[0][0], "offset": where[0][1]}
        return [r["value"] for r in tail(stack, DEAD_LETTERS) if r["value"]["origin"] == at]

    wait_for("the dead letter", lambda: bool(letters()))
    (letter,) = letters()
    assert letter["kind"] == "undecodable"
    assert "wire format" in letter["error"]
    assert run(stack, [{**SMALL, "prompt": "Gouache still life of pears"}])


def test_report_and_verify_tell_of_the_same_jobs(stack: Stack) -> None:
    report = json.loads(stack.call("report", "--json"))
    assert report["jobs"]["accepted"] == sum(n[DESIGN_QUEUE] for n in stack.terminal_events().values())
    stack.call("audit", "verify")


def test_two_stacks_run_side_by_side(stack: Stack, tmp_path: Path) -> None:
    with running(Stack(state=tmp_path / "state")) as other:
        assert other.settings.kafka_bootstrap != stack.settings.kafka_bootstrap
        ended = run(other, [{**SMALL, "prompt": "Oil painting of a valley", "idempotency_key": "elsewhere"}])
        assert ids.job_id("elsewhere") in ended
        assert ids.job_id("elsewhere") not in stack.terminal_events()
