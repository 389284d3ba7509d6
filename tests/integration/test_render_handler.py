"""What the render worker makes of whatever an engine does: one result for each job, none hurts its batch mates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from broker.settings import Settings
from broker.worker_port import Delivery, Record
from schemas.errors import Fatal, Poison, Transient
from schemas.events import FailureKind, FileRef, FileRole, ImageGenerated, Outcome, RenderRequested
from store import manifests
from store.artifacts import ArtifactStore, open_store
from tests.integration import misbehaving
from tests.integration.misbehaving import Misbehaving, as_is, only, unfinishable, wanted
from tests.unit.rules import samples
from workers.finish.port import Finish
from workers.render_call import AWAY_TRIES
from workers.render_handler import RenderHandler


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return open_store(Settings.model_validate({"state_dir": tmp_path}))


def handler(store: ArtifactStore, engine: Misbehaving, *, hard_s: float = 30, finish: Finish = as_is) -> RenderHandler:
    return RenderHandler(
        store=store, ruleset=samples.ruleset, engines=only(engine), finish=finish, hard_s=hard_s, now_ms=lambda: 77
    )


def deliveries(events: Sequence[RenderRequested]) -> list[Delivery]:
    return [
        Delivery(record=Record(topic="t", partition=0, offset=n, key=None, value=None), event=e)
        for n, e in enumerate(events)
    ]


def run(its: RenderHandler, events: Sequence[RenderRequested], tries: int = 1) -> list[ImageGenerated]:
    made: list[ImageGenerated] = []
    for outputs in its.settle(its.work(deliveries(events), tries)):
        (output,) = outputs
        assert isinstance(output.event, ImageGenerated)
        made.append(output.event)
    assert [m.request for m in made] == [e.request for e in events]
    return made


def kinds(made: Sequence[ImageGenerated]) -> list[FailureKind | None]:
    return [m.rendering.failure.kind if m.rendering.failure else None for m in made]


@pytest.mark.parametrize(
    ("wrong", "kind"),
    [
        (misbehaving.FAILS, FailureKind.BROKEN_LATENTS),
        (misbehaving.THROWS, FailureKind.ENGINE_ERROR),
        (misbehaving.SWALLOWS_MEMORY, FailureKind.OUT_OF_MEMORY),
        (misbehaving.TRUNCATED, None),
        (misbehaving.GARBAGE, None),
    ],
)
def test_one_bad_job_fails_alone(store: ArtifactStore, wrong: str, kind: FailureKind | None) -> None:
    events = [wanted(n, wrong if n == 5 else "") for n in range(16)]
    made = run(handler(store, Misbehaving()), events)
    assert kinds(made) == [kind if n == 5 else None for n in range(16)]
    for n, m in enumerate(made):
        # Broken bytes are stored as they are: inspection must see them.
        assert (m.rendering.asset is not None) == (n != 5 or kind is None)


def test_a_redelivered_job_costs_no_second_render_and_tells_the_same_story(store: ArtifactStore) -> None:
    first, second = Misbehaving(), Misbehaving()
    events = [wanted(0), wanted(1, misbehaving.FAILS)]
    assert run(handler(store, first), events) == run(handler(store, second), events)
    assert (first.calls, second.calls) == ([2], [])


def test_what_the_profile_refuses_is_never_rendered(store: ArtifactStore) -> None:
    good, engine = wanted(0), Misbehaving()
    bad = replace(
        good, request=replace(good.request, sampling=replace(good.request.sampling, scheduler="PNDMScheduler"))
    )
    elsewhere = replace(good, request=replace(good.request, attempt=1, engine="no-such-engine"))
    made = run(handler(store, engine), [bad, elsewhere])
    assert kinds(made) == [FailureKind.INVALID_REQUEST] * 2
    assert "PNDMScheduler" in (made[0].rendering.failure.message if made[0].rendering.failure else "")
    assert engine.calls == []
    assert made[0].rendering.cost_usd == 0


def test_a_file_that_is_missing_fails_its_job_alone(store: ArtifactStore) -> None:
    ref = FileRef(role=FileRole.LOGO, name="logo.png", sha256="d" * 64, media_type="image/png", size_bytes=3)
    event = wanted(1)
    lacking = replace(event, request=replace(event.request, job=replace(event.request.job, files=(ref,))))
    made = run(handler(store, Misbehaving()), [wanted(0), lacking])
    assert kinds(made) == [None, FailureKind.INVALID_REQUEST]


def test_an_engine_that_is_away_is_asked_again_and_then_given_up(store: ArtifactStore) -> None:
    its = handler(store, Misbehaving())
    with pytest.raises(Transient, match="503"):
        its.work(deliveries([wanted(0, misbehaving.AWAY)]), 1)
    assert kinds(run(its, [wanted(0, misbehaving.AWAY)], AWAY_TRIES)) == [FailureKind.UNAVAILABLE]


def test_an_engine_that_hangs_ends_the_process_and_the_next_one_reports_the_time_out(store: ArtifactStore) -> None:
    engine = Misbehaving()
    events = [wanted(0, misbehaving.HANGS), wanted(1)]
    with pytest.raises(Fatal, match="did not come back"):
        handler(store, engine, hard_s=0.05).work(deliveries(events), 1)
    engine.let_go.set()
    after = Misbehaving()
    assert kinds(run(handler(store, after), events)) == [FailureKind.TIMEOUT] * 2
    assert after.calls == []


def test_finishing_that_fails_is_a_failure_of_the_job(store: ArtifactStore) -> None:
    made = run(handler(store, Misbehaving(), finish=unfinishable), [wanted(0)])
    assert kinds(made) == [FailureKind.CORRUPT_OUTPUT]


def test_the_manifest_says_what_made_the_image(store: ArtifactStore) -> None:
    event = wanted(3)
    (made,) = run(handler(store, Misbehaving()), [event])
    kept = manifests.load(store, made.rendering.manifest_sha256).manifest
    assert (kept.request, kept.outcome, kept.at_ms) == (event.request, Outcome.RENDERED, 77)
    assert {"engine", "finish", "store"} <= set(kept.timings_ms)
    assert made.rendering.cost_usd == samples.ruleset().engines[misbehaving.ENGINE].cost_usd(kept.engine_ms)
    assert made.rendering.asset is not None
    assert len(store.get(made.rendering.asset.sha256)) == made.rendering.asset.size_bytes


def test_another_record_is_poison(store: ArtifactStore) -> None:
    made = run(handler(store, Misbehaving()), [wanted(0)])
    with pytest.raises(Poison, match="no business"):
        handler(store, Misbehaving()).batch_key(made[0])
