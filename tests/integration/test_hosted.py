"""Ideogram and Stability in front of a server that misbehaves in every way their contracts name, and a few more."""

from __future__ import annotations

import io
import json
import logging
import subprocess
import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import psycopg
import pytest
import structlog
from PIL import Image

from audit.migrate import migrate
from broker import logs
from broker.settings import Settings
from broker.worker_port import Delivery, Record
from rules.engines import HostedApi
from schemas.codec import Codec, LockedIds
from schemas.errors import BadConfig, Poison, Transient
from schemas.events import Box, Edit, FailureKind, FileRole, Preset, RenderFailure, RenderRequest
from store.artifacts import open_store
from tests import hosted_server, renders
from tests.hosted_engines import PRICE_USD, Made
from tests.hosted_server import KEY, Answer, Plan, Server, ideogram_row, status
from tests.integration.misbehaving import as_is, wanted
from tests.unit.rules import samples
from tests.waiting import until
from workers.engines.hosted_http import KEY_PART, TRIES
from workers.engines.ideogram import describe, upscale
from workers.engines.pool import Pool
from workers.engines.port import Cancelled, Rendered
from workers.render_handler import RenderHandler

ROOT = Path(__file__).parents[2]
Case = tuple[Plan, FailureKind]
IDEOGRAM, STABILITY = HostedApi.IDEOGRAM, HostedApi.STABILITY
HTML = status(200, b"<html>Maintenance</html>", content_type="text/html")
FILTERED = Answer(body=b"blurred", headers={"content-type": "image/png", "finish-reason": "CONTENT_FILTERED"})
MODERATED = status(403, b'{"id": "1", "name": "content_moderation", "errors": ["Your request was flagged"]}')


@pytest.fixture
def server() -> Iterator[Server]:
    with hosted_server.serve() as its:
        yield its


@pytest.fixture(scope="module")
def dsn(postgres: str) -> Iterator[str]:
    """One database for all tests here: slots come back after each."""
    with psycopg.connect(postgres, autocommit=True) as conn:
        conn.execute("CREATE DATABASE hosted")
    dsn = f"{postgres.rsplit('/', 1)[0]}/hosted"
    migrate(dsn)
    yield dsn
    with psycopg.connect(postgres, autocommit=True) as conn:
        conn.execute("DROP DATABASE hosted WITH (FORCE)")


@pytest.fixture(params=[IDEOGRAM, STABILITY], ids=lambda api: api.value)
def made(request: pytest.FixtureRequest, server: Server, dsn: str) -> Made:
    return Made(api=request.param, server=server, dsn=dsn, timeout_s=8)


@pytest.fixture
def ideogram(server: Server, dsn: str) -> Made:
    return Made(api=IDEOGRAM, server=server, dsn=dsn, timeout_s=8)


@pytest.fixture
def logging_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def ask(seed: int = 7, size: tuple[int, int] = (320, 320), **given: object) -> RenderRequest:
    return renders.request(seed=seed, size=size, **given)  # pyright: ignore[reportArgumentType]


def one(its: Made, request: RenderRequest | None = None) -> Rendered | RenderFailure:
    (result,) = its.engine().render([request or ask()], {})
    return result


def rendered(result: Rendered | RenderFailure) -> Rendered:
    assert isinstance(result, Rendered), result
    return result


def failed(result: Rendered | RenderFailure) -> RenderFailure:
    assert isinstance(result, RenderFailure), result
    return result


# What the contracts ask for


def test_ideogram_is_asked_as_its_reference_says_and_its_link_is_fetched_without_the_key(ideogram: Made) -> None:
    result = rendered(one(ideogram, ask(seed=5, negative_prompt="fog")))
    ((path, wanted),) = ideogram.server.seen
    assert path == "/generate"
    assert wanted == {
        "prompt": "a cup of coffee at dawn",
        "model": "V_1",
        "aspect_ratio": "ASPECT_1_1",
        "magic_prompt_option": "OFF",
        "seed": 5,
        "num_images": 1,
        "negative_prompt": "fog",
    }
    (fetched,) = ideogram.server.result_headers
    assert KEY not in json.dumps(fetched)
    assert (result.width, result.height, result.media_type) == (320, 320, "image/png")
    assert result.picture == next(iter(ideogram.server.images.values()))
    assert result.facts.items() >= {"shape": "ASPECT_1_1", "seed": "5", "operation": "generate"}.items()
    assert result.cost_usd == PRICE_USD


def test_stability_is_asked_as_its_reference_says(server: Server, dsn: str) -> None:
    result = rendered(one(Made(api=STABILITY, server=server, dsn=dsn), ask(seed=5, guidance=4.5)))
    ((path, wanted),) = server.seen
    assert path == hosted_server.SD3
    assert wanted == {
        "prompt": "a cup of coffee at dawn",
        "model": "sd3.5-flash",
        "aspect_ratio": "1:1",
        "mode": "text-to-image",
        "output_format": "png",
        "seed": "6",
        "cfg_scale": "4.5",
    }
    assert result.facts.items() >= {"shape": "1:1", "seed": "6 for 5", "operation": "text-to-image"}.items()
    assert result.cost_usd == PRICE_USD


def test_a_picture_to_start_from_travels_with_the_form(made: Made) -> None:
    start = hosted_server.draw(["1", "1"], b"start", 64)
    ref = renders.file_ref(start, FileRole.INIT_IMAGE, "start.png")
    (result,) = made.engine().render([ask(files=[ref])], {ref.sha256: start})
    rendered(result)
    ((path, wanted),) = made.server.seen
    if made.api is IDEOGRAM:
        assert (path, wanted["image_weight"]) == ("/remix", 50)
    else:
        assert (wanted["mode"], wanted["strength"]) == ("image-to-image", "0.5")


def test_a_start_picture_that_may_not_be_sent_is_refused_unsent(made: Made) -> None:
    start = hosted_server.draw(["1", "1"], b"start", 64)
    ref = renders.file_ref(start, FileRole.INIT_IMAGE, "start.png")
    big = renders.file_ref(b"b" * 10_000_001, FileRole.INIT_IMAGE, "big.png")
    text = replace(ref, media_type="text/plain")
    mends = Edit(source_sha256=ref.sha256, boxes=(Box(left=0, top=0, right=9, bottom=9),), strength=0.5)
    files = {ref.sha256: start, big.sha256: b"b" * 10_000_001}
    asked = [ask(files=[ref, ref]), ask(files=[big]), ask(files=[text]), replace(ask(), edit=mends)]
    results = made.engine().render(asked, files)
    assert [failed(r).kind for r in results] == [FailureKind.INVALID_REQUEST] * 4
    (result,) = replace(made, operations=()).engine().render([ask(files=[ref])], files)
    assert "`remix` is not in its operations" in failed(result).message
    assert made.server.seen == []


@pytest.mark.parametrize(("seed", "ideogram_s", "stability_s"), [(0, 0, 1), (2**31, 0, 2**31 + 1), (2**53 - 1, -1, -1)])
def test_a_seed_is_always_one_that_the_host_takes(made: Made, seed: int, ideogram_s: int, stability_s: int) -> None:
    facts = rendered(one(made, ask(seed=seed))).facts
    sent = int(made.server.seen[0][1]["seed"])
    wanted = ideogram_s if made.api is IDEOGRAM else stability_s
    assert wanted in {sent, -1}
    assert facts["seed"].split(" for ")[0] == str(sent)
    assert rendered(one(made, ask(seed=seed))).facts == facts


def test_ideogram_describes_and_enlarges_where_the_profile_allows(ideogram: Made) -> None:
    data = hosted_server.draw(["1", "1"], b"seen", 64)
    engine = replace(ideogram, operations=("describe", "upscale")).engine()
    seen = engine.aside("describe", lambda talk: describe(talk, data, "image/png"))
    assert seen == ("a cup", "a cup of coffee")
    large = engine.aside("upscale", lambda talk: upscale(talk, data, "image/png"))
    assert Image.open(io.BytesIO(large.data)).size == (320, 320)
    assert ideogram.server.paths() == ["/describe", "/upscale"]
    ideogram.server.plan.append(Answer(body=b'{"descriptions": []}'))
    with pytest.raises(Poison, match="holds no `descriptions`"):
        engine.aside("describe", lambda talk: describe(talk, data, "image/png"))
    ideogram.server.plan.append(status(401))
    with pytest.raises(Poison, match="does not take our key"):
        engine.aside("describe", lambda talk: describe(talk, data, "image/png"))
    with pytest.raises(BadConfig, match="may not be asked to describe"):
        ideogram.engine().aside("describe", lambda talk: describe(talk, data, "image/png"))


# Sizes


@pytest.mark.parametrize(
    ("size", "ideogram_s", "stability_s"),
    [
        ((1024, 1024), "ASPECT_1_1", "1:1"),
        ((768, 1024), "ASPECT_3_4", "4:5"),
        ((1080, 1350), "ASPECT_3_4", "4:5"),
        ((1920, 1080), "ASPECT_16_9", "16:9"),
    ],
)
def test_the_nearest_shape_is_asked_for_and_the_picture_comes_to_the_size_asked_for(
    made: Made, size: tuple[int, int], ideogram_s: str, stability_s: str
) -> None:
    its = replace(made, max_pixels=4096 * 4096)
    result = rendered(one(its, ask(size=size)))
    assert result.facts["shape"] == (ideogram_s if its.api is IDEOGRAM else stability_s)
    assert (result.width, result.height) == size
    image = Image.open(io.BytesIO(result.encoded()))
    assert image.size == size
    assert "scaled by" in result.facts["fitted"]


def test_a_size_far_from_every_shape_is_refused_with_one_that_is_near(made: Made) -> None:
    failure = failed(one(made, ask(size=(1024, 192))))
    assert failure.kind is FailureKind.INVALID_REQUEST
    assert "ask for " in failure.message
    assert made.server.seen == []


def test_a_picture_of_another_shape_than_asked_for_is_left_for_inspection_to_find(made: Made) -> None:
    wide = Answer(body=hosted_server.draw(["21", "9"], b"wide", 210), headers={"content-type": "image/png"})
    (made.server.result_plan if made.api is IDEOGRAM else made.server.plan).append(wide)
    result = rendered(one(made))
    assert (result.width, result.height, result.picture) == (210, 90, wide.body)


# What goes wrong, and is tried again


AGAIN: dict[str, Plan] = {
    "429": status(429, b'{"error": "rate limited"}'),
    "429 with Retry-After": status(429, retry_after="0"),
    "429 with a date": status(429, retry_after="Wed, 21 Oct 2026 07:28:00 GMT", date="Wed, 21 Oct 2026 07:28:00 GMT"),
    "500": status(500, b"oops"),
    "502": status(502, b"<html>bad gateway</html>", content_type="text/html"),
    "503": status(503),
    "529": status(529),
    "reset": Answer(reset=True),
    "cut off": hosted_server.cut_off,
}


@pytest.mark.parametrize("wrong", AGAIN.values(), ids=AGAIN)
def test_what_may_pass_is_tried_again(made: Made, wrong: Plan) -> None:
    made.server.plan.extend([wrong, wrong])
    assert rendered(one(made)).cost_usd == PRICE_USD
    assert len(made.server.seen) == 3


@pytest.mark.parametrize("wrong", AGAIN.values(), ids=AGAIN)
def test_tries_are_bounded_and_then_the_host_is_away(made: Made, wrong: Plan) -> None:
    made.server.plan.extend([wrong] * 10)
    with pytest.raises(Transient, match=r"127\.0\.0\.1 was asked 3 times"):
        one(made)
    assert len(made.server.seen) == TRIES


ENDLESS: list[Plan] = [Answer(hang=True), hosted_server.drips]


@pytest.mark.parametrize("wrong", ENDLESS, ids=["hangs", "drips"])
def test_a_host_that_does_not_come_to_an_end_is_tried_again(made: Made, wrong: Plan) -> None:
    its = replace(made, timeout_s=3)
    its.server.plan.append(wrong)
    rendered(one(its))
    assert len(its.server.seen) == 2


def test_a_host_that_never_answers_is_not_asked_for_ever_for_what_it_may_charge(made: Made) -> None:
    its = replace(made, timeout_s=3)
    its.server.plan.extend([Answer(hang=True)] * TRIES)
    result = one(its)
    assert isinstance(result, RenderFailure)
    assert result.kind is FailureKind.UNAVAILABLE
    assert "may have been made" in result.message
    assert 1 < len(its.server.seen) <= TRIES


def test_a_wait_that_is_asked_for_is_kept_to_and_one_too_long_is_not_waited_for(made: Made) -> None:
    made.server.plan.append(status(429, retry_after="3600"))
    with pytest.raises(Transient, match="another try would come too late"):
        one(made)
    made.server.plan.append(status(429, retry_after="1"))
    with structlog.testing.capture_logs() as logs:
        rendered(one(made))
    (line,) = [entry for entry in logs if entry["event"] == "host asked again"]
    assert line["wait_s"] == 1
    assert line["job_id"] == ask().job.job_id


# What goes wrong, and is not tried again


FINAL: dict[str, Case] = {
    "400": (status(400, b'{"error": "Invalid input"}'), FailureKind.INVALID_REQUEST),
    "402": (status(402, b'{"error": "no credits"}'), FailureKind.UNAVAILABLE),
    "413": (status(413), FailureKind.INVALID_REQUEST),
    "422": (status(422, b'{"error": "Prompt failed the safety check"}'), FailureKind.REFUSED_BY_ENGINE),
    "page in place of an answer": (HTML, FailureKind.ENGINE_ERROR),
    "too large": (Answer(body=b"x" * (64 * 1024 * 1024 + 1)), FailureKind.ENGINE_ERROR),
}
OF_IDEOGRAM: dict[str, Case] = {
    "unsafe": (ideogram_row(is_image_safe=False), FailureKind.REFUSED_BY_ENGINE),
    "unsafe without link": (ideogram_row(is_image_safe=False, url=None), FailureKind.REFUSED_BY_ENGINE),
    "no link": (ideogram_row(url=None), FailureKind.REFUSED_BY_ENGINE),
    "says not whether it is safe": (ideogram_row(is_image_safe=None), FailureKind.ENGINE_ERROR),
    "link is no text": (ideogram_row(url=7), FailureKind.ENGINE_ERROR),
    "no rows": (Answer(body=b'{"data": []}'), FailureKind.ENGINE_ERROR),
    "row is none": (Answer(body=b'{"data": [1]}'), FailureKind.ENGINE_ERROR),
    "no data": (Answer(body=b"[]"), FailureKind.ENGINE_ERROR),
    "half of the JSON": (hosted_server.half, FailureKind.ENGINE_ERROR),
    "deep JSON": (Answer(body=b"[" * 200_000), FailureKind.ENGINE_ERROR),
}
OF_STABILITY: dict[str, Case] = {
    "filtered": (FILTERED, FailureKind.REFUSED_BY_ENGINE),
    "moderated": (MODERATED, FailureKind.REFUSED_BY_ENGINE),
    "JSON in place of a picture": (status(200, b"{}", content_type="application/json"), FailureKind.ENGINE_ERROR),
}


def final(its: Made, plan: Plan, kind: FailureKind) -> None:
    its.server.plan.append(plan)
    with structlog.testing.capture_logs() as logs:
        failure = failed(one(its))
    assert failure.kind is kind, failure
    assert len(its.server.seen) == 1, "was asked again"
    assert logs == []


@pytest.mark.parametrize("case", FINAL.values(), ids=FINAL)
def test_what_will_not_pass_is_said_at_once(made: Made, case: Case) -> None:
    final(made, *case)


@pytest.mark.parametrize("case", OF_IDEOGRAM.values(), ids=OF_IDEOGRAM)
def test_what_ideogram_will_not_mend_is_said_at_once(ideogram: Made, case: Case) -> None:
    final(ideogram, *case)


@pytest.mark.parametrize("case", OF_STABILITY.values(), ids=OF_STABILITY)
def test_what_stability_will_not_mend_is_said_at_once(server: Server, dsn: str, case: Case) -> None:
    final(Made(api=STABILITY, server=server, dsn=dsn), *case)


@pytest.mark.parametrize("code", [301, 302, 307, 308])
def test_an_api_that_redirects_is_not_followed(made: Made, code: int) -> None:
    made.server.plan.append(status(code, location=f"{made.server.url}/elsewhere"))
    with pytest.raises(Transient, match=f"redirects \\({code}\\)"):
        one(made)
    assert len(made.server.seen) == 1


@pytest.mark.parametrize("code", [401, 403])
def test_a_key_that_is_not_taken_is_not_tried_again_and_names_the_setting(made: Made, code: int) -> None:
    final(made, status(code, b'{"name": "permission_denied"}'), FailureKind.UNAVAILABLE)
    failure = failed(one(replace(made, key="sk-another-key-that-is-wrong")))
    assert "does not take our key (401)" in failure.message
    assert f"PRESSCHECK_{made.api.value.upper()}_API_KEY" in failure.message


def test_a_picture_that_is_cut_off_within_goes_on_as_it_came(made: Made) -> None:
    (made.server.result_plan if made.api is IDEOGRAM else made.server.plan).append(hosted_server.half)
    result = rendered(one(made))
    assert isinstance(result.picture, bytes)
    assert (result.width, result.height) == (320, 320)
    with pytest.raises(OSError, match="truncated"):
        Image.open(io.BytesIO(result.picture)).load()


# The link to a result


OTHER_LINKS = {
    "private": "https://10.0.0.1/a.png",
    "metadata": "https://169.254.169.254/latest/meta-data",
    "metadata in version 6": "https://[::ffff:169.254.169.254]/a.png",
    "http elsewhere": "http://93.184.215.14/a.png",
    "another port": "https://93.184.215.14:8443/a.png",
    "file": "file:///etc/passwd",
    "nothing": "no link",
}


@pytest.mark.parametrize("link", OTHER_LINKS.values(), ids=OTHER_LINKS)
def test_a_link_to_where_no_result_can_be_is_not_followed(ideogram: Made, link: str) -> None:
    final(ideogram, ideogram_row(url=link), FailureKind.ENGINE_ERROR)
    assert ideogram.server.result_headers == []


def test_a_name_that_is_bound_anew_between_check_and_call_leads_nowhere_else(ideogram: Made) -> None:
    asked: list[str] = []

    async def rebinding(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["10.0.0.1"]

    its = replace(ideogram, resolver=rebinding)
    port = its.server.url.rpartition(":")[2]

    def named(good: Answer) -> Answer:
        return replace(good, body=good.body.replace(b"//127.0.0.1:", b"//results.example:"))

    its.server.plan.append(named)
    rendered(one(its))  # it came from the address that was checked, under the name that was given
    assert asked == ["results.example"]
    assert its.server.result_headers[0]["host"] == f"results.example:{port}"
    its.server.plan.append(named)
    assert failed(one(its)).kind is FailureKind.ENGINE_ERROR
    assert len(its.server.result_headers) == 1


@pytest.mark.parametrize("code", [401, 403, 404, 410])
def test_a_link_that_is_gone_is_said_at_once(ideogram: Made, code: int) -> None:
    ideogram.server.result_plan.append(status(code))
    failure = failed(one(ideogram))
    assert (failure.kind, len(ideogram.server.result_headers)) == (FailureKind.UNAVAILABLE, 1)


@pytest.mark.parametrize("to", ["/results/other.png", "http://169.254.169.254/", "https://elsewhere.example/a.png"])
def test_a_result_that_redirects_is_not_followed(ideogram: Made, to: str) -> None:
    ideogram.server.result_plan.append(status(302, location=to))
    failure = failed(one(ideogram))
    assert (failure.kind, len(ideogram.server.result_headers)) == (FailureKind.ENGINE_ERROR, 1)
    assert "redirect" in failure.message


@pytest.mark.parametrize("wrong", AGAIN.values(), ids=AGAIN)
def test_a_result_is_fetched_again_and_not_paid_for_again(ideogram: Made, wrong: Plan) -> None:
    ideogram.server.result_plan.extend([wrong, wrong])
    assert rendered(one(ideogram)).cost_usd == PRICE_USD
    assert (len(ideogram.server.seen), len(ideogram.server.result_headers)) == (1, 3)


def test_a_result_that_cannot_be_fetched_fails_its_job_alone_and_is_not_paid_for_again(ideogram: Made) -> None:
    ideogram.server.result_plan.extend([status(503)] * TRIES)
    failure = failed(one(ideogram))
    assert failure.kind is FailureKind.UNAVAILABLE
    assert "was made and is lost" in failure.message
    assert (len(ideogram.server.seen), len(ideogram.server.result_headers)) == (1, TRIES)


@pytest.mark.parametrize(
    ("wrong", "kind"),
    [
        (HTML, FailureKind.CORRUPT_OUTPUT),
        (status(200, b"x", content_type="image/svg+xml"), FailureKind.CORRUPT_OUTPUT),
        (Answer(body=b"x" * (64 * 1024 * 1024 + 1)), FailureKind.ENGINE_ERROR),
    ],
    ids=["page", "drawing", "too large"],
)
def test_a_result_that_is_no_picture_is_refused(ideogram: Made, wrong: Plan, kind: FailureKind) -> None:
    ideogram.server.result_plan.append(wrong)
    assert failed(one(ideogram)).kind is kind


# A batch


def test_one_bad_job_takes_no_other_along(made: Made) -> None:
    plan: list[Plan] = [status(400), hosted_server.well, status(402), hosted_server.well]
    made.server.plan.extend(plan)
    results = made.engine().render([ask(seed=s) for s in range(4)], {})
    assert sorted(type(r).__name__ for r in results) == ["RenderFailure", "RenderFailure", "Rendered", "Rendered"]


def test_a_host_that_is_away_for_some_costs_the_others_nothing(made: Made) -> None:
    made.server.plan.append(status(401))
    results = made.engine().render([ask(seed=s) for s in range(3)], {})
    kinds = [r.kind for r in results if isinstance(r, RenderFailure)]
    assert kinds == [FailureKind.UNAVAILABLE]


def test_a_batch_that_is_called_off_after_a_picture_waits_for_no_other(made: Made) -> None:
    class Impatient:
        def step(self, done: int, of: int) -> None:
            raise Cancelled("enough")

    its = replace(made, timeout_s=120)
    plan: list[Plan] = [Answer(hang=True), hosted_server.well, Answer(hang=True)]
    its.server.plan.extend(plan)
    with pytest.raises(Cancelled):
        its.engine().render([ask(seed=s) for s in range(3)], {}, Impatient())
    rendered(one(its))  # its slots are free again


def test_progress_is_told(made: Made) -> None:
    class Notes:
        def __init__(self) -> None:
            self.seen: list[tuple[int, int]] = []

        def step(self, done: int, of: int) -> None:
            self.seen.append((done, of))

    notes = Notes()
    made.engine().render([ask(seed=s) for s in range(3)], {}, notes)
    assert notes.seen == [(1, 3), (2, 3), (3, 3)]


def test_a_database_that_is_away_is_transient(made: Made) -> None:
    with pytest.raises(Transient, match="Postgres does not answer"):
        one(replace(made, dsn="postgresql://nobody@127.0.0.1:1/none"))
    assert made.server.seen == []


def test_waits_between_tries_are_spread(made: Made) -> None:
    its = replace(made, timeout_s=60)
    its.server.plan.extend([status(500)] * 6)
    with structlog.testing.capture_logs() as logs:
        results = its.engine().render([ask(seed=s) for s in range(6)], {})
    assert all(isinstance(r, Rendered) for r in results)
    waits = [entry["wait_s"] for entry in logs if entry["event"] == "host asked again"]
    assert len(waits) == 6
    assert len(set(waits)) > 2
    assert min(waits) >= 0.25


# Slots that all workers share


@contextmanager
def worker(its: Made, jobs: int, lease_s: float = 30.0) -> Generator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "tests.integration.hosted_process", its.api.value, its.server.url, its.dsn]
    arguments = [str(jobs), str(lease_s)]
    with subprocess.Popen([*command, *arguments], cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def test_no_more_than_ten_are_in_flight_however_many_workers_there_are(made: Made) -> None:
    made.server.hold_s = 0.1
    with worker(made, 8) as one_worker, worker(made, 8) as another, worker(made, 8) as third:
        said = [process.communicate(timeout=120)[0] for process in (one_worker, another, third)]
    assert said == ["8\n"] * 3
    assert len(made.server.seen) == 24
    assert 5 < made.server.most_in_flight <= 10


def test_the_slots_of_a_killed_worker_come_back(made: Made) -> None:
    lease_s = 2.0
    its = replace(made, lease_s=lease_s, timeout_s=60, key=KEY)
    its.server.plan.extend([Answer(hang=True)] * 10)
    with worker(its, 10, lease_s) as process:
        until("ten are in flight", lambda: len(its.server.seen) == 10)
        # All ten slots are taken: nobody else gets one within a moment.
        with pytest.raises(Transient, match="all 10 slots"):
            one(replace(its, timeout_s=1))
        process.kill()
        process.wait(10)
    rendered(one(its))
    assert len(its.server.seen) == 11


# The key


def test_the_key_is_in_nothing_that_is_said(made: Made, capfd: pytest.CaptureFixture[str]) -> None:
    body = f'{{"error": "Incorrect key {KEY}; Bearer {KEY}", "half": "{KEY[:12]}...", "name": "x"}}'.encode()
    said: list[str] = [repr(made.engine()), repr(made.engine().__dict__)]
    with structlog.testing.capture_logs() as logs:
        for code in (400, 401, 402, 403, 413, 422, 429, 500, 503, 302):
            made.server.plan.extend([status(code, body, location=f"/?k={KEY}", x_echo=KEY)] * TRIES)
            try:
                said.append(repr(made.engine().render([ask()], {})))
            except Transient as e:
                said.append(f"{e!r} {e.__cause__!r} {e.__context__!r} {e.args}")
            made.server.plan.clear()
        said.append(repr(rendered(one(made))))
    said += [repr(logs), *capfd.readouterr()]
    assert len(logs) >= 3
    assert "[key]" in "".join(said)
    for text in said:
        assert not any(KEY[n : n + KEY_PART] in text for n in range(len(KEY) - KEY_PART)), text


def test_the_key_is_in_no_event_and_in_nothing_that_is_stored(
    made: Made, tmp_path: Path, capfd: pytest.CaptureFixture[str], logging_as_before: None
) -> None:
    logs.set_up(Settings.model_validate({"log_level": "debug", "log_json": True}), process="render")
    store = open_store(Settings.model_validate({"state_dir": tmp_path}))
    wrong = status(400, f"you sent {KEY}".encode())
    made.server.plan.extend([hosted_server.well, wrong, status(429, KEY.encode()), wrong])
    rules = samples.ruleset()
    profile = rules.engines["ideogram-v1" if made.api is IDEOGRAM else "sd3.5-flash"]
    assert profile.hosted is not None
    profile = replace(profile, hosted=replace(profile.hosted, url=made.server.url), timeout_s=made.timeout_s)
    engine = made.engine(profile)
    handler = RenderHandler(
        store=store,
        ruleset=lambda _: replace(rules, engines={**rules.engines, profile.id: profile}),
        engines=Pool(build=lambda _: engine, serves=frozenset({profile.id}), budget_bytes=lambda: 0),
        finish=as_is,
        hard_s=60,
        now_ms=lambda: 77,
    )
    deliveries: list[Delivery] = []
    for n in range(3):
        event = wanted(n)
        request = replace(event.request, engine=profile.id, sampling=profile.standard.sampling(Preset.STANDARD, n))
        record = Record(topic="t", partition=0, offset=n, key=None, value=None)
        deliveries.append(Delivery(record=record, event=replace(event, request=request)))
    outputs = [output for each in handler.settle(handler.work(deliveries, 1)) for output in each]
    codec = Codec(LockedIds())
    said = [codec.encode(output.event) + repr(output).encode() for output in outputs]
    stored = [path.read_bytes() for path in sorted(tmp_path.rglob("*")) if path.is_file()]
    printed = [text.encode() for text in capfd.readouterr()]
    assert len(said) == 3
    assert len(stored) > 6
    assert any(b"[key]" in each for each in said)
    assert any(b"host asked again" in each for each in printed)
    key = KEY.encode()
    for each in [*said, *stored, *printed]:
        assert not any(key[n : n + KEY_PART] in each for n in range(len(key) - KEY_PART + 1))


def test_the_key_does_not_travel_to_where_the_results_lie(ideogram: Made) -> None:
    one(ideogram)
    assert ideogram.server.result_headers
    assert "api-key" not in ideogram.server.result_headers[0]


def test_the_same_request_gives_the_same_picture_and_says_who_made_it(made: Made) -> None:
    first, again = (rendered(one(made, ask(size=(256, 320)))) for _ in range(2))
    assert np.array_equal(np.asarray(first.picture), np.asarray(again.picture))
    engine = made.engine()
    assert (engine.backend, engine.device) == (made.api.value, "127.0.0.1")
    assert engine.model_digest.startswith(f"{made.api.value}:")
