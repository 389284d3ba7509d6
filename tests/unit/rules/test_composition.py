"""Composition: crops, bleed and overlap from boxes; softness and faintness from numbers; nothing rejects."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from rules.composition import STRONG, Frame, composition_score, cropped, frame_of, margin_of, ratio_of
from rules.findings import Numbers
from rules.verdict import judge
from schemas.events import Box, Defect, Job, Judgement, Region, RegionKind, TextRead, Verdict
from tests.unit.rules.samples import LOGO, PASTED, inspection, job, read, refused, rendering, routed, ruleset, word

PROMPT = "a poster “SALE”"
MIDDLE = word("SALE", 5, at=420)


def judged(wanted: Job, *reads: TextRead, **values: Any) -> Judgement:
    return judge(inspection(*reads, **values), rendering(), routed(wanted), ruleset())


def framing(judgement: Judgement) -> list[Defect]:
    assert not any(d.certain for d in judgement.defects)
    return [d for d in judgement.defects if d.check == "composition"]


def face(left: int, top: int, right: int, bottom: int, score: float = 0.9) -> Region:
    return Region(
        kind=RegionKind.FACE, check="people", box=Box(left=left, top=top, right=right, bottom=bottom), score=score
    )


@pytest.mark.parametrize(
    ("text", "ratio"),
    [
        ("4:5", 0.8), ("1.91:1", 1.91), ("1:20", 0.05), ("20:1", 20), ("0:5", None), ("5:0", None), ("a:b", None),
        ("4/5", None), ("-4:5", None), ("1:21", None), ("21:1", None), ("", None), ("4:5:6", None), (" 4:5", None),
    ],
)  # fmt: skip
def test_a_ratio_is_two_numbers_and_no_strip(text: str, ratio: float | None):
    assert ratio_of(text) == ratio


def test_a_job_with_a_wrong_crop_or_bleed_is_refused_with_the_mend():
    assert refused(job(PROMPT, crops=("4:5", "0:5"))) == (
        "The crop '0:5' is no ratio; write width:height such as 4:5, between 1:20 and 20:1.",
    )
    (reason,) = refused(job(PROMPT, bleed_px=600, upscale=2))
    assert "whose shorter side is 2048; ask for 512 at most" in reason
    assert routed(job(PROMPT, bleed_px=512, upscale=2)).job.bleed_px == 512


def test_a_crop_is_the_largest_about_the_middle():
    assert cropped(Frame(0, 0, 1000, 500), 1) == Frame(250, 0, 750, 500)
    assert cropped(Frame(0, 0, 1000, 500), 4) == Frame(0, 125, 1000, 375)


def test_frames_measure_and_hold():
    assert Frame(0, 0, 10, 4).area == 40
    assert Frame(5, 0, 1, 4).area == 0
    assert Frame(0, 0, 10, 10).shared(Frame(5, 5, 20, 7)) == 10
    assert Frame(0, 0, 10, 10).shared(Frame(11, 0, 20, 10)) == 0
    assert Frame(0, 0, 10, 10).holds(Frame(0, 0, 10, 10))
    assert not any(
        Frame(0, 0, 10, 10).holds(o)
        for o in (Frame(-1, 0, 9, 9), Frame(0, -1, 9, 9), Frame(0, 0, 11, 9), Frame(0, 0, 9, 11))
    )
    assert frame_of((3, 1, 9, 2, 8, 7, 2, 6)) == Frame(2, 1, 9, 7)
    assert margin_of(Frame(10, 30, 50, 60), (100, 200)) == 0.1
    assert margin_of(Frame(-10, 30, 50, 60), (100, 200)) == -0.1


def test_text_that_a_crop_cuts_is_shown_to_a_person():
    wide = read(word("SALE", 5, at=10))
    (defect,) = framing(judged(job(PROMPT, crops=("1:1", "1:2")), wide, logos=[]))
    assert defect.mode == "poor-framing"
    assert "the crop to 1:2 cuts text 'SALE' by 237 pixels" in defect.evidence
    assert judged(job(PROMPT, crops=("1:1", "1:2")), wide, logos=[]).verdict is Verdict.REVIEW
    assert judged(job(PROMPT, crops=("1:1",)), wide, logos=[]).verdict is Verdict.ACCEPT
    assert framing(judged(job(PROMPT, crops=("1:2",)), read(MIDDLE), logos=[])) == []


def test_faces_may_be_left_out_by_a_crop_but_not_cut():
    seen = [face(200, 100, 300, 200), face(0, 100, 100, 200), face(600, 100, 700, 200), face(230, 500, 300, 600, 0.2)]
    (defect,) = framing(judged(job("a lighthouse", crops=("1:2",)), regions=seen, logos=[]))
    assert "cuts a face by 56 pixels" in defect.evidence


def test_a_logo_must_survive_crops_and_bleed():
    wanted = job("a bag", files=(LOGO,), crops=("1:2",), bleed_px=100)
    assert [d.evidence.partition(" a logo")[0] for d in framing(judged(wanted))] == [
        "the crop to 1:2 cuts",
        "the bleed of 100 pixels cuts",
    ]
    gone = replace(PASTED, found=False, box=())
    assert framing(judged(wanted, logos=[gone])) == []
    assert framing(judged(wanted, logos=[replace(PASTED, box=())])) == []


def test_text_in_the_bleed_is_shown_to_a_person():
    low = read(word("SALE", 9.5, at=400))
    (defect,) = framing(judged(job(PROMPT, bleed_px=36), low))
    assert "the bleed of 36 pixels cuts text 'SALE' by 13 pixels" in defect.evidence
    assert framing(judged(job(PROMPT, bleed_px=20), low)) == []


def test_text_at_the_very_edge_is_shown_to_a_person():
    low = word("SALE", 9.5, at=400)
    bottom = max(low.box[1::2])
    # Readers end a box at the picture's edge, whatever is cut.
    ends = replace(low, box=tuple(1024.0 if v == bottom else v for v in low.box))
    (defect,) = framing(judged(job(PROMPT), read(ends)))
    assert defect.evidence == "text 'SALE' is cut by the picture's edge or all but touches it"
    assert framing(judged(job(PROMPT), read(low))) == []


@pytest.mark.parametrize(
    ("corners", "told"),
    [
        ((23, 0, 863, 0, 865, 366, 24, 369), 0),  # about an arc
        ((74, 0, 808, 124, 752, 276, 19, 141), 0),  # about a slope
        ((23, 0, 863, 0, 865, 120, 24, 123), 1),
    ],
)
def test_a_box_about_an_arc_or_a_slope_may_reach_the_edge_where_no_letter_does(corners: tuple[float, ...], told: int):
    pottery = replace(word("WILD POTTERY"), box=corners)
    assert len(framing(judged(job('a poster that says "WILD POTTERY"'), read(pottery)))) == told


def test_only_wanted_text_that_was_read_surely_counts():
    unsure, other, mark = (
        word(t, 9.8, at=40 * 6 * i, confidence=c) for i, (t, c) in enumerate((("SALE", 0.4), ("zq", 0.9), ("–", 0.9)))
    )
    defects = framing(judged(job(PROMPT), read(MIDDLE, unsure, other, mark)))
    assert defects == []


def test_two_readings_of_one_place_are_one():
    over = word("SALE", 9.8, at=400)
    assert len(framing(judged(job(PROMPT), read(over), read(over, reader="rapidocr@640")))) == 1


def test_text_over_a_face_or_a_logo_is_shown_to_a_person():
    on = judged(job(PROMPT), read(MIDDLE), regions=[face(400, 480, 520, 620)])
    (defect,) = framing(on)
    assert "text 'SALE' lies over a face by" in defect.evidence
    beside = judged(job(PROMPT), read(MIDDLE), regions=[face(400, 300, 520, 490)])
    assert framing(beside) == []
    bag = job("a bag “SALE”", files=(LOGO,))
    across = replace(PASTED, box=(500, 480, 700, 480, 700, 580, 500, 580))
    (defect,) = framing(judged(bag, read(MIDDLE), logos=[across]))
    assert "lies over a logo" in defect.evidence
    own = replace(PASTED, box=(400, 480, 700, 480, 700, 580, 400, 580))
    assert framing(judged(bag, read(MIDDLE), logos=[own])) == []
    flat = replace(PASTED, box=(500, 500, 500, 500, 500, 500, 500, 500))
    assert framing(judged(bag, read(MIDDLE), logos=[flat])) == []


def test_a_soft_or_faint_picture_is_shown_to_a_person():
    soft = judged(job("a lighthouse"), composition__edge_width_px=7.0)
    (defect,) = framing(soft)
    assert (defect.mode, soft.verdict) == ("dull-picture", Verdict.REVIEW)
    assert "sharpest edges are 7.0 pixels wide" in defect.evidence
    (defect,) = framing(judged(job("a lighthouse"), composition__lightness_range=0.05))
    assert "spans 5% of lightness" in defect.evidence
    (defect,) = framing(judged(job("x"), composition__lightness_range=0.05, composition__colour_range=0.1))
    assert (defect.mode, defect.value) == ("dull-picture", 0.1)
    hue = judged(job("a lighthouse"), composition__lightness_range=0.05, composition__colour_range=0.4)
    assert framing(hue) == []


def test_a_number_that_is_missing_is_never_an_accept():
    for name in ("edge_width_px", "lightness_range"):
        without = judged(job("a lighthouse"), without=[("composition", name)])
        assert without.verdict is Verdict.REVIEW
        assert "The check composition gave no number to judge by." in without.reasons


def test_the_score_ranks_by_place_sharpness_range_and_margin():
    request, size, limits = routed(job(PROMPT)), (1024, 1024), ruleset().thresholds.limits

    def score(*reads: TextRead, x: float = 0.5, y: float = 0.5, **values: Any) -> float:
        seen = inspection(*reads, composition__subject_x=x, composition__subject_y=y, **values)
        got = composition_score(Numbers(seen.measurements), seen, request, size, limits)
        assert got is not None
        return got

    assert score(read(MIDDLE)) == pytest.approx(1)
    for x, y in STRONG:
        assert score(read(MIDDLE), x=x, y=y) == pytest.approx(1)
    assert score(read(MIDDLE), x=0.02, y=0.02) < score(read(MIDDLE), x=0.25, y=0.3) < 1
    assert score(read(MIDDLE), composition__edge_width_px=6.0) < score(read(MIDDLE), composition__edge_width_px=3.0)
    assert score(read(MIDDLE), composition__lightness_range=0.2) < 1
    assert score(read(word("SALE", 9.5, at=400))) < 1
    seen = inspection(read(MIDDLE))
    assert composition_score(Numbers(seen.measurements), seen, request, size, limits) is None
    ranked = judged(job(PROMPT), read(MIDDLE), composition__subject_x=0.5, composition__subject_y=0.5)
    assert ranked.scores["composition"] == pytest.approx(1)


def test_a_crop_that_sanity_never_saw_is_passed_over():
    request = routed(job(PROMPT))
    odd = replace(request, job=replace(request.job, crops=("x",)))
    assert framing(judge(inspection(read(MIDDLE)), rendering(), odd, ruleset())) == []
