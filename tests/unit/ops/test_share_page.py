"""A shared page holds the picture and what may be told of it, and nothing else of the system."""

from __future__ import annotations

import base64
import hashlib
import io
from dataclasses import replace

from PIL import Image

from ops.sharing.page import Picture, checks, html, usual_title
from ops.sharing.share import standing
from rules.modes import FailureMode
from schemas.events import (
    Asset,
    AssetApproved,
    AssetHeld,
    CheckError,
    Defect,
    Neighbour,
    Origin,
    ReplayCause,
    ReviewRequested,
    Verdict,
)
from tests.pages import standing_alone
from tests.stories import START_MS, accepted, inspection, job, judgement, rendering, request, reviewed
from tests.unit.finish import orders

XSS = '"><script>alert(1)</script><style>*{display:none}</style><img src=x onerror=alert(1)>'
OTHER = job("another job").job_id


def mode(name: str, title: str, *by: str) -> tuple[str, FailureMode]:
    made = FailureMode(name=name, title=title, caught_by=by, prevented_by=(), repaired_by=(), kinds=(), how="")
    return name, made


MODES = dict(
    [
        mode("wrong-text", "Wanted text is misspelt", "text"),
        mode("near-duplicate", "Made twice", "duplicate"),
        mode("palette-drift", "Off the brand's colours", "palette"),
        mode("malformed-letter", "Badly drawn letters", "glyphs"),
        mode("not-looked-for", "Never measured", "nothing"),
    ]
)


def png_bytes() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (64, 48), "#c8742f").save(out, "PNG")
    return out.getvalue()


def a_picture(*, prompt: str = 'A poster that says "OPEN LATE"') -> Picture:
    """One that stands deep in the system: a replay of a roll-out, inspected on a named machine, like another job's."""
    data = png_bytes()
    of = replace(
        job("shared", campaign="secret-campaign", prompt=prompt), brand="secret-brand", idempotency_key="cms/4711"
    )
    asked = replace(
        request(of, 1, replay_id="secret-replay"),
        prompt=f"{prompt}, sharp letters",
        negative_prompt="blur",
        rule="secret-rule",
        replayed=ReplayCause(
            origin=Origin(topic="secret-topic", partition=0, offset=4), count=1, who="Ada Secret", why="secret reason"
        ),
    )
    made = replace(
        rendering(asked),
        asset=Asset(
            sha256=hashlib.sha256(data).hexdigest(), media_type="image/png", size_bytes=len(data), width=64, height=48
        ),
        device="cuda:secret-host",
        cost_usd=0.123,
    )
    seen = replace(
        inspection(),
        neighbour=Neighbour(job_id=OTHER, asset_sha256="9" * 64, distance=3),
        errors=(CheckError(check="glyphs", message="no model under /srv/secret/models"),),
    )
    return Picture(
        data=data,
        request=asked,
        rendering=made,
        inspection=seen,
        judgement=replace(judgement(Verdict.ACCEPT), reasons=(f"as unlike as can be to job {OTHER}",)),
        at_ms=START_MS,
        standing="Accepted by the checks",
        sound=True,
    )


def test_the_page_holds_what_may_be_told() -> None:
    picture = a_picture()
    page = standing_alone(html(picture, MODES, title="Our poster"))
    for words in (
        "Our poster", 'A poster that says "OPEN LATE"', "OPEN LATE", "Accepted by the checks", "sharp letters", "blur",
        "FlowMatchEulerDiscreteScheduler, 28 steps, guidance 3.5", "sha256:5170", "2025-06-15 15:06 UTC", "image/png",
        "64 × 48 pixels", "Drawn by the simulator", "2, after 1 that did not pass", "100.0% of it reads right",
        "None: the file carries no content credentials.", hashlib.sha256(picture.data).hexdigest(),
    ):  # fmt: skip
        assert words in page.words, words
    ((src, alt),) = page.pictures
    assert base64.b64decode(src.partition(",")[2]) == picture.data
    assert "OPEN LATE" in alt


def test_nothing_else_of_the_system_is_on_it() -> None:
    picture = a_picture()
    page = html(picture, MODES, title="")
    leaks = (
        OTHER, "9" * 64, picture.request.job.job_id, picture.request.job.idempotency_key, "secret", "Ada",
        picture.request.ruleset_id, picture.rendering.manifest_sha256, "0.12", "rapidocr", "shared/", "/srv", "http:",
        "https:", "localhost", "127.0.0.1",
    )  # fmt: skip
    assert [leak for leak in leaks if leak in page] == []


def test_the_same_picture_gives_the_same_page() -> None:
    assert html(a_picture(), MODES, title="x") == html(a_picture(), MODES, title="x")
    assert html(a_picture(), MODES, title="x") != html(a_picture(), MODES, title="y")


def test_credentials_in_the_file_are_read_and_their_state_is_said() -> None:
    done = orders.finisher()(orders.order(orders.art(), steps=("content-credentials",)))
    page = standing_alone(html(replace(a_picture(), data=done.data), MODES, title=""))
    assert "Valid: unchanged since it was signed" in page.words
    assert "development key" in page.words
    broken = bytearray(done.data)
    broken[-40] ^= 1
    assert "Valid: unchanged" not in html(replace(a_picture(), data=bytes(broken)), MODES, title="")


def test_what_was_not_sampled_has_no_sampling() -> None:
    picture = a_picture()
    drawn = replace(picture.request, sampling=replace(picture.request.sampling, scheduler="none"))
    assert "Sampling" not in html(replace(picture, request=drawn), MODES, title="")


def test_what_people_wrote_is_only_ever_text() -> None:
    picture = a_picture(prompt=XSS)
    page = standing_alone(html(picture, MODES, title=XSS))
    assert page.words.count(XSS) >= 3
    assert len(page.pictures) == 1


def test_every_check_says_what_came_of_it_and_no_evidence() -> None:
    def a_defect(name: str, *, certain: bool) -> Defect:
        return Defect(mode=name, check="text", value=1, threshold=0, evidence=f"like {OTHER}", certain=certain)

    defects = (
        a_defect("wrong-text", certain=True), a_defect("near-duplicate", certain=False), a_defect("gone", certain=True),
        a_defect("wrong-text", certain=False),
    )  # fmt: skip
    found = {c["name"]: c["said"] for c in checks(a_picture().inspection, defects, MODES)}
    assert found == {
        "Wanted text is misspelt": "found",
        "Made twice": "not ruled out",
        "Off the brand's colours": "not found",
        "Badly drawn letters": "could not be measured",
        "Gone": "found",
    }
    assert list(checks(None, (), MODES)) == []


def test_a_picture_that_was_not_accepted_says_so() -> None:
    picture = replace(a_picture(), standing="Rejected", sound=False)
    page = standing_alone(html(picture, MODES, title=""))
    assert "not one that was accepted: rejected." in page.words
    assert "not one that was accepted" not in html(a_picture(), MODES, title="")


def test_who_decided_is_not_told() -> None:
    machine = next(e for _, e in accepted(job("a")) if isinstance(e, AssetApproved))
    assert standing(machine) == standing(replace(machine, approved_by="release by Ada")) == "Accepted by the checks"
    assert standing(replace(machine, approved_by="Ada")) == "Accepted by a person, after the checks"
    review = next(e for _, e in reviewed(job("a")) if isinstance(e, ReviewRequested))
    assert standing(review) == "Waiting for a person to decide"
    held = AssetHeld(
        event_id=machine.event_id, at_ms=1, request=machine.request, rendering=machine.rendering,
        judgement=machine.judgement, hold_id="h",
    )  # fmt: skip
    assert standing(held) == "Held back"


def test_a_title_is_found_where_none_is_given() -> None:
    asked = request(job("t"))
    assert usual_title(asked) == "OPEN LATE"
    bare = replace(asked, text=replace(asked.text, phrases=()))
    assert usual_title(replace(bare, job=replace(bare.job, prompt="a  tree\n in fog"))) == "a tree in fog"
    assert usual_title(replace(bare, job=replace(bare.job, prompt="   "))) == "Picture"
    assert len(usual_title(replace(bare, job=replace(bare.job, prompt="tree " * 99)))) == 80
