"""Redoing only the lettering: which words, how large the boxes, and when it is no use."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from rules.decide import on_inspected, on_rejected
from rules.regions import Region, grown, merged, text_edit
from rules.verdict import judge
from schemas import ids
from schemas.events import (
    Asset,
    AssetRejected,
    Box,
    Edit,
    FileRole,
    ImageInspected,
    Inspection,
    Preset,
    Rendering,
    RenderRequest,
    ReviewRequested,
    Rung,
    TextRead,
    Word,
)
from tests.unit.rules.samples import LOGO, inspection, job, read, rendering, routed, ruleset, word

REGION = Region(strength=0.9, margin=0.5, share_max=0.4)
POSTER = replace(routed(job("a poster “FRESH COFFEE” “NOW”")), engine="sd3.5-large")
PICTURE = routed(job("a lighthouse"))


def edit(
    request: RenderRequest, *reads: TextRead, made: Rendering | None = None, region: Region = REGION
) -> Edit | None:
    seen, made = inspection(*reads), made or rendering()
    defects = judge(seen, made, request, ruleset()).defects
    return text_edit(request, made, seen, defects, region, ruleset().thresholds)


def box(left: int, top: int, right: int, bottom: int) -> Box:
    return Box(left=left, top=top, right=right, bottom=bottom)


def second(*lines: str | Word) -> TextRead:
    return read(*lines, reader="rapidocr@640")


def test_the_words_at_fault_are_redone_with_a_margin_and_the_right_ones_kept():
    # Lines of 100 pixels, letters 40 wide and 60 high: half of that is the margin.
    found = edit(POSTER, read("FRXSH COFFEE", word("NOW", 4)), second("FRXSH COFFEE", word("NOW", 4)))
    assert found == Edit(source_sha256="b" * 64, boxes=(box(0, 0, 520, 100),), strength=0.9)


def test_what_any_reader_saw_wrong_is_redone_and_boxes_that_meet_become_one():
    one = read(word("FRXSH", 2, at=100), word("COFFEE", 2, at=400), word("NOW", 5))
    two = second(word("FRXSH", 2, at=110), word("COFFEE", 3), word("NOW", 5))
    found = edit(POSTER, one, two)
    assert found is not None
    assert found.boxes == (box(0, 170, 340, 390), box(370, 170, 670, 290))
    tight = edit(POSTER, one, two, region=replace(REGION, margin=0))
    assert tight is not None
    assert tight.boxes == (box(100, 200, 310, 260), box(400, 200, 640, 260), box(0, 300, 240, 360))


def test_text_that_nobody_asked_for_is_painted_over_where_it_stands():
    stray, tick = word("OPENING", 3), word("V", 8)
    found = edit(PICTURE, read(stray, tick), second(stray))
    assert found is not None
    assert found.boxes == (box(0, 270, 310, 390),)


@pytest.mark.parametrize(
    ("request_", "reads", "made"),
    [
        (POSTER, [read("FRESH COFFEE", "NOW")], {}),  # nothing is wrong
        (POSTER, [read("FRXSH COFFEE")], {}),  # NOW is missing, and stands nowhere
        (POSTER, [read("FRXSH COFFEE", "NOW"), second("FRESH COFFEE", "NOW")], {}),  # doubt only
        (PICTURE, [read()], {"asset": None}),
        # Enlarged by finishing: its pixels are not those that an engine renders.
        (
            POSTER,
            [read("FRXSH COFFEE", "NOW")],
            {"asset": Asset(sha256="b" * 64, media_type="image/png", size_bytes=1, width=2048, height=2048)},
        ),
        # Half of the picture: drawn anew rather than patched.
        (POSTER, [read(word("FRXSH COFFEE", height=900), word("NOW", 9))], {}),
        # Outside of the picture.
        (POSTER, [read(word("FRXSH COFFEE", 20), "NOW")], {}),
    ],
)
def test_where_it_would_mend_nothing_there_is_no_edit(
    request_: RenderRequest, reads: list[TextRead], made: dict[str, Any]
):
    assert edit(request_, *reads, made=rendering(**made)) is None


def test_what_was_mended_once_is_not_mended_again():
    wrong = read("FRXSH COFFEE", "NOW")
    found = edit(POSTER, wrong)
    assert found is not None
    assert edit(replace(POSTER, edit=found), wrong) is None


def test_a_defect_that_is_not_of_the_lettering_is_not_painted_over():
    seen = inspection(read("FRXSH COFFEE", "NOW"), palette__delta_e00_mean=40.0)
    branded = replace(routed(job("a poster “FRESH COFFEE” “NOW”", brand="northwind-coffee")), engine="sd3.5-large")
    defects = judge(seen, rendering(), branded, ruleset()).defects
    assert {d.mode for d in defects if d.certain} == {"wrong-text", "colour-drift"}
    assert text_edit(branded, rendering(), seen, defects, REGION, ruleset().thresholds) is None


def test_too_many_patches_are_no_patch():
    words = [replace(word("FR", i % 8, at=90 * (i // 8), height=9), text=f"STRAY{i}") for i in range(88)]
    assert len(merged(grown(words, 0, 1024, 1024))) == 88
    assert edit(PICTURE, read(*words)) is None
    assert edit(PICTURE, read(*words[:64])) is not None


def test_what_a_mask_keeps_is_not_painted_over():
    files = [replace(LOGO, role=role, name=role.value) for role in (FileRole.INIT_IMAGE, FileRole.MASK)]
    masked = routed(job("a lighthouse", files=tuple(files)))
    seen = read("OPENING")
    assert edit(masked, seen) is None
    assert edit(replace(masked, job=replace(masked.job, files=tuple(files[:1]))), seen) is not None


def test_a_part_of_a_logo_is_no_fault():
    request = replace(routed(job("a cup, our logo", files=(LOGO,), brand="northwind-coffee")), engine="simulator")
    assert edit(request, read("NORTHWINO", "OPENING")) is not None
    assert edit(request, read("NORTHWINO")) is None


def ladder(request: RenderRequest, seen: Inspection, made: Rendering | None = None) -> list[str]:
    """Engine, preset and rung of each attempt until the pipeline stops; every edit is of the asset before."""
    steps: list[str] = []
    while True:
        steps.append(f"{request.engine} {request.sampling.preset.value} {request.rung.value}")
        assert (request.edit is not None) is (request.rung is Rung.TEXT_REGION)
        event = ImageInspected(
            event_id=ids.event_id("x", "inspect", str(request.attempt)),
            at_ms=1,
            request=request,
            rendering=made or rendering(),
            inspection=seen,
        )
        after = on_inspected(event, ruleset(), {}, 2)
        if not isinstance(after, AssetRejected):
            assert isinstance(after, ReviewRequested)
            return steps
        request = on_rejected(after, ruleset(), 3).request


def test_the_region_is_tried_once_before_another_engine():
    wrong = inspection(read("FRXSH COFFEE", "NOW"))
    assert ladder(POSTER, wrong) == [
        "sd3.5-large standard first",
        "sd3.5-large safe text_region",
        "ideogram-v1 standard text_specialist",
        "typeset standard typeset",
    ]
    # An engine that draws whole pictures only is not asked for a part.
    assert ladder(replace(POSTER, engine="ideogram-v1"), wrong) == [
        "ideogram-v1 standard first",
        "typeset standard typeset",
    ]


def test_stray_text_is_sampled_more_safely_then_painted_over_then_shown_to_a_person():
    stray = inspection(read("OPENING"), read("OPENING", reader="second"))
    assert ladder(PICTURE, stray) == [
        "sd3.5-large standard first",
        "sd3.5-large safe safer_sampling",
        "sd3.5-large safe text_region",
    ]


def test_who_insists_on_an_engine_gets_its_parts_redone_and_no_other_engine():
    wrong = inspection(read("FRXSH COFFEE", "NOW"))
    insisted = routed(job("a poster “FRESH COFFEE” “NOW”", engine="sd3.5-large"))
    assert ladder(insisted, wrong) == [
        "sd3.5-large standard first",
        "sd3.5-large safe safer_sampling",
        "sd3.5-large safe text_region",
    ]


def test_the_repair_says_what_it_redoes():
    request = POSTER
    event = ImageInspected(
        event_id=ids.event_id("x", "inspect"),
        at_ms=1,
        request=request,
        rendering=rendering(),
        inspection=inspection(read("FRXSH COFFEE", "NOW")),
    )
    after = on_inspected(event, ruleset(), {}, 2)
    assert isinstance(after, AssetRejected)
    assert (after.repair.rung, after.repair.sampling.preset) == (Rung.TEXT_REGION, Preset.SAFE)
    assert after.repair.edit is not None
    region = ruleset().ladder.region
    assert region is not None
    assert after.repair.edit.strength == region.strength
    assert after.repair.reason == "wrong-text: text region with sd3.5-large"
    assert on_rejected(after, ruleset(), 3).request.edit == after.repair.edit
