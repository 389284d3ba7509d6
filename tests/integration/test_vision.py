"""The vision endpoint: what is sent, what counts as an answer, and that nothing else ever passes a picture."""

from __future__ import annotations

import json
from collections.abc import Generator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from structlog.testing import capture_logs

from broker.settings import Settings
from ops.doctor import vision_finding
from rules.verdict import judge
from schemas.errors import BadConfig, Poison
from schemas.events import Inspection, Lane, Opinion, Tag, Verdict
from tests.certificates import certificate
from tests.hosted_server import Answer, Plan, cut_off, drips, half, status
from tests.unit.checks.test_measure import POSTER, rendering_for, request_for
from tests.unit.rules import samples
from tests.vision_server import KEY, MODEL, SOUND, Server, completion, serve
from workers.checks.measure import Given, Looks, inspect_asset, inspect_assets
from workers.checks.people import QUESTION
from workers.checks.port import Pixels, Scene
from workers.checks.reader_vision import MOST_CONFIDENCE, VisionReader
from workers.checks.registry import open_checks
from workers.checks.vision import MOST_PICTURE_BYTES, Vision, jpeg, open_vision

PICTURE: Pixels = np.full((300, 400, 3), 200, dtype=np.uint8)


@pytest.fixture
def server() -> Generator[Server]:
    with serve() as its:
        yield its


def inspected(vision: Vision | None, *tags: str) -> Inspection:
    """An inspection of a poster without a face, by the checks in production's hands."""
    request = replace(request_for(()), tags=tuple(Tag(name=t, start=0, end=0, evidence="") for t in tags))
    return inspect_asset(
        POSTER, request, rendering_for(POSTER), palette=(), checks=("people",), readers=(), opened=open_checks(vision)
    )


def opinion(server: Server, *plan: Plan) -> Opinion:
    server.plan.extend(plan)
    (only,) = inspected(server.vision(), "people").opinions
    return only


def error(server: Server, *plan: Plan, **changed: Any) -> str:
    """Why there is no opinion."""
    server.plan.extend(plan)
    seen = inspected(server.vision(**changed), "hands")
    assert seen.opinions == ()
    (only,) = seen.errors
    assert only.check == "people"
    assert KEY not in only.message
    return only.message


def said(**changed: Any) -> Answer:
    return completion(json.dumps({**SOUND, **changed}))


def test_a_sound_answer_passes_and_the_request_is_what_the_contract_wants(server: Server):
    got = opinion(server)
    assert (got.passes, got.model, got.check) == (True, MODEL, "people")
    (body,) = server.seen
    assert body["seed"] == 0
    assert body["response_format"]["json_schema"]["strict"] is True
    assert body["messages"][0]["content"] == QUESTION.words
    assert KEY not in json.dumps(body)


@pytest.mark.parametrize(("form", "sent"), [("json_object", {"type": "json_object"}), ("text", None)])
def test_servers_that_know_less_are_asked_for_less(server: Server, form: str, sent: dict[str, str] | None):
    server.vision(vision_answer=form, vision_seed=-1).ask(QUESTION, PICTURE)
    assert server.seen[0].get("response_format") == sent
    assert "seed" not in server.seen[0]


def test_it_is_asked_only_about_people(server: Server):
    assert inspected(server.vision(), "text", "layout").opinions == ()
    assert server.seen == []
    assert inspected(None, "people").opinions == ()


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (said(faults=["the left hand has six fingers"]), "sound, with faults: the left hand has six fingers"),
        (said(verdict="faulty", faults=["three arms"]), "faulty, with faults: three arms"),
        (said(verdict="faulty"), "faulty, without saying why"),
        (said(verdict="unsure"), "unsure"),
        (said(people=0, hands=0), "sees nobody"),
        (said(verdict="pass"), "'verdict' is none that was offered"),
        (said(verdict=["sound"]), "'verdict' is none that was offered"),
        (said(people=True), "'people' is no number"),
        (said(hands=-1), "'hands' is no number"),
        (said(people=1.0), "'people' is no number"),
        (said(faults="none"), "no list of sentences"),
        (said(faults=[{"place": "hand"}]), "no list of sentences"),
        (said(note="all well"), "has the keys"),
        (completion("{}"), "has the keys none"),
        (completion('{"verdict": "sound"}'), "has the keys verdict"),
        (completion("Everything looks anatomically correct to me!"), "no JSON object"),
        (completion("I'm sorry, but I can't help with that."), "no JSON object"),
        (completion('["sound"]'), "no JSON object"),
        (completion(json.dumps(SOUND)[:-9]), "cannot be read"),
        (completion('{"people": 1, "hands": 2, "faults": [], "verdict": "faulty", "verdict": "sound"}'), "cannot be"),
        (completion('{"people": NaN, "hands": 2, "faults": [], "verdict": "sound"}'), "cannot be read"),
        (completion('{"faults": ' + "[" * 100_000), "cannot be read"),
        (completion(f"{json.dumps(SOUND)} or rather {json.dumps(SOUND)}"), "more than one"),
        (completion(json.dumps(SOUND), finish_reason="length"), "ended by 'length'"),
        (completion(json.dumps(SOUND), finish_reason="content_filter"), "ended by 'content_filter'"),
        (completion(json.dumps(SOUND), refusal="I cannot judge people"), "it refused: I cannot judge people"),
        (completion(None), "it wrote nothing"),
        (completion("  "), "it wrote nothing"),
        (completion([{"type": "text", "text": json.dumps(SOUND)}]), "it wrote nothing"),
        (completion(f"no JSON, but your key {KEY}"), "[key]"),
    ],
)
def test_whatever_is_not_a_whole_and_sound_answer_is_no_pass(server: Server, answer: Answer, why: str):
    got = opinion(server, answer)
    assert not got.passes
    assert why in got.why
    assert KEY not in got.why
    assert len(server.headers) == 1


def test_an_object_in_prose_or_in_a_fence_is_taken(server: Server):
    assert opinion(server, completion(f"Here it is:\n```json\n{json.dumps(SOUND)}\n```\nAnything else?")).passes


def test_a_face_that_is_not_one_may_be_nobody(server: Server):
    server.says = lambda _question, _pixels: json.dumps({**SOUND, "people": 0, "hands": 0})
    from workers.checks.people import opinion_of

    vision = server.vision()
    assert opinion_of(vision.ask(QUESTION, PICTURE), vision, people_wanted=False).passes


@pytest.mark.parametrize(
    "first",
    [
        status(429, b'{"error": "slow down"}', retry_after="0"),
        status(500),
        status(503, b"<html>away</html>"),
        Answer(reset=True),
        cut_off,
    ],
)
def test_what_another_try_may_mend_is_tried_again(server: Server, first: Plan):
    assert opinion(server, first).passes
    assert len(server.headers) == 2


@pytest.mark.parametrize("code", [429, 500, 502, 529])
def test_tries_are_bounded(server: Server, code: int):
    assert f"was asked 3 times: {code}" in error(server, *[status(code, KEY.encode())] * 9)
    assert len(server.headers) == 3


def test_a_wait_that_is_too_long_is_not_waited_for(server: Server):
    assert "another try would come too late" in error(server, status(429, retry_after="3600"))
    assert len(server.headers) == 1


@pytest.mark.parametrize("bad", [Answer(hang=True), drips])
def test_a_server_that_hangs_or_drips_is_given_up_in_time(server: Server, bad: Plan):
    assert "did not answer in time" in error(server, *[bad] * 5, vision_timeout_s=1.0)


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (status(400, b'{"error": "no such thing as response_format"}'), "no such thing as response_format"),
        (status(401), "look at PRESSCHECK_VISION_API_KEY"),
        (status(402), "wants to be paid first"),
        (status(403), "look at PRESSCHECK_VISION_API_KEY"),
        (status(404), "(404)"),
        (status(422, b"cannot process " + KEY.encode()), "(422)"),
        (Answer(status=301, headers={"location": "http://127.0.0.1:9/"}), "redirects (301), which is not followed"),
        (Answer(status=307, headers={"location": "https://example.org/"}), "redirects (307), which is not followed"),
        (Answer(body=b"<html>log in</html>", headers={"content-type": "text/html"}), "text/html of 19 bytes"),
        (half, "no JSON"),
        (Answer(body=b"{}"), "no chat completion"),
        (Answer(body=b'{"choices": []}'), "no chat completion"),
        (Answer(body=b'{"choices": [{"message": "sound"}]}'), "no chat completion"),
        (Answer(body=b"[]"), "no chat completion"),
        (Answer(body=b'"' + b"x" * 2_000_000 + b'"'), "more than 1048576 bytes"),
    ],
)
def test_an_endpoint_that_is_of_no_use_is_an_error_of_the_check_and_asked_once(server: Server, answer: Plan, why: str):
    assert why in error(server, answer)
    assert len(server.headers) == 1


def test_a_wrong_key_stands_in_no_error_log_or_setting(server: Server):
    wrong = KEY[:-4] + "zzzz"
    with capture_logs() as lines:
        message = error(server, status(500, wrong.encode()), vision_api_key=wrong)
    assert "does not take our key (401)" in message
    assert [(line["event"], line["job_id"]) for line in lines] == [("host asked again", request_for(()).job.job_id)]
    vision = server.vision(vision_api_key=wrong)
    for text in (repr(lines), repr(vision), repr(server.settings()), message):
        assert wrong not in text
        assert KEY not in text


def test_without_a_key_none_is_sent(server: Server):
    assert "does not take our key" in error(server, vision_api_key="")
    assert "authorization" not in server.headers[0]


def test_large_pictures_are_sent_smaller(server: Server):
    noise = np.random.default_rng(1).integers(0, 256, (1500, 4000, 3), dtype=np.uint8)
    server.vision(vision_max_side_px=1000).ask(QUESTION, noise)
    assert server.pictures[0].shape == (375, 1000, 3)
    assert len(jpeg(noise, 4096)) <= MOST_PICTURE_BYTES
    assert len(jpeg(np.zeros((1, 5000, 3), dtype=np.uint8), 256)) < 5000


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"vision_url": "ftp://h/v1"}, "must be a plain https URL"),
        ({"vision_url": "h/v1"}, "must be a plain https URL"),
        ({"vision_url": "https://user:word@h/v1"}, "must be a plain https URL"),
        ({"vision_url": "https://h/v1?key=1"}, "must be a plain https URL"),
        ({"vision_url": "https://h:port/v1"}, "is no URL"),
        ({"vision_url": "http://10.1.2.3/v1"}, "speaks plain http to 10.1.2.3"),
        ({"vision_url": "http://vision.internal/v1"}, "speaks plain http"),
        ({"vision_model": ""}, "PRESSCHECK_VISION_MODEL is not"),
    ],
)
def test_an_endpoint_that_cannot_be_is_refused_with_its_variable(server: Server, changed: dict[str, Any], why: str):
    with pytest.raises(BadConfig, match=why):
        open_vision(server.settings(**changed))


@pytest.mark.parametrize(
    ("addresses", "private", "why"),
    [
        (["93.184.216.34"], True, "is 93.184.216.34: plain http"),
        (["10.0.0.8", "93.184.216.34"], True, "is 93.184.216.34: plain http"),
        (["169.254.169.254"], True, "is 169.254.169.254: plain http"),
        (["::ffff:93.184.216.34"], True, "plain http"),
        (["fe80::1"], True, "is fe80::1: plain http"),
        ([], True, "has no address"),
    ],
)
def test_plain_http_never_leaves_for_a_public_address(
    server: Server, addresses: Sequence[str], private: bool, why: str
):
    async def resolver(_host: str, _port: int) -> Sequence[str]:
        return addresses

    settings = server.settings(vision_url="http://vision.internal/v1", vision_plain_http=private)
    vision = open_vision(settings, resolver)
    assert vision is not None
    with pytest.raises(Poison, match=why):
        vision.ask(QUESTION, PICTURE)
    assert server.headers == []


@pytest.mark.parametrize("addresses", [["127.0.0.1"], ["::ffff:127.0.0.1"]])
def test_plain_http_goes_to_the_address_that_was_checked(server: Server, addresses: Sequence[str]):
    asked: list[str] = []

    async def resolver(host: str, _port: int) -> Sequence[str]:
        asked.append(host)
        return addresses

    url = server.url.replace("127.0.0.1", "vision.internal") + "/v1"
    vision = open_vision(server.settings(vision_url=url, vision_plain_http=True), resolver)
    assert vision is not None
    assert vision.ask(QUESTION, PICTURE).said == SOUND
    assert asked == ["vision.internal"]
    assert server.headers[0]["host"].startswith("vision.internal:")


def test_localhost_that_is_elsewhere_is_not_this_machine(server: Server):
    async def resolver(_host: str, _port: int) -> Sequence[str]:
        return ["10.0.0.8"]

    vision = open_vision(server.settings(vision_url="http://localhost/v1", vision_plain_http=True), resolver)
    assert vision is not None
    with pytest.raises(Poison, match="plain http"):
        vision.ask(QUESTION, PICTURE)


def test_https_speaks_to_whom_the_named_authority_vouches_for_and_to_nobody_else(tmp_path: Path):
    mine, other = certificate(tmp_path, "localhost"), tmp_path / "other"
    other.mkdir()
    with serve(mine) as server:
        assert inspected(server.vision(vision_ca_file=mine), "people").opinions[0].passes
        asked = len(server.headers)
        for trusts in (None, certificate(other, "localhost")):
            assert "CERTIFICATE_VERIFY_FAILED" in error(server, vision_ca_file=trusts)
            assert vision_finding(server.settings(vision_ca_file=trusts)).level == "bad"
        # Nothing was sent, the key least of all.
        assert len(server.headers) == asked
        with pytest.raises(BadConfig, match="PRESSCHECK_VISION_CA_FILE"):
            server.vision(vision_ca_file=tmp_path / "no-such.pem")


def test_critical_work_with_people_passes_by_a_sound_answer_and_by_nothing_else(server: Server):
    portrait = samples.job("a portrait of a woman", lane=Lane.CRITICAL)

    def verdict(vision: Vision | None, *plan: Plan) -> Verdict:
        server.plan.extend(plan)
        seen = inspected(vision, "people")
        sound = replace(samples.inspection(), opinions=seen.opinions, errors=seen.errors)
        return judge(sound, samples.rendering(), samples.routed(portrait), samples.ruleset()).verdict

    assert verdict(server.vision()) is Verdict.ACCEPT
    assert verdict(None) is Verdict.REVIEW
    for answer in (said(faults=["six fingers"]), said(verdict="unsure"), completion("All fine."), status(401), half):
        assert verdict(server.vision(), answer) is Verdict.REVIEW


def reading(server: Server, *plan: Plan) -> list[tuple[str, float]]:
    server.plan.extend(plan)
    (read,) = VisionReader(server.vision()).read([Scene(pixels=PICTURE)])
    assert all(w.box == (0, 0, 400, 0, 400, 300, 0, 300) for w in read.words)
    return [(w.text, w.confidence) for w in read.words]


def lines(*rows: Any) -> Answer:
    return completion(json.dumps({"lines": rows}))


def test_a_reading_is_never_sure(server: Server):
    rows = [{"text": " SUMMER\n SALE ", "confidence": 1}, {"text": "x", "confidence": -3.5}]
    rows += [{"text": " ", "confidence": 1}, {"text": "60%", "confidence": 10**400}]
    assert reading(server, lines(*rows)) == [("SUMMER SALE", MOST_CONFIDENCE), ("x", 0.0), ("60%", MOST_CONFIDENCE)]
    assert reading(server, lines()) == []


@pytest.mark.parametrize(
    "answer",
    [
        completion("There is no text in this image."),
        completion("{}"),
        completion('{"lines": "SALE"}'),
        completion('{"lines": [], "note": "none"}'),
        lines("SALE"),
        lines({"text": "SALE"}),
        lines({"text": 7, "confidence": 1}),
        lines({"text": "SALE", "confidence": "high"}),
        lines({"text": "SALE", "confidence": True}),
        lines(*[{"text": "x", "confidence": 1}] * 501),
        completion('{"lines": []}', refusal="no"),
        status(401),
    ],
)
def test_no_answer_is_never_an_empty_reading(server: Server, answer: Answer):
    with pytest.raises(Poison):
        reading(server, answer)


def test_a_picture_that_was_not_read_is_an_error_of_its_inspection_alone(server: Server):
    wrong = lines({"text": "SUMMER", "confidence": 1})
    # Both are asked for together; after the failure each is asked for by itself.
    server.plan.extend([wrong, completion("no"), wrong, completion("no")])
    asset = Given(data=POSTER, request=request_for(("SALE",)), rendering=rendering_for(POSTER))
    looks = Looks(checks=("text",), readers=[VisionReader(server.vision())])
    read, unread = inspect_assets([asset, asset], looks)
    assert [w.text for r in read.reads for w in r.words] == ["SUMMER"]
    assert read.errors == ()
    assert unread.reads == ()
    assert [e.check for e in unread.errors] == ["text"]
    assert "gave no reading" in unread.errors[0].message


def test_the_doctor_says_whether_it_is_there(server: Server):
    assert vision_finding(Settings.model_validate({})).level == "note"
    found = vision_finding(server.settings())
    assert (found.level, MODEL in found.seen) == ("ok", True)
    assert vision_finding(server.settings(vision_model="nobody")).level == "note"
    wrong = vision_finding(server.settings(vision_api_key="k" * 20))
    assert (wrong.level, "does not take our key" in wrong.seen) == ("bad", True)
    server.plan.append(status(404))
    assert vision_finding(server.settings()).level == "ok"
    server.plan.append(status(500))
    assert vision_finding(server.settings()).level == "bad"
    assert vision_finding(server.settings(vision_url="http://127.0.0.1:9/v1")).level == "bad"
    assert vision_finding(server.settings(vision_url="http://example.org/v1")).level == "bad"
