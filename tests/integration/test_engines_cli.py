"""`presscheck engines try` and `again` as a user runs them: no broker, no database."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from broker.settings import Settings
from ops.engines.again import Outcome, again, find
from ops.engines.once import Trial, Tried, render, trial
from ops.rulesets.publish import read_config
from schemas.errors import Poison
from schemas.events import Asset, FailureKind, RenderFailure
from schemas.events import Outcome as Rendered
from store import manifests
from store.artifacts import ArtifactStore, open_store
from store.manifests import Attempt, Manifest
from tests import hosted_server
from workers.engines import damage
from workers.engines.port import NOBODY

ROOT = Path(__file__).parents[2]
RULESET = read_config(ROOT / "config")
PROMPT = "a red tent in snow"


@dataclass(frozen=True)
class Ran:
    status: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        return json.loads(self.out)


def presscheck(folder: Path, *args: str | Path, config: Path = ROOT / "config", **environ: str) -> Ran:
    """The command in a folder of its own: no Kafka, no Postgres, and no setting but those given."""
    done = subprocess.run(
        [sys.executable, "-m", "ops", "engines", *map(str, args), "--config", str(config)],
        cwd=folder,
        env={
            **{k: v for k, v in os.environ.items() if not k.startswith("PRESSCHECK_")},
            "PYTHONPATH": str(ROOT),
            "PRESSCHECK_DEVICE": "cpu",
            **environ,
        },
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    return Ran(done.returncode, done.stdout, done.stderr)


def picture(path: Path) -> Image.Image:
    image = Image.open(io.BytesIO(path.read_bytes()))
    image.load()
    return image


def test_a_trial_says_what_made_the_picture_and_the_same_command_draws_it_again(tmp_path: Path) -> None:
    asked = ("try", "typeset", PROMPT, "--text", "OPEN DAILY", "--width", "320", "--height", "256", "--json")
    first = presscheck(tmp_path, *asked, "--inspect")
    assert first.status == 0, first.err
    said = first.json
    made = tmp_path / said["file"]
    assert picture(made).size == (320, 256) == (said["width"], said["height"])
    assert said["sha256"] == hashlib.sha256(made.read_bytes()).hexdigest()
    assert (said["backend"], said["device"], said["text"]) == ("typeset", "cpu", ["OPEN DAILY"])
    assert said["verdict"] == "accept"
    second = presscheck(tmp_path, *asked, "--out", "second.png")
    assert second.json["picture_sha256"] == said["picture_sha256"]
    assert {p.name for p in tmp_path.iterdir()} == {made.name, "second.png"}


def test_files_format_and_size_go_the_way_of_a_job(tmp_path: Path) -> None:
    logo = ROOT / "config" / "demo" / "logos" / "northwind-coffee.png"
    ran = presscheck(
        tmp_path, "try", "typeset", PROMPT, "--file", f"logo={logo}", "--brand", "northwind-coffee", "--text", "SALE",
        "--width", "320", "--height", "256", "--upscale", "2", "--format", "jpeg", "--out", "sale.jpg", "--json",
    )  # fmt: skip
    assert ran.status == 0, ran.err
    assert ran.json["media_type"] == "image/jpeg"
    assert picture(tmp_path / "sale.jpg").size == (640, 512)


def test_the_name_of_the_file_says_its_format_where_nothing_else_does(tmp_path: Path) -> None:
    asked = ("try", "typeset", PROMPT, "--width", "128", "--height", "128", "--json", "--out", "tent.JPG")
    assert presscheck(tmp_path, *asked).json["media_type"] == "image/jpeg"
    assert presscheck(tmp_path, *asked, "--format", "webp").json["media_type"] == "image/webp"


def test_what_a_person_reads_fits_and_names_the_file(tmp_path: Path) -> None:
    ran = presscheck(tmp_path, "try", "typeset", PROMPT, "--width", "128", "--height", "128", "--seed", "7")
    assert ran.status == 0, ran.err
    assert ran.out.splitlines()[0] == "typeset-7.png"
    assert "sha256" in ran.out
    assert max(len(line.rstrip()) for line in ran.out.splitlines()) <= 80


@pytest.mark.parametrize(
    ("args", "why"),
    [
        (("typset", PROMPT), "typeset"),
        (("sd3.5-large-turbo", 'a poster that says "SALE"'), "cannot set text"),
        (("sd3.5-medium", PROMPT), "engines fetch sd3.5-medium"),
        (("typeset", PROMPT, "--file", "logo"), "ROLE=PATH"),
        (("typeset", PROMPT, "--file", "lgo=logo.png"), "style_reference"),
        (("typeset", PROMPT, "--steps", "9"), "1 to 1 steps"),
        (("typeset", "call +46 70 123 45 67"), "refused"),
        (("typeset", PROMPT, "--device", "gpu"), "cuda"),
    ],
)
def test_wrong_use_says_what_is_right(tmp_path: Path, args: tuple[str, ...], why: str) -> None:
    ran = presscheck(tmp_path, "try", *args)
    assert ran.status == 2
    assert why in ran.err
    assert "Traceback" not in ran.err


def test_a_damaged_picture_is_rejected_by_the_checks(tmp_path: Path) -> None:
    seed = next(s for s in range(1000) if damage.drawn_for(s) is damage.Damage.BLACK_FRAME)
    ran = presscheck(
        tmp_path, "try", "simulator", PROMPT, "--width", "128", "--height", "128", "--seed", str(seed), "--inspect",
        "--json",
    )  # fmt: skip
    assert ran.status == 1
    assert ran.json["verdict"] == "reject"
    assert ran.json["injected"] == ["black-frame"]


def _asked(engine: str, folder: Path, **given: Any) -> tuple[Trial, Settings]:
    settings = Settings.model_validate({"state_dir": folder / "state", "device": "cpu"})
    fields = {"prompt": PROMPT, "engine": engine, "width": 128, "height": 128, **given}
    return trial(fields, RULESET, settings), settings


def _made(engine: str, folder: Path, **given: Any) -> Tried:
    asked, settings = _asked(engine, folder, **given)
    made = render(asked, RULESET, settings, NOBODY)
    assert isinstance(made, Tried), made
    return made


def _recorded(made: Tried, store: ArtifactStore) -> Attempt:
    """The manifest that the render worker leaves of such a picture."""
    finished = made.finished
    asset = Asset(
        sha256=store.put(finished.data),
        media_type=finished.media_type,
        size_bytes=len(finished.data),
        width=finished.width,
        height=finished.height,
    )
    manifest = Manifest(
        request=made.request,
        at_ms=1,
        injected=made.rendered.injected,
        timings_ms={},
        picture_sha256=finished.picture_sha256,
        facts={},
        finish={},
        outcome=Rendered.RENDERED,
        asset=asset,
        latents=made.rendered.latents,
        cut=(),
        failure=None,
        backend=made.backend,
        model_digest=made.model_digest,
        device=made.device,
        engine_ms=1.0,
        batch_size=1,
        cost_usd=0.0,
    )
    return manifests.record(store, manifest)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings.model_validate({"state_dir": tmp_path / "state", "device": "cpu"})


@pytest.fixture
def store(settings: Settings) -> ArtifactStore:
    return open_store(settings)


@pytest.mark.parametrize("engine", ["typeset", "simulator"])
def test_an_attempt_renders_again_to_the_byte(
    engine: str, tmp_path: Path, store: ArtifactStore, settings: Settings
) -> None:
    made = _made(engine, tmp_path, width=320, height=256, required_text=["OPEN DAILY"])
    attempt = _recorded(made, store)
    for reference in (attempt.sha256, attempt.manifest.request.job.job_id):
        ran = presscheck(tmp_path, "again", reference, "--state", settings.state_dir, "--json")
        assert ran.status == 0, ran.err
        assert ran.json["outcome"] == "same"
        assert ran.json["now_sha256"] == attempt.manifest.picture_sha256
        assert ran.json["differs"] == {}


def test_the_last_attempt_is_meant_where_none_is_named(tmp_path: Path, store: ArtifactStore) -> None:
    first = _made("typeset", tmp_path)
    _recorded(first, store)
    second = _recorded(replace(first, request=replace(first.request, attempt=1)), store)
    job_id = first.request.job.job_id
    assert find(store, job_id, None, None).sha256 == second.sha256
    assert find(store, job_id, 0, None).manifest.request.attempt == 0
    with pytest.raises(Poison, match="no attempt 2"):
        find(store, job_id, 2, None)


def test_another_picture_of_the_same_device_is_a_finding(
    tmp_path: Path, store: ArtifactStore, settings: Settings
) -> None:
    attempt = _recorded(_made("typeset", tmp_path), store)
    changed = replace(attempt, manifest=replace(attempt.manifest, picture_sha256="0" * 64))
    seen = again(changed, store, RULESET, settings, NOBODY)
    assert seen.outcome is Outcome.DIFFERENT
    assert seen.now_sha256 == attempt.manifest.picture_sha256


@pytest.mark.parametrize("what", ["device", "model"])
def test_another_device_or_model_is_said_and_no_fault(
    what: str, tmp_path: Path, store: ArtifactStore, settings: Settings
) -> None:
    made = _made("typeset", tmp_path)
    other = replace(made, device="cuda:NVIDIA H100") if what == "device" else replace(made, model_digest="typeset:old")
    other = replace(other, finished=replace(made.finished, picture_sha256="0" * 64))
    attempt = _recorded(other, store)
    assert list(again(attempt, store, RULESET, settings, NOBODY).differs) == [what]
    ran = presscheck(tmp_path, "again", attempt.sha256, "--state", settings.state_dir)
    assert ran.status == 1
    assert "nothing else was promised" in ran.out
    assert ("H100" if what == "device" else "typeset:old") in ran.out


def test_a_picture_of_a_batch_is_tried_in_a_batch_and_the_batch_is_said(
    tmp_path: Path, store: ArtifactStore, settings: Settings
) -> None:
    attempt = _recorded(_made("typeset", tmp_path), store)
    manifest = replace(attempt.manifest, picture_sha256="0" * 64, batch_size=3)
    seen = again(replace(attempt, manifest=manifest), store, RULESET, settings, NOBODY)
    assert seen.batch_size == 3
    assert any("batch of 3" in note for note in seen.notes)


def test_an_attempt_that_failed_then_has_nothing_to_compare(
    tmp_path: Path, store: ArtifactStore, settings: Settings
) -> None:
    attempt = _recorded(_made("typeset", tmp_path), store)
    failure = RenderFailure(kind=FailureKind.TIMEOUT, message="the engine did not come back")
    manifest = replace(attempt.manifest, picture_sha256=None, failure=failure)
    with pytest.raises(Poison, match="did not come back"):
        again(replace(attempt, manifest=manifest), store, RULESET, settings, NOBODY)


@pytest.mark.parametrize("reference", ["1234", "f" * 64, "5e0b9e2a-4f0e-5a43-9d6c-0f4b1a2c3d4e"])
def test_what_is_not_in_the_store_is_said(tmp_path: Path, store: ArtifactStore, reference: str) -> None:
    with pytest.raises(Poison):
        find(store, reference, None, None)


def test_a_hosted_engine_is_tried_without_a_database_and_says_what_nobody_counts(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "config", tmp_path / "config")
    engines = tmp_path / "config" / "engines.yml"
    with hosted_server.serve() as server:
        engines.write_text(engines.read_text(encoding="utf-8").replace("https://api.ideogram.ai", server.url))
        asked = ("try", "ideogram-v1", PROMPT, "--width", "1024", "--height", "1024", "--json")
        key = {"PRESSCHECK_IDEOGRAM_API_KEY": hosted_server.KEY, "PRESSCHECK_LOG_JSON": "true"}
        ran = presscheck(tmp_path, *asked, config=tmp_path / "config", **key)
    assert ran.status == 0, ran.err
    assert ran.json["backend"] == "ideogram"
    assert ran.json["cost_usd"] > 0
    assert "what other processes have in flight is not counted" in ran.err
    assert hosted_server.KEY not in ran.out + ran.err
    assert picture(tmp_path / ran.json["file"]).size == (1024, 1024)


@pytest.mark.models
def test_weights_on_the_cpu_are_tried_and_repeated(tmp_path: Path, store: ArtifactStore, settings: Settings) -> None:
    pytest.importorskip("diffusers")
    from tests import sd3_tiny

    engine = "sd3.5-medium"
    place = tmp_path / "state" / "models" / RULESET.engines[engine].model
    place.parent.mkdir(parents=True)
    sd3_tiny.build(tmp_path / "tiny").rename(place)
    asked = (engine, PROMPT, "--width", "128", "--height", "128", "--steps", "8", "--state", settings.state_dir)
    ran = presscheck(tmp_path, "try", *asked, "--json", OMP_NUM_THREADS="1")
    assert ran.status == 0, ran.err
    assert ran.json["device"] == "cpu"
    assert ran.json["backend"] == "diffusers"
    assert picture(tmp_path / ran.json["file"]).size == (128, 128)

    attempt = _recorded(_made(engine, tmp_path), store)
    seen = presscheck(tmp_path, "again", attempt.sha256, "--state", settings.state_dir, "--json", OMP_NUM_THREADS="1")
    assert seen.status == 0, seen.out + seen.err
    assert seen.json["outcome"] == "same"
