"""Doubt grows as the evidence gets worse, mode by mode, and is silent where nothing was measured."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from rules.composition import frame_of
from rules.doubt import doubts
from schemas.events import (
    Asset,
    Box,
    Glyph,
    Inspection,
    Lane,
    LogoMatch,
    Neighbour,
    Opinion,
    Region,
    RegionKind,
    RenderRequest,
    TextLikelihood,
)
from tests.unit.rules.samples import contract, inspection, job, read, rendering, routed, ruleset, word

BOX = Box(left=0, top=0, right=10, bottom=10)


def asked(*phrases: str, brand: str = "", **more: Any) -> RenderRequest:
    request = routed(job("a poster", lane=Lane.CRITICAL, brand=brand))
    return replace(request, text=contract(*phrases, **more))


def found(seen: Inspection, request: RenderRequest) -> dict[str, float]:
    asset = rendering().asset
    assert isinstance(asset, Asset)
    return doubts(seen, request, asset, ruleset())


def test_letters_that_were_read_faintly():
    sure, faint = word("OPEN", confidence=0.98), word("OPEN", confidence=0.6)
    weak = replace(sure, confidences=(0.99, 0.5, 0.99, 0.99))
    values = [found(inspection(read(w)), asked("OPEN"))["wrong-text"] for w in (sure, faint, weak)]
    assert values == [0.02, 0.4, 0.5]


def test_the_best_reading_counts_and_one_that_does_not_show_it_adds_doubt():
    request = asked("OPEN VERY LATE")
    one = found(inspection(read("OPEN VERY LATE")), request)
    two = found(inspection(read("OPEN VERY LATE"), read("OPEN", reader="other")), request)
    none = found(inspection(read("OPEN VERY LATE"), read(reader="other")), request)
    assert one["wrong-text"] < two["wrong-text"] == none["wrong-text"]
    assert (one["missing-text"], two["missing-text"], none["missing-text"]) == (0, 0.5, 0.5)


def test_a_phrase_in_pieces_and_pieces_of_phrases():
    request = asked("OPEN LATE", "SALE")
    assert found(inspection(read("OPEN", "LATE", "SALE")), request)["wrong-text"] == 0.03
    assert found(inspection(read("OPEN LATE SALE")), request)["missing-text"] == 0
    assert found(inspection(read("OPEN LATE")), request) | {} == found(inspection(read("OPEN LATE")), request)
    assert found(inspection(read("OPEN LATE")), request)["missing-text"] == 1


def test_a_likelier_reading_is_a_rival():
    like = TextLikelihood(phrase=0, reader="r", seen="OPFN", log_ratio=-3.0, box=(0.0,) * 8)
    plain, request = inspection(read("OPEN")), asked("OPEN")
    rival = replace(plain, likelihoods=(like,))
    other = replace(plain, likelihoods=(replace(like, phrase=1),))
    assert (
        found(rival, request)["wrong-text"] > found(plain, request)["wrong-text"] == found(other, request)["wrong-text"]
    )


def test_what_one_look_misread_where_another_read_it_right_is_no_extra_text():
    request = asked("OPEN DAILY")
    right, misread, beside = read("OPEN DAILY"), read("OPEM DAILV"), read(word("OPEM", 5))
    assert found(inspection(misread), request)["extra-text"] > 0.9
    assert found(inspection(misread, right), request)["extra-text"] == 0
    assert found(inspection(beside, right), request)["extra-text"] > 0.9


def test_extra_text_counts_by_length_height_and_confidence():
    request = asked("OPEN", allowed=["HALDEN"])

    def extra(*words: Any) -> float:
        return found(inspection(read("OPEN", *words)), request)["extra-text"]

    assert extra() == extra("HALDEN") == 0
    assert extra(word("WORDS", 2)) == 0.97
    assert 0 < extra(word("X", 2)) < extra(word("XY", 2)) < extra(word("XYZ", 2))
    assert extra(word("WORDS", 2, height=2)) < extra(word("WORDS", 2, height=6)) < 0.97
    assert "extra-text" not in found(inspection(read("WORDS")), asked(anything=True))


def test_height_counts_only_where_the_rules_have_a_limit_of_it():
    by = ruleset()
    flat = replace(
        by, thresholds=replace(by.thresholds, limits={**by.thresholds.limits, "text.stray_max_height_share": 0.0})
    )
    asset = rendering().asset
    assert asset is not None
    assert doubts(inspection(read(word("WORDS", height=2))), asked(), asset, flat)["extra-text"] == 0.97


def test_without_a_reading_or_a_phrase_there_is_no_doubt_of_text():
    assert (
        not {"wrong-text", "missing-text", "extra-text"} & found(replace(inspection(), reads=()), asked("OPEN")).keys()
    )
    assert found(inspection(read()), asked()).keys() & {"wrong-text", "missing-text"} == set()


def test_marks_without_letters_are_nobodys():
    assert found(inspection(read("OPEN", word("", 2))), asked("OPEN"))["extra-text"] == 0


def test_people_and_what_a_model_says_of_them():
    face = Region(kind=RegionKind.FACE, check="people", box=BOX, score=0.8)
    mark = Region(kind=RegionKind.MARK, check="logo", box=BOX, score=0.9)
    fine = Opinion(check="people", model="m", passes=True, why="", elapsed_ms=1)
    seen = inspection(read())
    assert "anatomy" not in found(replace(seen, regions=(mark,)), asked())
    assert found(replace(seen, regions=(face,)), asked())["anatomy"] == 0.8
    assert found(replace(seen, regions=(face,), opinions=(fine,)), asked())["anatomy"] == 0.08
    both = (fine, replace(fine, passes=False))
    assert found(replace(seen, regions=(face,), opinions=both), asked())["anatomy"] == 0.8


def test_logos_and_glyphs():
    match = LogoMatch(file_sha256="a" * 64, found=True, score=0.9, distortion=0.3)
    assert found(replace(inspection(read()), logos=(match,)), asked())["logo-damage"] == 0.3
    lost = LogoMatch(file_sha256="a" * 64, found=False, score=0.0)
    assert found(replace(inspection(read()), logos=(match, lost)), asked())["logo-damage"] == 1
    glyph = Glyph(letter="A", reader="r", word=0, place=0, health=0.3, box=BOX)
    seen = found(replace(inspection(read("A")), glyphs=(glyph,)), asked("A"))
    assert seen.get("malformed-letter") == 0.7


def test_a_figure_drawn_like_its_look_alike_is_doubted_more_the_more_it_is():
    most = ruleset().thresholds.limits["glyphs.twin_max"]
    doubted: list[float] = []
    for excess in (-1.0, most / 10, most / 2, most, 2 * most):
        glyph = Glyph(
            letter="0",
            reader="r",
            word=0,
            place=0,
            health=0.9,
            box=BOX,
            twin="O" if excess > 0 else "",
            twin_excess=excess,
        )
        doubted.append(found(replace(inspection(read("0")), glyphs=(glyph,)), asked("0"))["malformed-letter"])
    assert doubted == [0.1, 0.1, 0.5, 1.0, 1.0]


@pytest.mark.parametrize(
    ("mode", "better", "worse"),
    [
        ("blank-frame", {"blank__luma_std": 60.0}, {"blank__luma_std": 2.0}),
        ("latent-noise", {"noise__block_correlation": 0.9}, {"noise__block_correlation": 0.3}),
        ("latent-noise", {"noise__luma_deviation": 6.0}, {"noise__luma_deviation": 19.0}),
        ("broken-latents", {"latents__std": 1.1}, {"latents__std": 2.9}),
        (
            "broken-latents",
            {"latents__std": 1.1, "latents__absmax": 5.0},
            {"latents__std": 1.1, "latents__absmax": 19.0},
        ),
        ("colour-cast", {"palette__cast": 8.0}, {"palette__cast": 40.0}),
        ("colour-drift", {"palette__delta_e00_mean": 1.0}, {"palette__delta_e00_mean": 4.0}),
        (
            "colour-drift",
            {"palette__meant_by_mask": 1.0, "palette__meant_share": 0.1, "palette__meant_p90": 1.0},
            {"palette__meant_by_mask": 1.0, "palette__meant_share": 0.1, "palette__meant_p90": 2.0},
        ),
        ("dull-picture", {"aesthetic__score": 0.9}, {"aesthetic__score": 0.2}),
        ("dull-picture", {"composition__edge_width_px": 1.5}, {"composition__edge_width_px": 4.0}),
        ("dull-picture", {"composition__lightness_range": 0.6}, {"composition__lightness_range": 0.15}),
    ],
)
def test_numbers_near_their_threshold_are_doubtful(mode: str, better: dict[str, Any], worse: dict[str, Any]):
    request = asked(brand="halden-outdoor")
    low, high = (found(inspection(read(), **values), request)[mode] for values in (better, worse))
    assert 0 <= low < high <= 1


def test_a_picture_like_another_of_its_campaign():
    def duplicate(bits: int) -> float:
        near = Neighbour(job_id=job("a poster").job_id, asset_sha256="a" * 64, distance=bits)
        return found(replace(inspection(read()), neighbour=near), asked())["near-duplicate"]

    assert [duplicate(bits) for bits in (0, 24, 48, 120)] == [1, 1, 0.5, 0.2]
    assert "near-duplicate" not in found(inspection(read()), asked())


def test_lettering_near_the_edge_and_over_a_face():
    def framing(*words: Any, regions: tuple[Region, ...] = ()) -> float:
        return found(replace(inspection(read(*words)), regions=regions), asked("SALE"))["poor-framing"]

    middle, low = word("SALE", 5, at=420), word("SALE", 9.4, at=420)
    ends = replace(low, box=tuple(1024.0 if v == max(low.box[1::2]) else v for v in low.box))
    assert framing(middle) == 0
    assert 0 < framing(low) < 1
    assert framing(ends) == 1
    frame = frame_of(middle.box)
    left, top, right, bottom = (int(v) for v in (frame.left, frame.top, frame.right, frame.bottom))
    apart = Region(kind=RegionKind.FACE, check="people", box=BOX, score=0.9)
    over = replace(apart, box=Box(left=left, top=top, right=right, bottom=bottom + 50))
    assert framing(middle, regions=(apart,)) == 0
    assert framing(middle, regions=(over,)) == 1
    assert "poor-framing" not in found(inspection(read("OTHER")), asked("SALE"))


def test_what_was_not_measured_gives_no_doubt_and_nothing_leaves_its_bounds():
    seen = found(
        inspection(read(), without=[("composition", "edge_width_px"), ("composition", "lightness_range")]), asked()
    )
    assert not {"broken-latents", "colour-drift", "dull-picture", "malformed-letter"} & seen.keys()
    odd = found(inspection(read(), blank__luma_std=0.0, noise__block_correlation=-1.0, aesthetic__score=7.0), asked())
    assert all(0 <= v <= 1 for v in odd.values())
    assert odd["blank-frame"] == 1
