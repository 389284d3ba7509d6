"""One suite for every object store: a local folder, and S3 as moto's server speaks it over HTTP on loopback."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import pytest
from moto.server import ThreadedMotoServer

from broker.settings import Settings
from schemas.errors import BadConfig, Fatal, Poison, Transient
from schemas.events import (
    Asset,
    FailureKind,
    Job,
    Lane,
    LatentStats,
    Outcome,
    Preset,
    PromptCut,
    RenderFailure,
    RenderRequest,
    Risk,
    Rung,
    Sampling,
    TextContract,
)
from schemas.ids import job_id
from store import artifacts, manifests, shares
from store.artifacts import ArtifactStore, open_store

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 8


@dataclass(frozen=True, slots=True)
class Case:
    """A store and the settings that opened it."""

    store: ArtifactStore
    settings: Settings


@pytest.fixture(scope="module")
def s3_endpoint() -> Iterator[str]:
    server = ThreadedMotoServer("127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


def s3_settings(endpoint: str, bucket: str) -> Settings:
    return Settings.model_validate(
        {
            "store_url": f"s3://{bucket}/assets",
            "store_s3_endpoint": endpoint,
            "store_s3_access_key_id": "test",
            "store_s3_secret_access_key": "test",
        }
    )


def make_bucket(endpoint: str, bucket: str) -> None:
    httpx.put(f"{endpoint}/{bucket}").raise_for_status()


@pytest.fixture(params=["folder", "s3"])
def case(request: pytest.FixtureRequest, tmp_path: Path) -> Case:
    if request.param == "folder":
        settings = Settings.model_validate({"store_url": (tmp_path / "with space" / "store").as_uri()})
    else:
        endpoint: str = request.getfixturevalue("s3_endpoint")
        bucket = "b" + hashlib.sha256(str(tmp_path).encode()).hexdigest()[:16]
        make_bucket(endpoint, bucket)
        settings = s3_settings(endpoint, bucket)
    return Case(open_store(settings), settings)


def a_request(**changes: object) -> RenderRequest:
    job = Job(job_id=job_id("k"), idempotency_key="k", prompt="a poster", lane=Lane.CRITICAL, seed=7, submitted_at_ms=1)
    sampling = Sampling(
        preset=Preset.STANDARD, scheduler="FlowMatchEulerDiscreteScheduler", steps=4, guidance=0, seed=7
    )
    base = RenderRequest(
        job=job,
        attempt=0,
        rung=Rung.FIRST,
        engine="sd3.5-medium",
        lane=Lane.CRITICAL,
        prompt="a poster",
        sampling=sampling,
        text=TextContract(phrases=(), other_text_allowed=True),
        tags=(),
        risk=Risk.LOW,
        rule="default",
        ruleset_id="0" * 64,
        cost_spent_usd=0,
    )
    return replace(base, **changes)  # type: ignore[arg-type]


def a_manifest(request: RenderRequest, **changes: object) -> manifests.Manifest:
    base = manifests.Manifest(
        request=request,
        at_ms=12,
        injected=("wrong-glyph",),
        timings_ms={"engine": 3.5, "finish": 0.25},
        picture_sha256="b" * 64,
        facts={"art": "drawn"},
        finish={"color-normalize": "moved"},
        outcome=Outcome.RENDERED,
        asset=Asset(sha256="a" * 64, media_type="image/png", size_bytes=9, width=64, height=64),
        latents=LatentStats(finite=True, std=1.1, absmax=5.0),
        cut=(PromptCut(encoder="t5", tokens=300, limit=256, lost="the end"),),
        failure=None,
        backend="simulator",
        model_digest="v1",
        device="cpu",
        engine_ms=3.5,
        batch_size=4,
        cost_usd=0.01,
    )
    return replace(base, **changes)  # type: ignore[arg-type]


def test_bytes_come_back_as_they_went_in(case: Case) -> None:
    address = case.store.put(PNG)
    assert address == hashlib.sha256(PNG).hexdigest()
    assert case.store.get(address) == PNG


def test_nothing_is_an_artifact_too(case: Case) -> None:
    assert case.store.get(case.store.put(b"")) == b""


def test_putting_twice_is_one_artifact(case: Case) -> None:
    assert case.store.put(PNG) == case.store.put(PNG)
    assert case.store.get(case.store.put(PNG)) == PNG


def test_a_large_artifact_survives_the_multipart_way(case: Case) -> None:
    data = hashlib.sha256(b"seed").digest() * (11 * 1024 * 1024 // 32)
    assert case.store.get(case.store.put(data)) == data


def test_a_damaged_artifact_is_poison_by_name_and_putting_it_again_mends_it(case: Case) -> None:
    address = case.store.put(PNG)
    case.store.objects.write(artifacts.key_of(address), PNG[:-1])
    with pytest.raises(Poison, match=f"artifact {address} .* is damaged"):
        case.store.get(address)
    case.store.put(PNG)
    assert case.store.get(address) == PNG


def test_a_missing_artifact_is_poison_by_name(case: Case) -> None:
    with pytest.raises(Poison, match="artifact " + "e" * 64 + " is not in"):
        case.store.get("e" * 64)


def test_an_address_is_never_a_path(case: Case) -> None:
    for bad in ("../" * 8 + "etc/passwd", "", "A" * 64, "a" * 63):
        with pytest.raises(Poison, match="no artifact address"):
            case.store.get(bad)


def test_too_large_is_refused_before_it_is_sent(case: Case) -> None:
    address = case.store.put(PNG)
    small = ArtifactStore(replace(case.store.objects, max_bytes=10))
    with pytest.raises(Poison, match="at most 10"):
        small.put(b"x" * 11)
    with pytest.raises(Poison, match="at most 10"):
        small.get(address)


def test_put_if_absent_lets_exactly_one_writer_win(case: Case) -> None:
    def write(n: int) -> bool:
        return case.store.objects.write_new("attempts/race", b"%d" % n)

    with ThreadPoolExecutor(4) as pool:
        won = list(pool.map(write, range(8)))
    assert won.count(True) == 1
    assert case.store.objects.read("attempts/race") == b"%d" % won.index(True)


def test_a_second_process_opens_the_same_store(case: Case) -> None:
    address = case.store.put(PNG)
    assert open_store(case.settings).get(address) == PNG


def test_a_store_of_another_layout_is_refused(case: Case) -> None:
    case.store.objects.write(artifacts.MARKER, b'{"format": 99}')
    with pytest.raises(Fatal, match="want format 1"):
        open_store(case.settings)


def test_a_manifest_brings_the_rendering_back(case: Case) -> None:
    request = a_request()
    assert manifests.find(case.store, request) is None
    made = manifests.record(case.store, a_manifest(request))
    found = manifests.find(case.store, request)
    assert found == made
    assert found is not None
    assert found.rendering.manifest_sha256 == made.sha256
    assert found.rendering.asset == a_manifest(request).asset
    assert manifests.load(case.store, made.sha256).manifest.injected == ("wrong-glyph",)


def test_a_failure_is_remembered_too(case: Case) -> None:
    request = a_request()
    failure = RenderFailure(kind=FailureKind.OUT_OF_MEMORY, message="8 GB wanted")
    manifests.record(case.store, a_manifest(request, outcome=Outcome.FAILED, asset=None, latents=None, failure=failure))
    found = manifests.find(case.store, request)
    assert found is not None
    assert found.rendering.failure == failure


def test_the_first_manifest_of_an_attempt_stays(case: Case) -> None:
    request = a_request()
    first = manifests.record(case.store, a_manifest(request, at_ms=1))
    second = manifests.record(case.store, a_manifest(request, at_ms=2))
    assert second == first


def test_attempts_replays_and_requests_are_kept_apart(case: Case) -> None:
    request = a_request()
    manifests.record(case.store, a_manifest(request))
    assert manifests.find(case.store, a_request(attempt=1)) is None
    assert manifests.find(case.store, a_request(replay_id="run")) is None
    other = a_request(prompt="another prompt under the same attempt")
    assert manifests.find(case.store, other) is None
    manifests.record(case.store, a_manifest(other))
    assert manifests.find(case.store, other) is not None


def test_a_manifest_that_is_none_is_poison(case: Case) -> None:
    with pytest.raises(Poison, match="is no manifest"):
        manifests.load(case.store, case.store.put(b'{"job_id": 1}'))
    request = a_request()
    case.store.objects.write(manifests.key_of(request.job.job_id, None, 0), b"[]")
    with pytest.raises(Poison, match="names no manifest"):
        manifests.find(case.store, request)


def test_a_store_that_is_away_is_transient() -> None:
    server = ThreadedMotoServer("127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    make_bucket(endpoint, "gone")
    store = open_store(s3_settings(endpoint, "gone"))
    server.stop()
    with pytest.raises(Transient, match="is away"):
        store.put(PNG)
    with pytest.raises(Transient, match="is away"):
        store.get("a" * 64)


def test_a_bucket_that_is_missing_is_fatal_when_it_is_opened(s3_endpoint: str) -> None:
    with pytest.raises(Fatal, match="does not exist"):
        open_store(s3_settings(s3_endpoint, "no-such-bucket"))


def test_a_scheme_nobody_knows_names_the_setting() -> None:
    with pytest.raises(BadConfig, match=r"PRESSCHECK_STORE_URL.*ftp"):
        open_store(Settings.model_validate({"store_url": "ftp://host/x"}))


def test_a_store_that_takes_no_picture_is_found_before_one_is_rendered(case: Case) -> None:
    artifacts.prove_writable(case.store)
    artifacts.prove_writable(case.store)
    full = replace(case.store, objects=replace(case.store.objects, max_bytes=artifacts.PROBE_BYTES - 1))
    with pytest.raises(Poison, match="at most"):
        artifacts.prove_writable(full)


def test_a_shared_page_lies_apart_and_is_gone_once_it_is_removed(case: Case) -> None:
    page = "<!doctype html><title>π</title>".encode()
    share_id = shares.put(case.store, page)
    assert share_id == hashlib.sha256(page).hexdigest() == shares.put(case.store, page)
    assert shares.get(case.store, share_id) == page
    assert shares.address_of(case.store, share_id).endswith(f"/shares/{share_id[:2]}/{share_id}.html")
    with pytest.raises(Poison, match="is not in"):
        case.store.get(share_id)
    shares.remove(case.store, share_id)
    shares.remove(case.store, share_id)
    assert shares.get(case.store, share_id) is None
    with pytest.raises(Poison, match="no address of a page"):
        shares.get(case.store, "../" * 4)


def test_a_damaged_page_is_poison_until_it_is_shared_again(case: Case) -> None:
    share_id = shares.put(case.store, b"page")
    case.store.objects.write(shares.key_of(share_id), b"another")
    with pytest.raises(Poison, match="is damaged"):
        shares.get(case.store, share_id)
    shares.put(case.store, b"page")
    assert shares.get(case.store, share_id) == b"page"


def test_a_bucket_serves_a_page_as_html(s3_endpoint: str) -> None:
    make_bucket(s3_endpoint, "pages")
    store = open_store(s3_settings(s3_endpoint, "pages"))
    share_id = shares.put(store, b"page")
    signed = {"Authorization": "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/s3/aws4_request"}
    answer = httpx.get(f"{s3_endpoint}/pages/assets/{shares.key_of(share_id)}", headers=signed)
    assert (answer.status_code, answer.content) == (200, b"page")  # a refusal would be served as HTML, too
    assert answer.headers["content-type"] == "text/html; charset=utf-8"


def test_nothing_but_a_revocation_removes_what_is_stored() -> None:
    root = Path(artifacts.__file__).parents[1]
    code = [
        p for room in ("audit", "broker", "ops", "store", "streams", "workers") for p in (root / room).rglob("*.py")
    ]
    assert len(code) > 100
    named = {p: p.relative_to(root).as_posix() for p in code}
    deleting = {
        named[p] for p in code if "objects.remove(" in (text := p.read_text("utf-8")) or "obstore.delete" in text
    }
    assert deleting == {"store/shares.py", "store/objects.py"}
    assert [named[p] for p in code if "shares.remove(" in p.read_text("utf-8")] == ["ops/sharing/topic.py"]


def test_keys_below_a_prefix_are_listed_and_no_others(case: Case):
    wanted = {f"listed/{n}/a.json" for n in range(120)}
    for key in [*wanted, "listed-not/a.json"]:
        case.store.objects.write(key, b"x")
    assert set(case.store.objects.keys("listed")) == wanted
    assert list(case.store.objects.keys("none-there")) == []
