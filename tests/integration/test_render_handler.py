"""What the render worker makes of whatever an engine does: one result for each job, none hurts its batch mates."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import pytest

from broker.settings import Settings
from broker.worker_port import Delivery, Record
from rules.engines import EngineProfile
from rules.ruleset import Ruleset
from schemas.errors import Fatal, Poison, Transient
from schemas.events import (
    FailureKind,
    FileRef,
    FileRole,
    ImageFormat,
    ImageGenerated,
    Outcome,
    RenderFailure,
    RenderRequest,
    RenderRequested,
)
from store import manifests
from store.artifacts import ArtifactStore, open_store
from store.objects import Objects
from tests.integration import misbehaving
from tests.integration.misbehaving import Misbehaving, as_is, only, wanted
from tests.unit.rules import samples
from workers.engines.pool import Pool
from workers.engines.port import NOBODY, Engine, Rendered, Watch
from workers.finish.finish import Finisher
from workers.finish.port import Finish, Finished, Order
from workers.finish.upscale import Lanczos
from workers.progress import Word
from workers.render_call import AWAY_TRIES
from workers.render_handler import RenderHandler
from workers.watch import REST_S


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return open_store(Settings.model_validate({"state_dir": tmp_path}))


def by(rules: Ruleset) -> Callable[[str], Ruleset]:
    return lambda _ruleset_id: rules


def handler(store: ArtifactStore, engine: Misbehaving, *, hard_s: float = 30, finish: Finish = as_is) -> RenderHandler:
    return RenderHandler(
        store=store,
        ruleset=lambda _: samples.ruleset(),
        engines=only(engine),
        finish=finish,
        hard_s=hard_s,
        now_ms=lambda: 77,
    )


@cache
def impatient(_ruleset_id: str) -> Ruleset:
    """Its engine has a tenth of a second a picture."""
    rules = samples.ruleset()
    profile = replace(rules.engines[misbehaving.ENGINE], timeout_s=0.1)
    return replace(rules, engines={**rules.engines, profile.id: profile})


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


def test_a_batch_that_takes_too_long_is_cancelled_and_the_worker_lives(store: ArtifactStore) -> None:
    engine = Misbehaving()
    its = replace(handler(store, engine), ruleset=impatient)
    slow = [wanted(0, misbehaving.CRAWLS), wanted(1)]
    assert kinds(run(its, [wanted(2)])) == [None]  # it is loaded: the clock starts with the call
    made = run(its, slow)
    assert kinds(made) == [FailureKind.TIMEOUT] * 2
    assert made[0].rendering.failure is not None
    assert made[0].rendering.failure.message == "cancelled: not done within 0.2 s"
    assert kinds(run(its, [wanted(3)])) == [None]
    assert engine.calls == [1, 2, 1]


def test_after_a_stop_a_batch_that_cannot_be_done_is_left_undone(store: ArtifactStore) -> None:
    engine, words = Misbehaving(), list[Word]()
    its = replace(handler(store, engine), tell=words.append)
    its.drain.begin(time.monotonic() + REST_S + 5)
    began = time.monotonic()
    with pytest.raises(Transient, match="before the stop"):
        its.work(deliveries([wanted(0, misbehaving.CRAWLS)]), AWAY_TRIES)
    assert time.monotonic() - began < 5
    assert manifests.find(store, wanted(0, misbehaving.CRAWLS).request) is None
    assert words[0].engine == misbehaving.ENGINE


def test_every_batch_is_told_from_its_beginning_to_its_end(store: ArtifactStore) -> None:
    engine, words = Misbehaving(), list[Word]()
    engine.let_go.set()
    event = wanted(0, misbehaving.CRAWLS)
    its = replace(handler(store, engine), tell=words.append)
    assert kinds(run(its, [event])) == [None]
    steps = misbehaving.CRAWL_STEPS
    jobs = (event.request.job.job_id,)
    assert words[0] == Word(engine=misbehaving.ENGINE, job_ids=jobs)
    assert words[1:-1] == [replace(words[0], step=n + 1, steps=steps) for n in range(steps)]
    assert words[-1] == Word()


def test_an_engine_that_is_not_built_is_not_built_to_choose_a_batch(store: ArtifactStore) -> None:
    built: list[str] = []

    def build(profile: EngineProfile) -> Engine:
        built.append(profile.id)
        return Misbehaving()

    pool = Pool(build=build, serves=frozenset({misbehaving.ENGINE}), budget_bytes=lambda: 0)
    its = replace(handler(store, Misbehaving()), engines=pool)
    event = wanted(0)
    assert not its.ready(event)
    assert its.max_batch(event) == samples.ruleset().engines[misbehaving.ENGINE].max_batch(512, 512)
    coarse = its.batch_key(event)
    assert built == []
    assert kinds(run(its, [event])) == [None]
    assert built == [misbehaving.ENGINE]
    assert its.ready(event)
    assert its.batch_key(event) != coarse


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (Poison("its colour mask is no picture"), FailureKind.INVALID_REQUEST),
        (MemoryError("too large"), FailureKind.OUT_OF_MEMORY),
        (OSError("encoder error -2"), FailureKind.CORRUPT_OUTPUT),
    ],
)
def test_finishing_that_fails_is_a_failure_of_the_job_and_its_picture_is_paid(
    store: ArtifactStore, error: Exception, kind: FailureKind
) -> None:
    def finish(order: Order) -> Finished:
        raise error

    (made,) = run(handler(store, Misbehaving(), finish=finish), [wanted(0)])
    assert kinds([made]) == [kind]
    profile = samples.ruleset().engines[misbehaving.ENGINE]
    assert made.rendering.cost_usd == profile.cost_usd(made.rendering.engine_ms) > 0


def test_what_other_groups_of_a_batch_gave_is_kept_where_one_of_them_is_away(store: ArtifactStore) -> None:
    engine, away = Misbehaving(), wanted(1, misbehaving.AWAY)
    job = replace(away.request.job, width=256, height=256)  # another batch key: chosen before the engine was built
    events = [wanted(0), replace(away, request=replace(away.request, job=job))]
    its = handler(store, engine)
    with pytest.raises(Transient, match="503"):
        its.work(deliveries(events), 1)
    assert kinds(run(its, events, AWAY_TRIES)) == [None, FailureKind.UNAVAILABLE]
    assert engine.calls == [1, 1, 1]


def test_a_time_out_that_cannot_be_stored_ends_the_process_all_the_same(store: ArtifactStore) -> None:
    @dataclass(frozen=True, slots=True)
    class ReadOnly(Objects):
        def write(self, key: str, data: bytes, *, media_type: str = "") -> None:
            raise Transient("the store is away")

    engine, objects = Misbehaving(), store.objects
    lame = ArtifactStore(ReadOnly(objects.remote, objects.where))
    with pytest.raises(Fatal, match="did not come back"):
        handler(lame, engine, hard_s=0.05).work(deliveries([wanted(0, misbehaving.HANGS)]), 1)
    engine.let_go.set()


def test_the_manifest_says_what_made_the_image(store: ArtifactStore) -> None:
    event = wanted(3)
    (made,) = run(handler(store, Misbehaving()), [event])
    kept = manifests.load(store, made.rendering.manifest_sha256).manifest
    assert (kept.request, kept.outcome, kept.at_ms) == (event.request, Outcome.RENDERED, 77)
    assert {"engine", "finish", "store"} <= set(kept.timings_ms)
    assert made.rendering.cost_usd == samples.ruleset().engines[misbehaving.ENGINE].cost_usd(kept.engine_ms)
    assert made.rendering.asset is not None
    assert len(store.get(made.rendering.asset.sha256)) == made.rendering.asset.size_bytes


class Charging(Misbehaving):
    """Says what its host charged."""

    def render(
        self, requests: Sequence[RenderRequest], files: Mapping[str, bytes], watch: Watch = NOBODY
    ) -> Sequence[Rendered | RenderFailure]:
        made = super().render(requests, files, watch)
        return [replace(m, cost_usd=0.07) if isinstance(m, Rendered) else m for m in made]


def test_what_a_host_charged_goes_before_the_prices_of_the_profile(store: ArtifactStore) -> None:
    made = run(handler(store, Charging()), [wanted(0), wanted(1)])
    assert [m.rendering.cost_usd for m in made] == [0.07, 0.07]
    assert [manifests.load(store, m.rendering.manifest_sha256).rendering.cost_usd for m in made] == [0.07, 0.07]


def test_what_finishing_did_stands_in_the_manifest(store: ArtifactStore) -> None:
    rules = replace(samples.ruleset(), pipeline=replace(samples.ruleset().pipeline, postprocess=("color-normalize",)))
    finisher = Finisher(signer=None, upscaler=Lanczos(), version="0.0.0")
    its = replace(handler(store, Misbehaving(), finish=finisher), ruleset=by(rules))
    event = wanted(0)
    job = replace(event.request.job, brand="northwind-coffee", upscale=2, format=ImageFormat.WEBP)
    (made,) = run(its, [replace(event, request=replace(event.request, job=job))])
    kept = manifests.load(store, made.rendering.manifest_sha256).manifest
    assert {"color-normalize.delta_e00_before", "color-normalize.delta_e00_after", "colour-profile"} <= set(kept.finish)
    assert "Lanczos" in kept.finish["upscale"]
    assert "webp" in kept.finish["format"]
    assert made.rendering.asset is not None
    assert kept.picture_sha256 not in {None, made.rendering.asset.sha256}  # of what the engine gave
    assert (made.rendering.asset.media_type, made.rendering.asset.width) == ("image/webp", 128)


def test_another_record_is_poison(store: ArtifactStore) -> None:
    made = run(handler(store, Misbehaving()), [wanted(0)])
    with pytest.raises(Poison, match="no business"):
        handler(store, Misbehaving()).batch_key(made[0])
