"""Colour, tones, files and likeness against their thresholds: only a design off its brand is certain."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from rules.brands import parse_brand
from rules.tree import read_yaml
from rules.verdict import judge
from schemas import ids
from schemas.errors import BadConfig
from schemas.events import Judgement, Neighbour, Verdict
from tests.unit.rules.samples import inspection, job, read, rendering, routed, ruleset

DESIGN, PICTURE = "a menu layout", "a red tent"
MEANT = {"palette__delta_e00_mean": 6.0, "palette__meant_share": 0.4, "palette__meant_by_mask": 0.0}


def verdict(prompt: str, brand: str = "halden-outdoor", **values: Any) -> Judgement:
    return judge(inspection(read(), **values), rendering(), routed(job(prompt, brand=brand)), ruleset())


def modes(judged: Judgement) -> list[tuple[str, bool]]:
    return [(d.mode, d.certain) for d in judged.defects]


@pytest.mark.parametrize(
    ("prompt", "p90", "mask", "share", "found"),
    [
        (DESIGN, 2.0, 0.0, 0.4, []),
        (DESIGN, 2.1, 0.0, 0.4, [("colour-drift", False)]),
        (DESIGN, 5.0, 0.0, 0.4, [("colour-drift", False)]),
        (DESIGN, 5.1, 0.0, 0.4, [("colour-drift", True)]),
        (DESIGN, 5.1, 0.0, 0.01, []),
        (PICTURE, 5.1, 0.0, 0.4, []),
        (PICTURE, 5.1, 1.0, 0.01, [("colour-drift", False)]),
        (DESIGN, 5.1, 1.0, 0.01, [("colour-drift", True)]),
    ],
)
def test_the_brands_own_colours_pass_up_to_two_and_go_to_a_person_up_to_five(
    prompt: str, p90: float, mask: float, share: float, found: list[tuple[str, bool]]
) -> None:
    numbers: dict[str, Any] = {
        **MEANT,
        "palette__meant_p90": p90,
        "palette__meant_mean": p90,
        "palette__meant_by_mask": mask,
        "palette__meant_share": share,
    }
    judged = verdict(prompt, **numbers)
    assert modes(judged) == found
    assert all(("inside the colour mask" in d.evidence) is (mask == 1) for d in judged.defects)


def test_one_area_that_is_off_among_others_that_are_right_is_doubt_without_a_mask() -> None:
    numbers: dict[str, Any] = {**MEANT, "palette__meant_p90": 6.0}
    assert modes(verdict(DESIGN, **numbers, palette__meant_mean=1.5)) == [("colour-drift", False)]
    assert modes(verdict(DESIGN, **numbers)) == [("colour-drift", False)]


def test_a_picture_off_its_brand_is_still_held_to_its_mask() -> None:
    off: dict[str, Any] = {
        **MEANT,
        "palette__delta_e00_mean": 30.0,
        "palette__meant_p90": 4.0,
        "palette__meant_by_mask": 1.0,
    }
    assert modes(verdict(PICTURE, **off)) == [("colour-drift", False)]
    assert "30.0" in verdict(DESIGN, **off).defects[0].evidence


def test_a_brand_may_be_stricter_than_the_default() -> None:
    text = 'name: B\npalette: ["#ffffff"]\ndelta_e_limit: 9\n'
    plain = parse_brand("b", read_yaml("brands/b.yml", text))
    assert (plain.delta_e_pass, plain.delta_e_review) == (2, 5)
    strict = parse_brand("b", read_yaml("brands/b.yml", text + "delta_e_pass: 1\ndelta_e_review: 3\n"))
    assert (strict.delta_e_pass, strict.delta_e_review) == (1, 3)
    with pytest.raises(BadConfig, match="delta_e_pass 6 is above delta_e_review 5"):
        parse_brand("b", read_yaml("brands/b.yml", text + "delta_e_pass: 6\n"))


@pytest.mark.parametrize(
    ("numbers", "told"),
    [
        ({"palette__cast": 60.0}, "A warning, colour-cast: one hue"),
        ({"tones__gradient_share": 0.4, "tones__banding": 0.9}, "A warning, banding: 90% of the gradients"),
        ({"tones__clipped": 0.3}, "A warning, clipping: in 30%"),
    ],
)
def test_a_cast_banding_and_clipping_are_warnings(numbers: dict[str, Any], told: str) -> None:
    judged = verdict(PICTURE, brand="", **numbers)
    assert (judged.verdict, judged.defects) == (Verdict.ACCEPT, ())
    assert any(reason.startswith(told) for reason in judged.reasons)


@pytest.mark.parametrize(
    "numbers",
    [
        {"tones__gradient_share": 0.05, "tones__banding": 0.9},
        {"tones__gradient_share": 0.4, "tones__banding": 0.4},
        {"tones__banding": 0.9},
        {"tones__gradient_share": 0.4},
        {"tones__clipped": 0.05},
    ],
)
def test_a_little_of_it_is_not_worth_a_word(numbers: dict[str, Any]) -> None:
    assert verdict(PICTURE, brand="", **numbers).reasons == ("Every check in force passed.",)


@pytest.mark.parametrize(
    ("numbers", "evidence"),
    [
        ({"bytes__trailing_bytes": 640.0}, "640 bytes of something else lie behind"),
        ({"bytes__transparent_share": 0.2}, "20.00% of the picture is see-through"),
        ({"bytes__inks": 1.0}, "stored in inks"),
        ({"bytes__profile_delta_e00": -1.0}, "its colour profile is broken"),
        ({"bytes__profile_delta_e00": 3.2}, "shifts its colours by ΔE00 3.2"),
    ],
)
def test_a_file_that_programs_show_differently_goes_to_a_person(numbers: dict[str, Any], evidence: str) -> None:
    judged = verdict(PICTURE, brand="", **numbers)
    assert (judged.verdict, modes(judged)) == (Verdict.REVIEW, [("file-form", False)])
    assert evidence in judged.defects[0].evidence


def test_an_ordinary_file_passes() -> None:
    numbers = {"trailing_bytes": 0.0, "transparent_share": 0.0, "inks": 0.0, "profile_delta_e00": 0.1}
    assert verdict(PICTURE, brand="", **{f"bytes__{k}": v for k, v in numbers.items()}).verdict is Verdict.ACCEPT


def test_a_picture_made_twice_goes_to_a_person_with_the_name_of_the_other() -> None:
    other = ids.job_id("other")

    def judged(distance: int) -> Judgement:
        near = Neighbour(job_id=other, asset_sha256="e" * 64, distance=distance)
        return judge(replace(inspection(read()), neighbour=near), rendering(), routed(job(PICTURE)), ruleset())

    limit = int(ruleset().thresholds["duplicate.bits_max"])
    assert modes(judged(limit)) == [("near-duplicate", False)]
    assert other in judged(limit).defects[0].evidence
    assert judged(limit + 1).verdict is Verdict.ACCEPT


def test_an_asset_out_of_its_campaigns_line_goes_to_a_person() -> None:
    numbers: dict[str, float] = {"count": 20.0, "mean": 1.0, "sigma": 0.3, "value": 3.0, "ewma": 1.4}
    judged = verdict(PICTURE, "halden-outdoor", **{f"drift__{k}": v for k, v in numbers.items()})
    assert (judged.verdict, modes(judged)) == (Verdict.REVIEW, [("campaign-drift", False)])
