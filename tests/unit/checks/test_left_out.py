"""A ruleset that asks for what is not installed here: measured without it, and shown to a person for it."""

from __future__ import annotations

from dataclasses import replace

from structlog.testing import capture_logs

from rules.ruleset import Ruleset, load_ruleset
from rules.verdict import judge
from schemas.events import Verdict
from tests.corpus import Kind, draw, rendering_for, request_for
from tests.unit.rules import samples
from workers.checks.measure import TEXT, Given
from workers.checks.readers import READERS, lacking
from workers.inspect import Checks

POSTER = draw(3, Kind.RIGHT, size=(256, 320)).png()
ASKED = request_for(("OPEN",))
REQUEST = replace(ASKED, job=replace(ASKED.job, width=256, height=320))
GIVEN = Given(data=POSTER, request=REQUEST, rendering=rendering_for(POSTER, "image/png"))
WHY = "the reader vision has no endpoint"


def candidate() -> Ruleset:
    return load_ruleset(samples.changed("verdict.yml", '[rapidocr, "rapidocr@640", "rapidocr@curve"]', "[vision]"))


def test_a_reader_that_is_not_here_is_an_error_of_each_inspection_and_nothing_ends() -> None:
    checks, ruleset = Checks(threads=1), candidate()
    with capture_logs() as logs:
        seen = [*checks([GIVEN, GIVEN], ruleset), *checks([GIVEN], ruleset)]
    assert [[(e.check, e.message) for e in i.errors] for i in seen] == [[(TEXT, WHY)]] * 3
    for inspection in seen:
        assert {m.check for m in inspection.measurements} >= {"bytes", "palette"}
        judgement = judge(inspection, GIVEN.rendering, GIVEN.request, ruleset)
        assert judgement.verdict is Verdict.REVIEW
        assert f"The check text could not measure: {WHY}" in judgement.reasons
    (said,) = (line for line in logs if line["log_level"] == "error")
    assert (said["ruleset_id"], said["left_out"]) == (ruleset.id, {"vision": WHY})


def test_a_check_of_a_later_version_is_left_out_too() -> None:
    ruleset = candidate()
    thresholds = replace(ruleset.thresholds, checks=("bytes", "size"), readers=())
    assert not Checks(threads=1)([GIVEN], replace(ruleset, thresholds=thresholds))[0].errors
    # A document of a newer version would be refused; the guard is for a name that the code stops offering.
    checks = Checks(threads=1, _opened={})
    (inspection,) = checks([GIVEN], replace(ruleset, thresholds=thresholds))
    assert [e.check for e in inspection.errors] == ["bytes", "size"]


def test_what_lacks_is_told_without_loading_anything() -> None:
    assert lacking(["vision"], vision=True) == {}
    assert lacking(["vision", "tesseract"], vision=False) == {
        "vision": WHY,
        "tesseract": "there is no text reader 'tesseract'",
    }
    assert set(lacking(READERS, vision=True)) <= {"easyocr"}
