"""Sixteen jobs through the render stage and the real pipeline: what befalls one of them, none of the others notices."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from broker.settings import Settings
from broker.worker_port import Delivery, Record
from rules.engines import Loading
from schemas import ids
from schemas.events import FailureKind, FileRole, ImageGenerated, RenderRequested
from store.artifacts import ArtifactStore, open_store
from tests import renders
from tests.integration.misbehaving import as_is
from tests.unit.rules import samples
from workers.engines.pool import Pool
from workers.engines.port import Rendered
from workers.render_handler import RenderHandler

pytest.importorskip("diffusers")
pytestmark = pytest.mark.models

from tests import sd3_tiny  # noqa: E402  # only where the extras are installed
from tests.sd3_tiny import Full, ask, pixels  # noqa: E402
from workers.engines.sd3 import Sd3  # noqa: E402

JOBS = 16
NAN, CUT_SHORT, DAMAGED = 3, 7, 12
"""The jobs whose latents are no numbers, whose file came in cut short, and whose file was cut short in the store."""
EXACT = replace(sd3_tiny.profile(batch=JOBS, loading=Loading(exact=True)), id="sd3.5-medium")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sd3_tiny.build(tmp_path_factory.mktemp("sd3"))


def picture(n: int) -> bytes:
    image = Image.effect_noise((64, 64), 30 + n).convert("RGB")
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


PICTURES = [picture(n) for n in range(JOBS)]


def send(store: ArtifactStore, n: int, *, faults: bool) -> RenderRequested:
    """A job that starts from a picture in the store."""
    data = PICTURES[n][:-40] if faults and n == CUT_SHORT else PICTURES[n]
    store.put(data)
    word = sd3_tiny.POISON_WORD if faults and n == NAN else "red"
    asked = ask(f"a {word} tent", seed=n, files=[renders.file_ref(data, FileRole.INIT_IMAGE, f"{n}.png")])
    request = replace(asked, engine=EXACT.id)
    return RenderRequested(event_id=ids.event_id(request.job.job_id, "test"), at_ms=1, request=request)


def run(state: Path, engine: Sd3, *, faults: bool) -> tuple[list[ImageGenerated], list[bytes | None]]:
    """All jobs in one batch: what is said of each, and its asset."""
    store = open_store(Settings.model_validate({"state_dir": state}))
    events = [send(store, n, faults=faults) for n in range(JOBS)]
    if faults:
        sha256 = events[DAMAGED].request.job.files[0].sha256
        (stored,) = (p for p in state.rglob("*") if p.is_file() and sha256 in p.as_posix().replace("/", ""))
        stored.chmod(0o644)
        stored.write_bytes(stored.read_bytes()[:-40])
    rules = replace(samples.ruleset(), engines={EXACT.id: EXACT})
    handler = RenderHandler(
        store=store,
        ruleset=lambda _: rules,
        engines=Pool(build=lambda _: engine, serves=frozenset({EXACT.id}), budget_bytes=lambda: 10**12),
        finish=as_is,
        hard_s=120,
        now_ms=lambda: 5,
    )
    batch = [
        Delivery(record=Record(topic="t", partition=0, offset=n, key=None, value=None), event=e)
        for n, e in enumerate(events)
    ]
    made: list[ImageGenerated] = []
    for (output,) in handler.settle(handler.work(batch, 1)):
        assert isinstance(output.event, ImageGenerated)
        made.append(output.event)
    assets = [m.rendering.asset for m in made]
    return made, [store.get(a.sha256) if a else None for a in assets]


def kinds(made: Sequence[ImageGenerated]) -> list[FailureKind | None]:
    return [m.rendering.failure.kind if m.rendering.failure else None for m in made]


def test_nan_latents_two_broken_files_and_a_full_device_change_no_byte_of_the_other_jobs(
    folder: Path, tmp_path: Path
) -> None:
    clean_engine, _ = sd3_tiny.engine(folder, EXACT)
    clean, whole = run(tmp_path / "clean", clean_engine, faults=False)
    assert kinds(clean) == [None] * JOBS

    engine, pipe = sd3_tiny.engine(folder, EXACT)
    full = Full(pipe, room=8, times=1)
    made, assets = run(tmp_path / "faults", engine, faults=True)
    assert full.batches == [14, 7]  # the jobs with broken files never got there
    invalid = FailureKind.INVALID_REQUEST
    failed = {NAN: FailureKind.BROKEN_LATENTS, CUT_SHORT: invalid, DAMAGED: invalid}
    assert kinds(made) == [failed.get(n) for n in range(JOBS)]
    said = [m.rendering.failure.message if m.rendering.failure else "" for m in made]
    assert f"{CUT_SHORT}.png: it does not decode" in said[CUT_SHORT]
    for n in range(JOBS):
        assert assets[n] == (None if n in failed else whole[n]), n


def test_without_the_option_a_pixel_may_differ_by_a_step_between_batches_of_other_sizes(folder: Path) -> None:
    engine, pipe = sd3_tiny.engine(folder, sd3_tiny.profile(batch=JOBS))
    asked = [ask(f"cup {n}", seed=n) for n in range(JOBS)]
    whole = engine.render(asked, {})
    full = Full(pipe, room=JOBS // 2)
    halves = engine.render(asked, {})
    assert full.batches == [JOBS, JOBS // 2]
    for one, other in zip(whole, halves, strict=True):
        assert np.abs(pixels(one) - pixels(other)).max() <= 1


def test_with_the_option_a_job_has_the_same_bytes_in_every_batch(folder: Path) -> None:
    engine, _ = sd3_tiny.engine(folder, EXACT)
    asked = [ask(f"cup {n}", seed=n, negative_prompt="blur") for n in range(JOBS)]
    whole = engine.render(asked, {})
    for size in (15, 8, 3, 1):
        parts = [r for i in range(0, JOBS, size) for r in engine.render(asked[i : i + size], {})]
        for one, other in zip(whole, parts, strict=True):
            assert isinstance(one, Rendered)
            assert isinstance(other, Rendered)
            assert one.encoded() == other.encoded()
            assert one.latents == other.latents
    assert isinstance(whole[0], Rendered)
    assert whole[0].facts["loading"] == "fp32, exact"
